"""The retail MAC: published vectors for each padding, and psec as a second opinion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.crypto.mac import Padding, pad, retail_mac
from engine.vocabulary.errors import FormatError

# psec warns at each call; our own code is held to no warning by the other tests.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

CASES = json.loads((Path(__file__).parents[2] / "vectors/retail_mac.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['padding']}-{case['mac']}")
def test_published_vectors(case: dict[str, Any]) -> None:
    mac = retail_mac(bytes.fromhex(case["key"]), case["data_ascii"].encode(), Padding(case["padding"]))
    assert mac.hex().upper() == case["mac"]


@settings(deadline=None)
@given(key=st.binary(min_size=16, max_size=16), message=st.binary(max_size=64), padding=st.sampled_from(Padding))
@example(key=bytes(range(16)), message=b"", padding=Padding.ONE_AND_ZEROS)
@example(key=bytes(range(16)), message=bytes(8), padding=Padding.ZEROS)
def test_psec_makes_the_same_mac(key: bytes, message: bytes, padding: Padding) -> None:
    # psec takes K and K' as two triple DES keys; single DES is triple DES with equal halves.
    theirs = psec.mac.generate_retail_mac(key[:8] * 2, key[8:] * 2, message, padding.value)
    assert retail_mac(key, message, padding) == theirs


def test_an_empty_message_is_a_block_of_padding() -> None:
    assert pad(b"", Padding.ZEROS) == bytes(8)
    assert pad(b"", Padding.ONE_AND_ZEROS) == b"\x80" + bytes(7)
    assert pad(b"", Padding.LENGTH_AND_ZEROS) == bytes(16)


def test_trailing_zeros_count_under_the_unambiguous_paddings_only() -> None:
    key = bytes(range(16))
    assert retail_mac(key, b"100", Padding.ZEROS) == retail_mac(key, b"100\0", Padding.ZEROS)
    for padding in (Padding.ONE_AND_ZEROS, Padding.LENGTH_AND_ZEROS):
        assert retail_mac(key, b"100", padding) != retail_mac(key, b"100\0", padding)


@pytest.mark.parametrize("size", [8, 24])
def test_a_key_has_two_halves(size: int) -> None:
    with pytest.raises(FormatError, match="MAC key"):
        retail_mac(bytes(size), b"", Padding.ZEROS)

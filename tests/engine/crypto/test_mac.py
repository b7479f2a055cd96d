"""The retail MAC: published vectors for each padding, and psec as a second opinion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.crypto.mac import Padding, aes_cmac, cbc_mac, des_cmac, pad, retail_mac, retail_mac_once
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


@settings(deadline=None)
@given(
    key=st.sampled_from((16, 24)).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    message=st.binary(max_size=64),
    padding=st.sampled_from(Padding),
)
def test_psec_chains_the_same_mac(key: bytes, message: bytes, padding: Padding) -> None:
    assert cbc_mac(key, message, padding) == psec.mac.generate_cbc_mac(key, message, padding.value)


@given(key=st.binary(min_size=16, max_size=16), message=st.binary(max_size=64), padding=st.sampled_from(Padding))
def test_a_key_that_is_kept_and_one_that_is_not_make_one_mac(key: bytes, message: bytes, padding: Padding) -> None:
    assert retail_mac_once(key, message, padding) == retail_mac(key, message, padding)


@pytest.mark.parametrize(
    ("key", "message", "mac"),
    [  # RFC 4493, section 4; NIST SP 800-38B, D.4
        ("2b7e151628aed2a6abf7158809cf4f3c", "", "bb1d6929e95937287fa37d129b756746"),
        ("2b7e151628aed2a6abf7158809cf4f3c", "6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
        ("8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5", "", "b7a688e122ffaf95"),
        ("8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5", "6bc1bee22e409f96", "8e8f293136283797"),
    ],
)
def test_published_cmacs(key: str, message: str, mac: str) -> None:
    make = aes_cmac if len(mac) == 32 else des_cmac
    for _ in range(2):  # the second one from what was kept
        assert make(bytes.fromhex(key), bytes.fromhex(message)).hex() == mac


def test_a_cmac_key_has_the_length_of_its_cipher() -> None:
    with pytest.raises(FormatError, match="AES key"):
        aes_cmac(bytes(8), b"")
    with pytest.raises(FormatError, match="DES key"):
        des_cmac(bytes(8), b"")

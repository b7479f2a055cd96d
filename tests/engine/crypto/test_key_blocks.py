"""Key blocks: psec as a second opinion in both directions, published blocks, and every change refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crypto.key_blocks import KeyBlockHeader, read_header, unwrap, wrap
from engine.vocabulary.errors import FormatError

# psec warns at each call; our own code is held to no warning by the other tests.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

CASES = json.loads((Path(__file__).parents[2] / "vectors/key_blocks.json").read_text())["cases"]
PROTECTED = {"A": (16, 24), "B": (16, 24), "C": (16, 24), "D": (16, 24, 32)}
TEXTS = st.text("ABCXYZ0129 :/", max_size=40)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["source"])
def test_published_blocks_open(case: dict[str, Any]) -> None:
    header, key = unwrap(bytes.fromhex(case["kbpk"]), case["key_block"])
    assert (header.version, key.hex().upper()) == (case["key_block"][0], case["clear_key"])


@st.composite
def wrapped(draw: st.DrawFn) -> tuple[bytes, KeyBlockHeader, bytes]:
    version = draw(st.sampled_from(sorted(PROTECTED)))
    protection = draw(st.sampled_from(PROTECTED[version]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
    algorithm = draw(st.sampled_from("TA" if version == "D" else "T"))
    key = draw(
        st.sampled_from((16, 24) if algorithm == "T" else (16, 32)).flatmap(lambda n: st.binary(min_size=n, max_size=n))
    )
    optional = draw(
        st.lists(st.tuples(st.sampled_from(["LB", "KS", "TS"]), TEXTS), max_size=3, unique_by=lambda one: one[0])
    )
    usage = draw(st.sampled_from(["P0", "M3", "K1", "B0"]))
    return protection, KeyBlockHeader(version, usage, algorithm, "B", "01", "E", tuple(optional)), key


@settings(deadline=None)
@given(wrapped())
def test_psec_opens_our_blocks_and_we_open_psec_s(drawn: tuple[bytes, KeyBlockHeader, bytes]) -> None:
    protection, header, key = drawn
    block = wrap(protection, header, key)
    theirs, their_key = psec.tr31.unwrap(protection, block)
    assert their_key == key
    assert (theirs.version_id, theirs.key_usage, theirs.algorithm) == (header.version, header.usage, header.algorithm)
    assert (theirs.mode_of_use, theirs.version_num, theirs.exportability) == ("B", "01", "E")
    ours, our_key = unwrap(protection, psec.tr31.wrap(protection, theirs, key))
    assert our_key == key
    without_filling = [one for one in ours.optional if one[0] != "PB"]
    assert tuple(without_filling) == header.optional
    assert unwrap(protection, block)[1] == key


@pytest.mark.parametrize("version", ["A", "B", "C", "D", "E"])
def test_a_long_optional_block_has_an_extended_length(version: str) -> None:
    protection = bytes(range(1, 17))
    header = KeyBlockHeader(version, "B0", "T", "X", "01", "E", (("LB", "x" * 300),))
    block = wrap(protection, header, bytes(range(16)))
    opened, key = unwrap(protection, block)
    assert opened.optional[0] == ("LB", "x" * 300)
    assert key == bytes(range(16))


def test_the_length_of_a_key_is_hidden() -> None:
    header = KeyBlockHeader("D", "P0", "A", "B", "01", "E")
    sizes = {len(wrap(bytes(range(32)), header, bytes(range(size)))) for size in (16, 24, 32)}
    assert len(sizes) == 1


def test_the_same_key_has_many_blocks() -> None:
    header = KeyBlockHeader("D", "P0", "A", "B", "01", "E")
    assert wrap(bytes(range(32)), header, bytes(16)) != wrap(bytes(range(32)), header, bytes(16))


@pytest.mark.parametrize("version", ["A", "B", "C", "D", "E"])
def test_a_block_that_was_changed_anywhere_does_not_open(version: str) -> None:
    protection = bytes(range(1, 17))
    header = KeyBlockHeader(version, "P0", "T", "B", "01", "E", (("LB", "bank/simnet:pin_zone:1"),))
    block = wrap(protection, header, bytes(range(16)))
    for place, character in enumerate(block):
        for other in ("0", "F", "?"):
            if other != character:
                with pytest.raises(FormatError):
                    unwrap(protection, block[:place] + other + block[place + 1 :])
    for text in ("", block[:-1], block + "0", block[:-2], block.lower(), block[:40] + "é" + block[41:]):
        with pytest.raises(FormatError):
            unwrap(protection, text)
    with pytest.raises(FormatError):
        unwrap(bytes(range(2, 18)), block)


@given(st.text(min_size=0, max_size=120))
def test_any_text_is_a_header_or_refused(text: str) -> None:
    for candidate in (text, f"D{len(text) + 5:04d}{text}"):
        try:
            header, start = read_header(candidate)
        except FormatError:
            continue
        assert 16 <= start <= len(candidate)
        assert header.version in "ABCDE"


@pytest.mark.parametrize(
    ("protection", "header"),
    [
        (8, KeyBlockHeader("B", "P0", "T", "B")),
        (32, KeyBlockHeader("B", "P0", "T", "B")),
        (8, KeyBlockHeader("D", "P0", "T", "B")),
        (16, KeyBlockHeader("Z", "P0", "T", "B")),
        (16, KeyBlockHeader("D", "P", "T", "B")),
        (16, KeyBlockHeader("D", "P0", "T", "B", "1")),
        (16, KeyBlockHeader("D", "P?", "T", "B")),
    ],
)
def test_what_is_no_header_or_protection_key_wraps_nothing(protection: int, header: KeyBlockHeader) -> None:
    with pytest.raises(FormatError):
        wrap(bytes(range(protection)), header, bytes(16))

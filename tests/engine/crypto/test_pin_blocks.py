"""PIN blocks of ISO 9564-1 format 0 and 3: published vectors with their negatives, and psec as a second opinion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crypto import pin_blocks
from engine.crypto.pin_blocks import decode_format_0, decode_format_3, encode_format_0, encode_format_3
from engine.vocabulary.errors import FormatError

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors/pin_blocks.json").read_text())["cases"]
DECODE: dict[int, Callable[[bytes, str], str]] = {0: decode_format_0, 3: decode_format_3}
PINS = st.text("0123456789", min_size=4, max_size=12)
PANS = st.text("0123456789", min_size=13, max_size=19)
PAN = "4000001234562345"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['format']}-{case['pinblock']}")
def test_published_vectors(case: dict[str, Any]) -> None:
    block, pan = bytes.fromhex(case["pinblock"]), case["pan"]
    if case.get("negative"):
        with pytest.raises(FormatError):
            DECODE[case["format"]](block, pan)
        return
    assert DECODE[case["format"]](block, pan) == case["pin"]
    if case["format"] == 0:
        assert encode_format_0(case["pin"], pan) == block


def test_the_vectors_hold_both_formats_and_negatives() -> None:
    assert {case["format"] for case in CASES} == {0, 3}
    assert sum(1 for case in CASES if case.get("negative")) >= 5


@settings(deadline=None)
@given(pin=PINS, pan=PANS)
def test_psec_reads_and_writes_the_same_blocks(pin: str, pan: str) -> None:
    assert encode_format_0(pin, pan) == psec.pinblock.encode_pinblock_iso_0(pin, pan)
    assert decode_format_0(psec.pinblock.encode_pinblock_iso_0(pin, pan), pan) == pin
    assert psec.pinblock.decode_pinblock_iso_3(encode_format_3(pin, pan), pan) == pin
    assert decode_format_3(psec.pinblock.encode_pinblock_iso_3(pin, pan), pan) == pin


@settings(deadline=None)
@given(block=st.binary(min_size=8, max_size=8), pan=PANS)
def test_what_psec_refuses_is_refused_and_nothing_else(block: bytes, pan: str) -> None:
    def oracle(decode: Callable[[bytes, str], str]) -> str | None:
        try:
            return decode(block, pan)
        except ValueError:
            return None

    assert oracle(decode_format_0) == oracle(psec.pinblock.decode_pinblock_iso_0)
    assert oracle(decode_format_3) == oracle(psec.pinblock.decode_pinblock_iso_3)


def test_the_shortest_card_number_is_filled_with_zeros_on_the_left() -> None:
    assert encode_format_0("1234", "123456789012").hex().upper() == "041235DCBA9876FE"
    assert decode_format_0(encode_format_0("1234", "123456789012"), "123456789012") == "1234"


def test_one_pin_has_many_blocks_in_format_3_and_one_in_format_0() -> None:
    assert len({encode_format_3("1234", PAN) for _ in range(20)}) > 1
    assert len({encode_format_0("1234", PAN) for _ in range(20)}) == 1
    assert encode_format_3("1234", PAN, "ABCDEFABCD") == encode_format_3("1234", PAN, "ABCDEFABCD")


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4", "12 4", "١٢٣٤", "-123"])
def test_a_pin_has_4_to_12_digits(pin: str) -> None:
    for encode in (encode_format_0, encode_format_3):
        with pytest.raises(FormatError, match="PIN: has 4 to 12 digits"):
            encode(pin, PAN)
    with pytest.raises(FormatError):
        pin_blocks.require_pin(pin)


@pytest.mark.parametrize("pan", ["", "12345678901", "1" * 20, "400000123456234X", "٤٠٠٠٠٠١٢٣٤٥٦٢٣٤٥"])
def test_a_pan_has_12_to_19_digits(pan: str) -> None:
    with pytest.raises(FormatError, match="PAN"):
        encode_format_0("1234", pan)
    with pytest.raises(FormatError, match="PAN"):
        decode_format_0(bytes(8), pan)


@pytest.mark.parametrize("fill", ["", "FFFFFFFFF", "FFFFFFFFFFF", "0FFFFFFFFF", "FFFFFFFFF9", "ffffffffff"])
def test_fill_of_format_3_is_ten_digits_a_to_f(fill: str) -> None:
    with pytest.raises(FormatError, match="fill"):
        encode_format_3("1234", PAN, fill)


@pytest.mark.parametrize("size", [0, 7, 9, 16])
def test_a_block_has_8_bytes(size: int) -> None:
    with pytest.raises(FormatError, match="has 8 bytes"):
        decode_format_0(bytes(size), PAN)


def test_a_refusal_repeats_no_digit_of_pin_or_pan() -> None:
    with pytest.raises(FormatError) as refusal:
        decode_format_0(encode_format_3("987654", PAN), PAN)
    assert "987654" not in str(refusal.value)
    assert PAN not in str(refusal.value)


# The other formats


@settings(deadline=None)
@given(pin=PINS)
def test_psec_writes_the_same_chip_block(pin: str) -> None:
    assert pin_blocks.encode_format_2(pin) == psec.pinblock.encode_pinblock_iso_2(pin)
    assert pin_blocks.decode_format_2(pin_blocks.encode_format_2(pin)) == pin


@settings(deadline=None)
@given(
    pin=PINS, pan=PANS, key=st.sampled_from((16, 24, 32)).flatmap(lambda size: st.binary(min_size=size, max_size=size))
)
def test_psec_and_we_open_each_other_s_blocks_of_format_4(pin: str, pan: str, key: bytes) -> None:
    theirs = psec.pinblock.encipher_pinblock_iso_4(key, pin, pan)
    assert pin_blocks.decrypt_format_4(key, theirs, pan) == pin
    assert psec.pinblock.decipher_pinblock_iso_4(key, pin_blocks.encrypt_format_4(key, pin, pan), pan) == pin


@settings(deadline=None)
@given(block=st.binary(min_size=16, max_size=16), pan=PANS, key=st.binary(min_size=16, max_size=16))
def test_what_psec_refuses_of_format_4_is_refused(block: bytes, pan: str, key: bytes) -> None:
    try:
        theirs = psec.pinblock.decipher_pinblock_iso_4(key, block, pan)
    except ValueError:
        with pytest.raises(FormatError):
            pin_blocks.decrypt_format_4(key, block, pan)
    else:
        assert pin_blocks.decrypt_format_4(key, block, pan) == theirs


@given(pin=PINS, fill=st.text("0123456789ABCDEF", min_size=10, max_size=10))
def test_format_1_knows_no_card_and_takes_any_fill(pin: str, fill: str) -> None:
    assert pin_blocks.decode_format_1(pin_blocks.encode_format_1(pin, fill)) == pin
    assert pin_blocks.decode_format_1(pin_blocks.encode_format_1(pin)) == pin


def test_one_pin_has_many_blocks_of_format_4_and_none_is_another_card_s() -> None:
    key, other = bytes(range(16)), PAN[:-2] + "99"
    blocks = {pin_blocks.encrypt_format_4(key, "1234", PAN) for _ in range(8)}
    assert len(blocks) == 8
    for block in blocks:
        with pytest.raises(FormatError):
            pin_blocks.decrypt_format_4(key, block, other)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: pin_blocks.decode_format_1(bytes(8)),
        lambda: pin_blocks.decode_format_1(bytes.fromhex("131234567890ABCD")),
        lambda: pin_blocks.decode_format_1(bytes.fromhex("1412A4567890ABCD")),
        lambda: pin_blocks.decode_format_2(bytes.fromhex("241234FFFFFFFFFE")),
        lambda: pin_blocks.decode_format_2(bytes(7)),
        lambda: pin_blocks.encode_format_2("123"),
        lambda: pin_blocks.encode_format_1("12345678901234"),
        lambda: pin_blocks.decrypt_format_4(bytes(16), bytes(8), PAN),
        lambda: pin_blocks.decrypt_format_4(bytes(16), bytes(16), ""),
        lambda: pin_blocks.encrypt_format_4(bytes(16), "1234", PAN, bytes(7)),
        lambda: pin_blocks.encrypt_format_4(bytes(8), "1234", PAN),
    ],
)
def test_blocks_that_are_none_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(FormatError):
        wrong()

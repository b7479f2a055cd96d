"""The codec is as pyiso8583 where that is right, and stricter where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import iso8583
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.vocabulary.errors import FormatError
from gateways.iso8583.codec import Fields, decode, encode, salvage
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import DIALECTS, SIMNET, SIMNET_FILE, TERMINAL, Specification
from tests.gateways.iso8583.samples import CHIP, MESSAGES, NETWORK_MANAGEMENT, SECRETS

SAMPLES: dict[str, Fields] = {
    **{name: to_fields(message) for name, message in MESSAGES.items()},
    "chip": CHIP,
    **NETWORK_MANAGEMENT,
}
ONLINE = {"terminal": TERMINAL, "simnet": SIMNET}
ALPHABETS = {
    "n": "0123456789",
    "an": "09azAZ ",
    "ns": "09 -/:.,",
    "ans": "09azAZ -'&/\\,~",
    "z": "0123456789=D",
    "b": "0123456789ABCDEF",
}


def values(properties: dict[str, Any], dialect: Specification) -> st.SearchStrategy[str]:
    """What an element may hold, by its own properties."""
    content, size = properties["content"], properties["max_len"]
    if content == "b":
        count = size * 2 if properties["data_enc"] == "b" else size
        least = 0 if properties["len_type"] else count // 2
        return st.binary(min_size=least, max_size=count // 2).map(lambda raw: raw.hex().upper())
    if content == "x+n":
        return st.builds(lambda sign, digits: sign + digits, st.sampled_from("CD"), fixed("n", size - 1))
    alphabet = "0123456789D" if content == "z" and properties["data_enc"] == "b" else ALPHABETS[content]
    return st.text(alphabet, min_size=0 if properties["len_type"] else size, max_size=size)


def fixed(content: str, size: int) -> st.SearchStrategy[str]:
    return st.text(ALPHABETS[content], min_size=size, max_size=size)


@st.composite
def messages(draw: st.DrawFn, dialect: Specification) -> Fields:
    numbers = draw(st.sets(st.sampled_from([key for key in dialect if key.isdecimal() and key != "1"]), max_size=12))
    fields = {"t": draw(fixed("n", 4))}
    for number in numbers:
        fields[number] = draw(values(dict(dialect[number]), dialect))
    return fields


@pytest.mark.parametrize("name", DIALECTS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_bytes_and_elements_are_those_of_pyiso8583_both_ways(name: str, data: st.DataObject) -> None:
    dialect = DIALECTS[name]
    fields = data.draw(messages(dialect))
    frame = encode(fields, dialect)
    assert frame == bytes(iso8583.encode(dict(fields), dialect)[0])
    decoded = decode(frame, dialect)
    assert decoded == fields
    theirs = iso8583.decode(frame, dialect)[0]
    assert decoded == {key: value for key, value in theirs.items() if key not in {"p", "1"}}


@pytest.mark.parametrize("dialect", ONLINE)
@pytest.mark.parametrize("name", SAMPLES)
def test_every_truncation_is_refused(name: str, dialect: str) -> None:
    frame = encode(SAMPLES[name], ONLINE[dialect])
    for length in range(len(frame)):
        with pytest.raises(FormatError):
            decode(frame[:length], ONLINE[dialect])


@pytest.mark.parametrize("dialect", ONLINE)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_corrupted_byte_is_refused_or_is_another_message_that_encodes_to_the_same_bytes(
    name: str, dialect: str
) -> None:
    specification = ONLINE[dialect]
    frame = encode(SAMPLES[name], specification)
    for position, byte in enumerate(frame):
        for wrong in {0x00, 0x20, 0x2D, 0x39, 0x61, 0xFF, byte ^ 0x01, byte ^ 0x80} - {byte}:
            corrupted = frame[:position] + bytes([wrong]) + frame[position + 1 :]
            try:
                fields = decode(corrupted, specification)
            except FormatError as fault:
                assert not [secret for secret in SECRETS if secret in str(fault)]
                continue
            assert encode(fields, specification) == corrupted


@pytest.mark.parametrize("name", SAMPLES)
def test_trailing_bytes_are_refused_at_their_offset(name: str) -> None:
    frame = encode(SAMPLES[name], TERMINAL)
    with pytest.raises(FormatError, match="bytes after the last element") as refused:
        decode(frame + b"0", TERMINAL)
    assert refused.value.offset == len(frame)


def test_an_empty_second_bitmap_is_accepted() -> None:
    frame = b"0800" + b"8020000000000000" + b"0" * 16 + b"000001"
    assert decode(frame, TERMINAL) == {"t": "0800", "11": "000001"}
    binary = b"0800" + bytes.fromhex("8020000000000000") + bytes(8) + b"000001"
    assert decode(binary, SIMNET) == {"t": "0800", "11": "000001"}


FAULTS = {
    "a letter in an amount": (b"0100100000000000000000000001000A", "DE 4", 20),
    "a message type that is no number": (b"01 00020000000000000000001", "MTI", 0),
    "a small letter in a bitmap": (b"0100002000000000000a000001", "bitmap", 4),
    "a blank in a bitmap": (b"010000200000000000  000001", "bitmap", 4),
    "a negative length": (b"01004000000000000000-1", "DE 2", 20),
    "a blank length": (b"01004000000000000000 412", "DE 2", 20),
    "a length beyond the maximum": (b"0100400000000000000020" + b"4" * 20, "DE 2", 20),
    "a third bitmap": (b"0100800000000000000080000000000000000000000000000000", "DE 1", 20),
    "half a byte of a PIN block": (b"0100000000000000100004122634FFFFFFFG", "DE 52", 20),
    "a fee with no sign": (b"01000000001000000000000000100", "DE 28", 20),
    "nothing at all": (b"", "MTI", 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_element_and_offset(fault: str) -> None:
    frame, element, offset = FAULTS[fault]
    with pytest.raises(FormatError) as refused:
        decode(frame, TERMINAL)
    assert (refused.value.element, refused.value.offset) == (element, offset)


def test_an_element_of_the_third_bitmap_is_refused() -> None:
    frame = b"0100" + b"8000000000000000" + b"8000000000000000" + b"8000000000000000" + b"1"
    with pytest.raises(FormatError, match="a third bitmap, which this dialect lacks"):
        decode(frame, TERMINAL)


WRONG = {
    "DE 4": {"4": "123"},
    "DE 52": {"52": "0412"},
    "DE 55": {"55": "9f26"},
    "DE 2": {"2": "4" * 20},
    "DE 43": {"43": "é" * 40},
    "DE 65": {"65": "0" * 16},
    "DE 1": {"1": "0" * 16},
    "DE 129": {"129": "1"},
    "bitmap": {"p": "0" * 16},
    "MTI": {"t": "80"},
}


@pytest.mark.parametrize("element", WRONG)
@pytest.mark.parametrize("dialect", ONLINE)
def test_what_a_dialect_cannot_carry_is_refused_by_name(element: str, dialect: str) -> None:
    with pytest.raises(FormatError) as refused:
        encode({"t": "0100", **WRONG[element]}, ONLINE[dialect])
    assert refused.value.element == element


def test_a_message_without_type_is_refused() -> None:
    with pytest.raises(FormatError, match="MTI"):
        encode({"11": "000001"}, TERMINAL)


def test_encoding_leaves_its_argument_alone() -> None:
    fields = dict(CHIP)
    encode(fields, TERMINAL)
    assert fields == CHIP


def test_what_stands_before_a_fault_can_be_salvaged() -> None:
    wrong_amount = encode(CHIP, TERMINAL).replace(b"000000010000", b"00000001x000", 1)
    assert salvage(wrong_amount, TERMINAL) == {key: value for key, value in CHIP.items() if key != "4"}
    cut = encode(CHIP, TERMINAL)[:110]
    assert salvage(cut, TERMINAL).items() >= {"t": "0100", "11": "000123"}.items()
    assert "55" not in salvage(cut, TERMINAL)
    assert salvage(b"\xff", TERMINAL) == {}


def test_a_dialect_without_content_allows_what_its_encoding_does() -> None:
    loose = {key: {name: value for name, value in row.items() if name != "content"} for key, row in TERMINAL.items()}
    fields = {"t": "0100", "4": "12345678901X"}
    assert decode(encode(fields, loose), loose) == fields
    with pytest.raises(FormatError, match="DE 4"):
        encode(fields, TERMINAL)


def test_the_file_dialect_reads_a_record_of_the_open_ipm_parser() -> None:
    case = json.loads((Path(__file__).parents[2] / "vectors/ipm_record.json").read_text())
    frame = bytes.fromhex(case["raw_hex"])
    assert decode(frame, SIMNET_FILE) == case["fields"]
    assert encode(case["fields"], SIMNET_FILE) == frame


def test_every_element_of_the_standard_has_a_name_and_a_class_in_every_dialect() -> None:
    for dialect in DIALECTS.values():
        assert set(dialect) == {"h", "t", "p", *map(str, range(1, 129))} - {"65"}
        assert all(row["desc"] for row in dialect.values())

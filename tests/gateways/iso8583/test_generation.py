"""Generated decoders and encoders are the row-by-row codec, and pyiso8583, over random dialects and messages; and what
an attacker can make of them is bounded."""

from __future__ import annotations

import random
from typing import Any

import iso8583
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.vocabulary.errors import FormatError
from gateways.iso8583 import codec as codecs
from gateways.iso8583.codec import Codec, decode, encode
from gateways.iso8583.decoders import make_decoder
from gateways.iso8583.encoders import make_encoder
from gateways.iso8583.reading import Fields, read, write
from gateways.iso8583.shapes import shapes
from gateways.iso8583.specifications import BCD, DIALECTS, EBCDIC, SIMNET, TERMINAL, Specification, with_header
from tests.gateways.iso8583.samples import CHIP

ENCODINGS = ("ascii", "latin-1", "cp500", "cp1047", "cp037", "cp1252")
HEX = "0123456789ABCDEF"
LETTERS = {"n": "0123456789", "a": "abcXYZ ", "an": "09azAZ ", "ns": "09-./ ", "ans": "az09 -'", "z": "0123456789=D"}


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row of pyiso8583's format: every encoding, length, count and pad that it has."""
    width = draw(st.integers(0, 3))
    row: dict[str, Any] = {
        "data_enc": draw(st.sampled_from(("b", *ENCODINGS))),
        "len_enc": draw(st.sampled_from(("b", "bcd", *ENCODINGS))),
        "len_type": width,
        "max_len": draw(st.integers(1, 9 if width == 1 else 40)),
        "desc": "",
    }
    if row["data_enc"] == "b" and draw(st.booleans()):
        row |= {"len_count": "nibbles", draw(st.sampled_from(("left_pad", "right_pad"))): draw(st.sampled_from("0F"))}
        row["content"] = draw(st.sampled_from((None, "n", "z")))
    elif row["data_enc"] != "b":
        row["content"] = draw(st.sampled_from((None, *LETTERS, "b")))
    return {name: value for name, value in row.items() if value is not None}


@st.composite
def dialects(draw: st.DrawFn) -> Specification:
    text = draw(st.sampled_from(ENCODINGS))
    bitmap = draw(st.sampled_from(({"data_enc": "b", "max_len": 8}, {"data_enc": text, "max_len": 16})))
    header = draw(st.sampled_from((0, 5)))
    plain = {"len_enc": "ascii", "len_type": 0, "desc": ""}
    numbers = draw(st.sets(st.one_of(st.integers(2, 64), st.integers(66, 192)), min_size=1, max_size=14))
    return {
        "h": {**plain, "data_enc": "b", "max_len": header},
        "t": {**plain, **draw(st.sampled_from(({"data_enc": "b", "max_len": 2}, {"data_enc": text, "max_len": 4})))},
        "p": {**plain, **bitmap},
        "1": {**plain, **bitmap},
        **{str(number): draw(rows()) for number in numbers},
    }


@st.composite
def values(draw: st.DrawFn, row: dict[str, Any]) -> str:
    content, size = row.get("content"), row["max_len"]
    hexadecimal = row["data_enc"] == "b"
    alphabet = LETTERS.get(str(content), "09azAZ -") if not hexadecimal else HEX
    if content == "b":
        alphabet = HEX
    if hexadecimal and content in {"n", "z"}:
        alphabet = "0123456789D" if content == "z" else "0123456789"
    by_bytes = hexadecimal and row.get("len_count") != "nibbles"
    count = draw(st.integers(0, size)) if row["len_type"] else size
    characters = 2 * count if by_bytes else count
    if content == "b" and not hexadecimal and characters & 1:
        characters -= 1
    return draw(st.text(alphabet, min_size=characters, max_size=characters))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Specification, Fields]:
    dialect = draw(dialects())
    fields: Fields = {"t": draw(st.text("0123456789", min_size=4, max_size=4))}
    if dialect["h"]["max_len"]:
        fields["h"] = draw(st.text(HEX, min_size=10, max_size=10))
    for key in [key for key in dialect if key.isdecimal() and key != "1" and draw(st.booleans())]:
        fields[key] = draw(values(dict(dialect[key])))
    return dialect, fields


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=250, deadline=None)
def test_random_dialects_are_those_of_pyiso8583_both_ways_and_generated_code_agrees(
    case: tuple[Specification, Fields], chance: random.Random
) -> None:
    dialect, fields = case
    rows_of = shapes(dialect)
    try:
        frame = write(fields, rows_of)
    except FormatError:
        # A text that must be whole bytes may have no right length at all; the oracle does not know of classes.
        assert any(row.get("content") == "b" for row in dialect.values())
        return
    assert frame == bytes(iso8583.encode(dict(fields), dialect)[0])
    theirs = iso8583.decode(frame, dialect)[0]
    wanted = {key: value for key, value in theirs.items() if key not in {"p", "1"}}
    assert read(frame, rows_of) == (wanted, None)
    wanted_fields = dict(fields)
    for key, value in fields.items():
        if dialect[key]["data_enc"] == "b" and dialect[key].get("content") == "z":
            wanted_fields[key] = value.replace("=", "D")
    assert wanted == wanted_fields
    if any(key.isdecimal() and int(key) > 128 for key in fields):
        return
    elements = [rows_of[str(number)] for number in sorted(int(key) for key in fields if key.isdecimal())]
    front = [rows_of["h"], rows_of["t"]]
    maps = 2 if any(int(shape.key) > 64 for shape in elements) else 1
    encoder = make_encoder(front, elements, rows_of)
    decoder = make_decoder(front, maps * rows_of["p"].size, elements)
    assert encoder(fields) == frame
    assert decoder(frame) == fields
    # A decoder is asked about frames of its own bitmap only; of those it says what the rows say, or nothing.
    begins = rows_of["h"].size + rows_of["t"].size + maps * rows_of["p"].size
    for _ in range(20):
        changed = _changed(frame, begins, chance)
        found, fault = read(changed, rows_of)
        assert decoder(changed) == (None if fault else found)


def _changed(frame: bytes, begins: int, chance: random.Random) -> bytes:
    at = chance.randrange(begins, len(frame) + 1)
    match chance.randrange(3):
        case 0:
            return frame[:at]
        case 1:
            return frame + bytes([chance.randrange(256)])
        case _:
            return frame[:at] + bytes([chance.randrange(256)]) + frame[at + 1 :]


def test_an_encoder_refuses_what_the_rows_refuse() -> None:
    for dialect in (TERMINAL, SIMNET, BCD, EBCDIC):
        fields = {**CHIP, "35": CHIP["35"], "14": "2912"}
        rows_of = shapes(dialect)
        for _ in range(codecs.GENERATED_AFTER + 1):
            encode(fields, dialect)
        for key, right in fields.items():
            for wrong in ("", " ", "x", right + "0", right[:-1], right[:-1] + "é", "1 " * 20, "a"):
                try:
                    expected = write({**fields, key: wrong}, rows_of)
                except FormatError as fault:
                    with pytest.raises(FormatError) as refused:
                        encode({**fields, key: wrong}, dialect)
                    assert str(refused.value) == str(fault)
                else:
                    assert encode({**fields, key: wrong}, dialect) == expected


def test_bitmaps_that_nobody_uses_cost_no_code_and_code_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(*given: Any) -> Any:
        made.append(1)
        return make_decoder(*given)

    monkeypatch.setattr(codecs, "make_decoder", counted)
    codec = Codec(TERMINAL)
    chance = random.Random(7)
    numbers = [key for key in TERMINAL if key.isdecimal() and key != "1" and TERMINAL[key]["len_type"]]
    for _ in range(3_000):
        fields = {"t": "0100", **dict.fromkeys(chance.sample(numbers, 12), "")}
        frame = codec.encode(fields)
        assert codec.decode(frame) == fields
        with pytest.raises(FormatError):
            codec.decode(frame[:-1])
    assert len(made) < 5
    for number in range(2 * codecs.MAX_GENERATED):
        fields = {"t": "0100", **{key: "" for bit, key in enumerate(numbers[:12]) if number >> bit & 1}}
        for _ in range(codecs.GENERATED_AFTER):
            assert codec.decode(codec.encode(fields)) == fields
    assert len(made) <= codecs.MAX_GENERATED
    assert codec.decode(codec.encode({"t": "0800", "11": "000001"})) == {"t": "0800", "11": "000001"}


def test_a_third_bitmap_is_read_where_the_dialect_has_elements_for_it() -> None:
    row = {"data_enc": "ascii", "len_enc": "ascii", "len_type": 2, "max_len": 20, "desc": "Beyond", "content": "an"}
    for dialect in (TERMINAL, SIMNET, BCD, EBCDIC):
        wide = {**dialect, "130": row, "192": row}
        for fields in ({"t": "0100", "130": "A"}, {"t": "0100", "3": "000000", "70": "301", "192": ""}):
            for _ in range(codecs.GENERATED_AFTER + 2):
                frame = encode(fields, wide)
                assert frame == bytes(iso8583.encode(dict(fields), wide)[0])
                assert decode(frame, wide) == fields


def test_an_empty_second_bitmap_is_accepted_by_generated_code_too() -> None:
    for _ in range(codecs.GENERATED_AFTER + 2):
        assert decode(b"0800" + b"8020000000000000" + b"0" * 16 + b"000001", TERMINAL) == {"t": "0800", "11": "000001"}


def test_a_header_is_an_element_of_its_own() -> None:
    dialect = with_header(SIMNET)
    for _ in range(codecs.GENERATED_AFTER + 2):
        frame = encode({"h": "6000010002", **CHIP}, dialect)
        assert frame[:5] == bytes.fromhex("6000010002")
        assert decode(frame, dialect) == {"h": "6000010002", **CHIP}
    with pytest.raises(FormatError, match="header: is missing"):
        encode(CHIP, dialect)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an encoding that does not exist": ({"data_enc": "ebcdic"}, "data_enc"),
    "an encoding of two bytes a character": ({"data_enc": "utf-16"}, "data_enc"),
    "no length": ({"max_len": None}, "max_len"),
    "a length in words": ({"len_type": "LLVAR"}, "len_type"),
    "a pad that is no digit": ({"left_pad": "X"}, "pad"),
    "a class that does not exist": ({"content": "words"}, "content"),
    "a count of something else": ({"len_count": "bits"}, "len_count"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_row_that_says_what_no_row_can_is_refused_by_name(fault: str) -> None:
    change, named = FAULTS[fault]
    with pytest.raises(FormatError, match=f"specification DE 4: .*{named}"):
        Codec({**TERMINAL, "4": {**TERMINAL["4"], **change}})


@pytest.mark.parametrize("key", ["0", "193", "4a", "04", "-1"])
def test_a_row_of_no_element_is_refused(key: str) -> None:
    with pytest.raises(FormatError, match="specification"):
        Codec({**TERMINAL, key: TERMINAL["4"]})
    with pytest.raises(FormatError, match="has no row 'p'"):
        Codec({key: row for key, row in TERMINAL.items() if key != "p"})


def test_every_dialect_writes_a_chip_transaction_as_pyiso8583_does() -> None:
    for name, dialect in DIALECTS.items():
        if "1993" in name or name.startswith("simnet_file"):
            continue
        assert encode(CHIP, dialect) == bytes(iso8583.encode(dict(CHIP), dialect)[0])

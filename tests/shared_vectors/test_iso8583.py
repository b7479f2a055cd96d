"""The published ISO 8583 messages of the vectors beside the repository, field by field and back to the same bytes.

Each case names the dialect that reads it: one of ours, or the rows by which another program writes differently. A case
that no dialect reads is named with the reason; one that is neither read nor named fails.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateways.iso8583.codec import GENERATED_AFTER, decode, encode
from gateways.iso8583.specifications import BCD, DIALECTS, SIMNET, TERMINAL, Specification

pytestmark = pytest.mark.shared_vectors

VECTORS = Path(__file__).parents[2].parent / "shared/vectors"
Case = dict[str, Any]

FIXED_HEX = {"data_enc": "b", "len_enc": "ascii", "len_type": 0}


PLAIN: Specification = {**TERMINAL, "53": SIMNET["53"]}
"""Terminals' messages with DE 53 as ISO 8583:1987 has it: ours carry a PIN pad's serial number there."""


def loose(dialect: Specification) -> Specification:
    """jPOS fills elements whatever their class: fees without a sign, words for track 3."""
    return {key: {name: value for name, value in row.items() if name != "content"} for key, row in dialect.items()}


def packed(dialect: Specification) -> dict[str, Any]:
    """jPOS pads every packed element of varying length on the right, and a track with 0 too."""
    rows: dict[str, Any] = {key: dict(row) for key, row in loose(dialect).items()}
    for row in rows.values():
        if row.get("len_count") == "nibbles" and row["len_type"]:
            row.pop("left_pad", None)
            row["right_pad"] = "0"
    return rows


MIXED = {
    **SIMNET,
    "19": {**FIXED_HEX, "max_len": 2},
    "49": {**FIXED_HEX, "max_len": 3, "len_count": "nibbles", "right_pad": "0"},
}
"""moov's message: two elements in packed digits among text."""


def jpos_1987_packed() -> Specification:
    rows = packed(BCD)
    # A fee is the character of its sign, then packed digits: five bytes, which pyiso8583's format can only call binary.
    fees = {str(number): {**FIXED_HEX, "max_len": 5} for number in range(28, 32)}
    return {**rows, **fees, "36": {**loose(SIMNET)["36"], "len_enc": "bcd", "len_type": 2}}


def jpos_1993_text() -> Specification:
    binary = DIALECTS["1993_binary"]
    return loose({**DIALECTS["1993"], **{key: binary[key] for key in ("53", "55")}})


def jpos_1993_packed() -> Specification:
    rows = packed(DIALECTS["1993_bcd"])
    for row in rows.values():
        if row.pop("left_pad", None):
            row["right_pad"] = "0"
    for key, width in (("35", 1), ("36", 2)):  # tracks are text there
        rows[key] = {**loose(DIALECTS["1993_binary"])[key], "len_enc": "bcd", "len_type": width}
    return rows


OUTER = {**SIMNET, "127": {"data_enc": "b", "len_enc": "ascii", "len_type": 6, "max_len": 999_999, "desc": "Nested"}}
INNER = {**{key: SIMNET[key] for key in ("h", "p", "1")}, "t": {**SIMNET["t"], "max_len": 0}}
INNER |= {
    "2": {**SIMNET["44"], "desc": "Switch key"},
    "25": {**SIMNET["47"], "len_type": 4, "desc": "Integrated circuit card data"},
}

READ_BY: dict[str, Specification] = {
    "moov 0100 mixed encodings with TLV F55": MIXED,
    "jPOS ISO87APackager": loose(PLAIN),
    "jPOS ISO87BPackager": jpos_1987_packed(),
    "jPOS ISO93APackager": jpos_1993_text(),
    "jPOS ISO93BPackager": jpos_1993_packed(),
    "jPOS post.bin (Postilion style, nested F127 with its own bitmap)": OUTER,
}
DIFFERENT: dict[str, dict[str, str]] = {
    "moov 0100 mixed encodings with TLV F55": {"49": "643"},  # the document spells out the bytes 64 30
    "jPOS ISO87BPackager": {
        "55": "41424344",  # the bytes of ABCD
        # The separator of a track is D where digits are packed; a fee's sign is a character, here in hexadecimal.
        "35": "1234567890123456D12345678901234567890",
        **{str(28 + number): f"3000000{number + 1}00" for number in range(4)},
    },
    "jPOS ISO93BPackager": {"56": "5678"},  # jPOS packs the letters EFGH as digits, which cannot come back
}
"""Elements that the document writes in another way, with ours."""


def test_every_published_message_is_read_and_written() -> None:
    cases: list[Case] = json.loads((VECTORS / "iso8583_messages.json").read_text())["cases"]
    assert set(READ_BY) <= {case["name"] for case in cases}
    for case in cases:
        name = case["name"]
        frame = case["raw_ascii"].encode() if "raw_ascii" in case else bytes.fromhex(case["raw_hex"])
        expected = dict(case.get("fields") or case["fields_decoded_here_by_pyiso8583"])
        expected.setdefault("t", expected.pop("0", None))
        expected = {key: value for key, value in expected.items() if key not in {"p", "1"}} | DIFFERENT.get(name, {})
        specification = READ_BY.get(name, PLAIN)
        for _ in range(GENERATED_AFTER + 2):
            fields = decode(frame, specification)
            assert _comparable(fields) == _comparable(expected), name
            assert encode(fields, specification) == frame, name


def _comparable(fields: dict[str, Any]) -> dict[str, Any]:
    """An element with elements in it is compared by these, and hexadecimal without the blanks of the documents."""
    found = dict(fields)
    if "55" in found:
        found["55"] = found["55"].replace(" ", "")
    if isinstance(nested := found.get("127"), str):
        found["127"] = decode(bytes.fromhex(nested), INNER)
        assert encode(found["127"], INNER) == bytes.fromhex(nested)
    return found

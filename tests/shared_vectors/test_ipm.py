"""The open IPM parser's sample records and files (mastercard_ipm.json), read by us."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from gateways.clearing.vbs import is_blocked, read_records
from gateways.iso8583.codec import decode, encode
from gateways.iso8583.composites import split_tagged
from gateways.iso8583.specifications import EBCDIC_FILE, PDS_DIGITS, SIMNET_FILE, Specification

pytestmark = pytest.mark.shared_vectors

CASES: dict[str, dict[str, Any]] = {
    case["name"]: case
    for case in json.loads((Path(__file__).parents[2].parent / "shared/vectors/mastercard_ipm.json").read_text())[
        "cases"
    ]
}


@pytest.mark.parametrize(
    ("name", "dialect"),
    [("IPM 1144/1240 record ASCII, binary bitmap", SIMNET_FILE), ("same record EBCDIC cp500", EBCDIC_FILE)],
)
def test_a_sample_record_is_read_element_by_element_and_written_again(name: str, dialect: Specification) -> None:
    case = CASES[name]
    frame = bytes.fromhex(case["raw_hex"])
    fields = decode(frame, dialect)
    assert encode(fields, dialect) == frame
    expected = case["decoded"]
    elements = {key[2:] for key in expected if key.startswith("DE") and key[2:].isdecimal()}
    assert elements | {"t"} == set(fields)
    assert fields["t"] == expected["MTI"]
    for number in elements - {"4", "12"}:
        assert fields[number] == str(expected[f"DE{number}"]), number
    assert int(fields["4"]) == int(expected["DE4"])
    assert fields["12"] == expected["DE12"][2:].translate({ord(character): None for character in "- :"})
    assert split_tagged(fields["48"], PDS_DIGITS) == {"0001": expected["PDS0001"]}


def test_sample_files_are_read_record_by_record_blocked_or_not() -> None:
    plain = CASES["VBS framing of records AAAAAAAAAA and BBBBB"]
    records = [record.encode() for record in plain["records_ascii"]]
    content = bytes.fromhex(plain["vbs_hex"])
    assert not is_blocked(BytesIO(content))
    assert list(read_records(BytesIO(content))) == records
    blocked = CASES["same, 1014-byte blocked"]
    content = bytes.fromhex(blocked["head_hex"]).ljust(blocked["length"], b"\x40")
    assert content.endswith(bytes.fromhex(blocked["tail_hex"]))
    assert is_blocked(BytesIO(content))
    assert list(read_records(BytesIO(content))) == records
    assert set(CASES) == {
        "IPM 1144/1240 record ASCII, binary bitmap",
        "same record EBCDIC cp500",
        plain["name"],
        blocked["name"],
    }, "every sample is read here"

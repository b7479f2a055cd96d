"""The published ISO 8583 messages of the vectors beside the repository, field by field and back to the same bytes.

A case that no dialect of ours can read is named below with the reason; a case that is neither read nor named fails.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateways.iso8583.codec import decode, encode
from gateways.iso8583.specifications import TERMINAL, Specification

pytestmark = pytest.mark.shared_vectors

VECTORS = Path(__file__).parents[2].parent / "shared/vectors"
NOT_BUILT = {
    "moov 0100 mixed encodings with TLV F55": "binary-coded decimals in two elements of an ASCII message",
    "jPOS ISO87BPackager": "binary-coded decimals",
    "jPOS ISO93APackager": "version 1993 online",
    "jPOS ISO93BPackager": "version 1993 online, binary-coded decimals",
    "jPOS post.bin (Postilion style, nested F127 with its own bitmap)": "an element with elements in it",
}
LOOSE = {"jPOS ISO87APackager": "fills elements whatever their class: fees without a sign, words for track 3"}
Case = dict[str, Any]


def without_content(dialect: Specification) -> Specification:
    return {key: {name: value for name, value in row.items() if name != "content"} for key, row in dialect.items()}


def test_every_published_message_is_read_and_written_or_named() -> None:
    cases: list[Case] = json.loads((VECTORS / "iso8583_messages.json").read_text())["cases"]
    assert set(NOT_BUILT) | set(LOOSE) <= {case["name"] for case in cases}
    for case in cases:
        if case["name"] in NOT_BUILT:
            continue
        frame = case["raw_ascii"].encode() if "raw_ascii" in case else bytes.fromhex(case["raw_hex"])
        expected = dict(case.get("fields") or case["fields_decoded_here_by_pyiso8583"])
        expected.setdefault("t", expected.pop("0", None))
        specification = without_content(TERMINAL) if case["name"] in LOOSE else TERMINAL
        fields = decode(frame, specification)
        assert fields == {key: value for key, value in expected.items() if key not in {"p", "1"}}, case["name"]
        assert encode(fields, specification) == frame, case["name"]

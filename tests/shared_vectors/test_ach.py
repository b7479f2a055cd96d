"""The published ACH files, as far as what is published of them goes: their entries, totals and hashes.

The files themselves are not beside the repository; each is written anew from its entries, and read.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from engine.vocabulary.ach import (
    PRENOTE_DIGITS,
    RETURN_DIGITS,
    AchFile,
    Batch,
    Entry,
    EntryClass,
    ServiceClass,
    Totals,
    routing_valid,
)
from engine.vocabulary.errors import FormatError
from gateways.ach.reading import read_ach
from gateways.ach.writing import write_ach

pytestmark = pytest.mark.shared_vectors

VECTORS = Path(__file__).parents[2].parent / "shared/vectors/nacha_files.json"
HEADER = AchFile(destination="231380104", origin="121042882", created_at=datetime(2026, 3, 2, tzinfo=UTC))
CONTROL = {"entry_hash": (21, 10), "total_debit": (31, 12), "total_credit": (43, 12)}
"""Where the file control says it: column and length."""
Case = dict[str, Any]


def cases() -> list[Case]:
    found: list[Case] = json.loads(VECTORS.read_text())["cases"]
    assert len(found) >= 50
    return found


def sums(case: Case) -> tuple[int, int, int]:
    """Hash, debits and credits that the file's entries come to, as published."""
    said = case["computed"]
    return said["entry_hash"], said["total_debit"], said["total_credit"]


def entries_of(case: Case) -> list[Entry] | None:
    """Its entries, if all of them are published and each is of a kind that needs nothing else beside it."""
    listed = case["entries"]
    codes = {one["txn_code"] for one in listed}
    if any(one["amount"] is None for one in listed):
        return None
    if any(len(code) != 2 or code[1] not in "2378" or code[0] not in "2345" for code in codes):
        return None
    if any(code[1] in RETURN_DIGITS | PRENOTE_DIGITS for code in codes) or not all(map(known, listed)):
        return None
    made = [
        Entry(one["txn_code"], one["rdfi"], one["account"], one["amount"], "", "", f"12104288{number:07d}")
        for number, one in enumerate(listed, start=1)
    ]
    hashed = sum(int(one.receiving_dfi[:8]) for one in made) % 10**10
    return made if hashed == case["computed"]["entry_hash"] else None


def known(one: dict[str, Any]) -> bool:
    return routing_valid(one["rdfi"])


def rewritten(entries: list[Entry]) -> tuple[bytes, Totals]:
    batch = Batch(
        service_class=ServiceClass.MIXED,
        company_name="vectors",
        company_id="121042882",
        entry_class=EntryClass.PPD,
        description="VECTORS",
        originating_dfi="12104288",
        number=1,
    )
    file = BytesIO()
    totals = write_ach(file, HEADER, [(batch, entries)])
    return file.getvalue(), totals


def test_routing_numbers_are_right_where_the_published_check_says_so() -> None:
    checked = [one for case in cases() for one in case["entries"]]
    assert len(checked) > 100
    assert [routing_valid(one["rdfi"]) for one in checked] == [one["aba_check"] for one in checked]


def test_files_come_to_their_published_hash_and_totals_and_are_read_back() -> None:
    done = 0
    for case in cases():
        if (entries := entries_of(case)) is not None:
            content, totals = rewritten(entries)
            assert (totals.entry_hash, totals.debit_minor, totals.credit_minor) == sums(case), case["file"]
            *_, found = read_ach(BytesIO(content))
            assert found == totals, case["file"]
            done += 1
    assert done >= 25


def test_a_file_whose_control_says_something_else_is_refused_with_the_reason() -> None:
    refused = 0
    for case in cases():
        wrong = [name for name in CONTROL if case["file_control"][name] != case["computed"][name]]
        entries = entries_of(case)
        if not wrong or entries is None:
            continue
        content, _ = rewritten(entries)
        lines = content.decode().splitlines()
        at = next(number for number, line in enumerate(lines) if line.startswith("9"))
        column, length = CONTROL[wrong[0]]
        said = f"{case['file_control'][wrong[0]]:0{length}d}"
        lines[at] = lines[at][:column] + said + lines[at][column + length :]
        with pytest.raises(FormatError, match=f"file control {wrong[0].replace('_', ' ')}"):
            list(read_ach(BytesIO("\n".join(lines).encode())))
        refused += 1
    assert refused

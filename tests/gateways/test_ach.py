"""ACH files: ours are read by an independent package, read back they are what was written, and what does not hold is
refused by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import achkit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.vocabulary.ach import (
    AchFile,
    Batch,
    ChangeOf,
    Entry,
    EntryClass,
    ReturnOf,
    ServiceClass,
    Totals,
    routing_valid,
)
from engine.vocabulary.errors import FormatError
from gateways.ach.reading import read_ach
from gateways.ach.writing import write_ach

ODFI = "091000019"
RDFI = "121042882"
HEADER = AchFile(
    destination="231380104",
    origin=ODFI,
    created_at=datetime(2026, 3, 2, 14, 5, tzinfo=UTC),
    destination_name="Federal Reserve Bank",
    origin_name="Bezant",
    reference="1",
)
BATCH = Batch(
    service_class=ServiceClass.MIXED,
    company_name="Bezant",
    company_id="1234567890",
    entry_class=EntryClass.WEB,
    description="ADD MONEY",
    originating_dfi=ODFI[:8],
    number=1,
    effective_on=date(2026, 3, 3),
)
Batches = Sequence[tuple[Batch, Sequence[Entry]]]


def entry(number: int = 1, **changes: Any) -> Entry:
    made = Entry("27", RDFI, "123456789", 10_000, "C1", "Ada Lovelace", f"{ODFI[:8]}{number:07d}")
    return made._replace(**changes)


def written(batches: Batches, header: AchFile = HEADER) -> tuple[bytes, Totals]:
    file = BytesIO()
    totals = write_ach(file, header, batches)
    return file.getvalue(), totals


def read(content: bytes) -> tuple[AchFile, list[tuple[Batch, list[Entry]]], Totals]:
    header, *rest, totals = read_ach(BytesIO(content))
    assert isinstance(header, AchFile) and isinstance(totals, Totals)
    batches: list[tuple[Batch, list[Entry]]] = []
    for one in rest:
        if isinstance(one, Batch):
            batches.append((one, []))
        else:
            assert isinstance(one, Entry)
            batches[-1][1].append(one)
    return header, batches, totals


RETURN = ReturnOf("R10", f"{ODFI[:8]}0000009", ODFI[:8], "not authorized")
CHANGE = ChangeOf("C01", f"{ODFI[:8]}0000009", ODFI[:8], "987654321")
DAY: Batches = (
    (BATCH, (entry(1), entry(2, transaction_code="32", amount_minor=5), entry(3, payment_information="rent*March"))),
    (
        replace(BATCH, number=2, entry_class=EntryClass.PPD, service_class=ServiceClass.CREDITS),
        (entry(4, transaction_code="22"), entry(5, transaction_code="23", amount_minor=0)),
    ),
    (
        replace(BATCH, number=3, entry_class=EntryClass.TEL, service_class=ServiceClass.DEBITS, effective_on=None),
        (entry(6, transaction_code="37"), entry(7, transaction_code="28", amount_minor=0)),
    ),
    (
        replace(BATCH, number=4, entry_class=EntryClass.CCD, description="RETURNS"),
        (
            entry(8, transaction_code="26", returned=RETURN),
            entry(9, transaction_code="21", returned=RETURN._replace(reason="R14", died_on=date(2026, 2, 1))),
        ),
    ),
    (
        replace(BATCH, number=5, entry_class=EntryClass.COR),
        (entry(10, transaction_code="26", amount_minor=0, changed=CHANGE),),
    ),
)


def test_what_is_written_is_read_back() -> None:
    content, totals = written(DAY)
    assert read(content) == (HEADER, [(batch, list(entries)) for batch, entries in DAY], totals)
    assert {len(line) for line in content.splitlines()} == {94}
    assert len(content.splitlines()) % 10 == 0
    assert (totals.batches, totals.entries_and_addenda) == (5, 14)
    assert (totals.debit_minor, totals.credit_minor) == (40_000, 20_005)
    assert totals.entry_hash == 10 * 12104288


def test_an_independent_reader_finds_nothing_wrong_and_the_same_entries() -> None:
    """It validates what goes out; of returns and changes it counts no totals, so those are parsed alone."""
    content, _ = written(DAY[:3])
    assert achkit.validate(content.decode()) == {"ok": True, "errors": []}
    content, totals = written(DAY)
    parsed = achkit.parse(content.decode())
    assert [batch["sec"] for batch in parsed["batches"]] == [batch.entry_class for batch, _ in DAY]
    theirs = [
        (str(one["txn_code"]), one["routing"], one["account"], one["amount_cents"], one["name"], one["trace_number"])
        for batch in parsed["batches"]
        for one in batch["entries"]
    ]
    assert theirs == [
        (one.transaction_code, one.receiving_dfi, one.account, one.amount_minor, one.name, one.trace_number)
        for _, entries in DAY
        for one in entries
    ]
    assert parsed["control"]["entry_hash"] == f"{totals.entry_hash:010d}"


def test_a_file_of_the_independent_package_is_read() -> None:
    file = achkit.AchFile.create(origin_dfi=ODFI, company_id="1234567890", destination_routing="231380104")
    batch = file.batch(sec="PPD", description="PAYROLL", effective_date="2026-03-03")
    batch.credit(name="Ada Lovelace", routing=RDFI, account="0072", amount_cents=124_050)
    batch.debit(name="Bob", routing=ODFI, account="1899", amount_cents=124_050)
    _, ((_, entries),), totals = read(file.render().encode())
    assert [(one.name, one.amount_minor, one.is_debit) for one in entries] == [
        ("ADA LOVELACE", 124_050, False),
        ("BOB", 124_050, True),
    ]
    assert (totals.debit_minor, totals.credit_minor) == (124_050, 124_050)


@given(
    amounts=st.lists(st.integers(0, 10**10 - 1), min_size=1, max_size=25),
    accounts=st.text("0123456789ABC- ", min_size=1, max_size=17).map(str.strip),
    words=st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80),
)
def test_any_entries_survive_the_way_there_and_back(amounts: list[int], accounts: str, words: str | None) -> None:
    entries = [
        entry(number, amount_minor=amount, account=accounts, payment_information=words)
        for number, amount in enumerate(amounts, start=1)
    ]
    content, totals = written([(BATCH, entries)])
    assert read(content) == (HEADER, [(BATCH, entries)], totals)
    assert totals.debit_minor == sum(amounts)
    assert achkit.validate(content.decode())["ok"]


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"receiving_dfi": "121042883"}, "receiving DFI identification"),
        ({"transaction_code": "29"}, "transaction code"),
        ({"transaction_code": "62"}, "transaction code"),
        ({"transaction_code": "28"}, "amount"),
        ({"transaction_code": "26"}, "transaction code"),
        ({"returned": RETURN}, "transaction code"),
        ({"transaction_code": "26", "changed": CHANGE}, "addenda"),
        ({"transaction_code": "26", "returned": RETURN._replace(reason="X10")}, "return reason code"),
        ({"transaction_code": "26", "returned": RETURN._replace(original_trace_number="1")}, "original entry trace"),
        ({"amount_minor": 10**10}, "amount"),
        ({"amount_minor": -1}, "amount"),
        ({"account": "1" * 18}, "DFI account number"),
        ({"name": "Zoë"}, "individual name"),
        ({"name": "a\nb"}, "individual name"),
        ({"payment_information": "x" * 81}, "payment related information"),
        ({"trace_number": "999999990000001"}, "trace number"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_by_its_field(changes: dict[str, Any], element: str) -> None:
    with pytest.raises(FormatError, match=f"batch 1 entry [0-9]+ .*{element}"):
        written([(BATCH, [entry(**changes)])])


def test_a_batch_holds_what_it_says_in_rising_order_and_something() -> None:
    credits_only = replace(BATCH, service_class=ServiceClass.CREDITS)
    by_telephone = replace(BATCH, entry_class=EntryClass.TEL)
    for batch, entries, element in (
        (credits_only, [entry()], "transaction code"),
        (by_telephone, [entry(transaction_code="22")], "transaction code"),
        (BATCH, [entry(2), entry(1)], "trace number"),
        (BATCH, [entry(1), entry(1)], "trace number"),
        (BATCH, [], "holds no entry"),
        (replace(BATCH, company_name="x" * 17), [entry()], "company name"),
        (replace(BATCH, originating_dfi="1"), [entry()], "originating DFI"),
    ):
        with pytest.raises(FormatError, match=element):
            written([(batch, entries)])


@pytest.mark.parametrize(
    ("change", "element"),
    [
        ({"destination": "231380105"}, "immediate destination"),
        ({"origin": "12"}, "immediate origin"),
        ({"modifier": "a"}, "file ID modifier"),
        ({"origin_name": "x" * 24}, "immediate origin name"),
    ],
)
def test_a_header_that_cannot_be_is_refused_by_its_field(change: dict[str, str], element: str) -> None:
    with pytest.raises(FormatError, match=f"file header {element}"):
        written(DAY, replace(HEADER, **change))  # type: ignore[arg-type]


def cut(lines: list[str]) -> None:
    del lines[2]


def doubled(lines: list[str]) -> None:
    lines.insert(2, lines[2])


def without_control(lines: list[str]) -> None:
    del lines[-1:]
    while lines[-1].startswith("9"):
        del lines[-1]


def put(record: str, start: int, text: str) -> Any:
    """Change the first record of a kind at a column."""

    def change(lines: list[str]) -> None:
        at = next(number for number, line in enumerate(lines) if line.startswith(record))
        lines[at] = lines[at][:start] + text + lines[at][start + len(text) :]

    return change


@pytest.mark.parametrize(
    ("harm", "element"),
    [
        (cut, "batch control entry/addenda count"),
        (doubled, "trace number"),
        (without_control, "file control: is missing"),
        (lambda lines: lines.append("1"), "stands after the file control"),
        (lambda lines: lines.pop(), "block count"),
        (lambda lines: lines.clear(), "file header"),
        (put("1", 3, "x"), "file header"),
        (put("5", 50, "IAT"), "standard entry class"),
        (put("5", 69, "269999"), "effective entry date"),
        (put("6", 29, "0000010001"), "total debit"),
        (put("6", 11, "9"), "receiving DFI identification"),
        (put("6", 78, "1"), "addenda"),
        (put("8", 10, "0000000000"), "batch control entry hash"),
        (put("8", 44, "9999999999"), "of another batch"),
        (put("900", 1, "000004"), "file control batch count"),
        (put("900", 21, "0000000000"), "file control entry hash"),
        (put("900", 7, "000002"), "block count"),
    ],
)
def test_a_file_that_does_not_hold_is_refused_by_record_and_field(harm: Any, element: str) -> None:
    content, _ = written(DAY)
    lines = content.decode().splitlines()
    harm(lines)
    with pytest.raises(FormatError, match=element) as refused:
        read("\n".join(lines).encode())
    assert "123456789" not in str(refused.value), "no account number in a message"


def test_lines_may_end_otherwise_and_blanks_at_their_ends_be_cut_off() -> None:
    content, totals = written(DAY)
    windows = b"\r\n".join(line.rstrip() for line in content.splitlines())
    assert read(windows)[2] == totals
    with pytest.raises(FormatError, match="record 1"):
        read(b"1" * 95)
    with pytest.raises(FormatError, match="record 2"):
        read(content.splitlines()[0] + b"\n\xff" * 1)


def test_routing_numbers_have_a_check_digit() -> None:
    for number in ("091000019", "121042882", "231380104"):
        assert routing_valid(number)
        assert achkit.is_valid_routing(number)
        assert not routing_valid(number[:8] + str((int(number[8]) + 1) % 10))
    assert not any(map(routing_valid, ("", "12345678", "1234567890", "12104288x", "12104288\u0662")))

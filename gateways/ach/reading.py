"""ACH files read, record by record, in flat memory.

Taken are the classes of `EntryClass`, with an addenda of payment information (05), a return (99) or a change (98).
What is refused is refused by record and field: a record of another length, out of its place or of another class, a
routing number that fails its check digit, trace numbers that do not rise, an entry that its batch does not hold, a
count, hash or total that does not add up, anything after the last block. A file is true as a whole or not at all:
nothing read is to be acted upon before its `Totals` have come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import count
from re import Match, Pattern
from typing import BinaryIO, Final

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
from gateways.ach.layout import BLOCKING, FILLER, RECORD, Sums, check

_HEADER: Final = re.compile(r"101 (\d{9})([ \d]\d{9})(\d{6})(\d{4})([A-Z0-9])094101(.{23})(.{23})(.{8})")
_BATCH: Final = re.compile(
    r"5(200|220|225)(.{16})(.{20})(.{10})([A-Z]{3})(.{10})(.{6})(\d{6}| {6})(?:\d{3}| {3})1(\d{8})(\d{7})"
)
_ENTRY: Final = re.compile(r"6([2-5][1-36-8])(\d{9})(.{17})(\d{10})(.{15})(.{22})..([01])(\d{15})")
_PAYMENT: Final = re.compile(r"705(.{80})(\d{4})(\d{7})")
_RETURN: Final = re.compile(r"799(R\d{2})(\d{15})(\d{6}| {6})(\d{8})(.{44})(\d{15})")
_CHANGE: Final = re.compile(r"798(C\d{2})(\d{15}) {6}(\d{8})(.{29}) {15}(\d{15})")
_BATCH_CONTROL: Final = re.compile(r"8(200|220|225)(\d{6})(\d{10})(\d{12})(\d{12})(.{10}).{19} {6}(\d{8})(\d{7})")
_FILE_CONTROL: Final = re.compile(r"9(\d{6})(\d{6})(\d{8})(\d{10})(\d{12})(\d{12}) {39}")

Read = AchFile | Batch | Entry | Totals
"""What a file gives, in its order: header, batches each before its entries, and the totals when they hold."""


def read_ach(file: BinaryIO) -> Iterator[Read]:
    """Read a file: its header, each batch before its entries, and last the totals, which have been counted as well.

    Raises `FormatError`. Memory does not grow with the file.
    """
    lines = _lines(file)
    yield _read_header(next(lines, (1, "")))
    sums = Sums()
    for batches, (number, line) in enumerate(lines):
        if line[0] == "9":
            totals = sums.totals(batches)
            _read_control(number, line, totals, lines)
            yield totals
            return
        yield from _read_batch(number, line, lines, sums)
    raise FormatError("file control", "is missing")


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Records by number. Lines end in LF or CR LF; fewer characters than a record has are blanks that were cut off."""
    for number in count(1):
        # A character more than a record with its end: nobody's line is read whole before it is refused.
        raw = file.readline(RECORD + 3)
        if not raw:
            return
        line = raw.rstrip(b"\r\n")
        if not line:
            continue
        if len(line) > RECORD or not line.isascii():
            raise FormatError(f"record {number}", f"is not {RECORD} ASCII characters")
        yield number, line.decode("ascii").ljust(RECORD)


def _read_header(record: tuple[int, str]) -> AchFile:
    found = _take(_HEADER, record, "file header")
    destination, origin, day, minute, modifier, destination_name, origin_name, reference = found.groups()
    if not routing_valid(destination):
        raise FormatError("file header immediate destination", "is not a routing number")
    return AchFile(
        destination=destination,
        origin=origin.strip(),
        created_at=_moment(day + minute, "file header creation date and time"),
        modifier=modifier,
        destination_name=destination_name.rstrip(),
        origin_name=origin_name.rstrip(),
        reference=reference.rstrip(),
    )


def _read_batch(number: int, line: str, lines: Iterator[tuple[int, str]], sums: Sums) -> Iterator[Batch | Entry]:
    found = _take(_BATCH, (number, line), "batch header")
    service_class, company, discretionary, company_id, kind, description, described, effective, dfi, batch_number = (
        found.groups()
    )
    if kind not in EntryClass.__members__:
        raise FormatError(f"record {number} standard entry class", "is none that is taken here")
    batch = Batch(
        service_class=ServiceClass(service_class),
        company_name=company.rstrip(),
        company_id=company_id.rstrip(),
        entry_class=EntryClass(kind),
        description=description.rstrip(),
        originating_dfi=dfi,
        number=int(batch_number),
        effective_on=_day(effective, f"record {number} effective entry date"),
        descriptive_date=described.rstrip(),
        discretionary=discretionary.rstrip(),
    )
    yield batch
    own, last = Sums(), ""
    record = next(lines, (number, ""))
    while record[1][:1] == "6":
        place = f"record {record[0]}"
        found = _take(_ENTRY, record, "entry")
        code, receiving, account, amount, individual, name, has_addenda, trace = found.groups()
        entry = Entry(code, receiving, account.rstrip(), int(amount), individual.rstrip(), name.rstrip(), trace)
        record = next(lines, (record[0], ""))
        if has_addenda == "1":
            entry = _with_addenda(entry, record)
            record = next(lines, (record[0], ""))
        check(entry, batch, last, place)
        own.add(entry, int(has_addenda))
        last = trace
        yield entry
    if not last:
        raise FormatError(f"record {record[0]} entry", "is missing: a batch holds one at least")
    found = _take(_BATCH_CONTROL, record, "batch control")
    if found.group(1) != service_class or found.group(6).rstrip() != batch.company_id or found.group(8) != batch_number:
        raise FormatError(f"record {record[0]} batch control", "is that of another batch")
    _compare(found.groups()[1:5], own.totals(), f"record {record[0]} batch control")
    sums.join(own)


def _with_addenda(entry: Entry, record: tuple[int, str]) -> Entry:
    number, line = record
    place = f"record {number} addenda"
    match line[:3]:
        case "705":
            words, _, sequence = _take(_PAYMENT, record, "addenda").groups()
            _same(sequence, entry.trace_number[-7:], place)
            return entry._replace(payment_information=words.rstrip())
        case "799":
            reason, original, died, dfi, words, trace = _take(_RETURN, record, "addenda").groups()
            _same(trace, entry.trace_number, place)
            died_on = _day(died, f"{place} date of death")
            return entry._replace(returned=ReturnOf(reason, original, dfi, words.rstrip(), died_on))
        case "798":
            change, original, dfi, corrected, trace = _take(_CHANGE, record, "addenda").groups()
            _same(trace, entry.trace_number, place)
            return entry._replace(changed=ChangeOf(change, original, dfi, corrected.rstrip()))
        case _:
            raise FormatError(place, "is missing, or of a type that is not taken here")


def _read_control(number: int, line: str, totals: Totals, lines: Iterator[tuple[int, str]]) -> None:
    place = f"record {number} file control"
    found = _take(_FILE_CONTROL, (number, line), "file control")
    if int(found.group(1)) != totals.batches:
        raise FormatError(f"{place} batch count", "is not that of the batches")
    _compare(found.groups()[2:], totals, place)
    last = number
    for last, filler in lines:
        if filler != FILLER:
            raise FormatError(f"record {last}", "stands after the file control")
    if last % BLOCKING or int(found.group(2)) != last // BLOCKING:
        raise FormatError(f"{place} block count", "is not that of the records, ten to a block")


def _compare(said: Iterable[str], counted: Totals, place: str) -> None:
    fields = (
        ("entry/addenda count", counted.entries_and_addenda),
        ("entry hash", counted.entry_hash),
        ("total debit", counted.debit_minor),
        ("total credit", counted.credit_minor),
    )
    for text, (name, number) in zip(said, fields, strict=True):
        if int(text) != number:
            raise FormatError(f"{place} {name}", "is not that of the entries")


def _same(found: str, wanted: str, place: str) -> None:
    if found != wanted:
        raise FormatError(f"{place} trace number", "is not its entry's")


def _take(pattern: Pattern[str], record: tuple[int, str], name: str) -> Match[str]:
    found = pattern.fullmatch(record[1])
    if found is None:
        raise FormatError(f"record {record[0]} {name}", "is missing, or a field of it is malformed")
    return found


def _moment(text: str, place: str) -> datetime:
    try:
        return datetime.strptime(text, "%y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise FormatError(place, "is none") from None


def _day(text: str, place: str) -> date | None:
    return _moment(f"{text}0000", place).date() if text.strip() else None

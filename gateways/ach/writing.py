"""ACH files written, record by record: what a field cannot carry is refused by the name of the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from engine.vocabulary.ach import AchFile, Batch, Entry, Totals, routing_valid
from engine.vocabulary.errors import FormatError
from gateways.ach.layout import BLOCKING, FILLER, RECORD, Sums, check

_TEXT: Final = re.compile(r"[ -~]*")
_RETURN: Final = re.compile(r"R\d{2}")
_ORIGIN: Final = re.compile(r"\d{9,10}")
_CHANGE: Final = re.compile(r"C\d{2}")


def write_ach(file: BinaryIO, header: AchFile, batches: Iterable[tuple[Batch, Iterable[Entry]]]) -> Totals:
    """Write a whole file, taking batches and entries one by one; what its controls say.

    `FormatError` names the record and the field that cannot be written: what is in the file by then is no file.
    """
    records = 0

    def put(record: str) -> None:
        nonlocal records
        assert len(record) == RECORD, "every record has its length"
        records += 1
        file.write(record.encode("ascii") + b"\n")

    put(_file_header(header))
    sums, number = Sums(), 0
    for number, (batch, entries) in enumerate(batches, start=1):
        place = f"batch {number}"
        put(_batch_header(batch, place))
        own, last = Sums(), ""
        for entry in entries:
            check(entry, batch, last, f"{place} entry {entry.trace_number}")
            last = entry.trace_number
            lines = list(_entry_records(entry, f"{place} entry {entry.trace_number}"))
            for line in lines:
                put(line)
            own.add(entry, len(lines) - 1)
        if not last:
            raise FormatError(place, "holds no entry")
        put(_batch_control(batch, own.totals(), place))
        sums.join(own)
    totals = sums.totals(number)
    blocks = -(-(records + 1) // BLOCKING)
    put(
        f"9{totals.batches:06d}{blocks:06d}{totals.entries_and_addenda:08d}{totals.entry_hash:010d}"
        f"{_total(totals.debit_minor, 'file control total debit')}"
        f"{_total(totals.credit_minor, 'file control total credit')}{'':39}"
    )
    while records % BLOCKING:
        put(FILLER)
    return totals


def _file_header(header: AchFile) -> str:
    place = "file header"
    if not routing_valid(header.destination):
        raise FormatError(f"{place} immediate destination", "is not a routing number")
    if not _ORIGIN.fullmatch(header.origin):
        raise FormatError(f"{place} immediate origin", "is not nine or ten digits")
    if not re.fullmatch("[A-Z0-9]", header.modifier):
        raise FormatError(f"{place} file ID modifier", "is not one of A-Z and 0-9")
    return (
        f"101 {header.destination}{header.origin:>10}{header.created_at:%y%m%d%H%M}{header.modifier}094101"
        + _words(header.destination_name, 23, f"{place} immediate destination name")
        + _words(header.origin_name, 23, f"{place} immediate origin name")
        + _words(header.reference, 8, f"{place} reference code")
    )


def _batch_header(batch: Batch, place: str) -> str:
    effective = "" if batch.effective_on is None else f"{batch.effective_on:%y%m%d}"
    return (
        f"5{batch.service_class}"
        + _words(batch.company_name, 16, f"{place} company name")
        + _words(batch.discretionary, 20, f"{place} company discretionary data")
        + _words(batch.company_id, 10, f"{place} company identification")
        + batch.entry_class
        + _words(batch.description, 10, f"{place} company entry description")
        + _words(batch.descriptive_date, 6, f"{place} company descriptive date")
        + f"{effective:6}   1"
        + _digits(batch.originating_dfi, 8, f"{place} originating DFI identification")
        + _count(batch.number, 7, f"{place} batch number")
    )


def _entry_records(entry: Entry, place: str) -> Iterator[str]:
    addenda = _addenda(entry, place)
    yield (
        f"6{entry.transaction_code}{entry.receiving_dfi}"
        + _words(entry.account, 17, f"{place} DFI account number")
        + _count(entry.amount_minor, 10, f"{place} amount")
        + _words(entry.individual_id, 15, f"{place} individual identification number")
        + _words(entry.name, 22, f"{place} individual name")
        + f"  {0 if addenda is None else 1}{entry.trace_number}"
    )
    if addenda is not None:
        yield addenda


def _addenda(entry: Entry, place: str) -> str | None:
    if entry.returned is not None:
        why = entry.returned
        if not _RETURN.fullmatch(why.reason):
            raise FormatError(f"{place} return reason code", "is not R and two digits")
        died = "" if why.died_on is None else f"{why.died_on:%y%m%d}"
        return (
            f"799{why.reason}{_digits(why.original_trace_number, 15, f'{place} original entry trace number')}{died:6}"
            f"{_digits(why.original_receiving_dfi, 8, f'{place} original receiving DFI identification')}"
            f"{_words(why.information, 44, f'{place} addenda information')}{entry.trace_number}"
        )
    if entry.changed is not None:
        what = entry.changed
        if not _CHANGE.fullmatch(what.change_code):
            raise FormatError(f"{place} change code", "is not C and two digits")
        original = _digits(what.original_trace_number, 15, f"{place} original entry trace number")
        return (
            f"798{what.change_code}{original}{'':6}"
            f"{_digits(what.original_receiving_dfi, 8, f'{place} original receiving DFI identification')}"
            f"{_words(what.corrected, 29, f'{place} corrected data')}{'':15}{entry.trace_number}"
        )
    if entry.payment_information is not None:
        words = _words(entry.payment_information, 80, f"{place} payment related information")
        return f"705{words}0001{entry.trace_number[-7:]}"
    return None


def _batch_control(batch: Batch, totals: Totals, place: str) -> str:
    return (
        f"8{batch.service_class}{_count(totals.entries_and_addenda, 6, f'{place} entry/addenda count')}"
        f"{totals.entry_hash:010d}{_total(totals.debit_minor, f'{place} total debit')}"
        f"{_total(totals.credit_minor, f'{place} total credit')}"
        f"{batch.company_id:10}{'':25}{batch.originating_dfi}{batch.number:07d}"
    )


def _words(value: str, length: int, place: str) -> str:
    if len(value) > length or not _TEXT.fullmatch(value):
        raise FormatError(place, f"is not at most {length} printable characters")
    return value.ljust(length)


def _digits(value: str, length: int, place: str) -> str:
    if len(value) != length or not (value.isascii() and value.isdecimal()):
        raise FormatError(place, f"is not {length} digits")
    return value


def _count(value: int, length: int, place: str) -> str:
    if not 0 <= value < 10**length:
        raise FormatError(place, f"does not fit {length} digits")
    return f"{value:0{length}d}"


def _total(value: int, place: str) -> str:
    return _count(value, 12, place)

"""What writing and reading share: the shape of a file, what a single entry must hold, and what is summed of many.

1 file header; batches: 5 header, 6 entries each with its 7 addenda, 8 control; 9 file control, and records of
nines until the last block of ten is full
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from engine.vocabulary.ach import (
    CREDIT_DIGITS,
    DEBIT_DIGITS,
    PRENOTE_DIGITS,
    RETURN_DIGITS,
    Batch,
    Entry,
    EntryClass,
    ServiceClass,
    Totals,
    routing_valid,
)
from engine.vocabulary.errors import FormatError

RECORD: Final = 94
BLOCKING: Final = 10
HASH_MODULUS: Final = 10**10
FILLER: Final = "9" * RECORD

_HELD: Final = {
    ServiceClass.MIXED: CREDIT_DIGITS | DEBIT_DIGITS,
    ServiceClass.CREDITS: CREDIT_DIGITS,
    ServiceClass.DEBITS: DEBIT_DIGITS,
}
"""The second digits of the transaction codes that a batch may hold."""


@dataclass(slots=True)
class Sums:
    """What has gone by."""

    entries_and_addenda: int = 0
    entry_hash: int = 0
    debit_minor: int = 0
    credit_minor: int = 0

    def add(self, entry: Entry, addenda: int) -> None:
        """An entry with so many addenda has gone by."""
        self.entries_and_addenda += 1 + addenda
        self.entry_hash += int(entry.receiving_dfi[:8])
        if entry.is_debit:
            self.debit_minor += entry.amount_minor
        else:
            self.credit_minor += entry.amount_minor

    def join(self, other: Sums) -> None:
        """So has a whole batch."""
        self.entries_and_addenda += other.entries_and_addenda
        self.entry_hash += other.entry_hash
        self.debit_minor += other.debit_minor
        self.credit_minor += other.credit_minor

    def totals(self, batches: int = 1) -> Totals:
        """What a control record must say."""
        return Totals(
            batches=batches,
            entries_and_addenda=self.entries_and_addenda,
            entry_hash=self.entry_hash % HASH_MODULUS,
            debit_minor=self.debit_minor,
            credit_minor=self.credit_minor,
        )


def check(entry: Entry, batch: Batch, last: str, place: str) -> None:
    """What a single entry and its place in the batch must hold, written or read."""
    code = entry.transaction_code
    if len(code) != 2 or code[0] not in "2345" or code[1] not in _HELD[batch.service_class]:
        raise FormatError(f"{place} transaction code", "is none that its batch holds")
    if not _routed(entry.receiving_dfi):
        raise FormatError(f"{place} receiving DFI identification", "is not a routing number")
    if entry.trace_number[:8] != batch.originating_dfi or entry.trace_number <= last:
        raise FormatError(f"{place} trace number", "is not its bank's, or does not rise")
    if code[1] in PRENOTE_DIGITS and entry.amount_minor:
        raise FormatError(f"{place} amount", "is not zero in a prenote")
    if (batch.entry_class is EntryClass.COR) is not (entry.changed is not None):
        raise FormatError(f"{place} addenda", "tells of a change where the class is COR, and there alone")
    if (code[1] in RETURN_DIGITS) is not (entry.returned is not None or entry.changed is not None):
        raise FormatError(
            f"{place} transaction code", "is that of a return or change where there is one, and there alone"
        )
    if batch.entry_class is EntryClass.TEL and not entry.is_debit and entry.returned is None:
        raise FormatError(f"{place} transaction code", "is a credit, which class TEL has not")


_routed = lru_cache(50_000)(routing_valid)
"""There are fewer banks than entries."""

"""ACH: entries between banks by way of files, as the Nacha Operating Rules have them (appendix 3, ACH record formats).

An entry credits or debits an account at a receiving bank (RDFI) for a company at the originating one (ODFI). What the
receiving bank cannot post comes back as a return (R codes), what it had to correct as a notification of change (C
codes): entries of their own, which name the original by its trace number. A prenote is an entry of zero that tries an
account out. Amounts are whole cents; the network knows US dollars alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NamedTuple


class EntryClass(StrEnum):
    """Standard entry class: how the receiver agreed, and what an entry may carry."""

    PPD = "PPD"
    """A person, in writing."""
    CCD = "CCD"
    """A company."""
    WEB = "WEB"
    """A person, over the internet."""
    TEL = "TEL"
    """A person, by telephone: debits alone."""
    COR = "COR"
    """Notifications of change."""


class ServiceClass(StrEnum):
    """What a batch holds."""

    MIXED = "200"
    CREDITS = "220"
    DEBITS = "225"


CREDIT_DIGITS: Final = frozenset("123")
DEBIT_DIGITS: Final = frozenset("678")
PRENOTE_DIGITS: Final = frozenset("38")
RETURN_DIGITS: Final = frozenset("16")
"""The second digit of a transaction code: 1 and 6 what comes back (a return, or a change), 2 and 7 money, 3 and 8 a
prenote. The first is the kind of account: 2 checking, 3 savings, 4 general ledger, 5 loan."""


class Entry(NamedTuple):
    """One entry (record 6) with its addenda. A named tuple: a file has many.

    `receiving_dfi` is the receiving bank's routing number with its check digit; `trace_number` is 15 digits, the first
    eight those of the bank that made it. What goes with it is in one of the last three, by the class of its batch.
    """

    transaction_code: str
    receiving_dfi: str
    account: str
    amount_minor: int
    individual_id: str
    name: str
    trace_number: str
    payment_information: str | None = None
    """Addenda 05, at most 80 characters."""
    returned: ReturnOf | None = None
    """Addenda 99."""
    changed: ChangeOf | None = None
    """Addenda 98."""

    @property
    def is_debit(self) -> bool:
        """Whether it takes from the account at the receiving bank."""
        return self.transaction_code[1] in DEBIT_DIGITS

    @property
    def is_prenote(self) -> bool:
        """Whether it only tries the account out."""
        return self.transaction_code[1] in PRENOTE_DIGITS


class ReturnOf(NamedTuple):
    """Why an entry comes back (`R01`...), and which: its trace number, and the bank (8 digits) that it had gone to."""

    reason: str
    original_trace_number: str
    original_receiving_dfi: str
    information: str = ""
    died_on: date | None = None
    """For R14 and R15."""


class ChangeOf(NamedTuple):
    """What must be said from now on (`C01`...): `corrected` is laid out by the code, 29 characters at most."""

    change_code: str
    original_trace_number: str
    original_receiving_dfi: str
    corrected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the entries of a batch share (record 5). `originating_dfi` is 8 digits, `effective_on` the day asked for."""

    service_class: ServiceClass
    company_name: str
    company_id: str
    entry_class: EntryClass
    description: str
    originating_dfi: str
    number: int
    effective_on: date | None = None
    descriptive_date: str = ""
    discretionary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AchFile:
    """Who sends a file to whom (record 1). `destination` is a routing number, `origin` one or a company's ten digits;
    `created_at` counts to the minute; the modifier (A-Z, 0-9) tells the files of one day apart."""

    destination: str
    origin: str
    created_at: datetime
    modifier: str = "A"
    destination_name: str = ""
    origin_name: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the control records say of a file, or of one batch: cents, and the entry hash, the sum of the receiving
    banks' first eight digits modulo 10^10."""

    batches: int
    entries_and_addenda: int
    entry_hash: int
    debit_minor: int
    credit_minor: int


def routing_valid(number: str) -> bool:
    """Whether nine digits are a routing number: 3, 7 and 1 times its digits sum to a multiple of ten (ABA)."""
    if len(number) != 9 or not (number.isascii() and number.isdecimal()):
        return False
    return sum(weight * int(digit) for weight, digit in zip((3, 7, 1) * 3, number, strict=True)) % 10 == 0

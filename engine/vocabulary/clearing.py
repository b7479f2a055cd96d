"""What a clearing file carries, as words: presentments and what answers them.

A record is about one item, which its acquirer reference number (DE 31) names, or about money that two members owe each
other beside items (`FeeCollection`). Amounts are minor units of their asset, without sign: what a record is says
which way the money goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentmentReversal:
    """An acquirer takes a presentment back, whole (1240 with PDS 0025; 25, 26, 27)."""

    presentment: Presentment


@dataclass(frozen=True, slots=True, kw_only=True)
class Chargeback:
    """An issuer gives a presentment back (1442; 15, 16, 17): all of it, or as much as `presentment.amount` says."""

    presentment: Presentment
    reason_code: str
    """DE 25, four digits."""
    is_partial: bool = False
    is_reversal: bool = False
    """The chargeback itself is taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeCollection:
    """One member collects from another what no item carries (1740): `sender_id` is paid by `recipient_id`."""

    fee_id: str
    """Unique for the sender for ever; at most 23 characters."""
    sender_id: str
    recipient_id: str
    amount: Money
    reason_code: str
    """DE 25, four digits."""
    text: str
    """DE 72: what it is for, in words."""
    business_date: date
    is_reversal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReject:
    """The network does not take one item of a file (1644, function code 691): no money moves for it."""

    arn: str
    amount: Money
    acquirer_id: str
    reason: str
    """One word of the network's, such as `account_range_unknown`."""
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReject:
    """The network does not take a file (1644, function code 699): nothing of it counts."""

    name: str
    """The file's name: what it calls itself cannot be relied upon."""
    sender_id: str
    """Whose file it was."""
    reason: str
    """The record and element that were wrong, and how."""
    business_date: date


ClearingRecord = Presentment | PresentmentReversal | Chargeback | FeeCollection | MessageReject | FileReject
R = TypeVar("R", Presentment, PresentmentReversal, Chargeback, FeeCollection, MessageReject, FileReject)
"""One kind of record."""


def amount_of(record: ClearingRecord) -> Money | None:
    """What a record adds to the total of its file, without sign; None where it tells of no money."""
    match record:
        case PresentmentReversal() | Chargeback():
            return record.presentment.amount
        case FileReject():
            return None
        case _:
            return record.amount


def date_of(record: ClearingRecord) -> date:
    """The clearing date of the file that carries a record."""
    if isinstance(record, PresentmentReversal | Chargeback):
        return record.presentment.business_date
    return record.business_date

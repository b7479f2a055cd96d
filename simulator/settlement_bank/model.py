"""The nouns of the settlement bank: deposits, movements between them, and statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar, TypedDict
from uuid import UUID

from engine.ledger.book import Book
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.settlement import BankStatement, StatementLine

CASH = "central cash"
"""Stands in movements for the bank itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Somebody's money at this bank, found by a reference that its owner gives out.

    Its statements so far: how many, how many of its account's entries they tell of, and the balance they end with.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    reference: str
    asset: str
    account_id: UUID
    statement_count: int = 0
    stated_entries: int = 0
    stated_minor: int = 0


class MovementState(StrEnum):
    """Whether the money stayed where it went."""

    BOOKED = "booked"
    RETURNED = "returned"
    """The payee has no deposit here: out and back again, for the payer to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Money from one deposit to another. `reference` is what the one who asked for it calls it."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    kind: str
    reference: str
    payer: str
    payee: str
    amount_minor: int
    asset: str
    business_date: date
    state: MovementState = MovementState.BOOKED


class Line(TypedDict):
    """A statement's line as it is stored."""

    reference: str
    kind: str
    amount_minor: int
    counterpart: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What happened to a deposit since its last statement."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    statement_id: str
    deposit: str
    number: int
    business_date: date
    occasion: str
    asset: str
    opening_minor: int
    closing_minor: int
    lines: tuple[Line, ...]

    def document(self, bank_id: str) -> BankStatement:
        """As the depositor is told."""
        return BankStatement(
            statement_id=f"{bank_id}-{self.statement_id}",
            number=self.number,
            business_date=self.business_date,
            bank_id=bank_id,
            depositor_id=self.deposit,
            asset=self.asset,
            opening_minor=self.opening_minor,
            closing_minor=self.closing_minor,
            lines=tuple(StatementLine(**line) for line in self.lines),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositOpened(Event):
    """A deposit exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyMoved(Event):
    """A movement is booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutReturned(Event):
    """A payout went out and came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDrawn(Event):
    """A statement is written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositStated(Event):
    """The deposit's statements have moved on."""


@dataclass(frozen=True, slots=True)
class OpenDeposit:
    """A deposit, perhaps with something in it."""

    reference: str
    opening_minor: int = 0
    asset: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleMember:
    """Move a member's net position between its deposit and the network's; positive, the member receives."""

    reference: str
    network_id: str
    member_id: str
    business_date: date
    asset: str
    net_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PayOut:
    """Pay a merchant out of an acquirer's deposit."""

    payout_id: str
    acquirer_id: str
    deposit_reference: str
    business_date: date
    asset: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class DrawStatement:
    """A statement of everything since the last one. One for each deposit, date and occasion."""

    deposit: str
    asset: str
    business_date: date
    occasion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedEntry:
    """One entry of a deposit's account, by its number: what a statement's line is made of."""

    number: int
    kind: str
    amount_minor: int
    reference: str
    counterpart: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A statement to be drawn, with the account's entries that were not stated when it was asked for, in order."""

    request: DrawStatement
    entries: tuple[StatedEntry, ...]


KEYS: Mapping[type, KeyRule] = {
    OpenDeposit: KeyRule("deposit", ("reference", "asset"), ("opening_minor",)),
    SettleMember: KeyRule("settle", ("network_id", "reference"), ("member_id", "asset", "net_minor")),
    PayOut: KeyRule("payout", ("acquirer_id", "payout_id"), ("deposit_reference", "asset", "amount_minor")),
    DrawStatement: KeyRule("statement", ("deposit", "asset", "business_date", "occasion"), ()),
}


def id_of_deposit(book: Book, reference: str, asset: str) -> UUID:
    """The identifier of a deposit, and the owner of its account."""
    return book.id("deposit", reference, asset, on=STATIC)

"""The nouns of settlement: net positions, and what the settlement bank says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.ledger.book import Book
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.settlement import SettlementReport
from simulator.network.settlement.netting import PairTotals


class PositionState(StrEnum):
    """Whether the settlement bank has moved it."""

    OPEN = "open"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPosition:
    """What one clearing date comes to for one member in one asset; all amounts signed from the member's side.

    `settled_minor` is what the settlement bank moved, positive into the member's deposit.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    report_id: str
    business_date: date
    member_id: str
    asset: str
    purchases_count: int
    purchases_minor: int
    credits_count: int
    credits_minor: int
    interchange: Decimal
    interchange_booked_minor: int
    network_fee: Decimal
    network_fee_booked_minor: int
    rounding_minor: int
    net_position_minor: int
    state: PositionState = PositionState.OPEN
    settled_minor: int = 0

    def report(self, network_id: str) -> SettlementReport:
        """As the member is told."""
        return SettlementReport(
            report_id=self.report_id,
            business_date=self.business_date,
            network_id=network_id,
            member_id=self.member_id,
            asset=self.asset,
            purchases_count=self.purchases_count,
            purchases_minor=self.purchases_minor,
            credits_count=self.credits_count,
            credits_minor=self.credits_minor,
            interchange_exact=f"{self.interchange:.6f}",
            interchange_booked_minor=self.interchange_booked_minor,
            network_fee_exact=f"{self.network_fee:.6f}",
            network_fee_booked_minor=self.network_fee_booked_minor,
            rounding_minor=self.rounding_minor,
            net_position_minor=self.net_position_minor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementBreak:
    """A line of the settlement bank's statement that is not what we instructed. Kept for people; nothing is corrected
    by itself.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    statement_id: str
    line: int
    reference: str
    member_id: str
    asset: str
    expected_minor: int
    found_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionNetted(Event):
    """A day's items are netted, priced and rounded for a member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSettled(Event):
    """The settlement bank has moved a net position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakFound(Event):
    """Statement and instruction do not agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCycle:
    """Net one clearing date in one asset: what each pair of members exchanged, and the members that hold a position."""

    network_id: str
    business_date: date
    asset: str
    members: tuple[str, ...]
    pairs: tuple[PairTotals, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookMovement:
    """One line of the network's own statement. `amount_minor` is positive into the network's deposit."""

    statement_id: str
    line: int
    business_date: date
    kind: str
    reference: str
    member_id: str
    asset: str
    amount_minor: int


KEYS: Mapping[type, KeyRule] = {
    # What there is to net is no part of the fingerprint: a step that runs again after a crash may find a member more,
    # and the day has been netted.
    CloseCycle: KeyRule("cycle", ("business_date", "asset"), ()),
    BookMovement: KeyRule("movement", ("statement_id", "line"), ("kind", "reference", "member_id", "amount_minor")),
}


def report_id(network_id: str, member_id: str, business_date: date, asset: str) -> str:
    """The settlement's reference, unique for ever: its report, instruction and statement lines name it."""
    return f"{network_id}-{member_id}-{business_date}-{asset}"


def id_of_position(book: Book, reference: str) -> UUID:
    """The identifier of a net position, from its reference."""
    return book.id("net_position", reference, on=STATIC)

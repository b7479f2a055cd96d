"""Money between institutions: payouts to merchants, what the network reports, what the settlement bank states, and
where they disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC, derive_id
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.money import round_half_even
from engine.vocabulary.settlement import BankStatement, SettlementReport


class PayoutState(StrEnum):
    """`instructed`: in a file to the settlement bank; `paid` or `returned`: on a statement."""

    INSTRUCTED = "instructed"
    PAID = "paid"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """What one merchant was paid on one business date: the sum of its items that name this payout."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    merchant: UUID
    account_id: UUID
    deposit_reference: str
    amount_minor: int
    item_count: int
    asset: str
    business_date: date
    state: PayoutState


class SettlementState(StrEnum):
    """`open`: report or statement is still missing; `settled`: they agree; `broken`: a `SettlementBreak` says how
    not.
    """

    OPEN = "open"
    SETTLED = "settled"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """One net position: what the network reported and what the settlement bank moved. Positive is received. Minor
    units of `asset`.

    Report and statement come in either order. `rounding_minor` is the aggregate rounding leg that the report booked.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ("reference",)

    id: UUID
    reference: str
    asset: str
    business_date: date
    reported_minor: int | None
    received_minor: int | None
    rounding_minor: int
    state: SettlementState


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of our deposit at the settlement bank, as far as the next one must follow from it."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    statement_id: str
    number: int
    asset: str
    business_date: date
    closing_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementBreak:
    """A disagreement between our books and what another institution says. Kept until a person has dealt with it,
    never put right silently.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    reference: str
    reason: str
    asset: str
    business_date: date
    expected_minor: int
    found_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What our own items of a clearing date come to, signed from our side; read for a report, kept nowhere.

    `*_rounded_minor` sum the items as booked, `*_exact` as computed by the network.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    purchases_count: int
    purchases_minor: int
    credits_count: int
    credits_minor: int
    interchange_exact: Decimal
    interchange_rounded_minor: int
    network_fee_exact: Decimal
    network_fee_rounded_minor: int

    @property
    def rounding_minor(self) -> int:
        """Both sums rounded once, less the items rounded each: what goes to the rounding account, positive for a
        gain.
        """
        interchange = round_half_even(self.interchange_exact) - self.interchange_rounded_minor
        return interchange + round_half_even(self.network_fee_exact) - self.network_fee_rounded_minor

    @property
    def net_minor(self) -> int:
        """What we should receive."""
        costs = round_half_even(self.interchange_exact) + round_half_even(self.network_fee_exact)
        return self.purchases_minor + self.credits_minor + costs


@dataclass(frozen=True, slots=True, kw_only=True)
class DueItems:
    """Which items of a merchant (`id`) are not paid yet; read for a payout, kept nowhere."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    items: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayMerchant:
    """Pay a merchant everything presented by `business_date` and not paid yet. Answered "paid" or "nothing_due"."""

    merchant: UUID
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class BookReport:
    """What the network says our items come to. Answered "agreed" or, with each disagreement kept, "broken"."""

    report: SettlementReport


@dataclass(frozen=True, slots=True, kw_only=True)
class BookStatement:
    """What the settlement bank has moved. Answered "agreed" or, with each disagreement kept, "broken"."""

    statement: BankStatement


KEYS: Mapping[type, KeyRule] = {
    PayMerchant: KeyRule("pay_merchant", ("merchant", "business_date"), ()),
    BookReport: KeyRule("book_report", ("report.report_id",), ("report",)),
    BookStatement: KeyRule("book_statement", ("statement.statement_id",), ("statement",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantPaid(Event):
    """A merchant was paid out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPaidOut(Event):
    """An item was paid in a payout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDueAgain(Event):
    """The payout that paid an item came back: the item waits for the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutStated(Event):
    """The settlement bank says that a payout was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutReturned(Event):
    """A payout came back; the merchant is owed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReported(Event):
    """The network has said what it owes us, or we it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSettled(Event):
    """The settlement bank has moved a net position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementBooked(Event):
    """A statement is in the books."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementBroken(Event):
    """Something does not agree."""


def id_of_payout(institution: str, merchant: UUID, business_date: date) -> UUID:
    """One payout a merchant and business date."""
    return derive_id(f"{institution}/payout", str(merchant), on=business_date)


def id_of_settlement(institution: str, reference: str) -> UUID:
    """One settlement a report."""
    return derive_id(f"{institution}/settlement", reference, on=STATIC)


def id_of_statement(institution: str, asset: str, number: int) -> UUID:
    """Statements of a deposit are numbered without a gap."""
    return derive_id(f"{institution}/statement", asset, number, on=STATIC)


def id_of_position(institution: str, report_id: str) -> UUID:
    """The position that a report is compared with, within one batch."""
    return derive_id(f"{institution}/position", report_id, on=STATIC)

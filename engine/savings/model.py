"""Savings accounts and the book of their interest: nouns, facts and requests.

A day's interest is counted on the balance at the end of that business date: money that arrived on date D counts for D.
Interest paid for a period counts from the day after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.savings.accrual import MICRO
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import derive_id
from engine.vocabulary.keys import KeyRule

HIGHEST_RATE_BPS = 10_000
INTEREST = "interest"
"""What a statement calls interest that is paid."""

REFUSALS: Mapping[str, str] = {
    "unknown_customer": "There is no such customer.",
    "unknown_savings": "There is no such savings account.",
    "not_yours": "This savings account is somebody else's.",
    "rate_malformed": "A rate is between 0 and 10,000 basis points.",
    "amount_malformed": "The amount is none that can be moved.",
    "account_closed": "The account is closed.",
    "account_frozen": "The account is frozen.",
    "insufficient_funds": "There is not enough money in the account that it would leave.",
    "limit_exceeded": "The account that it would go to may not hold that much.",
    "not_possible": "The books do not allow this.",
    "wallet_not_empty": "There is money in the wallet, or held in it.",
    "savings_not_empty": "There is money in a savings account.",
    "interest_due": "A savings account has earned interest that is not paid yet.",
    "day_not_over": "A business date that is not over has no closing balance.",
    "already_accrued": "Interest for this date has been accrued.",
    "day_missing": "Interest for an earlier date has not been accrued yet.",
    "period_not_accrued": "Interest is paid for a period whose last day is the last that was accrued.",
}
"""Why something is refused, for machines and for people, in order of precedence."""


class DayCount(StrEnum):
    """How a year is counted: the days that passed, over a year of fixed length."""

    ACTUAL_365 = "actual/365"
    ACTUAL_360 = "actual/360"

    @property
    def basis(self) -> int:
        """Days in the year."""
        return 360 if self is DayCount.ACTUAL_360 else 365


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsAccount:
    """Money of a customer that earns interest. `account_id` is its ledger account, `savings`.

    Interest earned so far is `earned_micro` millionths of a minor unit and `remainder`/`day_count.basis` of another
    millionth; `paid_minor` of it has been paid. Both only grow.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    customer_id: UUID
    account_id: UUID
    asset: str
    rate_bps: int
    day_count: DayCount
    opened_on: date
    accrued_through: date
    earned_micro: int = 0
    remainder: int = 0
    paid_minor: int = 0

    @property
    def accrued_micro(self) -> int:
        """Interest that is earned and not paid, in millionths of a minor unit. At least minus half a minor unit: paying
        rounds."""
        return self.earned_micro - self.paid_minor * MICRO


@dataclass(frozen=True, slots=True, kw_only=True)
class AccrualBook:
    """How far the ledger has followed what the savings accounts of one asset earn: `booked_minor` of `earned_micro`."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    asset: str
    booked_through: date
    earned_micro: int = 0
    booked_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingBalance:
    """What an account held at the end of a business date, as its entries say, and how much interest had been paid to it
    by then as far as the rows show. Read, never written."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    balance_minor: int
    paid_minor: int


def closing_id(savings_id: UUID, business_date: date) -> UUID:
    """The identifier of a `ClosingBalance`."""
    return derive_id("closing", str(savings_id), on=business_date)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsOpened(Event):
    """A savings account exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsMoved(Event):
    """Money went from the customer's wallet into the savings account, or back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestAccrued(Event):
    """A day's interest has been earned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccrualBooked(Event):
    """The ledger shows what has been earned, in whole minor units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestPosted(Event):
    """A period's interest is in the savings account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSavings:
    """Open a savings account and move `opening_minor` (0 or more) into it from the customer's wallet.

    Answered "opened" with the fact savings_id, or "refused" with reasons out of `REFUSALS`.
    """

    reference: str
    customer_id: UUID
    rate_bps: int
    opening_minor: int
    day_count: DayCount = DayCount.ACTUAL_365


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveSavings:
    """Move money of one customer: positive from the wallet into the savings account, negative back.

    Answered "moved" or "refused".
    """

    reference: str
    customer_id: UUID
    savings_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCustomer:
    """Close a customer for good. It is asked of savings, the last stage that keeps money of people, because it must see
    all of it: a closed customer could not move what is left.

    Answered "closed", or "refused": unknown_customer, account_closed, wallet_not_empty, savings_not_empty,
    interest_due (earned and not paid yet, or last night's not counted yet).
    """

    customer_id: UUID
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccrueInterest:
    """Count the interest of one business date that is over: the day after the last that was counted.

    Answered "accrued" with the fact interest_micro, or "refused".
    """

    savings_id: UUID
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAccrual:
    """Bring the ledger to what all accounts of one asset have ever earned, `earned_micro` millionths of a minor unit.

    Answered "booked" with the fact amount_minor, the whole minor units that were not booked yet: expense debited,
    interest accrued credited.
    """

    asset: str
    business_date: date
    earned_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostInterest:
    """Pay what has been earned up to and with `period_end`, rounded half to even once.

    Answered "paid" with the fact amount_minor, or "refused".
    """

    savings_id: UUID
    period_end: date


KEYS: Mapping[type, KeyRule] = {
    OpenSavings: KeyRule("open_savings", ("customer_id", "reference"), ("rate_bps", "opening_minor", "day_count")),
    MoveSavings: KeyRule("move_savings", ("customer_id", "reference"), ("savings_id", "amount_minor")),
    CloseCustomer: KeyRule("close_customer", ("customer_id", "reference"), ()),
    AccrueInterest: KeyRule("accrue_interest", ("savings_id", "business_date"), ()),
    # The sum is no part of the fingerprint: a step that runs again after a crash may find more earned.
    BookAccrual: KeyRule("book_accrual", ("asset", "business_date"), ()),
    PostInterest: KeyRule("post_interest", ("savings_id", "period_end"), ()),
}

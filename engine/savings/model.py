"""Savings accounts and the book of their interest: nouns, facts and requests.

A day's interest is counted on the balance at the end of that business date: money that arrived on date D counts for D.
Interest posted for a period counts from the day after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from engine.savings.accrual import Accrued
from engine.savings.products import MICRO, BalanceMethod, DayCount, Frequency, TierMethod
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC, derive_id
from engine.vocabulary.keys import KeyRule

INTEREST = "interest"
"""What a statement calls interest that is paid."""
TAX = "tax on interest"
OVERDRAFT_INTEREST = "overdraft interest"
BOOKED_KINDS = (INTEREST, TAX, OVERDRAFT_INTEREST)
"""What the posting of interest books. Everything else that moves is a movement, which interest is counted on."""
MOST_TIERS = 20
LONGEST_NAME = 64

REFUSALS: Mapping[str, str] = {
    "unknown_customer": "There is no such customer.",
    "unknown_savings": "There is no such savings account.",
    "unknown_product": "There is no such savings product.",
    "not_yours": "This savings account is somebody else's.",
    "name_malformed": f"A name has 1 to {LONGEST_NAME} characters, none of them a control character.",
    "terms_malformed": "These terms do not go together.",
    "product_exists": "There is a product of this name.",
    "rate_malformed": "Rates are between 0 and 10,000 basis points, promotions included.",
    "tiers_malformed": f"Tiers are 1 to {MOST_TIERS} balances that rise from 0, each with a rate.",
    "day_has_come": "Rates can be set for days to come only, and each day once.",
    "wrong_asset": "The product is in another currency than the wallet.",
    "amount_malformed": "The amount is none that can be moved.",
    "date_malformed": "A movement counts from a day between the account's opening and today.",
    "account_closed": "The account is closed.",
    "account_frozen": "The account is frozen.",
    "not_matured": "Money cannot be taken out of a deposit before it matures, unless the account is closed.",
    "withdrawals_used_up": "The account allows no more withdrawals in this month.",
    "insufficient_funds": "There is not enough money in the account that it would leave.",
    "limit_exceeded": "The account that it would go to may not hold that much.",
    "not_possible": "The books do not allow this.",
    "overdrawn": "The account is below zero: pay in first.",
    "wallet_not_empty": "There is money in the wallet, or held in it.",
    "savings_not_empty": "There is money in a savings account.",
    "savings_open": "A savings account is still open: closing it pays its interest.",
    "being_corrected": "The account's interest is being corrected: ask again tomorrow.",
    "no_round_ups": "The customer has no savings account that takes round-ups.",
}
"""Why something is refused, for machines and for people, in order of precedence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsAccount:
    """Money of a customer that earns interest. `account_id` is its ledger account, `savings`.

    Interest is counted up to and with `accrued_through` and posted up to and with `posted_through`; what it comes to is
    in the fields of `accrual.Accrued`. `recompute_from` is the effective date of a movement that came after its day was
    counted. `round_up_minor` is what card purchases are rounded up to (0: they are not).
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    customer_id: UUID
    account_id: UUID
    asset: str
    product_id: UUID
    opened_on: date
    accrued_through: date
    posted_through: date
    matures_on: date | None = None
    closed_on: date | None = None
    recompute_from: date | None = None
    earned_micro: int = 0
    earned_parts: int = 0
    paid_minor: int = 0
    compounded_micro: int = 0
    owed_micro: int = 0
    owed_parts: int = 0
    charged_minor: int = 0
    withheld_minor: int = 0
    average_sum: int = 0
    average_days: int = 0
    goal_name: str | None = None
    goal_minor: int | None = None
    goal_on: date | None = None
    round_up_minor: int = 0
    withdrawals: int = 0
    withdrawals_in: date | None = None

    @property
    def accrued(self) -> Accrued:
        """What has been earned and is owed."""
        return Accrued(*(getattr(self, name) for name in ACCRUED))

    @property
    def accrued_micro(self) -> int:
        """Interest that is earned and not paid, in millionths of a minor unit. At least minus half a minor unit: paying
        rounds."""
        return self.earned_micro - self.paid_minor * MICRO


ACCRUED = tuple(Accrued.__dataclass_fields__)
"""The fields of an account that are those of its `Accrued`."""


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
class EarnedTotal:
    """What all accounts of an asset have earned, as the rows say. Read, never written."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    earned_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An account's entries, in minor units in: movements by effective date, and what posting has booked by effective
    date and kind. `recompute_from` is the account's at that time. Read, never written."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    movements: Mapping[date, int]
    booked: Mapping[tuple[date, str], int]
    recompute_from: date | None


def history_id(savings_id: UUID) -> UUID:
    """The identifier of a `History`."""
    return derive_id("savings history", str(savings_id), on=STATIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsOpened(Event):
    """A savings account exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsMoved(Event):
    """Money went from the customer's wallet into the savings account, or back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsPlanned(Event):
    """A goal was set, or what card purchases are rounded up to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccrualBooked(Event):
    """The ledger shows what has been earned, in whole minor units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestPosted(Event):
    """A period's interest is in the savings account, or the rounding left nothing to pay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestCorrected(Event):
    """Interest is again what all movements come to; what was posted otherwise has been booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsClosed(Event):
    """Interest was paid to the day, the money is in the wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProduct:
    """Offer a product under these terms (`products.SavingsProduct`) and first rates (`products.RateVersion`).

    Answered "opened" with the fact product_id, or "refused".
    """

    reference: str
    name: str
    effective_on: date
    tiers: tuple[tuple[int, int], ...]
    asset: str = "USD"
    day_count: DayCount = DayCount.ACTUAL_365
    balance_method: BalanceMethod = BalanceMethod.DAILY_BALANCE
    compounding: Frequency = Frequency.MONTHLY
    posting: Frequency = Frequency.MONTHLY
    term_months: int = 0
    promotional_bps: int = 0
    promotional_days: int = 0
    overdraft_minor: int = 0
    withdrawals_a_month: int | None = None
    withholding_bps: int = 0
    tier_method: TierMethod = TierMethod.WHOLE_BALANCE
    minimum_minor: int = 0
    overdraft_bps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRates:
    """Let a product pay these rates from a day to come. Answered "set", or "refused"."""

    reference: str
    product: str
    effective_on: date
    tiers: tuple[tuple[int, int], ...]
    tier_method: TierMethod = TierMethod.WHOLE_BALANCE
    minimum_minor: int = 0
    overdraft_bps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSavings:
    """Open a savings account under a product and move `opening_minor` (0 or more) into it from the customer's wallet.

    Answered "opened" with the fact savings_id, or "refused" with reasons out of `REFUSALS`.
    """

    reference: str
    customer_id: UUID
    product: str
    opening_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveSavings:
    """Move money of one customer: positive from the wallet into the savings account, negative back.

    `effective_on` is for the bank, not for customers: the day it counts from, where that has passed (None: today).
    Answered "moved" or "refused".
    """

    reference: str
    customer_id: UUID
    savings_id: UUID
    amount_minor: int
    effective_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSavings:
    """Set what an account is saved for (`goal_name` None: nothing) and what card purchases are rounded up to, in minor
    units (0: nothing). Answered "planned" or "refused"."""

    reference: str
    customer_id: UUID
    savings_id: UUID
    goal_name: str | None = None
    goal_minor: int | None = None
    goal_on: date | None = None
    round_up_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundUp:
    """Put by what a card purchase lacks to the next whole unit. `item_id` is the purchase's, `wallet_id` the ledger
    account that it was taken from.

    Answered "rounded up" with the fact amount_minor, "nothing", or "refused".
    """

    item_id: UUID
    customer_id: UUID
    wallet_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSavings:
    """Pay interest to the day and move everything into the wallet. Answered "closed" with the facts interest_minor and
    moved_minor, or "refused"."""

    reference: str
    customer_id: UUID
    savings_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCustomer:
    """Close a customer for good. It is asked of savings, the last stage that keeps money of people, because it must see
    all of it: a closed customer could not move what is left.

    Answered "closed", or "refused": unknown_customer, account_closed, wallet_not_empty, savings_not_empty,
    savings_open.
    """

    customer_id: UUID
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectInterest:
    """Count an account's interest anew after a movement that came late, and book the difference, period by period.

    Answered "corrected", or "refused": unknown_savings, account_closed, being_corrected (moved again meanwhile).
    """

    savings_id: UUID
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAccrual:
    """Bring the ledger to what all accounts of one asset have ever earned.

    Answered "booked" with the fact amount_minor, the whole minor units that were not booked yet: expense debited,
    interest accrued credited (the other way where corrections took more than the day gave).
    """

    asset: str
    business_date: date


_TERMS = tuple(name for name in OpenProduct.__dataclass_fields__ if name != "reference")
_RATES = tuple(name for name in SetRates.__dataclass_fields__ if name != "reference")
_GOAL = ("savings_id", "goal_name", "goal_minor", "goal_on", "round_up_minor")

KEYS: Mapping[type, KeyRule] = {
    OpenProduct: KeyRule("open_product", ("reference",), _TERMS),
    SetRates: KeyRule("set_rates", ("reference",), _RATES),
    OpenSavings: KeyRule("open_savings", ("customer_id", "reference"), ("product", "opening_minor")),
    MoveSavings: KeyRule("move_savings", ("customer_id", "reference"), ("savings_id", "amount_minor", "effective_on")),
    PlanSavings: KeyRule("plan_savings", ("customer_id", "reference"), _GOAL),
    CloseSavings: KeyRule("close_savings", ("customer_id", "reference"), ("savings_id",)),
    CloseCustomer: KeyRule("close_customer", ("customer_id", "reference"), ()),
    CorrectInterest: KeyRule("correct_interest", ("savings_id", "business_date"), ()),
    BookAccrual: KeyRule("book_accrual", ("asset", "business_date"), ()),
    RoundUp: KeyRule("round_up", ("item_id",), ("wallet_id", "amount_minor")),
}

"""`/savings`: products with the history of their rates, and a customer's own savings accounts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.doors import AskingCustomer, Doors, IdempotencyKey, OurDoors
from api.errors import INVALID, RESPONSES, ApiError, refused, unless_taken
from engine.ledger import store as ledger
from engine.ledger.book import Book
from engine.savings.interest import advertised_yield
from engine.savings.model import (
    LONGEST_NAME,
    REFUSALS,
    CloseSavings,
    MoveSavings,
    OpenSavings,
    PlanSavings,
    SavingsAccount,
)
from engine.savings.products import LARGEST_BALANCE_MINOR
from engine.savings.statements import statement
from engine.savings.store import read_account, read_offered, read_products, read_rates

router = APIRouter(prefix="/savings", tags=["savings"], responses=RESPONSES)

_PARAMS = {
    "unknown_product": "product",
    "wrong_asset": "product",
    "amount_malformed": "amount_minor",
    "insufficient_funds": "amount_minor",
    "limit_exceeded": "amount_minor",
    "name_malformed": "goal_name",
}
_WORDS = {reason: (words, _PARAMS.get(reason)) for reason, words in REFUSALS.items()}
_SHOWN_PRINCIPAL_MINOR = 100_000
"""The deposit that yields are shown for, 1,000.00, as in the regulation's own examples."""

Amount = Annotated[int, Field(strict=True, le=LARGEST_BALANCE_MINOR, ge=-LARGEST_BALANCE_MINOR, examples=[1250])]


class RatesShown(BaseModel):
    """What a product pays from a day on: tiers as (least balance in minor units, basis points a year)."""

    effective_on: date
    tier_method: str
    tiers: list[tuple[int, int]]
    minimum_minor: int
    overdraft_bps: int


class ProductShown(BaseModel):
    """Terms, and every set of rates by effective date. The yield is for 1,000.00 put in today (12 CFR 1030, APY)."""

    name: str
    currency: str
    day_count: str
    balance_method: str
    compounding: str
    posting: str
    term_months: int
    promotional_bps: int
    promotional_days: int
    withdrawals_a_month: int | None
    annual_percentage_yield: Decimal
    rates: list[RatesShown]


class SavingsAsked(BaseModel):
    """A savings account to be opened, with money from the wallet."""

    model_config = ConfigDict(extra="forbid")

    product: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, examples=["saver"])]
    opening_minor: Annotated[int, Field(strict=True, ge=0, le=LARGEST_BALANCE_MINOR)] = 0


class MoveAsked(BaseModel):
    """Money to be moved: positive into the savings account, negative back into the wallet."""

    model_config = ConfigDict(extra="forbid")

    amount_minor: Amount


class PlanAsked(BaseModel):
    """What is saved for, and what card purchases are rounded up to, in minor units (0: nothing)."""

    model_config = ConfigDict(extra="forbid")

    goal_name: Annotated[str | None, Field(min_length=1, max_length=LONGEST_NAME)] = None
    goal_minor: Annotated[int | None, Field(strict=True, gt=0, le=LARGEST_BALANCE_MINOR)] = None
    goal_on: date | None = None
    round_up_minor: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 0


class SavingsDetail(BaseModel):
    """A savings account. Amounts in minor units; interest earned and not posted yet in millionths of one."""

    id: UUID
    product: str
    currency: str
    opened_on: date
    matures_on: date | None
    closed_on: date | None
    balance_minor: int
    accrued_micro: int
    accrued_through: date
    interest_paid_minor: int
    goal_name: str | None
    goal_minor: int | None
    goal_on: date | None
    round_up_minor: int


class LineShown(BaseModel):
    """An entry, in minor units in (negative: out)."""

    effective_on: date
    kind: str
    amount_minor: int
    balance_minor: int


class StatementShown(BaseModel):
    """A statement. The yield earned is that of 12 CFR 1030 appendix A part II; null without a balance."""

    first: date
    last: date
    opening_minor: int
    closing_minor: int
    interest_minor: int
    tax_withheld_minor: int
    overdraft_interest_minor: int
    earned_micro: int
    average_balance_minor: int
    annual_percentage_yield_earned: Decimal | None
    lines: list[LineShown]


@router.get("/products")
def products(ours: OurDoors) -> list[ProductShown]:
    """What the bank offers, with the rates of the past and those to come."""
    today = _today(ours)
    with ours.bank.engine.connect() as connection:
        offered = read_offered(connection)
        rates = read_rates(connection, [one.id for one in offered])
    shown = []
    for one in offered:
        own = tuple(version for version in rates if version.product_id == one.id)
        shown.append(
            ProductShown(
                name=one.name,
                currency=one.asset,
                day_count=one.day_count,
                balance_method=one.balance_method,
                compounding=one.compounding,
                posting=one.posting,
                term_months=one.term_months,
                promotional_bps=one.promotional_bps,
                promotional_days=one.promotional_days,
                withdrawals_a_month=one.withdrawals_a_month,
                annual_percentage_yield=advertised_yield(one, own, _SHOWN_PRINCIPAL_MINOR, today),
                rates=[
                    RatesShown(
                        effective_on=version.effective_on,
                        tier_method=version.tier_method,
                        tiers=list(version.tiers),
                        minimum_minor=version.minimum_minor,
                        overdraft_bps=version.overdraft_bps,
                    )
                    for version in own
                ],
            )
        )
    return shown


@router.post("", status_code=201)
async def open_savings(
    ours: OurDoors, asking: AskingCustomer, idempotency_key: IdempotencyKey, asked: SavingsAsked
) -> SavingsDetail:
    """Open a savings account. 402 when it is refused: the code says why."""
    request = OpenSavings(
        reference=idempotency_key, customer_id=asking, product=asked.product, opening_minor=asked.opening_minor
    )
    answer = unless_taken(await ours.bank.ask(request))
    if answer.code != "opened":
        raise refused(answer, _WORDS)
    return await run_in_threadpool(_shown, ours, asking, UUID(str(answer.facts["savings_id"])))


@router.get("/{savings_id}")
def look_up(ours: OurDoors, asking: AskingCustomer, savings_id: UUID) -> SavingsDetail:
    """A savings account of one's own."""
    return _shown(ours, asking, savings_id)


@router.post("/{savings_id}/moves", status_code=201)
async def move(
    ours: OurDoors, asking: AskingCustomer, idempotency_key: IdempotencyKey, savings_id: UUID, asked: MoveAsked
) -> SavingsDetail:
    """Deposit from the wallet, or withdraw into it."""
    request = MoveSavings(
        reference=idempotency_key, customer_id=asking, savings_id=savings_id, amount_minor=asked.amount_minor
    )
    return await _done(ours, asking, savings_id, request, "moved")


@router.post("/{savings_id}/plan", status_code=201)
async def plan(
    ours: OurDoors, asking: AskingCustomer, idempotency_key: IdempotencyKey, savings_id: UUID, asked: PlanAsked
) -> SavingsDetail:
    """Set a goal, and what card purchases are rounded up to."""
    request = PlanSavings(
        reference=idempotency_key,
        customer_id=asking,
        savings_id=savings_id,
        goal_name=asked.goal_name,
        goal_minor=asked.goal_minor,
        goal_on=asked.goal_on,
        round_up_minor=asked.round_up_minor,
    )
    return await _done(ours, asking, savings_id, request, "planned")


@router.post("/{savings_id}/close", status_code=201)
async def close(
    ours: OurDoors, asking: AskingCustomer, idempotency_key: IdempotencyKey, savings_id: UUID
) -> SavingsDetail:
    """Close the account: interest is paid to the day, everything goes into the wallet."""
    request = CloseSavings(reference=idempotency_key, customer_id=asking, savings_id=savings_id)
    return await _done(ours, asking, savings_id, request, "closed")


@router.get("/{savings_id}/statement")
def read_statement(
    ours: OurDoors,
    asking: AskingCustomer,
    savings_id: UUID,
    first: Annotated[date, Query(description="The first day.")],
    last: Annotated[date, Query(description="The last day; interest has been counted up to it.")],
) -> StatementShown:
    """A statement for days whose interest has been counted."""
    with ours.bank.engine.connect() as connection:
        account = _own(ours, asking, savings_id)
        if not account.opened_on <= first <= last <= account.accrued_through:
            words = f"A statement lies between {account.opened_on} and {account.accrued_through}."
            raise ApiError(400, INVALID, "period_malformed", words, "first")
        made = statement(connection, account, first, last)
    return StatementShown(
        first=made.first,
        last=made.last,
        opening_minor=made.opening_minor,
        closing_minor=made.closing_minor,
        interest_minor=made.interest_minor,
        tax_withheld_minor=made.withheld_minor,
        overdraft_interest_minor=made.charged_minor,
        earned_micro=made.earned_micro,
        average_balance_minor=made.average_minor,
        annual_percentage_yield_earned=made.yield_earned,
        lines=[
            LineShown(
                effective_on=one.effective_on, kind=one.kind, amount_minor=one.minor, balance_minor=one.balance_minor
            )
            for one in made.lines
        ],
    )


async def _done(
    ours: Doors, asking: UUID, savings_id: UUID, request: MoveSavings | PlanSavings | CloseSavings, code: str
) -> SavingsDetail:
    await run_in_threadpool(_own, ours, asking, savings_id)
    answer = unless_taken(await ours.bank.ask(request))
    if answer.code != code:
        raise refused(answer, _WORDS)
    return await run_in_threadpool(_shown, ours, asking, savings_id)


def _today(ours: Doors) -> date:
    bank = ours.bank.outside.institution
    return Book(bank.name, bank.time_zone).business_date(ours.clock.now())


def _own(ours: Doors, asking: UUID, savings_id: UUID) -> SavingsAccount:
    with ours.bank.engine.connect() as connection:
        found = read_account(connection, savings_id)
    # Somebody else's account is not there, rather than forbidden: nobody learns that it exists.
    if found is None or found.customer_id != asking:
        raise ApiError(404, INVALID, "unknown_savings", "You have no such savings account.", "savings_id")
    return found


def _shown(ours: Doors, asking: UUID, savings_id: UUID) -> SavingsDetail:
    account = _own(ours, asking, savings_id)
    with ours.bank.engine.connect() as connection:
        (product,) = read_products(connection, [account.product_id])
        balance_minor = ledger.read(connection, [account.account_id])[account.account_id].balance_minor
    return SavingsDetail(
        id=account.id,
        product=product.name,
        currency=account.asset,
        opened_on=account.opened_on,
        matures_on=account.matures_on,
        closed_on=account.closed_on,
        balance_minor=balance_minor,
        accrued_micro=account.accrued_micro,
        accrued_through=account.accrued_through,
        interest_paid_minor=account.paid_minor,
        goal_name=account.goal_name,
        goal_minor=account.goal_minor,
        goal_on=account.goal_on,
        round_up_minor=account.round_up_minor,
    )

"""Savings: each rule once on a plain state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from engine.accounts.model import Customer, CustomerState
from engine.ledger.chart import INTEREST_ACCRUED, INTEREST_EXPENSE
from engine.ledger.model import Account
from engine.savings.decide import REFUSAL_OF, decide
from engine.savings.model import (
    REFUSALS,
    AccrualBook,
    AccrueInterest,
    BookAccrual,
    CloseCustomer,
    ClosingBalance,
    MoveSavings,
    OpenSavings,
    PostInterest,
    SavingsAccount,
    closing_id,
)
from engine.vocabulary.decision import Answer, Decision
from engine.vocabulary.postings import Posting, PostingOutcome
from tests.engine.people import BOOK, People, customer_id

DAY = timedelta(days=1)
MONDAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADA = customer_id("@ada")
OPEN = OpenSavings(reference="1", customer_id=ADA, rate_bps=365, opening_minor=100_000)
"""1,000.00 at 3.65 % over 365 days: 10 minor units a day, and not a fraction."""


@pytest.fixture
def people() -> People:
    there = People(decide, NOON)
    there.join("@ada", 150_000)
    there.join("@bob", 1)
    return there


def opened(people: People, request: OpenSavings = OPEN) -> SavingsAccount:
    answer = people.ask(request)
    assert answer.code == "opened", answer
    return people.state.need(SavingsAccount, UUID(str(answer.facts["savings_id"])))


def accrue(people: People, savings: SavingsAccount, on: date) -> Answer:
    """As after a load: the closing balance of that date is read off the rows."""
    now = people.state.need(SavingsAccount, savings.id)
    closing = ClosingBalance(
        id=closing_id(savings.id, on), balance_minor=people.balance(savings.account_id), paid_minor=now.paid_minor
    )
    people.state.put(closing)
    return people.ask(AccrueInterest(savings_id=savings.id, business_date=on))


def test_opening_moves_money_from_the_wallet(people: People) -> None:
    savings = opened(people)
    assert people.balance(savings.account_id) == 100_000
    assert people.balance(people.state.need(Customer, ADA).account_id) == 50_000
    assert (savings.opened_on, savings.accrued_through) == (MONDAY, MONDAY - DAY)
    empty = opened(people, replace(OPEN, reference="2", opening_minor=0))
    assert people.balance(empty.account_id) == 0 and empty.id != savings.id


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"customer_id": customer_id("@nobody")}, "unknown_customer"),
        ({"rate_bps": -1}, "rate_malformed"),
        ({"rate_bps": 10_001}, "rate_malformed"),
        ({"opening_minor": -1}, "amount_malformed"),
        ({"opening_minor": 150_001}, "insufficient_funds"),
    ],
)
def test_opening_is_refused_in_words(people: People, change: dict[str, object], reason: str) -> None:
    decision = people.decide(replace(OPEN, **change))  # type: ignore[arg-type]
    assert decision.answer == Answer("refused", (reason,)) and reason in REFUSALS
    assert not decision.events and not decision.postings


@pytest.mark.parametrize("outcome", PostingOutcome)
def test_every_outcome_of_the_ledger_is_refused_in_words(outcome: PostingOutcome) -> None:
    assert REFUSAL_OF[outcome] in REFUSALS


def test_a_wallet_with_a_limit_takes_no_more_back_from_savings(people: People) -> None:
    savings = opened(people)
    wallet = people.state.need(Account, people.state.need(Customer, ADA).account_id)
    people.state.put(wallet._replace(maximum_minor=50_000, ceiling_minor=50_000))
    back = MoveSavings(reference="1", customer_id=ADA, savings_id=savings.id, amount_minor=-1)
    assert people.ask(back).reasons == ("limit_exceeded",)


def test_money_goes_in_and_out_and_never_more_than_is_there(people: People) -> None:
    savings = opened(people)
    move = MoveSavings(reference="1", customer_id=ADA, savings_id=savings.id, amount_minor=50_000)
    assert people.ask(move).code == "moved"
    assert people.ask(move).reasons == ("insufficient_funds",)
    assert people.ask(replace(move, amount_minor=-150_000)).code == "moved"
    assert people.ask(replace(move, amount_minor=-1)).reasons == ("insufficient_funds",)
    assert people.ask(replace(move, amount_minor=0)).reasons == ("amount_malformed",)
    assert people.ask(replace(move, customer_id=customer_id("@bob"))).reasons == ("not_yours",)
    assert people.ask(replace(move, savings_id=ADA)).reasons == ("unknown_savings",)
    assert people.balance(people.state.need(Customer, ADA).account_id) == 150_000


@pytest.mark.parametrize(
    ("state", "reason"), [(CustomerState.FROZEN, "account_frozen"), (CustomerState.CLOSED, "account_closed")]
)
def test_a_frozen_or_closed_customer_moves_nothing(people: People, state: CustomerState, reason: str) -> None:
    savings = opened(people)
    people.state.put(replace(people.state.need(Customer, ADA), state=state))
    move = MoveSavings(reference="1", customer_id=ADA, savings_id=savings.id, amount_minor=-1)
    assert people.ask(move).reasons == (reason,)
    assert people.ask(replace(OPEN, reference="2")).reasons == (reason,)


def test_a_customer_is_closed_only_without_money_in_wallet_or_savings_and_without_interest_to_come(
    people: People,
) -> None:
    def move(amount_minor: int) -> str:
        reference, savings_id = str(amount_minor), savings.id
        return people.ask(
            MoveSavings(reference=reference, customer_id=ADA, savings_id=savings_id, amount_minor=amount_minor)
        ).code

    close = CloseCustomer(customer_id=ADA, reference="goodbye")
    savings = opened(people)
    wallet = people.state.need(Customer, ADA).account_id
    assert people.ask(close).reasons == ("wallet_not_empty",)
    assert move(50_000) == "moved" and people.balance(wallet) == 0
    assert people.ask(close).reasons == ("savings_not_empty",)

    people.now = NOON + DAY
    accrue(people, savings, MONDAY)
    assert move(-150_000) == "moved"
    bob = people.state.need(Customer, customer_id("@bob"))
    posting = Posting(debit=wallet, credit=bob.account_id, amount_minor=150_000, kind="away", effective_on=MONDAY)
    people.fold(Decision(postings=(posting,)))
    assert people.ask(close).reasons == ("interest_due",)
    assert people.ask(PostInterest(savings_id=savings.id, period_end=MONDAY)).code == "paid"
    assert move(-15) == "moved"
    people.fold(Decision(postings=(posting._replace(amount_minor=15),)))

    people.now = NOON + 2 * DAY
    assert people.ask(close).reasons == ("interest_due",), "last night has not been counted yet"
    accrue(people, savings, MONDAY + DAY)
    assert people.ask(close).code == "closed"
    assert people.ask(close).reasons == ("account_closed",)
    assert people.ask(replace(close, customer_id=customer_id("@nobody"))).reasons == ("unknown_customer",)


def test_days_are_accrued_once_each_in_order_and_only_when_over(people: People) -> None:
    savings = opened(people)
    assert accrue(people, savings, MONDAY).reasons == ("day_not_over",)
    people.now = NOON + 3 * DAY
    assert accrue(people, savings, MONDAY + DAY).reasons == ("day_missing",)
    assert accrue(people, savings, MONDAY).facts == {"interest_micro": 10_000_000}
    assert accrue(people, savings, MONDAY).reasons == ("already_accrued",)
    assert accrue(people, savings, MONDAY + DAY).code == "accrued"
    assert accrue(people, savings, MONDAY - DAY).reasons == ("already_accrued",)
    assert people.ask(AccrueInterest(savings_id=ADA, business_date=MONDAY)).reasons == ("unknown_savings",)
    assert people.state.need(SavingsAccount, savings.id).earned_micro == 20_000_000


def test_the_book_follows_whole_minor_units_and_keeps_the_rest(people: People) -> None:
    def book(on: date, earned_micro: int) -> Answer:
        return people.ask(BookAccrual(asset="USD", business_date=on, earned_micro=earned_micro))

    assert book(MONDAY, 10_600_000).facts == {"amount_minor": 10}
    assert book(MONDAY + DAY, 11_100_000).facts == {"amount_minor": 1}
    assert book(MONDAY + 2 * DAY, 11_100_001).facts == {"amount_minor": 0}
    # A sum that was read before the last one was booked, and comes after it.
    assert book(MONDAY + DAY, 11_000_000).facts == {"amount_minor": 0}
    assert people.balance(BOOK.account(INTEREST_EXPENSE, "USD")) == 11
    assert people.balance(BOOK.account(INTEREST_ACCRUED, "USD")) == 11
    (kept,) = people.state.all(AccrualBook)
    assert (kept.earned_micro, kept.booked_minor, kept.booked_through) == (11_100_001, 11, MONDAY + 2 * DAY)


def test_interest_is_paid_once_for_a_period_that_is_accrued_and_the_rest_is_carried(people: People) -> None:
    savings = opened(people, replace(OPEN, opening_minor=106_000))  # 10.6 a day
    people.now = NOON + 2 * DAY
    pay = PostInterest(savings_id=savings.id, period_end=MONDAY)
    assert people.ask(pay).reasons == ("period_not_accrued",)
    accrue(people, savings, MONDAY)
    paid = people.decide(pay)
    assert paid.answer is not None and paid.answer.facts == {"amount_minor": 11}
    assert [posting.effective_on for posting in paid.postings] == [MONDAY + DAY]
    people.fold(paid)
    assert people.balance(savings.account_id) == 106_011
    after = people.state.need(SavingsAccount, savings.id)
    assert (after.paid_minor, after.accrued_micro) == (11, -400_000)
    assert people.ask(replace(pay, period_end=MONDAY)).facts == {"amount_minor": 0}
    accrue(people, savings, MONDAY + DAY)
    assert people.state.need(SavingsAccount, savings.id).accrued_micro == -400_000 + 10_601_100
    assert people.ask(pay).reasons == ("period_not_accrued",)


def test_interest_paid_in_the_same_batch_counts_from_the_day_after_its_period(people: People) -> None:
    """The closing balances of a batch are read before any of it is decided."""
    savings = opened(people)
    people.now = NOON + 3 * DAY
    for on in (MONDAY, MONDAY + DAY):
        people.state.put(ClosingBalance(id=closing_id(savings.id, on), balance_minor=100_000, paid_minor=0))
    people.ask(AccrueInterest(savings_id=savings.id, business_date=MONDAY))
    assert people.ask(PostInterest(savings_id=savings.id, period_end=MONDAY)).facts == {"amount_minor": 10}
    second = people.ask(AccrueInterest(savings_id=savings.id, business_date=MONDAY + DAY))
    assert second.facts == {"interest_micro": 10_001_000}

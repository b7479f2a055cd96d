"""Money between people: each rule once on a plain state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from engine.accounts.model import Customer, CustomerState
from engine.ledger.model import Account
from engine.transfers.decide import REFUSAL_OF, decide
from engine.transfers.model import (
    EXPIRY,
    LARGEST_TRANSFER_MINOR,
    REFUSALS,
    REQUEST_LIVES,
    AnswerRequest,
    MoneyRequest,
    RequestMoney,
    RequestState,
    SendMoney,
)
from engine.vocabulary.decision import Answer, Timer, TimerCancelled, TimerFired
from engine.vocabulary.postings import PostingOutcome
from tests.engine.people import People, customer_id

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADA, BOB = customer_id("@ada"), customer_id("@bob")
SEND = SendMoney(reference="1", sender_id=ADA, handle="@bob", amount_minor=3_000, asset="USD", note="lunch")
ASK = RequestMoney(reference="1", requester_id=BOB, payer_handle="@ada", amount_minor=3_000, asset="USD", note="")


@pytest.fixture
def people() -> People:
    there = People(decide, NOW)
    there.join("@ada", 5_000)
    there.join("@bob", 1_000)
    there.join("@eve", 9_000)
    there.join("@jun", 5_000, "JPY")
    return there


def wallets(people: People, *handles: str) -> list[int]:
    return [people.balance(people.state.need(Customer, customer_id(handle)).account_id) for handle in handles]


def become(people: People, who: UUID, state: CustomerState) -> None:
    people.state.put(replace(people.state.need(Customer, who), state=state))


def request_id(answer: Answer) -> UUID:
    assert answer.code == "requested", answer
    return UUID(str(answer.facts["request_id"]))


def yes(request: UUID, payer: UUID = ADA, reference: str = "a") -> AnswerRequest:
    return AnswerRequest(reference=reference, request_id=request, payer_id=payer, accept=True)


@pytest.mark.parametrize("outcome", PostingOutcome)
def test_every_outcome_of_the_ledger_is_refused_in_words(outcome: PostingOutcome) -> None:
    assert REFUSAL_OF[outcome] in REFUSALS


def test_a_wallet_is_not_filled_above_its_limit(people: People) -> None:
    wallet = people.state.need(Account, people.state.need(Customer, BOB).account_id)
    people.state.put(wallet._replace(maximum_minor=3_999, ceiling_minor=3_999))
    assert people.ask(SEND).reasons == ("limit_exceeded",)
    assert people.ask(replace(SEND, amount_minor=2_999)).code == "sent"


def test_money_goes_from_wallet_to_wallet(people: People) -> None:
    assert people.ask(SEND).code == "sent"
    assert wallets(people, "@ada", "@bob") == [2_000, 4_000]


def test_of_two_sends_with_funds_for_one_the_first_goes(people: People) -> None:
    assert people.ask(SEND).code == "sent"
    assert people.ask(replace(SEND, reference="2")) == Answer("refused", ("insufficient_funds",))
    assert wallets(people, "@ada", "@bob") == [2_000, 4_000]


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"sender_id": customer_id("@nobody")}, ("unknown_customer",)),
        ({"handle": "@nobody"}, ("unknown_handle",)),
        ({"handle": "not a handle"}, ("unknown_handle",)),
        ({"handle": "ADA"}, ("same_person",)),
        ({"amount_minor": 0}, ("amount_not_positive",)),
        ({"amount_minor": -5}, ("amount_not_positive",)),
        ({"amount_minor": LARGEST_TRANSFER_MINOR + 1}, ("amount_too_large",)),
        ({"amount_minor": 5_001}, ("insufficient_funds",)),
        ({"note": "a" * 141}, ("note_malformed",)),
        ({"note": "zero\x00byte"}, ("note_malformed",)),
        ({"asset": "EUR"}, ("wrong_asset",)),
        ({"handle": "@jun"}, ("wrong_asset",)),
        ({"handle": "@ada", "amount_minor": 0, "asset": "EUR"}, ("same_person", "amount_not_positive", "wrong_asset")),
    ],
)
def test_a_send_is_refused_with_every_reason_in_order(
    people: People, change: dict[str, object], reasons: tuple[str, ...]
) -> None:
    decision = people.decide(replace(SEND, **change))  # type: ignore[arg-type]
    assert decision.answer == Answer("refused", reasons)
    assert not decision.events and not decision.postings
    assert set(reasons) <= set(REFUSALS)


@pytest.mark.parametrize(
    ("who", "state", "told"),
    [
        (ADA, CustomerState.FROZEN, "account_frozen"),
        (ADA, CustomerState.CLOSED, "account_closed"),
        (BOB, CustomerState.CLOSED, "handle_closed"),
        (BOB, CustomerState.FROZEN, None),
    ],
)
def test_nothing_leaves_a_frozen_wallet_and_nothing_enters_a_closed_one(
    people: People, who: UUID, state: CustomerState, told: str | None
) -> None:
    become(people, who, state)
    assert people.ask(SEND).reasons == (() if told is None else (told,))
    asked = people.ask(replace(ASK, reference="2"))
    assert asked.code == ("requested" if state is CustomerState.FROZEN else "refused")


def test_a_request_is_paid_and_no_longer_waits(people: People) -> None:
    asked = people.decide(ASK)
    people.fold(asked)
    assert asked.answer is not None and not asked.postings
    identity = request_id(asked.answer)
    assert asked.timers == (Timer(identity, EXPIRY, NOW + REQUEST_LIVES),)
    paid = people.decide(yes(identity))
    people.fold(paid)
    assert paid.answer is not None and paid.answer.code == "paid"
    assert paid.timers == (TimerCancelled(identity, EXPIRY),)
    assert wallets(people, "@ada", "@bob") == [2_000, 4_000]
    assert people.state.need(MoneyRequest, identity).state is RequestState.PAID


def test_a_second_answer_changes_nothing(people: People) -> None:
    first, second = (request_id(people.ask(replace(ASK, reference=one, amount_minor=1_000))) for one in "12")
    assert people.ask(yes(first)).code == "paid"
    assert people.ask(yes(first, reference="b")).reasons == ("already_answered",)
    assert people.ask(replace(yes(second), accept=False)).code == "declined"
    assert people.ask(yes(second, reference="b")).reasons == ("already_answered",)
    assert wallets(people, "@ada", "@bob") == [4_000, 2_000]


def test_only_its_payer_answers_a_request(people: People) -> None:
    identity = request_id(people.ask(ASK))
    for somebody_else in (customer_id("@eve"), BOB):
        assert people.ask(yes(identity, somebody_else)).reasons == ("not_yours",)
    assert people.ask(yes(customer_id("@no request"))).reasons == ("unknown_request",)
    assert people.state.need(MoneyRequest, identity).state is RequestState.OPEN


def test_who_lacked_funds_may_try_again(people: People) -> None:
    identity = request_id(people.ask(replace(ASK, amount_minor=6_000)))
    assert people.ask(yes(identity)).reasons == ("insufficient_funds",)
    people.ask(SendMoney(reference="1", sender_id=customer_id("@eve"), handle="ada", amount_minor=1_000, asset="USD"))
    assert people.ask(yes(identity, reference="b")).code == "paid"
    assert wallets(people, "@ada", "@bob") == [0, 7_000]


def test_an_expired_request_is_not_paid_whether_or_not_its_timer_has_fired(people: People) -> None:
    identity = request_id(people.ask(ASK))
    people.now = NOW + REQUEST_LIVES
    assert people.ask(yes(identity)).reasons == ("expired",)
    fired = TimerFired(identity, EXPIRY, people.now)
    assert people.ask(fired).code == "expired"
    assert people.state.need(MoneyRequest, identity).state is RequestState.EXPIRED
    assert people.ask(yes(identity, reference="b")).reasons == ("expired",)


def test_a_timer_that_fires_after_the_answer_changes_nothing(people: People) -> None:
    identity = request_id(people.ask(ASK))
    people.now = NOW + REQUEST_LIVES - timedelta(microseconds=1)
    assert people.ask(yes(identity)).code == "paid"
    late = people.decide(TimerFired(identity, EXPIRY, NOW + REQUEST_LIVES))
    assert late.answer == Answer("answered_before") and not late.events


def test_what_changed_since_a_request_was_made_counts(people: People) -> None:
    identity = request_id(people.ask(ASK))
    become(people, ADA, CustomerState.FROZEN)
    become(people, BOB, CustomerState.CLOSED)
    assert people.ask(yes(identity)).reasons == ("account_frozen", "handle_closed")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"requester_id": customer_id("@nobody")}, "unknown_customer"),
        ({"payer_handle": "@nobody"}, "unknown_handle"),
        ({"payer_handle": "@bob"}, "same_person"),
        ({"amount_minor": 0}, "amount_not_positive"),
        ({"asset": "JPY"}, "wrong_asset"),
    ],
)
def test_asking_is_refused_in_words(people: People, change: dict[str, object], reason: str) -> None:
    decision = people.decide(replace(ASK, **change))  # type: ignore[arg-type]
    assert decision.answer == Answer("refused", (reason,))
    assert not decision.events and not decision.timers

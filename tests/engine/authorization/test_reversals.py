"""The rules of reversals: whole, partial, early, late, doubled, repeated until heard."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from engine.authorization.answers import AUTHORIZATION_TIMEOUT
from engine.authorization.model import Payment, PaymentState, ReversalState
from engine.authorization.reversals import FIRST_REPEAT, LONGEST_REPEAT, REVERSAL_REPEAT
from engine.vocabulary.decision import State, Timer, TimerCancelled
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from tests.engine.authorization.payments import (
    NOW,
    OTHER_TOKEN,
    PAYMENT,
    TOKEN,
    acknowledgement,
    approved,
    ask,
    code_and_reasons,
    declined,
    fire,
    given_up,
    payment,
    pending,
    presented,
    request,
    response,
    reversal,
    world,
)


def test_a_reversal_is_repeated_with_a_doubling_wait_of_at_most_an_hour_until_it_is_acknowledged() -> None:
    state, at = given_up(), NOW
    first = payment(state)
    waits = []
    for _ in range(9):
        decision = fire(state, REVERSAL_REPEAT, at)
        (message,), (timer,) = decision.messages, decision.timers
        assert isinstance(timer, Timer)
        assert message.body.is_repeat
        assert (message.body.stan, message.body.transmitted_at) == (first.reversal_stan, first.reversal_transmitted_at)
        waits.append(timer.due_at - at)
        at = timer.due_at
    assert waits[:5] == [FIRST_REPEAT * 2**n for n in range(1, 6)]
    assert set(waits[5:]) == {LONGEST_REPEAT}
    acknowledged = ask(state, acknowledgement(message.body))
    assert acknowledged.timers == (TimerCancelled(PAYMENT, REVERSAL_REPEAT),)
    assert payment(state).reversal_state is ReversalState.ACKNOWLEDGED
    assert fire(state, REVERSAL_REPEAT, at).messages == ()


def test_a_reversal_of_a_captured_payment_is_answered_at_once_and_told_to_the_network() -> None:
    state = approved()
    decision = ask(state, reversal())
    assert code_and_reasons(decision) == ("00", ())
    (message,) = decision.messages
    assert (message.body.stan, message.body.is_advice, message.body.network_reference) == (
        "000043",
        True,
        "S00000000000042",
    )
    assert (payment(state).state, payment(state).captured_minor) == (PaymentState.REVERSED, 0)
    assert decision.answers == ()


def test_a_reversal_while_the_answer_is_open_closes_the_terminals_request_and_beats_a_late_answer() -> None:
    state = world()
    ask(state, request())
    decision = ask(state, reversal(response_code=ResponseCode("68")))
    assert [answer.answer.code for answer in decision.answers] == ["12"]
    assert TimerCancelled(PAYMENT, AUTHORIZATION_TIMEOUT) in decision.timers
    assert [message.body.response_code for message in decision.messages] == ["68"]
    assert ask(state, response()).answers == ()
    assert payment(state).state is PaymentState.REVERSED


def test_a_reversal_before_its_request_is_remembered_and_the_request_never_leaves() -> None:
    state = world()
    first = ask(state, reversal())
    assert code_and_reasons(first) == ("00", ())
    assert first.messages == ()
    late = ask(state, request())
    assert code_and_reasons(late) == ("12", ("reversed_before_request",))
    assert late.messages == ()
    assert payment(state).state is PaymentState.DECLINED
    assert ask(state, reversal(stan="000099")).messages == ()


def test_a_partial_reversal_says_the_new_total_and_the_rest_stays_captured() -> None:
    state = approved()
    decision = ask(state, reversal(total=3_000))
    assert code_and_reasons(decision) == ("00", ())
    (message,) = decision.messages
    assert (message.body.amount, message.body.replacement_amount) == (Money(10_000, "USD"), Money(3_000, "USD"))
    assert (payment(state).state, payment(state).captured_minor) == (PaymentState.CAPTURED, 3_000)
    again = ask(state, reversal(total=3_000, stan="000050"))
    assert (code_and_reasons(again), again.messages) == (("00", ()), ())
    full = ask(state, reversal(stan="000051"))
    assert [message.body.replacement_amount for message in full.messages] == [None]
    assert payment(state).state is PaymentState.REVERSED
    superseded = ask(state, acknowledgement(message.body))
    assert code_and_reasons(superseded) == ("ignored", ("no_such_reversal_under_way",))


@pytest.mark.parametrize(
    ("state", "asked", "token", "expected"),
    [
        (presented(approved()), reversal(), TOKEN, ("12", ("already_presented",))),
        (presented(approved()), reversal(total=1), TOKEN, ("12", ("already_presented",))),
        (declined(), reversal(), TOKEN, ("00", ())),
        (given_up(), reversal(), TOKEN, ("00", ())),
        (pending(), reversal(total=5_000), TOKEN, ("12", ("not_answered_yet",))),
        (approved(), reversal(total=10_001), TOKEN, ("13", ("new_total_not_less",))),
        (approved(), reversal(replacement_amount=Money(5, "EUR")), TOKEN, ("13", ("new_total_not_less",))),
        (world(), reversal(total=5_000), TOKEN, ("25", ("unknown_payment",))),
        (approved(), reversal(), OTHER_TOKEN, ("25", ("another_card_or_merchant",))),
        (approved(), reversal(merchant_id="ELSE"), TOKEN, ("25", ("another_card_or_merchant",))),
    ],
)
def test_reversals_that_change_nothing(state: State, asked: Any, token: UUID, expected: Any) -> None:
    before = state.get(Payment, PAYMENT)
    decision = ask(state, asked, token=token)
    assert code_and_reasons(decision) == expected
    assert (decision.messages, decision.timers, decision.events) == ((), (), ())
    assert state.get(Payment, PAYMENT) == before


def test_an_advice_is_heard_whatever_its_answer_says() -> None:
    state = approved()
    (message,) = ask(state, reversal()).messages
    ask(state, acknowledgement(message.body, "25"))
    assert payment(state).reversal_state is ReversalState.ACKNOWLEDGED

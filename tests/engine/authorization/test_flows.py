"""The kinds of payment that an acquirer knows beside the plain purchase, by its rules alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from engine.authorization.answers import Asked
from engine.authorization.decide import decide
from engine.authorization.model import Payment, PaymentState, id_of_payment
from engine.runtime.fold import evolve
from engine.vocabulary.decision import Decision, State
from engine.vocabulary.messages import AdviceReason, AuthorizationAdvice, AuthorizationRequest, ReversalAdvice
from engine.vocabulary.money import Money
from tests.engine.authorization.payments import (
    BOOK,
    MERCHANT,
    NOW,
    ORIGINAL,
    PAN,
    PAYMENT,
    PREAUTHORIZATION,
    ROUTE,
    SENT,
    TERMINAL,
    TOKEN,
    approved,
    ask,
    code_and_reasons,
    completion,
    payment,
    pending,
    request,
    response,
    reversal,
    world,
)

LATER = SENT + timedelta(hours=1)
INCREMENT = id_of_payment(BOOK, "200001", "T1", "000050", LATER)


def increment(minor: int = 2_000) -> AuthorizationRequest:
    return request(
        stan="000050", transmitted_at=LATER, amount=Money(minor, "USD"), original=ORIGINAL, **PREAUTHORIZATION
    )


def told(state: State, message: Any, token: UUID = TOKEN) -> Decision:
    given = Asked(message, INCREMENT, token, PAN, MERCHANT, TERMINAL, PAYMENT)
    decision = decide(ROUTE, state, given, NOW)
    evolve(state, decision)
    return decision


def answered(state: State, code: str = "00", minor: int = 2_000) -> Decision:
    return told(state, response(code, minor, stan="000050", transmitted_at=LATER))


def test_an_increment_joins_its_preauthorization_which_is_completed_for_both() -> None:
    state = approved(**PREAUTHORIZATION)
    asked = told(state, increment())
    assert asked.messages[0].body.original == ORIGINAL
    answered(state)
    assert (payment(state).amount_minor, payment(state).state) == (12_000, PaymentState.APPROVED)
    assert state.need(Payment, INCREMENT).state is PaymentState.JOINED
    assert code_and_reasons(ask(state, completion(13_000)))[0] == "00"


def test_an_increment_that_is_declined_leaves_its_preauthorization() -> None:
    state = approved(**PREAUTHORIZATION)
    told(state, increment())
    answered(state, "51", 0)
    assert payment(state).amount_minor == 10_000


def test_an_increment_of_what_is_no_open_preauthorization_never_leaves() -> None:
    assert code_and_reasons(told(approved(), increment())) == ("12", ("original_is_captured",))
    assert code_and_reasons(told(world(), increment())) == ("25", ("original_unknown",))
    assert code_and_reasons(told(approved(**PREAUTHORIZATION), increment(), UUID(int=9)))[0] == "25"


def test_an_increment_that_is_approved_after_its_preauthorization_was_completed_is_taken_back() -> None:
    state = approved(**PREAUTHORIZATION)
    told(state, increment())
    ask(state, completion(9_000))
    decision = answered(state)
    assert [type(message.body) for message in decision.messages] == [ReversalAdvice]
    assert state.need(Payment, INCREMENT).state is PaymentState.REVERSED
    assert decision.answers[0].answer.code == "12"


def test_a_joined_increment_is_taken_back_by_its_own_reversal() -> None:
    state = approved(**PREAUTHORIZATION)
    told(state, increment())
    answered(state)
    own = replace(ORIGINAL, stan="000050", transmitted_at=LATER)
    decision = told(state, reversal(original=own))
    assert code_and_reasons(decision)[0] == "00"
    assert decision.messages[0].body.original.stan == "000050"
    assert payment(state).amount_minor == 10_000


def test_a_part_that_was_approved_is_captured_and_told_to_the_terminal() -> None:
    state = pending()
    decision = ask(state, response("10", 6_000))
    assert (payment(state).captured_minor, payment(state).state) == (6_000, PaymentState.CAPTURED)
    assert (decision.answers[0].answer.code, decision.answers[0].answer.facts["amount_minor"]) == ("10", 6_000)


@pytest.mark.parametrize("kind", ["000000", "300000"])
def test_a_question_without_amount_is_confirmed_and_never_presented(kind: str) -> None:
    state = world()
    ask(state, request(amount=Money(0, "USD"), processing_code=kind))
    decision = ask(state, response("85" if kind == "000000" else "00", 0, ledger_minor=700, available_minor=600))
    assert payment(state).state is PaymentState.CONFIRMED
    assert decision.answers[0].answer.facts["available_minor"] == 600
    assert code_and_reasons(ask(state, reversal())) == ("00", ())


def test_a_single_message_is_captured_at_once_and_its_reversal_names_it() -> None:
    state = world()
    sent = ask(state, request(is_financial=True))
    assert sent.messages[0].body.is_financial
    ask(state, response())
    assert payment(state).state is PaymentState.CAPTURED
    assert ask(state, reversal()).messages[0].body.original.message_type == "0200"


def test_a_single_message_cannot_wait() -> None:
    asked = ask(world(), request(is_financial=True, **PREAUTHORIZATION))
    assert code_and_reasons(asked) == ("12", ("single_message_cannot_wait",))


def test_a_pump_asks_for_one_unit_and_tells_the_issuer_at_once_what_it_has_given() -> None:
    state = world("5542")
    ask(state, request(amount=Money(100, "USD"), **PREAUTHORIZATION))
    ask(state, response(amount_minor=100))
    decision = ask(state, completion(6_325))
    assert code_and_reasons(decision)[0] == "00"
    (message,) = decision.messages
    assert isinstance(message.body, AuthorizationAdvice)
    assert (message.body.reason, message.body.request.amount) == (AdviceReason.FINAL_AMOUNT, Money(6_325, "USD"))
    assert message.body.request.original == ORIGINAL
    assert (payment(state).captured_minor, payment(state).state) == (6_325, PaymentState.CAPTURED)

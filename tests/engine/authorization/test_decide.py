"""The rules of payments, as tables: what the terminal is told, what the network is told, where the payment stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from engine.authorization.answers import AUTHORIZATION_TIMEOUT
from engine.authorization.decide import ANSWER_WITHIN
from engine.authorization.model import Payment, PaymentState, retrieval_reference
from engine.authorization.reversals import FIRST_REPEAT, REVERSAL_REPEAT
from engine.authorization.tolerances import largest_final_minor
from engine.merchants.model import MerchantState, Terminal
from engine.vocabulary.decision import State, Timer, TimerCancelled
from engine.vocabulary.keys import KEYS, key_of
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    ReversalAdvice,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from tests.engine.authorization.payments import (
    NOW,
    ORIGINAL,
    OTHER_TOKEN,
    PAN,
    PAYMENT,
    PREAUTHORIZATION,
    SENT,
    TERMINAL,
    TOKEN,
    approved,
    ask,
    code_and_reasons,
    completion,
    fire,
    given_up,
    merchant,
    payment,
    pending,
    presented,
    request,
    response,
    reversal,
    world,
)


def test_a_purchase_goes_to_the_network_with_what_the_terminal_left_out_and_stays_open() -> None:
    state = world()
    decision = ask(state, request())
    (message,) = decision.messages
    assert message.to == "900000"
    assert not message.durable
    assert message.body == request(
        mcc="5732", merchant_name="Corner Shop              Springfield  US", rrn="606109000042"
    )
    assert decision.answer is None
    assert decision.timers == (Timer(PAYMENT, AUTHORIZATION_TIMEOUT, NOW + timedelta(seconds=30)),)
    assert payment(state).state is PaymentState.PENDING
    assert payment(state).masked_pan == "400001******0004"


def test_a_repeated_request_whose_original_was_lost_leaves_as_a_first_one() -> None:
    (message,) = ask(world(), request(is_repeat=True)).messages
    assert not message.body.is_repeat


def test_the_terminals_own_reference_number_is_kept() -> None:
    (message,) = ask(world(), request(rrn="TERMINALREF1")).messages
    assert message.body.rrn == "TERMINALREF1"
    assert retrieval_reference("000042", SENT) == "606109000042"


@pytest.mark.parametrize(
    ("changes", "state", "expected"),
    [
        ({"acquirer_id": "200009"}, world(), ("92", ("another_acquirer",))),
        ({}, State([merchant()]), ("58", ("unknown_terminal",))),
        ({}, State(), ("58", ("unknown_merchant", "unknown_terminal"))),
        ({}, world(state=MerchantState.CLOSED), ("58", ("merchant_closed",))),
        (
            {},
            State([merchant(), Terminal(id=TERMINAL, terminal_id="T1", merchant=UUID(int=9))]),
            ("58", ("terminal_of_another_merchant",)),
        ),
        ({"amount": Money(0, "USD"), "processing_code": "010000"}, world(), ("13", ("amount_not_positive",))),
        ({"amount": Money(5, "EUR")}, world(), ("12", ("currency_not_accepted",))),
        ({"processing_code": "310000"}, world(), ("12", ("transaction_type_not_supported",))),
        ({"processing_code": "200000", "pos_condition_code": "06"}, world(), ("12", ("refund_cannot_wait",))),
        (
            {"amount": Money(0, "USD"), "processing_code": "010000"},
            world(state=MerchantState.CLOSED),
            ("58", ("merchant_closed", "amount_not_positive")),
        ),
    ],
)
def test_what_the_acquirer_refuses_never_leaves(changes: dict[str, Any], state: State, expected: Any) -> None:
    decision = ask(state, request(**changes))
    assert code_and_reasons(decision) == expected
    assert (decision.messages, decision.timers) == ((), ())
    assert payment(state).state is PaymentState.DECLINED


def test_an_approval_captures_and_answers_the_terminals_open_request() -> None:
    state = world()
    ask(state, request())
    decision = ask(state, response())
    (answer,) = decision.answers
    assert answer.key == key_of(KEYS[AuthorizationRequest], request())
    assert answer.answer.code == "00"
    assert answer.answer.facts == {
        "payment": str(PAYMENT),
        "rrn": "606109000042",
        "approval_code": "123456",
        "amount_minor": 10_000,
        "asset": "USD",
        "network_reference": "S00000000000042",
    }
    assert decision.timers == (TimerCancelled(PAYMENT, AUTHORIZATION_TIMEOUT),)
    assert (payment(state).state, payment(state).captured_minor) == (PaymentState.CAPTURED, 10_000)


@pytest.mark.parametrize("code", ["00", "08", "10", "11", "85", "87"])
def test_every_approval_of_the_standard_captures(code: str) -> None:
    state = world()
    ask(state, request())
    ask(state, response(code, amount_minor=4_000 if code == "10" else 10_000))
    assert payment(state).state is PaymentState.CAPTURED
    assert payment(state).captured_minor == (4_000 if code == "10" else 10_000)


def test_a_decline_is_passed_on_and_nothing_is_captured() -> None:
    state = world()
    ask(state, request())
    (answer,) = ask(state, response("51")).answers
    assert (answer.answer.code, answer.answer.reasons) == ("51", ("declined_by_issuer",))
    assert (payment(state).state, payment(state).captured_minor) == (PaymentState.DECLINED, 0)


@pytest.mark.parametrize(
    "answer", [response(amount_minor=10_001), response(amount_minor=0), response(amount=Money(10_000, "EUR"))]
)
def test_an_answer_that_approves_what_was_not_asked_for_counts_as_none(answer: AuthorizationResponse) -> None:
    state = world()
    ask(state, request())
    assert ask(state, answer).answers == ()
    assert payment(state).state is PaymentState.PENDING


def test_a_response_to_nothing_is_ignored() -> None:
    decision = ask(world(), response())
    assert code_and_reasons(decision) == ("ignored", ("unknown_payment",))
    assert decision.events == ()


def test_silence_is_91_for_the_terminal_and_a_reversal_for_the_network() -> None:
    state = world()
    ask(state, request())
    at = NOW + ANSWER_WITHIN
    decision = fire(state, AUTHORIZATION_TIMEOUT, at)
    (answer,), (message,) = decision.answers, decision.messages
    assert (answer.key, answer.answer.code) == (key_of(KEYS[AuthorizationRequest], request()), "91")
    advice = message.body
    assert isinstance(advice, ReversalAdvice)
    assert (advice.original, advice.pan, advice.response_code) == (ORIGINAL, PAN, ResponseCode("68"))
    assert (advice.is_advice, advice.is_repeat, advice.replacement_amount) == (True, False, None)
    assert advice.transmitted_at.microsecond == 0
    assert decision.timers == (Timer(PAYMENT, REVERSAL_REPEAT, at + FIRST_REPEAT),)
    assert payment(state).state is PaymentState.TIMED_OUT


def test_a_late_answer_changes_nothing() -> None:
    state = given_up()
    before = payment(state)
    decision = ask(state, response())
    assert [type(event).__name__ for event in decision.events] == ["LateResponseIgnored"]
    assert (decision.answers, decision.messages, decision.timers) == ((), (), ())
    assert payment(state) == before


def test_a_timer_that_fires_after_the_answer_does_nothing() -> None:
    decision = fire(approved(), AUTHORIZATION_TIMEOUT, NOW + ANSWER_WITHIN)
    assert (decision.events, decision.messages, decision.answers) == ((), (), ())


def test_a_pre_authorization_waits_for_its_completion() -> None:
    state = approved(**PREAUTHORIZATION)
    assert (payment(state).state, payment(state).captured_minor) == (PaymentState.APPROVED, 0)
    decision = ask(state, completion(8_000))
    assert (code_and_reasons(decision), decision.messages) == (("00", ()), ())
    assert (payment(state).state, payment(state).captured_minor) == (PaymentState.CAPTURED, 8_000)


@pytest.mark.parametrize(
    ("mcc", "preauthorized", "amount_minor", "code"),
    [
        ("5732", True, 11_500, "00"),
        ("5732", True, 11_501, "61"),
        ("5812", True, 12_000, "00"),
        ("5812", False, 12_000, "00"),
        ("5812", False, 12_001, "61"),
        ("5732", False, 10_000, "00"),
        ("5732", False, 10_001, "61"),
        ("5732", True, 0, "13"),
    ],
)
def test_a_final_amount_may_go_over_by_the_tolerance_of_its_trade(
    mcc: str, preauthorized: bool, amount_minor: int, code: str
) -> None:
    state = approved(mcc, **(PREAUTHORIZATION if preauthorized else {}))
    decision = ask(state, completion(amount_minor))
    assert decision.answer is not None
    assert decision.answer.code == code
    if code == "61":
        assert decision.answer.reasons == ("over_tolerance",)
        assert amount_minor == largest_final_minor(10_000, mcc, preauthorized) + 1


def completed() -> State:
    state = approved(**PREAUTHORIZATION)
    ask(state, completion(10_000))
    return state


def reversed_preauthorization() -> State:
    state = approved(**PREAUTHORIZATION)
    ask(state, reversal())
    return state


@pytest.mark.parametrize(
    ("state", "asked", "token", "expected"),
    [
        (world(), completion(100), TOKEN, ("25", ("unknown_payment",))),
        (approved(**PREAUTHORIZATION), completion(100), OTHER_TOKEN, ("25", ("another_card_or_merchant",))),
        (reversed_preauthorization(), completion(100), TOKEN, ("12", ("payment_is_reversed",))),
        (completed(), completion(100, stan="000077"), TOKEN, ("12", ("already_completed",))),
        (pending(), completion(100), TOKEN, ("12", ("payment_is_pending",))),
        (presented(approved()), completion(100), TOKEN, ("12", ("payment_is_presented",))),
        (approved(processing_code="200000"), completion(100), TOKEN, ("12", ("refund_has_no_completion",))),
    ],
)
def test_completions_that_are_refused(state: State, asked: Any, token: UUID, expected: Any) -> None:
    before = state.get(Payment, PAYMENT)
    assert code_and_reasons(ask(state, asked, token=token)) == expected
    assert state.get(Payment, PAYMENT) == before


def test_taking_back_a_tip_alone_tells_the_network_nothing() -> None:
    state = approved("5812")
    ask(state, completion(12_000))
    decision = ask(state, reversal(total=10_500))
    assert (code_and_reasons(decision), decision.messages) == (("00", ()), ())
    assert payment(state).captured_minor == 10_500
    below = ask(state, reversal(total=9_000, stan="000070"))
    assert [message.body.replacement_amount for message in below.messages] == [Money(9_000, "USD")]
    assert (payment(state).captured_minor, payment(state).amount_minor) == (9_000, 9_000)


@pytest.mark.parametrize("code", ["00", "05"])
def test_what_the_issuer_tells_the_chip_reaches_the_terminal_approved_or_not(code: str) -> None:
    told = bytes.fromhex("9108AABBCCDD00800000")
    (answer,) = ask(pending(), response(code, icc_data=told)).answers
    assert answer.answer.facts["icc_data"] == told.hex().upper()

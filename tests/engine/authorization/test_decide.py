"""The rules of payments, as tables: what the terminal is told, what the network is told, where the payment stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from engine.authorization.decide import (
    ANSWER_WITHIN,
    AUTHORIZATION_TIMEOUT,
    FIRST_REPEAT,
    LONGEST_REPEAT,
    REVERSAL_REPEAT,
    Asked,
    Route,
    decide,
)
from engine.authorization.model import Payment, PaymentState, ReversalState, id_of_payment, retrieval_reference
from engine.authorization.tolerances import largest_final_minor
from engine.merchants.model import Merchant, MerchantState, Terminal, id_of_merchant, id_of_terminal
from engine.runtime.batch import evolve
from engine.vocabulary.decision import Decision, State, Timer, TimerCancelled, TimerFired
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.keys import KEYS, key_of
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    OriginalData,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode

BOOK = "acquirer"
ROUTE = Route("200001", "900000")
NOW = datetime(2026, 3, 2, 10, 0, 0, 250_000, tzinfo=UTC)
SENT = datetime(2026, 3, 2, 9, 59, 59, tzinfo=UTC)
PAN = Pan("4000010000000004")
TOKEN, OTHER_TOKEN = UUID(int=1), UUID(int=2)
MERCHANT, TERMINAL = id_of_merchant(BOOK, "SHOP"), id_of_terminal(BOOK, "T1")


def merchant(mcc: str = "5732", state: MerchantState = MerchantState.OPEN) -> Merchant:
    return Merchant(
        id=MERCHANT,
        merchant_id="SHOP",
        name="Corner Shop",
        city="Springfield",
        country="US",
        mcc=mcc,
        asset="USD",
        discount_bps=200,
        discount_fixed_minor=0,
        account_id=UUID(int=7),
        deposit_reference="SHOP",
        state=state,
    )


def world(mcc: str = "5732", state: MerchantState = MerchantState.OPEN) -> State:
    return State([merchant(mcc, state), Terminal(id=TERMINAL, terminal_id="T1", merchant=MERCHANT)])


def request(**changes: Any) -> AuthorizationRequest:
    asked = AuthorizationRequest(
        acquirer_id="200001",
        terminal_id="T1",
        merchant_id="SHOP",
        merchant_name="",
        mcc="",
        stan="000042",
        transmitted_at=SENT,
        rrn="",
        pan=PAN,
        expiry="2812",
        processing_code="000000",
        amount=Money(10_000, "USD"),
        pos_entry_mode="051",
        pos_condition_code="00",
    )
    return replace(asked, **changes)


ORIGINAL = OriginalData(message_type="0100", stan="000042", transmitted_at=SENT, acquirer_id="200001")
PAYMENT = id_of_payment(BOOK, "200001", "T1", "000042", SENT)


def response(code: str = "00", amount_minor: int = 10_000, **changes: Any) -> AuthorizationResponse:
    answer = AuthorizationResponse(
        acquirer_id="200001",
        terminal_id="T1",
        stan="000042",
        transmitted_at=SENT,
        rrn="606109000042",
        response_code=ResponseCode(code),
        approval_code="123456",
        amount=Money(amount_minor, "USD"),
        network_reference="S00000000000042",
    )
    return replace(answer, **changes)


def reversal(total: int | None = None, stan: str = "000043", **changes: Any) -> ReversalAdvice:
    advice = ReversalAdvice(
        acquirer_id="200001",
        terminal_id="T1",
        merchant_id="SHOP",
        stan=stan,
        transmitted_at=SENT + timedelta(seconds=20),
        rrn="",
        pan=PAN,
        processing_code="000000",
        amount=Money(10_000, "USD"),
        original=ORIGINAL,
        replacement_amount=None if total is None else Money(total, "USD"),
        is_advice=False,
    )
    return replace(advice, **changes)


def completion(amount_minor: int, **changes: Any) -> CompletionAdvice:
    advice = CompletionAdvice(
        acquirer_id="200001",
        terminal_id="T1",
        merchant_id="SHOP",
        stan="000044",
        transmitted_at=SENT + timedelta(hours=3),
        rrn="",
        pan=PAN,
        amount=Money(amount_minor, "USD"),
        original=ORIGINAL,
    )
    return replace(advice, **changes)


def acknowledgement(advice: ReversalAdvice, code: str = "00") -> ReversalResponse:
    return ReversalResponse(
        acquirer_id="200001",
        terminal_id="T1",
        stan=advice.stan,
        transmitted_at=advice.transmitted_at,
        rrn=advice.rrn,
        response_code=ResponseCode(code),
        original=advice.original,
    )


def ask(state: State, asked: Any, now: datetime = NOW, token: UUID = TOKEN) -> Decision:
    """Decide and fold, with what `prepare` would have found out."""
    pan = PAN if isinstance(asked, TimerFired) else getattr(asked, "pan", None)
    given = Asked(asked, PAYMENT, token, pan, MERCHANT, TERMINAL)
    decision = decide(ROUTE, state, given, now)
    evolve(state, decision)
    return decision


def fire(state: State, name: str, now: datetime) -> Decision:
    return ask(state, TimerFired(PAYMENT, name, now), now)


def payment(state: State) -> Payment:
    return state.need(Payment, PAYMENT)


def approved(mcc: str = "5732", **changes: Any) -> State:
    state = world(mcc)
    ask(state, request(**changes))
    ask(state, response(amount_minor=changes.get("amount", Money(10_000, "USD")).amount_minor))
    return state


def given_up() -> State:
    state = world()
    ask(state, request())
    fire(state, AUTHORIZATION_TIMEOUT, NOW + ANSWER_WITHIN)
    return state


def code_and_reasons(decision: Decision) -> tuple[str, tuple[str, ...]]:
    assert decision.answer is not None
    return decision.answer.code, decision.answer.reasons


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
        ({"amount": Money(0, "USD")}, world(), ("13", ("amount_not_positive",))),
        ({"amount": Money(5, "EUR")}, world(), ("12", ("currency_not_accepted",))),
        ({"processing_code": "310000"}, world(), ("12", ("transaction_type_not_supported",))),
        ({"processing_code": "200000", "pos_condition_code": "06"}, world(), ("12", ("refund_cannot_wait",))),
        (
            {"amount": Money(0, "USD")},
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


def presented(state: State) -> State:
    state.put(replace(payment(state), state=PaymentState.PRESENTED))
    return state


def pending() -> State:
    state = world()
    ask(state, request())
    return state


def declined() -> State:
    state = pending()
    ask(state, response("05"))
    return state


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


PREAUTHORIZATION = {"pos_condition_code": "06"}


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


def test_an_advice_is_heard_whatever_its_answer_says() -> None:
    state = approved()
    (message,) = ask(state, reversal()).messages
    ask(state, acknowledgement(message.body, "25"))
    assert payment(state).reversal_state is ReversalState.ACKNOWLEDGED

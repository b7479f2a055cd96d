"""Stand-in: the network answers for an issuer that is away, within what was agreed, and tells it until it has heard."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.vocabulary.decision import Decision, TimerCancelled
from engine.vocabulary.identifiers import Secret
from engine.vocabulary.messages import (
    AdviceReason,
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
    AuthorizationRequest,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from simulator.network.switching.decide import ISSUER_PATIENCE
from simulator.network.switching.model import (
    ADVICE_REPEAT,
    ISSUER_TIMEOUT,
    Exchange,
    ExchangeState,
    FromIssuer,
    Routed,
    SetStandIn,
    StandInTerms,
)
from tests.simulator.network.test_switching import (
    ACQUIRER,
    APPROVED,
    CARD,
    EXCHANGE,
    ISSUER,
    NOON,
    OPEN_KEY,
    REFERENCE,
    REQUEST,
    Switch,
    body_of,
)

AGREED = SetStandIn(
    issuer_id=ISSUER, reference="1", most_minor=2_000, most_a_day=2, most_a_day_minor=3_000, refused_mccs=("7995",)
)
HEARD = AuthorizationAdviceResponse(
    acquirer_id=ACQUIRER,
    terminal_id="TERM0001",
    stan="000001",
    transmitted_at=NOON,
    rrn="606112000001",
    response_code=ResponseCode.DO_NOT_HONOR,
)


def agreed() -> Switch:
    switch = Switch()
    switch.after(AGREED)
    return switch


def advice_of(decision: Decision) -> AuthorizationAdvice:
    (message,) = decision.messages
    assert message.to == ISSUER and isinstance(message.body, AuthorizationAdvice)
    return message.body


def asked(number: int, **changes: Any) -> AuthorizationRequest:
    return replace(REQUEST, stan=f"{number:06d}", **changes)


def test_without_an_agreement_an_issuer_that_is_away_is_91() -> None:
    answer = Switch().asks(up=False).answer
    assert answer is not None and answer.code == "91"


def test_an_issuer_that_is_signed_off_is_stood_in_for_at_once_and_told() -> None:
    switch = agreed()
    decision = switch.asks(up=False)
    assert decision.answer is not None and decision.answer.code == "00"
    advice = advice_of(decision)
    assert (advice.reason, advice.response_code, advice.is_repeat) == (
        AdviceReason.ISSUER_SIGNED_OFF,
        ResponseCode.APPROVED,
        False,
    )
    assert advice.approval_code == decision.answer.facts["approval_code"]
    assert (advice.network_reference, advice.request.amount, advice.request.mcc) == (REFERENCE, REQUEST.amount, "5411")
    assert switch.exchange.state is ExchangeState.STOOD_IN


def test_a_silent_issuer_is_stood_in_for_when_its_time_is_up_and_gets_no_reversal() -> None:
    switch = agreed()
    switch.asks()
    decision = switch.fires(ISSUER_TIMEOUT, EXCHANGE, NOON + ISSUER_PATIENCE)
    assert advice_of(decision).reason is AdviceReason.ISSUER_SILENT
    (told,) = decision.answers
    assert (told.key, told.answer.code) == (OPEN_KEY, "00")
    late = switch.answers(APPROVED)
    assert late.answer is not None and late.answer.reasons == ("late",)
    assert switch.exchange.state is ExchangeState.STOOD_IN, "what the issuer says now changes nothing"


def test_an_advice_is_repeated_less_and_less_often_until_its_0130_whatever_that_says() -> None:
    switch = agreed()
    switch.asks(up=False)
    first = switch.fires(ADVICE_REPEAT, EXCHANGE)
    assert advice_of(first).is_repeat
    second = switch.fires(ADVICE_REPEAT, EXCHANGE)
    waits = [timer.due_at - NOON for one in (first, second) for timer in one.timers if hasattr(timer, "due_at")]
    assert waits == [timedelta(minutes=2), timedelta(minutes=4)]
    heard = switch.after(FromIssuer(member_id=ISSUER, response=HEARD))
    assert heard.timers == (TimerCancelled(EXCHANGE, ADVICE_REPEAT),)
    assert not switch.fires(ADVICE_REPEAT, EXCHANGE).messages
    stranger = switch.after(FromIssuer(member_id="100009", response=HEARD))
    assert stranger.answer is not None and stranger.answer.code == "ignored"


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": Money(2_001, "USD")},
        {"mcc": "7995"},
        {"processing_code": "010000"},
        {"pos_condition_code": "06"},
        {"is_financial": True},
        {"pin_block": Secret("0" * 16)},
    ],
    ids=["too much", "refused business", "cash", "pre-authorization", "single message", "PIN"],
)
def test_what_was_not_agreed_is_91_as_ever(changes: dict[str, Any]) -> None:
    answer = agreed().asks(asked(5, **changes), up=False).answer
    assert answer is not None and answer.code == "91"


def test_a_card_has_its_share_of_a_day_and_the_next_day_another() -> None:
    switch = agreed()

    def code(number: int, minor: int, days: int = 0) -> str:
        request = asked(number, amount=Money(minor, "USD"))
        answer = switch.after(Routed(request, CARD, ISSUER, False), NOON + timedelta(days=days)).answer
        assert answer is not None
        return answer.code

    assert [code(1, 2_000), code(2, 1_001), code(3, 1_000), code(4, 1)] == ["00", "91", "00", "91"]
    assert code(5, 2_000, days=1) == "00"


def test_an_issuer_that_flaps_is_asked_when_it_is_there_and_each_request_is_answered_once() -> None:
    switch = agreed()
    switch.asks(asked(1), up=False)
    there = switch.asks(asked(2))
    assert there.answer is None and isinstance(there.messages[0].body, AuthorizationRequest)
    gone = switch.asks(asked(3), up=False)
    assert gone.answer is not None and gone.answer.code == "00"
    states = {one.stan: one.state for one in switch.state.all(Exchange)}
    assert states == {
        "000001": ExchangeState.STOOD_IN,
        "000002": ExchangeState.FORWARDED,
        "000003": ExchangeState.STOOD_IN,
    }


def test_the_reversal_of_what_the_network_has_approved_is_passed_on() -> None:
    switch = agreed()
    switch.asks(up=False)
    assert body_of(switch.reverses()).network_reference == REFERENCE


def test_an_acquirers_advice_is_heard_at_once_and_passed_on() -> None:
    switch = Switch()
    advice = AuthorizationAdvice(
        request=REQUEST, reason=AdviceReason.FINAL_AMOUNT, response_code=ResponseCode.APPROVED, approval_code="123456"
    )
    decision = switch.after(Routed(advice, CARD, ISSUER, True))
    assert decision.answer is not None and decision.answer.code == "00"
    assert advice_of(decision).reason is AdviceReason.FINAL_AMOUNT
    assert switch.exchange.state is ExchangeState.ADVISED


def test_a_new_agreement_replaces_the_one_before() -> None:
    switch = agreed()
    switch.after(replace(AGREED, reference="2", most_minor=1))
    (terms,) = switch.state.all(StandInTerms)
    assert terms.most_minor == 1

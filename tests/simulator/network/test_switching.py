"""The rules of switching, without a database: what the network does with each message and each silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from engine.ledger.book import Book
from engine.runtime.fold import evolve
from engine.vocabulary.decision import Answer, AnswerTo, Decision, Message, State, Timer, TimerCancelled, TimerFired
from engine.vocabulary.identifiers import Pan, network_reference
from engine.vocabulary.keys import KEYS, key_of
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    OriginalData,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from simulator.network.switching.decide import decide
from simulator.network.switching.model import (
    ISSUER_TIMEOUT,
    REVERSAL_REPEAT,
    Exchange,
    ExchangeState,
    Fired,
    FromIssuer,
    Prepared,
    Reversal,
    ReversalState,
    Routed,
    id_of_exchange,
)

BOOK = Book("simnet", "UTC")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CARD, OTHER_CARD = UUID(int=7), UUID(int=8)
PAN = Pan("4000010012345670")
ISSUER, ACQUIRER = "100001", "200001"

REQUEST = AuthorizationRequest(
    acquirer_id=ACQUIRER,
    terminal_id="TERM0001",
    merchant_id="MERCHANT1",
    merchant_name="CORNER SHOP",
    mcc="5411",
    stan="000001",
    transmitted_at=NOON,
    rrn="606112000001",
    pan=PAN,
    expiry="2912",
    processing_code="000000",
    amount=Money(1_000, "USD"),
    pos_entry_mode="051",
    pos_condition_code="00",
)
ORIGINAL = OriginalData(message_type="0100", stan="000001", transmitted_at=NOON, acquirer_id=ACQUIRER)
ADVICE = ReversalAdvice(
    acquirer_id=ACQUIRER,
    terminal_id="TERM0001",
    merchant_id="MERCHANT1",
    stan="000002",
    transmitted_at=NOON + timedelta(minutes=1),
    rrn="606112000001",
    pan=PAN,
    processing_code="000000",
    amount=Money(1_000, "USD"),
    original=ORIGINAL,
)
APPROVED = AuthorizationResponse(
    acquirer_id=ACQUIRER,
    terminal_id="TERM0001",
    stan="000001",
    transmitted_at=NOON,
    rrn="606112000001",
    response_code=ResponseCode.APPROVED,
    approval_code="A1B2C3",
    amount=Money(1_000, "USD"),
)
REFERENCE = network_reference(ACQUIRER, "TERM0001", "000001", NOON)
EXCHANGE = id_of_exchange(BOOK, ACQUIRER, "TERM0001", "000001", NOON)
OPEN_KEY = key_of(KEYS[AuthorizationRequest], REQUEST)


class Switch:
    """A network of one batch after another."""

    def __init__(self) -> None:
        self.state = State()

    def after(self, request: Prepared, now: datetime = NOON) -> Decision:
        decision = decide(BOOK, self.state, request, now)
        evolve(self.state, decision)
        return decision

    def asks(self, request: AuthorizationRequest = REQUEST, issuer: str | None = ISSUER, up: bool = True) -> Decision:
        return self.after(Routed(request, CARD, issuer, up))

    def reverses(self, advice: ReversalAdvice = ADVICE, card: UUID = CARD, issuer: str | None = ISSUER) -> Decision:
        return self.after(Routed(advice, card, issuer, True))

    def answers(self, response: AuthorizationResponse = APPROVED, member: str = ISSUER) -> Decision:
        return self.after(FromIssuer(member_id=member, response=response))

    def fires(self, name: str, subject: UUID, now: datetime = NOON, pan: Pan | None = PAN) -> Decision:
        return self.after(Fired(TimerFired(subject, name, now), pan), now)

    @property
    def exchange(self) -> Exchange:
        (exchange,) = self.state.all(Exchange)
        return exchange

    @property
    def reversal(self) -> Reversal:
        (reversal,) = self.state.all(Reversal)
        return reversal


def body_of(decision: Decision) -> ReversalAdvice:
    (message,) = decision.messages
    assert isinstance(message.body, ReversalAdvice)
    return message.body


def kinds(decision: Decision) -> list[str]:
    return [type(event).__name__ for event in decision.events]


def acknowledging(advice: ReversalAdvice) -> ReversalResponse:
    return ReversalResponse(
        acquirer_id=advice.acquirer_id,
        terminal_id=advice.terminal_id,
        stan=advice.stan,
        transmitted_at=advice.transmitted_at,
        rrn=advice.rrn,
        response_code=ResponseCode.APPROVED,
        original=advice.original,
    )


def test_a_request_goes_to_the_card_s_issuer_with_the_network_s_reference_and_a_timer() -> None:
    decision = Switch().asks()
    assert decision.messages == (Message(ISSUER, replace(REQUEST, network_reference=REFERENCE)),)
    assert decision.timers == (Timer(EXCHANGE, ISSUER_TIMEOUT, NOON + timedelta(seconds=15)),)
    assert decision.answer is None


@pytest.mark.parametrize(
    ("issuer", "up", "code", "reason"),
    [(None, False, "15", "account_range_unknown"), (ISSUER, False, "91", "issuer_not_signed_on")],
)
def test_what_cannot_be_forwarded_is_refused_at_once(issuer: str | None, up: bool, code: str, reason: str) -> None:
    switch = Switch()
    decision = switch.asks(issuer=issuer, up=up)
    assert decision.answer == Answer(code, (reason,), {"network_reference": REFERENCE})
    assert not decision.messages and not decision.timers
    assert switch.exchange.state is ExchangeState.REFUSED


def test_the_issuer_s_answer_closes_the_acquirer_s_request_and_the_timer() -> None:
    switch = Switch()
    switch.asks()
    decision = switch.answers()
    facts = {"network_reference": REFERENCE, "approval_code": "A1B2C3"}
    assert decision.answers == (AnswerTo(OPEN_KEY, Answer("00", (), facts)),)
    assert decision.timers == (TimerCancelled(EXCHANGE, ISSUER_TIMEOUT),)
    assert switch.exchange.state is ExchangeState.ANSWERED


def test_a_partial_approval_says_how_much() -> None:
    switch = Switch()
    switch.asks()
    partial = replace(APPROVED, response_code=ResponseCode.PARTIAL_APPROVAL, amount=Money(400, "USD"))
    (answer,) = switch.answers(partial).answers
    assert answer.answer.facts["amount_minor"] == 400


def test_a_silent_issuer_costs_the_acquirer_a_91_and_gets_a_reversal() -> None:
    switch = Switch()
    switch.asks()
    at = NOON + timedelta(seconds=15)
    decision = switch.fires(ISSUER_TIMEOUT, EXCHANGE, at)
    answer = Answer("91", ("issuer_silent",), {"network_reference": REFERENCE})
    assert decision.answers == (AnswerTo(OPEN_KEY, answer),)
    advice = body_of(decision)
    assert decision.messages[0].to == ISSUER
    assert (advice.original, advice.response_code, advice.network_reference, advice.pan) == (
        ORIGINAL,
        ResponseCode.RESPONSE_RECEIVED_TOO_LATE,
        REFERENCE,
        PAN,
    )
    assert decision.timers == (Timer(switch.reversal.id, REVERSAL_REPEAT, at + timedelta(seconds=60)),)
    assert switch.exchange.state is ExchangeState.TIMED_OUT


def test_a_late_answer_changes_nothing() -> None:
    switch = Switch()
    switch.asks()
    switch.fires(ISSUER_TIMEOUT, EXCHANGE)
    before = switch.exchange
    decision = switch.answers()
    assert kinds(decision) == ["LateResponseIgnored"]
    assert not decision.answers and not decision.timers and not decision.messages
    assert switch.exchange == before


def test_a_timer_that_fires_after_the_answer_changes_nothing() -> None:
    switch = Switch()
    switch.asks()
    switch.answers()
    decision = switch.fires(ISSUER_TIMEOUT, EXCHANGE)
    assert not decision.events and not decision.messages and not decision.answers


@pytest.mark.parametrize("member", ["100002", ACQUIRER])
def test_nobody_answers_for_another_s_cards(member: str) -> None:
    switch = Switch()
    switch.asks()
    decision = switch.answers(member=member)
    assert not decision.events and not decision.answers
    assert switch.exchange.state is ExchangeState.FORWARDED


def test_an_answer_to_nothing_is_ignored() -> None:
    decision = Switch().answers()
    assert not decision.events and decision.answer == Answer("ignored", ("not_asked",))


def test_a_reversal_is_acknowledged_at_once_and_passed_on() -> None:
    switch = Switch()
    switch.asks()
    switch.answers()
    decision = switch.reverses()
    assert decision.answer == Answer("00", (), {"network_reference": REFERENCE})
    assert body_of(decision) == replace(ADVICE, network_reference=REFERENCE)
    assert decision.timers == (Timer(switch.reversal.id, REVERSAL_REPEAT, NOON + timedelta(seconds=60)),)
    assert kinds(decision) == ["ExchangeReversed", "ReversalForwarded"]


def test_a_reversal_asked_for_by_a_terminal_reaches_the_issuer_as_an_advice() -> None:
    switch = Switch()
    switch.asks()
    assert body_of(switch.reverses(replace(ADVICE, is_advice=False, is_repeat=True))) == replace(
        ADVICE, network_reference=REFERENCE
    )


def test_a_reversal_is_repeated_less_and_less_often_until_it_is_acknowledged() -> None:
    switch = Switch()
    switch.asks()
    switch.answers()
    switch.reverses()
    waits = []
    for _ in range(200):
        decision = switch.fires(REVERSAL_REPEAT, switch.reversal.id)
        assert body_of(decision) == replace(ADVICE, network_reference=REFERENCE, is_repeat=True)
        (timer,) = decision.timers
        assert isinstance(timer, Timer)
        waits.append(int((timer.due_at - NOON).total_seconds()))
    assert waits[:7] == [120, 240, 480, 960, 1_920, 3_600, 3_600]
    assert set(waits[7:]) == {3_600}
    acknowledged = switch.after(FromIssuer(member_id=ISSUER, response=acknowledging(ADVICE)))
    assert acknowledged.timers == (TimerCancelled(switch.reversal.id, REVERSAL_REPEAT),)
    assert switch.reversal.state is ReversalState.ACKNOWLEDGED
    assert not switch.fires(REVERSAL_REPEAT, switch.reversal.id).messages


def test_another_member_cannot_acknowledge_a_reversal() -> None:
    switch = Switch()
    switch.asks()
    switch.reverses()
    assert not switch.after(FromIssuer(member_id="100002", response=acknowledging(ADVICE))).events
    assert switch.reversal.state is ReversalState.FORWARDED


def test_a_reversal_before_its_request_is_passed_on_and_stops_the_request() -> None:
    switch = Switch()
    first = switch.reverses()
    assert first.answer is not None and first.answer.code == "00"
    assert body_of(first).network_reference == REFERENCE
    assert switch.exchange.state is ExchangeState.TOMBSTONE
    late = switch.asks()
    assert late.answer == Answer("12", ("reversed_before_request",), {"network_reference": REFERENCE})
    assert not late.messages and not late.timers


def test_a_reversal_before_its_request_for_a_card_of_nobody_ends_here() -> None:
    switch = Switch()
    decision = switch.reverses(issuer=None)
    assert decision.answer is not None and decision.answer.code == "00"
    assert not decision.messages and not decision.timers
    assert switch.exchange.state is ExchangeState.TOMBSTONE


def test_a_reversal_of_what_never_left_the_network_is_acknowledged_and_goes_nowhere() -> None:
    switch = Switch()
    switch.asks(up=False)
    decision = switch.reverses()
    assert decision.answer is not None and decision.answer.code == "00"
    assert not decision.messages


def test_a_reversal_while_the_issuer_thinks_is_passed_on_and_its_answer_still_counts() -> None:
    switch = Switch()
    switch.asks()
    assert switch.reverses().messages
    assert switch.answers().answers == (
        AnswerTo(OPEN_KEY, Answer("00", (), {"network_reference": REFERENCE, "approval_code": "A1B2C3"})),
    )


def test_silence_after_a_reversal_needs_no_second_reversal() -> None:
    switch = Switch()
    switch.asks()
    switch.reverses()
    decision = switch.fires(ISSUER_TIMEOUT, EXCHANGE)
    assert decision.answers and not decision.messages and not decision.timers
    assert len(switch.state.all(Reversal)) == 1


def test_a_second_reversal_of_the_same_is_acknowledged_and_not_passed_on() -> None:
    switch = Switch()
    switch.asks()
    switch.fires(ISSUER_TIMEOUT, EXCHANGE)
    decision = switch.reverses()
    assert decision.answer is not None and decision.answer.code == "00"
    assert not decision.messages and not decision.events


def test_a_partial_reversal_is_passed_on_with_its_new_total_and_a_full_one_may_follow() -> None:
    switch = Switch()
    switch.asks()
    switch.answers()
    partial = switch.reverses(replace(ADVICE, replacement_amount=Money(300, "USD")))
    assert body_of(partial).replacement_amount == Money(300, "USD")
    assert not switch.exchange.reversed_in_full
    full = switch.reverses(replace(ADVICE, stan="000003"))
    assert body_of(full).replacement_amount is None
    assert switch.exchange.reversed_in_full


def test_a_reversal_that_names_another_card_reverses_nothing() -> None:
    switch = Switch()
    switch.asks()
    decision = switch.reverses(card=OTHER_CARD)
    assert decision.answer == Answer("25", ("another_card",))
    assert not decision.events and not decision.messages


def test_nobody_takes_back_what_another_acquirer_has_asked_for() -> None:
    switch = Switch()
    switch.asks()
    switch.answers()
    decision = switch.reverses(replace(ADVICE, acquirer_id="200002"))
    assert decision.answer == Answer("25", ("another_acquirer",))
    assert not decision.events and not decision.messages
    unseen = replace(ADVICE, acquirer_id="200002", original=replace(ORIGINAL, stan="000009"))
    assert not switch.reverses(unseen).events, "and nothing is remembered against a request to come"


def test_what_the_issuer_tells_the_chip_is_passed_on() -> None:
    switch = Switch()
    switch.asks()
    (answer,) = switch.answers(replace(APPROVED, icc_data=bytes.fromhex("9104AABBCCDD"))).answers
    assert answer.answer.facts["icc_data"] == "9104AABBCCDD"

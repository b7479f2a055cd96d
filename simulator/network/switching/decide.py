"""The rules of switching (docs/ARCHITECTURE.md, "Online messages").

Hard cases, each with its test: a card of nobody's range (15); an issuer that is not signed on (91, at once); a silent
one (91 after 15 seconds, and a reversal, for it may have promised the money); its late 0110 (changes nothing); a 0110
from another member than the card's issuer (not believed); a reversal before its request (remembered, passed on, and
the request goes no further); a reversal while the request is with the issuer; a second reversal of the same; a
partial one (passed on with its new total, and a full one may follow); a reversal of what never left the network
(acknowledged, nothing to pass on); an issuer that is away and has agreed to stand-in (`standing_in.py`); an issuer
that acknowledges late or never (the 0420 is repeated as 0421, less and less often, and never given up); a reversal
that names another card than its request, or another member's request (not found).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from engine.ledger.book import Book
from engine.vocabulary.decision import (
    Answer,
    AnswerTo,
    Decision,
    Json,
    Message,
    State,
    Timer,
    TimerCancelled,
)
from engine.vocabulary.identifiers import network_reference
from engine.vocabulary.keys import KEYS, key_of
from engine.vocabulary.messages import (
    AdviceReason,
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.responses import ResponseCode
from simulator.network.switching import reversing, standing_in
from simulator.network.switching.model import (
    ADVICE_REPEAT,
    ISSUER_TIMEOUT,
    AdviceForwarded,
    Exchange,
    ExchangeState,
    Fired,
    FromIssuer,
    IssuerTimedOut,
    LateResponseIgnored,
    Prepared,
    RequestForwarded,
    RequestRefused,
    ResponsePassedOn,
    Reversal,
    ReversalForwarded,
    ReversalRepeated,
    ReversalState,
    Routed,
    SetStandIn,
    id_of_exchange,
)

ISSUER_PATIENCE: Final = timedelta(seconds=15)


def decide(book: Book, state: State, request: Prepared, now: datetime) -> Decision:
    """What the network does with a message of a member, or with the silence of one."""
    match request:
        case Routed(request=AuthorizationRequest() as asked):
            return _request(book, state, request, asked, now)
        case Routed(request=ReversalAdvice() as advice):
            return reversing.reverse(book, state, request, advice, now)
        case FromIssuer(response=AuthorizationResponse() as response):
            return _response(book, state, request.member_id, response)
        case FromIssuer(response=ReversalResponse() as response):
            return reversing.acknowledge(book, state, request.member_id, response)
        case Routed(request=AuthorizationAdvice() as advice):
            return _advice(book, state, request, advice, now)
        case FromIssuer(response=AuthorizationAdviceResponse() as response):
            place = (response.acquirer_id, response.terminal_id, response.stan, response.transmitted_at)
            exchange = state.get(Exchange, id_of_exchange(book, *place))
            if exchange is None or exchange.issuer_id != request.member_id or exchange.advice_reason is None:
                return Decision(answer=Answer("ignored", ("not_asked",)))
            return standing_in.acknowledge(exchange)
        case SetStandIn():
            return standing_in.agree(book, request)
        case Fired():
            return _fired(book, state, request, now)
    raise AssertionError("prepare makes nothing else")


def _request(book: Book, state: State, routed: Routed, request: AuthorizationRequest, now: datetime) -> Decision:
    exchange = _exchange(book, routed, request)
    if (known := state.get(Exchange, exchange.id)) is not None:
        assert known.state is ExchangeState.TOMBSTONE, "a request that was seen has its key"
        refused = replace(exchange, state=ExchangeState.TOMBSTONE, reversed_in_full=True)
        return _refused(refused, ResponseCode.INVALID_TRANSACTION, "reversed_before_request")
    if routed.issuer_id is None:
        return _refused(exchange, ResponseCode.NO_SUCH_ISSUER, "account_range_unknown")
    if not routed.reachable:
        reason = AdviceReason.ISSUER_SIGNED_OFF
        if (stood := standing_in.stand_in(book, state, exchange, request.pan, now, reason=reason)) is not None:
            return stood._replace(answer=_stood_in_answer(stood))
        return _refused(exchange, ResponseCode.ISSUER_INOPERATIVE, "issuer_not_signed_on")
    return Decision(
        events=(RequestForwarded(subject=exchange),),
        messages=(Message(routed.issuer_id, replace(request, network_reference=exchange.network_reference)),),
        timers=(Timer(exchange.id, ISSUER_TIMEOUT, now + ISSUER_PATIENCE),),
    )


def _exchange(book: Book, routed: Routed, request: AuthorizationRequest) -> Exchange:
    place = (request.acquirer_id, request.terminal_id, request.stan, request.transmitted_at)
    original = request.original
    return Exchange(
        id=id_of_exchange(book, *place),
        network_reference=network_reference(*place),
        acquirer_id=request.acquirer_id,
        issuer_id=routed.issuer_id,
        terminal_id=request.terminal_id,
        merchant_id=request.merchant_id,
        stan=request.stan,
        transmitted_at=request.transmitted_at,
        rrn=request.rrn,
        card_token=routed.card_token,
        processing_code=request.processing_code,
        amount_minor=request.amount.amount_minor,
        asset=request.amount.asset,
        state=ExchangeState.FORWARDED,
        is_financial=request.is_financial,
        mcc=request.mcc,
        merchant_name=request.merchant_name,
        expiry=request.expiry,
        pos_entry_mode=request.pos_entry_mode,
        pos_condition_code=request.pos_condition_code,
        has_pin=request.pin_block is not None,
        original_stan=None if original is None else original.stan,
        original_transmitted_at=None if original is None else original.transmitted_at,
    )


def _stood_in_answer(stood: Decision) -> Answer:
    exchange = stood.events[0].subject
    assert isinstance(exchange, Exchange)
    return Answer(ResponseCode.APPROVED.value, ("stand_in",), _facts(exchange))


def _advice(book: Book, state: State, routed: Routed, advice: AuthorizationAdvice, now: datetime) -> Decision:
    """0120 of an acquirer: heard, and passed on until the issuer has heard."""
    exchange = _exchange(book, routed, advice.request)
    answer = Answer(ResponseCode.APPROVED.value, (), _facts(exchange))
    if routed.issuer_id is None or state.get(Exchange, exchange.id) is not None:
        return Decision(answer=answer)
    told = replace(
        exchange,
        state=ExchangeState.ADVISED,
        response_code=advice.response_code.value,
        approval_code=advice.approval_code,
        advice_reason=advice.reason.value,
    )
    sent = standing_in.tell(told, advice.pan, now)
    return sent._replace(events=(AdviceForwarded(subject=told),), answer=answer)


def _refused(exchange: Exchange, code: ResponseCode, reason: str) -> Decision:
    state = exchange.state if exchange.state is ExchangeState.TOMBSTONE else ExchangeState.REFUSED
    refused = replace(exchange, state=state, response_code=code.value)
    answer = Answer(code.value, (reason,), _facts(refused))
    return Decision(events=(RequestRefused(subject=refused, reasons=(reason,)),), answer=answer)


def _response(book: Book, state: State, member_id: str, response: AuthorizationResponse) -> Decision:
    place = (response.acquirer_id, response.terminal_id, response.stan, response.transmitted_at)
    exchange = state.get(Exchange, id_of_exchange(book, *place))
    if exchange is None or exchange.issuer_id != member_id:
        return Decision(answer=Answer("ignored", ("not_asked",)))
    if exchange.state is not ExchangeState.FORWARDED:
        late = LateResponseIgnored(subject=exchange, reasons=(f"response_code_{response.response_code}",))
        return Decision(events=(late,), answer=Answer("ignored", ("late",)))
    answered = replace(
        exchange,
        state=ExchangeState.ANSWERED,
        response_code=response.response_code.value,
        approval_code=response.approval_code,
    )
    facts: dict[str, Json] = {**_facts(answered), **response.facts}
    return Decision(
        events=(ResponsePassedOn(subject=answered),),
        timers=(TimerCancelled(exchange.id, ISSUER_TIMEOUT),),
        answer=Answer("passed_on"),
        answers=(_to_acquirer(answered, Answer(response.response_code.value, (), facts)),),
    )


def _fired(book: Book, state: State, fired: Fired, now: datetime) -> Decision:
    if fired.timer.name == ISSUER_TIMEOUT:
        return _timed_out(book, state, state.need(Exchange, fired.timer.subject_id), fired, now)
    if fired.timer.name == ADVICE_REPEAT:
        assert fired.pan is not None, "the vault keeps the card of every exchange"
        return standing_in.repeat(state.need(Exchange, fired.timer.subject_id), fired.pan, now)
    reversal = state.need(Reversal, fired.timer.subject_id)
    if reversal.state is ReversalState.ACKNOWLEDGED:
        return Decision(answer=Answer("acknowledged_already"))
    assert fired.pan is not None, "the vault keeps the card of every reversal"
    again = replace(reversal, repeats=reversal.repeats + 1)
    sent = reversing.sending(again, fired.pan, now)
    return Decision(
        events=(ReversalRepeated(subject=again),),
        messages=sent.messages,
        timers=sent.timers,
        answer=Answer("repeated"),
    )


def _timed_out(book: Book, state: State, exchange: Exchange, fired: Fired, now: datetime) -> Decision:
    if exchange.state is not ExchangeState.FORWARDED:
        return Decision(answer=Answer("answered_already"))
    assert exchange.issuer_id is not None and fired.pan is not None, "what was forwarded has an issuer and a card"
    if not exchange.reversed_in_full:
        reason = AdviceReason.ISSUER_SILENT
        stood = standing_in.stand_in(book, state, exchange, fired.pan, now, reason=reason)
        if stood is not None:
            answers = (_to_acquirer(exchange, _stood_in_answer(stood)),)
            return stood._replace(answer=Answer("stood_in"), answers=answers)
    timed_out = replace(
        exchange,
        state=ExchangeState.TIMED_OUT,
        response_code=ResponseCode.ISSUER_INOPERATIVE.value,
        reversed_in_full=True,
    )
    reasons = ("issuer_silent",)
    answers = (_to_acquirer(timed_out, Answer(ResponseCode.ISSUER_INOPERATIVE.value, reasons, _facts(timed_out))),)
    event = IssuerTimedOut(subject=timed_out, reasons=reasons)
    if exchange.reversed_in_full:
        return Decision(events=(event,), answer=Answer("timed_out"), answers=answers)
    reversal = reversing.passed_on(book, exchange, exchange.issuer_id, reversing.own_reversal(exchange, fired.pan))
    sent = reversing.sending(reversal, fired.pan, now)
    return Decision(
        events=(event, ReversalForwarded(subject=reversal)),
        messages=sent.messages,
        timers=sent.timers,
        answer=Answer("timed_out"),
        answers=answers,
    )


def _to_acquirer(exchange: Exchange, answer: Answer) -> AnswerTo:
    """The answer that the acquirer's open 0100 waits for: an exchange has the fields that its key is made of."""
    return AnswerTo(key_of(KEYS[AuthorizationRequest], exchange), answer)


def _facts(exchange: Exchange) -> dict[str, Json]:
    facts: dict[str, Json] = {"network_reference": exchange.network_reference}
    if exchange.approval_code is not None:
        facts["approval_code"] = exchange.approval_code
    return facts

"""The rules of switching (docs/ARCHITECTURE.md, "Online messages").

Hard cases, each with its test: a card of nobody's range (15); an issuer that is not signed on (91, at once); a silent
one (91 after 15 seconds, and a reversal, for it may have promised the money); its late 0110 (changes nothing); a 0110
from another member than the card's issuer (not believed); a reversal before its request (remembered, passed on, and
the request goes no further); a reversal while the request is with the issuer; a second reversal of the same; a partial
one (passed on with its new total, and a full one may follow); a reversal of what never left the network (acknowledged,
nothing to pass on); an issuer that acknowledges late or never (the 0420 is repeated as 0421, less and less often, and
never given up); a reversal that names another card than its request, or another member's request (not found).
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
from engine.vocabulary.events import Event
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
from simulator.network.switching.model import (
    ISSUER_TIMEOUT,
    REVERSAL_REPEAT,
    Exchange,
    ExchangeReversed,
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
    ReversalAcknowledged,
    ReversalForwarded,
    ReversalRepeated,
    ReversalState,
    Routed,
    id_of_exchange,
    id_of_reversal,
    id_of_reversed_exchange,
)

ISSUER_PATIENCE: Final = timedelta(seconds=15)
FIRST_REPEAT: Final = timedelta(seconds=60)
LONGEST_REPEAT: Final = timedelta(hours=1)


def decide(book: Book, state: State, request: Prepared, now: datetime) -> Decision:
    """What the network does with a message of a member, or with the silence of one."""
    match request:
        case Routed(request=AuthorizationRequest() as asked):
            return _request(book, state, request, asked, now)
        case Routed(request=ReversalAdvice() as advice):
            return _reversal(book, state, request, advice, now)
        case FromIssuer(response=AuthorizationResponse() as response):
            return _response(book, state, request.member_id, response)
        case FromIssuer(response=ReversalResponse() as response):
            return _acknowledgement(book, state, request.member_id, response)
        case Fired():
            return _fired(book, state, request, now)
    raise AssertionError("prepare makes nothing else")


def _request(book: Book, state: State, routed: Routed, request: AuthorizationRequest, now: datetime) -> Decision:
    place = (request.acquirer_id, request.terminal_id, request.stan, request.transmitted_at)
    exchange = Exchange(
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
    )
    if (known := state.get(Exchange, exchange.id)) is not None:
        assert known.state is ExchangeState.TOMBSTONE, "a request that was seen has its key"
        refused = replace(exchange, state=ExchangeState.TOMBSTONE, reversed_in_full=True)
        return _refused(refused, ResponseCode.INVALID_TRANSACTION, "reversed_before_request")
    if routed.issuer_id is None:
        return _refused(exchange, ResponseCode.NO_SUCH_ISSUER, "account_range_unknown")
    if not routed.reachable:
        return _refused(exchange, ResponseCode.ISSUER_INOPERATIVE, "issuer_not_signed_on")
    return Decision(
        events=(RequestForwarded(subject=exchange),),
        messages=(Message(routed.issuer_id, replace(request, network_reference=exchange.network_reference)),),
        timers=(Timer(exchange.id, ISSUER_TIMEOUT, now + ISSUER_PATIENCE),),
    )


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
    facts = _facts(answered)
    if response.response_code is ResponseCode.PARTIAL_APPROVAL:
        facts["amount_minor"] = response.amount.amount_minor
    if response.icc_data is not None:
        facts["icc_data"] = response.icc_data.hex().upper()
    return Decision(
        events=(ResponsePassedOn(subject=answered),),
        timers=(TimerCancelled(exchange.id, ISSUER_TIMEOUT),),
        answer=Answer("passed_on"),
        answers=(_to_acquirer(answered, Answer(response.response_code.value, (), facts)),),
    )


def _reversal(book: Book, state: State, routed: Routed, advice: ReversalAdvice, now: datetime) -> Decision:
    if advice.original.acquirer_id != advice.acquirer_id:
        return Decision(answer=Answer(ResponseCode.UNABLE_TO_LOCATE_RECORD.value, ("another_acquirer",)))
    known = state.get(Exchange, id_of_reversed_exchange(book, advice))
    if known is not None and known.card_token != routed.card_token:
        return Decision(answer=Answer(ResponseCode.UNABLE_TO_LOCATE_RECORD.value, ("another_card",)))
    exchange = _tombstone(book, routed, advice) if known is None else known
    in_full = advice.replacement_amount is None
    events: tuple[Event, ...] = ()
    if known is None or (in_full and not exchange.reversed_in_full):
        events = (ExchangeReversed(subject=replace(exchange, reversed_in_full=in_full or exchange.reversed_in_full)),)
    elif not in_full:
        events = (ExchangeReversed(subject=exchange, reasons=("in_part",)),)
    answer = Answer(ResponseCode.APPROVED.value, (), {"network_reference": exchange.network_reference})
    done = known is not None and (known.reversed_in_full or known.state is ExchangeState.REFUSED)
    if done or exchange.issuer_id is None:
        return Decision(events=events, answer=answer)
    reversal = _passed_on(book, exchange, exchange.issuer_id, advice)
    sent = _sending(reversal, advice.pan, now)
    return Decision(
        events=(*events, ReversalForwarded(subject=reversal)),
        messages=sent.messages,
        timers=sent.timers,
        answer=answer,
    )


def _tombstone(book: Book, routed: Routed, advice: ReversalAdvice) -> Exchange:
    """What is remembered of a request that has not come (yet), so that it goes no further when it does."""
    original = advice.original
    place = (original.acquirer_id, advice.terminal_id, original.stan, original.transmitted_at)
    return Exchange(
        id=id_of_reversed_exchange(book, advice),
        network_reference=network_reference(*place),
        acquirer_id=original.acquirer_id,
        issuer_id=routed.issuer_id,
        terminal_id=advice.terminal_id,
        merchant_id=advice.merchant_id,
        stan=original.stan,
        transmitted_at=original.transmitted_at,
        rrn=advice.rrn,
        card_token=routed.card_token,
        processing_code=advice.processing_code,
        amount_minor=advice.amount.amount_minor,
        asset=advice.amount.asset,
        state=ExchangeState.TOMBSTONE,
        reversed_in_full=True,
    )


def _passed_on(book: Book, exchange: Exchange, issuer_id: str, advice: ReversalAdvice) -> Reversal:
    """A reversal as the issuer will be told of it, until it acknowledges."""
    replacement = advice.replacement_amount
    return Reversal(
        id=id_of_reversal(book, advice),
        exchange_id=exchange.id,
        network_reference=exchange.network_reference,
        issuer_id=issuer_id,
        acquirer_id=advice.acquirer_id,
        terminal_id=advice.terminal_id,
        merchant_id=advice.merchant_id,
        stan=advice.stan,
        transmitted_at=advice.transmitted_at,
        rrn=advice.rrn,
        card_token=exchange.card_token,
        processing_code=advice.processing_code,
        amount_minor=advice.amount.amount_minor,
        asset=advice.amount.asset,
        replacement_minor=None if replacement is None else replacement.amount_minor,
        original_message_type=advice.original.message_type,
        original_stan=advice.original.stan,
        original_transmitted_at=advice.original.transmitted_at,
        original_acquirer_id=advice.original.acquirer_id,
        response_code=None if advice.response_code is None else advice.response_code.value,
    )


def _acknowledgement(book: Book, state: State, member_id: str, response: ReversalResponse) -> Decision:
    reversal = state.get(Reversal, id_of_reversal(book, response))
    if reversal is None or reversal.issuer_id != member_id:
        return Decision(answer=Answer("ignored", ("not_asked",)))
    acknowledged = replace(reversal, state=ReversalState.ACKNOWLEDGED)
    return Decision(
        events=(ReversalAcknowledged(subject=acknowledged),),
        timers=(TimerCancelled(reversal.id, REVERSAL_REPEAT),),
        answer=Answer("acknowledged"),
    )


def _fired(book: Book, state: State, fired: Fired, now: datetime) -> Decision:
    if fired.timer.name == ISSUER_TIMEOUT:
        return _timed_out(book, state.need(Exchange, fired.timer.subject_id), fired, now)
    reversal = state.need(Reversal, fired.timer.subject_id)
    if reversal.state is ReversalState.ACKNOWLEDGED:
        return Decision(answer=Answer("acknowledged_already"))
    assert fired.pan is not None, "the vault keeps the card of every reversal"
    again = replace(reversal, repeats=reversal.repeats + 1)
    sent = _sending(again, fired.pan, now)
    return Decision(
        events=(ReversalRepeated(subject=again),),
        messages=sent.messages,
        timers=sent.timers,
        answer=Answer("repeated"),
    )


def _timed_out(book: Book, exchange: Exchange, fired: Fired, now: datetime) -> Decision:
    if exchange.state is not ExchangeState.FORWARDED:
        return Decision(answer=Answer("answered_already"))
    assert exchange.issuer_id is not None and fired.pan is not None, "what was forwarded has an issuer and a card"
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
    reversal = _passed_on(book, exchange, exchange.issuer_id, _own_reversal(exchange, fired.pan))
    sent = _sending(reversal, fired.pan, now)
    return Decision(
        events=(event, ReversalForwarded(subject=reversal)),
        messages=sent.messages,
        timers=sent.timers,
        answer=Answer("timed_out"),
        answers=answers,
    )


def _own_reversal(exchange: Exchange, pan: Pan) -> ReversalAdvice:
    """The reversal that the network sends when the issuer was silent. It names itself as the request did: should the
    acquirer reverse as well, under the same numbers, the issuer sees one reversal twice.
    """
    return ReversalAdvice(
        acquirer_id=exchange.acquirer_id,
        terminal_id=exchange.terminal_id,
        merchant_id=exchange.merchant_id,
        stan=exchange.stan,
        transmitted_at=exchange.transmitted_at,
        rrn=exchange.rrn,
        pan=pan,
        processing_code=exchange.processing_code,
        amount=Money(exchange.amount_minor, exchange.asset),
        original=OriginalData(
            message_type="0100",
            stan=exchange.stan,
            transmitted_at=exchange.transmitted_at,
            acquirer_id=exchange.acquirer_id,
        ),
        response_code=ResponseCode.RESPONSE_RECEIVED_TOO_LATE,
    )


def _sending(reversal: Reversal, pan: Pan, now: datetime) -> Decision:
    """The 0420 or 0421 of a reversal, and the timer that repeats it."""
    replacement = reversal.replacement_minor
    code = reversal.response_code
    advice = ReversalAdvice(
        acquirer_id=reversal.acquirer_id,
        terminal_id=reversal.terminal_id,
        merchant_id=reversal.merchant_id,
        stan=reversal.stan,
        transmitted_at=reversal.transmitted_at,
        rrn=reversal.rrn,
        pan=pan,
        processing_code=reversal.processing_code,
        amount=Money(reversal.amount_minor, reversal.asset),
        original=OriginalData(
            message_type=reversal.original_message_type,
            stan=reversal.original_stan,
            transmitted_at=reversal.original_transmitted_at,
            acquirer_id=reversal.original_acquirer_id,
        ),
        replacement_amount=None if replacement is None else Money(replacement, reversal.asset),
        network_reference=reversal.network_reference,
        response_code=None if code is None else ResponseCode(code),
        is_advice=True,
        is_repeat=reversal.repeats > 0,
    )
    doublings = min(reversal.repeats, 6)  # already more than the longest, and never too large a number
    wait = min(FIRST_REPEAT * 2**doublings, LONGEST_REPEAT)
    return Decision(
        messages=(Message(reversal.issuer_id, advice),), timers=(Timer(reversal.id, REVERSAL_REPEAT, now + wait),)
    )


def _to_acquirer(exchange: Exchange, answer: Answer) -> AnswerTo:
    """The answer that the acquirer's open 0100 waits for: an exchange has the fields that its key is made of."""
    return AnswerTo(key_of(KEYS[AuthorizationRequest], exchange), answer)


def _facts(exchange: Exchange) -> dict[str, Json]:
    facts: dict[str, Json] = {"network_reference": exchange.network_reference}
    if exchange.approval_code is not None:
        facts["approval_code"] = exchange.approval_code
    return facts

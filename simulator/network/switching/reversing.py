"""Reversals on their way through the network: passed on, or sent of its own accord, and repeated until the issuer has
acknowledged them. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from engine.ledger.book import Book
from engine.vocabulary.decision import Answer, Decision, Message, State, Timer, TimerCancelled
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import Pan, network_reference
from engine.vocabulary.messages import OriginalData, ReversalAdvice, ReversalResponse
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from simulator.network.switching.model import (
    REVERSAL_REPEAT,
    Exchange,
    ExchangeReversed,
    ExchangeState,
    Reversal,
    ReversalAcknowledged,
    ReversalForwarded,
    ReversalState,
    Routed,
    id_of_reversal,
    id_of_reversed_exchange,
)

FIRST_REPEAT: Final = timedelta(seconds=60)
LONGEST_REPEAT: Final = timedelta(hours=1)


def reverse(book: Book, state: State, routed: Routed, advice: ReversalAdvice, now: datetime) -> Decision:
    """0420: the acquirer takes a request back, in full or in part."""
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
    reversal = passed_on(book, exchange, exchange.issuer_id, advice)
    sent = sending(reversal, advice.pan, now)
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


def passed_on(book: Book, exchange: Exchange, issuer_id: str, advice: ReversalAdvice) -> Reversal:
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


def acknowledge(book: Book, state: State, member_id: str, response: ReversalResponse) -> Decision:
    """0430: the issuer has it."""
    reversal = state.get(Reversal, id_of_reversal(book, response))
    if reversal is None or reversal.issuer_id != member_id:
        return Decision(answer=Answer("ignored", ("not_asked",)))
    acknowledged = replace(reversal, state=ReversalState.ACKNOWLEDGED)
    return Decision(
        events=(ReversalAcknowledged(subject=acknowledged),),
        timers=(TimerCancelled(reversal.id, REVERSAL_REPEAT),),
        answer=Answer("acknowledged"),
    )


def own_reversal(exchange: Exchange, pan: Pan) -> ReversalAdvice:
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
            message_type="0200" if exchange.is_financial else "0100",
            stan=exchange.stan,
            transmitted_at=exchange.transmitted_at,
            acquirer_id=exchange.acquirer_id,
        ),
        response_code=ResponseCode.RESPONSE_RECEIVED_TOO_LATE,
    )


def sending(reversal: Reversal, pan: Pan, now: datetime) -> Decision:
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

"""Stand-in: the network answers for an issuer that is signed off or silent, within what was agreed, and tells it (0120,
repeated until its 0130). Pure.

Hard cases: nothing agreed, a PIN, cash, a pre-authorization or a single message (91, as ever); the card's share of the
day used up (91); an issuer that answers late, or had decided before it fell silent (its answer changes nothing; the
advice finds what it has decided); flapping (each request is answered once, by whoever was there); a reversal of what
the network has approved (passed on like any other, before or after the advice).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

from engine.ledger.book import Book
from engine.vocabulary.decision import Answer, Decision, Message, State, Timer, TimerCancelled
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import (
    PREAUTHORIZED,
    PURCHASE,
    AdviceReason,
    AuthorizationAdvice,
    AuthorizationRequest,
    OriginalData,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from simulator.network.switching.model import (
    ADVICE_REPEAT,
    AdviceAcknowledged,
    AdviceForwarded,
    Exchange,
    ExchangeState,
    SetStandIn,
    StandInAgreed,
    StandInCounted,
    StandInTerms,
    StandInUse,
    StoodIn,
    id_of_stand_in,
)
from simulator.network.switching.reversing import FIRST_REPEAT, LONGEST_REPEAT


def agree(book: Book, request: SetStandIn) -> Decision:
    """From now on this may be approved in the issuer's place."""
    terms = StandInTerms(
        id=id_of_stand_in(book, request.issuer_id),
        issuer_id=request.issuer_id,
        most_minor=request.most_minor,
        most_a_day=request.most_a_day,
        most_a_day_minor=request.most_a_day_minor,
        refused_mccs=request.refused_mccs,
    )
    return Decision(events=(StandInAgreed(subject=terms),), answer=Answer("set"))


def stand_in(
    book: Book, state: State, exchange: Exchange, pan: Pan, now: datetime, *, reason: AdviceReason
) -> Decision | None:
    """Approve in the issuer's place, without the answer; None where that was not agreed."""
    assert exchange.issuer_id is not None, "a card of nobody's has no issuer to stand in for"
    terms = state.get(StandInTerms, id_of_stand_in(book, exchange.issuer_id))
    used, today = state.get(StandInUse, exchange.card_token), book.business_date(now)
    if used is None or used.day != today:
        used = StandInUse(id=exchange.card_token, day=today, count=0, amount_minor=0)
    if terms is None or not _within(terms, used, exchange):
        return None
    stood = replace(
        exchange,
        state=ExchangeState.STOOD_IN,
        response_code=ResponseCode.APPROVED.value,
        approval_code=_approval_code(exchange),
        advice_reason=reason.value,
    )
    counted = replace(used, count=used.count + 1, amount_minor=used.amount_minor + exchange.amount_minor)
    told = tell(stood, pan, now)
    return told._replace(
        events=(StoodIn(subject=stood, reasons=(reason.name.lower(),)), StandInCounted(subject=counted), *told.events)
    )


def _within(terms: StandInTerms, used: StandInUse, exchange: Exchange) -> bool:
    return (
        exchange.processing_code[:2] == PURCHASE
        and not exchange.is_financial
        and not exchange.has_pin
        and exchange.original_stan is None
        and exchange.pos_condition_code != PREAUTHORIZED
        and 0 < exchange.amount_minor <= terms.most_minor
        and exchange.mcc not in terms.refused_mccs
        and used.count < terms.most_a_day
        and used.amount_minor + exchange.amount_minor <= terms.most_a_day_minor
    )


def tell(exchange: Exchange, pan: Pan, now: datetime) -> Decision:
    """The 0120 of an exchange, or its repeat, and the timer that repeats it."""
    assert exchange.issuer_id is not None and exchange.advice_reason is not None, "what is told has somebody to hear it"
    original = None
    if exchange.original_stan is not None and exchange.original_transmitted_at is not None:
        original = OriginalData(
            message_type="0100",
            stan=exchange.original_stan,
            transmitted_at=exchange.original_transmitted_at,
            acquirer_id=exchange.acquirer_id,
        )
    advice = AuthorizationAdvice(
        request=AuthorizationRequest(
            acquirer_id=exchange.acquirer_id,
            terminal_id=exchange.terminal_id,
            merchant_id=exchange.merchant_id,
            merchant_name=exchange.merchant_name,
            mcc=exchange.mcc,
            stan=exchange.stan,
            transmitted_at=exchange.transmitted_at,
            rrn=exchange.rrn,
            pan=pan,
            expiry=exchange.expiry,
            processing_code=exchange.processing_code,
            amount=Money(exchange.amount_minor, exchange.asset),
            pos_entry_mode=exchange.pos_entry_mode,
            pos_condition_code=exchange.pos_condition_code,
            network_reference=exchange.network_reference,
            original=original,
        ),
        reason=AdviceReason(exchange.advice_reason),
        response_code=ResponseCode(exchange.response_code or ResponseCode.APPROVED),
        approval_code=exchange.approval_code,
        is_repeat=exchange.advice_repeats > 0,
    )
    wait = min(FIRST_REPEAT * 2 ** min(exchange.advice_repeats, 6), LONGEST_REPEAT)
    return Decision(
        messages=(Message(exchange.issuer_id, advice),), timers=(Timer(exchange.id, ADVICE_REPEAT, now + wait),)
    )


def repeat(exchange: Exchange, pan: Pan, now: datetime) -> Decision:
    """No 0130 yet: it is told again."""
    if exchange.advice_heard:
        return Decision(answer=Answer("acknowledged_already"))
    again = replace(exchange, advice_repeats=exchange.advice_repeats + 1)
    return tell(again, pan, now)._replace(events=(AdviceForwarded(subject=again),), answer=Answer("repeated"))


def acknowledge(exchange: Exchange) -> Decision:
    """0130: whatever DE 39 says, the issuer has heard."""
    return Decision(
        events=(AdviceAcknowledged(subject=replace(exchange, advice_heard=True)),),
        timers=(TimerCancelled(exchange.id, ADVICE_REPEAT),),
        answer=Answer("acknowledged"),
    )


def _approval_code(exchange: Exchange) -> str:
    digest = blake2b(exchange.id.bytes, digest_size=8, person=b"stand-in").digest()
    return f"{int.from_bytes(digest, 'big') % 10**6:06d}"

"""The rules of reversals: taking a payment back, as a whole or in part, and telling the network until it has heard.
Pure.

The network is told by an 0420; it is repeated as 0421, the same but for the repeat digit, after a minute and then
twice as long each time up to an hour, without end, until an 0430 comes. A reversal says the new total, so a newer one
replaces one that is still under way.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from engine.authorization.answers import (
    AUTHORIZATION_TIMEOUT,
    Asked,
    Route,
    accepted,
    answer_terminal,
    ignored,
    refused,
)
from engine.authorization.model import (
    Payment,
    PaymentReduced,
    PaymentReversed,
    PaymentState,
    ReversalAcknowledged,
    ReversalPrecededRequest,
    ReversalRepeated,
    ReversalState,
    retrieval_reference,
)
from engine.vocabulary.decision import Answer, Decision, Message, Timer, TimerCancelled
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import OriginalData, ReversalAdvice, ReversalResponse
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode

REVERSAL_REPEAT = "reversal_repeat"
"""The timer of a reversal that the network has not acknowledged."""

FIRST_REPEAT = timedelta(seconds=60)
LONGEST_REPEAT = timedelta(hours=1)


def take_back(
    route: Route,
    asked: Asked,
    reversal: ReversalAdvice,
    payment: Payment | None,
    now: datetime,
    *,
    base: Payment | None,
) -> Decision:
    """0400, 0401: a terminal takes a payment back. Answered at once, with 00 or why not. `base` is the payment that an
    increment has joined, which shrinks by as much.
    """
    total = reversal.replacement_amount
    if payment is None:
        if total is not None:
            return refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "unknown_payment")
        tombstone = _tombstone(asked, reversal, now)
        return Decision(events=(ReversalPrecededRequest(subject=tombstone),), answer=accepted(tombstone))
    if (payment.card_token, payment.merchant_id) != (asked.card_token, reversal.merchant_id):
        return refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "another_card_or_merchant")
    if payment.state is PaymentState.PRESENTED:
        return refused(ResponseCode.INVALID_TRANSACTION, "already_presented")
    if payment.state in (PaymentState.DECLINED, PaymentState.TIMED_OUT, PaymentState.REVERSED):
        return Decision(answer=accepted(payment))
    if payment.state is PaymentState.CONFIRMED:
        return Decision(answer=accepted(payment))
    if payment.state is PaymentState.JOINED:
        return _parted(route, payment, base, reversal, now)
    if total is None:
        return _taken_back(route, payment, reversal, now)
    return _reduced(route, payment, reversal, total, now)


def _taken_back(route: Route, payment: Payment, reversal: ReversalAdvice, now: datetime) -> Decision:
    was_pending = payment.state is PaymentState.PENDING
    off = replace(payment, state=PaymentState.REVERSED, amount_minor=0, captured_minor=0, reasons=("reversed",))
    if was_pending:
        off = replace(off, response_code=ResponseCode.INVALID_TRANSACTION)
    off = with_reversal(off, reversal.stan, reversal.transmitted_at, reversal.response_code)
    return Decision(
        events=(PaymentReversed(subject=off),),
        messages=(advice_of(route, off, reversal.pan),),
        timers=(
            *((TimerCancelled(off.id, AUTHORIZATION_TIMEOUT),) if was_pending else ()),
            repeat_timer(off, now),
        ),
        answer=accepted(off),
        answers=(answer_terminal(off),) if was_pending else (),
    )


def _parted(route: Route, payment: Payment, base: Payment | None, reversal: ReversalAdvice, now: datetime) -> Decision:
    assert base is not None, "an increment that has joined names its pre-authorization"
    if reversal.replacement_amount is not None:
        return refused(ResponseCode.INVALID_TRANSACTION, "increment_is_reversed_whole")
    if base.state is not PaymentState.APPROVED:
        return refused(ResponseCode.INVALID_TRANSACTION, f"original_is_{base.state}")
    less = replace(base, amount_minor=base.amount_minor - payment.amount_minor)
    off = _taken_back(route, payment, reversal, now)
    return off._replace(events=(PaymentReduced(subject=less), *off.events))


def _reduced(route: Route, payment: Payment, reversal: ReversalAdvice, total: Money, now: datetime) -> Decision:
    standing = payment.captured_minor or payment.amount_minor
    if payment.state is PaymentState.PENDING:
        return refused(ResponseCode.INVALID_TRANSACTION, "not_answered_yet")
    if total.asset != payment.asset or not 0 < total.amount_minor <= standing:
        return refused(ResponseCode.INVALID_AMOUNT, "new_total_not_less")
    less = replace(
        payment,
        amount_minor=min(payment.amount_minor, total.amount_minor),
        captured_minor=min(payment.captured_minor, total.amount_minor),
    )
    if less.amount_minor == payment.amount_minor:
        # Only a tip is taken back, or nothing: the issuer never promised it, so there is nothing to tell the network.
        events: tuple[Event, ...] = (PaymentReduced(subject=less),) if less != payment else ()
        return Decision(events=events, answer=accepted(less))
    less = with_reversal(less, reversal.stan, reversal.transmitted_at, reversal.response_code)
    return Decision(
        events=(PaymentReduced(subject=less),),
        messages=(advice_of(route, less, reversal.pan),),
        timers=(repeat_timer(less, now),),
        answer=accepted(less),
    )


def acknowledge(response: ReversalResponse, payment: Payment | None) -> Decision:
    """0430. An advice cannot be refused: whatever DE 39 says, it has been heard."""
    under_way = (
        None if payment is None else (payment.reversal_state, payment.reversal_stan, payment.reversal_transmitted_at)
    )
    if payment is None or under_way != (ReversalState.SENT, response.stan, response.transmitted_at):
        return ignored("no_such_reversal_under_way")
    heard = replace(payment, reversal_state=ReversalState.ACKNOWLEDGED)
    return Decision(
        events=(ReversalAcknowledged(subject=heard, reasons=(response.response_code,)),),
        timers=(TimerCancelled(payment.id, REVERSAL_REPEAT),),
        answer=Answer("noted"),
    )


def repeat(route: Route, asked: Asked, payment: Payment | None, now: datetime) -> Decision:
    """0421: the network has not said that it heard, so it is told again, and the next time is later still."""
    if payment is None or payment.reversal_state is not ReversalState.SENT:
        return ignored("acknowledged_meanwhile")
    assert asked.pan is not None, "a reversal under way has a card in the vault"
    again = replace(payment, reversal_attempts=payment.reversal_attempts + 1)
    return Decision(
        events=(ReversalRepeated(subject=again),),
        messages=(advice_of(route, again, asked.pan),),
        timers=(repeat_timer(again, now),),
        answer=Answer("noted"),
    )


def with_reversal(payment: Payment, stan: str, at: datetime, reason: ResponseCode | None) -> Payment:
    """The payment with a new 0420 under way. It says the new total, so it replaces one that is not acknowledged yet."""
    return replace(
        payment,
        reversal_state=ReversalState.SENT,
        reversal_attempts=1,
        reversal_stan=stan,
        reversal_transmitted_at=at,
        reversal_reason=reason,
    )


def advice_of(route: Route, payment: Payment, pan: Pan) -> Message:
    """0420, or 0421 from the second attempt on; the same each time but for that."""
    assert payment.reversal_stan is not None and payment.reversal_transmitted_at is not None
    is_partial = payment.state in (PaymentState.APPROVED, PaymentState.CAPTURED, PaymentState.PRESENTED)
    advice = ReversalAdvice(
        acquirer_id=payment.acquirer_id,
        terminal_id=payment.terminal_id,
        merchant_id=payment.merchant_id,
        stan=payment.reversal_stan,
        transmitted_at=payment.reversal_transmitted_at,
        rrn=payment.rrn,
        pan=pan,
        processing_code=payment.processing_code,
        amount=Money(payment.requested_minor, payment.asset),
        original=OriginalData(
            message_type=payment.message_type,
            stan=payment.stan,
            transmitted_at=payment.transmitted_at,
            acquirer_id=payment.acquirer_id,
        ),
        replacement_amount=Money(payment.amount_minor, payment.asset) if is_partial else None,
        network_reference=payment.network_reference,
        response_code=None if payment.reversal_reason is None else ResponseCode(payment.reversal_reason),
        is_advice=True,
        is_repeat=payment.reversal_attempts > 1,
    )
    return Message(to=route.network_member_id, body=advice)


def repeat_timer(payment: Payment, now: datetime) -> Timer:
    """When the reversal under way is told again."""
    wait = min(FIRST_REPEAT * 2 ** min(payment.reversal_attempts - 1, 6), LONGEST_REPEAT)
    return Timer(payment.id, REVERSAL_REPEAT, now + wait)


def _tombstone(asked: Asked, reversal: ReversalAdvice, now: datetime) -> Payment:
    """What is remembered of a payment whose reversal came first. Nothing left us, so the network is told nothing."""
    assert asked.card_token is not None and asked.merchant is not None, "prepare names card and merchant"
    original = reversal.original
    return Payment(
        id=asked.payment_id,
        acquirer_id=original.acquirer_id,
        terminal_id=reversal.terminal_id,
        merchant_id=reversal.merchant_id,
        merchant=asked.merchant,
        stan=original.stan,
        transmitted_at=original.transmitted_at,
        transacted_at=now,
        rrn=reversal.rrn.strip() or retrieval_reference(original.stan, original.transmitted_at),
        card_token=asked.card_token,
        first_six=reversal.pan.clear[:6],
        last_four=reversal.pan.clear[-4:],
        expiry=None,
        processing_code=reversal.processing_code,
        mcc=None,
        pos_entry_mode=None,
        is_preauthorization=False,
        requested_minor=reversal.amount.amount_minor,
        asset=reversal.amount.asset,
        state=PaymentState.REVERSED,
        reasons=("reversed_before_request",),
    )

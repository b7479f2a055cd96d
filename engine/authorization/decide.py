"""The acquirer's rules for payments: route, capture, give up, take back. Pure.

Hard cases, and where they end:

- lost request or lost answer: the timer (30 s) gives the payment up, 91 to the terminal, 0420 to the network until
  its 0430;
- late answer, after that or after a reversal: ignored, noted;
- doubled request, answer, reversal, completion: the idempotency key answers, nothing here is asked twice;
- a reversal before its request: remembered; the request is declined when it comes and never leaves;
- a reversal while the answer is still open: the terminal's request is answered with a decline, the network told;
- a partial reversal (DE 95 is the new total) before the answer, or unknown: refused, for there is no total yet to
  replace;
- a reversal after clearing: refused (a refund is the way); of a declined or given up payment: 00, everything has been
  said;
- a completion over the tolerance, twice, after a reversal, of nothing: refused with 61, 12, 12, 25;
- an answer that approves more than was asked for: no answer at all, the timer gives the payment up.

Facts of an answer to a 0100: `payment`, `rrn`, `network_reference`, and when approved `approval_code`,
`amount_minor`, `asset`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from engine.authorization.model import (
    LateResponseIgnored,
    Payment,
    PaymentApproved,
    PaymentCaptured,
    PaymentDeclined,
    PaymentReduced,
    PaymentRequested,
    PaymentReversed,
    PaymentState,
    PaymentTimedOut,
    ReversalAcknowledged,
    ReversalPrecededRequest,
    ReversalRepeated,
    ReversalState,
    UnusableResponseIgnored,
    retrieval_reference,
)
from engine.authorization.tolerances import largest_final_minor
from engine.merchants.model import Merchant, MerchantState, Terminal
from engine.vocabulary.decision import (
    Answer,
    AnswerTo,
    Decision,
    Json,
    Message,
    State,
    Timer,
    TimerCancelled,
    TimerFired,
)
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.keys import KEYS, key_of
from engine.vocabulary.messages import (
    CASH,
    PURCHASE,
    REFUND,
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    OriginalData,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode

AUTHORIZATION_TIMEOUT = "authorization_timeout"
REVERSAL_REPEAT = "reversal_repeat"

ANSWER_WITHIN = timedelta(seconds=30)
FIRST_REPEAT = timedelta(seconds=60)
LONGEST_REPEAT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Route:
    """Who we are on the network, and whom everything is sent to: member ids."""

    member_id: str
    network_member_id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with what `prepare` found out about it: which payment it is about, the card's token, and the
    identifiers to load.

    `pan` is the request's card number or, for a timer, that of the payment whose reversal it may send; None when
    there is none to send.
    """

    request: Any
    payment_id: UUID
    card_token: UUID | None = None
    pan: Pan | None = None
    merchant: UUID | None = None
    terminal: UUID | None = None


def decide(route: Route, state: State, asked: Asked, now: datetime) -> Decision:
    """The rules of payments, by kind of request."""
    payment = state.get(Payment, asked.payment_id)
    match asked.request:
        case AuthorizationRequest():
            return _requested(route, state, asked, now)
        case AuthorizationResponse():
            return _responded(asked.request, payment)
        case ReversalAdvice():
            return _reversed(route, asked, asked.request, payment, now)
        case ReversalResponse():
            return _acknowledged(asked.request, payment)
        case CompletionAdvice():
            return _completed(asked, asked.request, payment)
        case TimerFired(name=name) if name == AUTHORIZATION_TIMEOUT:
            return _silent(route, asked, payment, now)
        case _:
            return _unacknowledged(route, asked, payment, now)


# --- 0100 ---


def _requested(route: Route, state: State, asked: Asked, now: datetime) -> Decision:
    request: AuthorizationRequest = asked.request
    merchant, payment = state.get(Merchant, asked.merchant), _new_payment(asked, request, now)
    if (known := state.get(Payment, asked.payment_id)) is not None:
        assert known.state is PaymentState.REVERSED, (
            "a request's key is its payment's: only a reversal can have come before"
        )
        return _declined(payment, ResponseCode.INVALID_TRANSACTION, ("reversed_before_request",))
    refusals = list(_refusals(route, state, asked, request, merchant))
    if refusals:
        return _declined(payment, refusals[0][0], tuple(reason for _, reason in refusals))
    assert merchant is not None, "an unknown merchant is refused"
    payment = replace(payment, mcc=merchant.mcc)
    forwarded = replace(
        request,
        merchant_name=merchant.acceptor,
        mcc=merchant.mcc,
        rrn=payment.rrn,
        network_reference=None,
        is_repeat=False,
    )
    return Decision(
        events=(PaymentRequested(subject=payment),),
        messages=(Message(to=route.network_member_id, body=forwarded),),
        timers=(Timer(payment.id, AUTHORIZATION_TIMEOUT, now + ANSWER_WITHIN),),
    )


def _refusals(
    route: Route, state: State, asked: Asked, request: AuthorizationRequest, merchant: Merchant | None
) -> Iterator[tuple[ResponseCode, str]]:
    """Why we do not ask the network at all, in order of precedence."""
    terminal = state.get(Terminal, asked.terminal)
    if request.acquirer_id != route.member_id:
        yield ResponseCode.ROUTING_UNKNOWN, "another_acquirer"
    if merchant is None:
        yield ResponseCode.NOT_PERMITTED_TO_TERMINAL, "unknown_merchant"
    elif merchant.state is MerchantState.CLOSED:
        yield ResponseCode.NOT_PERMITTED_TO_TERMINAL, "merchant_closed"
    if terminal is None:
        yield ResponseCode.NOT_PERMITTED_TO_TERMINAL, "unknown_terminal"
    elif terminal.merchant != asked.merchant:
        yield ResponseCode.NOT_PERMITTED_TO_TERMINAL, "terminal_of_another_merchant"
    if request.amount.amount_minor <= 0:
        yield ResponseCode.INVALID_AMOUNT, "amount_not_positive"
    if merchant is not None and request.amount.asset != merchant.asset:
        yield ResponseCode.INVALID_TRANSACTION, "currency_not_accepted"
    if request.transaction_type not in (PURCHASE, CASH, REFUND):
        yield ResponseCode.INVALID_TRANSACTION, "transaction_type_not_supported"
    elif request.is_preauthorization and request.transaction_type == REFUND:
        yield ResponseCode.INVALID_TRANSACTION, "refund_cannot_wait"


def _declined(payment: Payment, code: ResponseCode, reasons: tuple[str, ...]) -> Decision:
    declined = replace(payment, state=PaymentState.DECLINED, response_code=code, reasons=reasons)
    return Decision(events=(PaymentDeclined(subject=declined, reasons=reasons),), answer=_answer(declined))


# --- 0110 ---


def _responded(response: AuthorizationResponse, payment: Payment | None) -> Decision:
    if payment is None:
        return _ignored("unknown_payment")
    if payment.state is not PaymentState.PENDING:
        return replace(_ignored("late"), events=(LateResponseIgnored(subject=payment, reasons=(payment.state,)),))
    heard = replace(payment, response_code=response.response_code, network_reference=response.network_reference)
    timeout_off = TimerCancelled(payment.id, AUTHORIZATION_TIMEOUT)
    if not response.response_code.approved:
        declined = replace(heard, state=PaymentState.DECLINED, reasons=("declined_by_issuer",))
        return _settled(declined, PaymentDeclined(subject=declined, reasons=declined.reasons), timeout_off)
    if response.amount.asset != payment.asset or not 0 < response.amount.amount_minor <= payment.requested_minor:
        # Whatever this approves is not what was asked for. It counts as no answer: the timer gives the payment up.
        event = UnusableResponseIgnored(subject=payment, reasons=("amount_not_asked_for",))
        return replace(_ignored("amount_not_asked_for"), events=(event,))
    approved = replace(heard, approval_code=response.approval_code, amount_minor=response.amount.amount_minor)
    if payment.is_preauthorization:
        approved = replace(approved, state=PaymentState.APPROVED)
        return _settled(approved, PaymentApproved(subject=approved), timeout_off)
    captured = replace(approved, state=PaymentState.CAPTURED, captured_minor=approved.amount_minor)
    return _settled(captured, PaymentCaptured(subject=captured), timeout_off)


def _settled(payment: Payment, event: Event, *timers: Timer | TimerCancelled) -> Decision:
    return Decision(events=(event,), timers=timers, answer=Answer("noted"), answers=(_answer_terminal(payment),))


# --- timers ---


def _silent(route: Route, asked: Asked, payment: Payment | None, now: datetime) -> Decision:
    """The payment is off, whatever the issuer may have decided: the terminal hears 91, the network a reversal."""
    if payment is None or payment.state is not PaymentState.PENDING:
        return _ignored("answered_meanwhile")
    assert asked.pan is not None, "a payment that waits for its answer has a card in the vault"
    code, reasons = ResponseCode.ISSUER_INOPERATIVE, ("no_answer",)
    off = replace(payment, state=PaymentState.TIMED_OUT, response_code=code, reasons=reasons)
    # DE 7 has whole seconds.
    off = _with_reversal(off, payment.stan, now.replace(microsecond=0), ResponseCode.RESPONSE_RECEIVED_TOO_LATE)
    return Decision(
        events=(PaymentTimedOut(subject=off, reasons=reasons),),
        messages=(_advice(route, off, asked.pan),),
        timers=(_repeat_timer(off, now),),
        answer=Answer("noted"),
        answers=(_answer_terminal(off),),
    )


def _unacknowledged(route: Route, asked: Asked, payment: Payment | None, now: datetime) -> Decision:
    if payment is None or payment.reversal_state is not ReversalState.SENT:
        return _ignored("acknowledged_meanwhile")
    assert asked.pan is not None, "a reversal under way has a card in the vault"
    again = replace(payment, reversal_attempts=payment.reversal_attempts + 1)
    return Decision(
        events=(ReversalRepeated(subject=again),),
        messages=(_advice(route, again, asked.pan),),
        timers=(_repeat_timer(again, now),),
        answer=Answer("noted"),
    )


# --- 0400 and 0420, 0430 ---


def _reversed(route: Route, asked: Asked, reversal: ReversalAdvice, payment: Payment | None, now: datetime) -> Decision:
    total = reversal.replacement_amount
    if payment is None:
        if total is not None:
            return _refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "unknown_payment")
        tombstone = _tombstone(asked, reversal, now)
        return Decision(events=(ReversalPrecededRequest(subject=tombstone),), answer=_accepted(tombstone))
    if (payment.card_token, payment.merchant_id) != (asked.card_token, reversal.merchant_id):
        return _refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "another_card_or_merchant")
    if payment.state is PaymentState.PRESENTED:
        return _refused(ResponseCode.INVALID_TRANSACTION, "already_presented")
    if payment.state in (PaymentState.DECLINED, PaymentState.TIMED_OUT, PaymentState.REVERSED):
        return Decision(answer=_accepted(payment))
    if total is None:
        return _taken_back(route, payment, reversal, now)
    return _reduced(route, payment, reversal, total, now)


def _taken_back(route: Route, payment: Payment, reversal: ReversalAdvice, now: datetime) -> Decision:
    was_pending = payment.state is PaymentState.PENDING
    off = replace(payment, state=PaymentState.REVERSED, amount_minor=0, captured_minor=0, reasons=("reversed",))
    if was_pending:
        off = replace(off, response_code=ResponseCode.INVALID_TRANSACTION)
    off = _with_reversal(off, reversal.stan, reversal.transmitted_at, reversal.response_code)
    return Decision(
        events=(PaymentReversed(subject=off),),
        messages=(_advice(route, off, reversal.pan),),
        timers=(
            *((TimerCancelled(off.id, AUTHORIZATION_TIMEOUT),) if was_pending else ()),
            _repeat_timer(off, now),
        ),
        answer=_accepted(off),
        answers=(_answer_terminal(off),) if was_pending else (),
    )


def _reduced(route: Route, payment: Payment, reversal: ReversalAdvice, total: Money, now: datetime) -> Decision:
    standing = payment.captured_minor or payment.amount_minor
    if payment.state is PaymentState.PENDING:
        return _refused(ResponseCode.INVALID_TRANSACTION, "not_answered_yet")
    if total.asset != payment.asset or not 0 < total.amount_minor <= standing:
        return _refused(ResponseCode.INVALID_AMOUNT, "new_total_not_less")
    less = replace(
        payment,
        amount_minor=min(payment.amount_minor, total.amount_minor),
        captured_minor=min(payment.captured_minor, total.amount_minor),
    )
    if less.amount_minor == payment.amount_minor:
        # Only a tip is taken back, or nothing: the issuer never promised it, so there is nothing to tell the network.
        events: tuple[Event, ...] = (PaymentReduced(subject=less),) if less != payment else ()
        return Decision(events=events, answer=_accepted(less))
    less = _with_reversal(less, reversal.stan, reversal.transmitted_at, reversal.response_code)
    return Decision(
        events=(PaymentReduced(subject=less),),
        messages=(_advice(route, less, reversal.pan),),
        timers=(_repeat_timer(less, now),),
        answer=_accepted(less),
    )


def _acknowledged(response: ReversalResponse, payment: Payment | None) -> Decision:
    """0430. An advice cannot be refused: whatever DE 39 says, it has been heard."""
    under_way = (
        None if payment is None else (payment.reversal_state, payment.reversal_stan, payment.reversal_transmitted_at)
    )
    if payment is None or under_way != (ReversalState.SENT, response.stan, response.transmitted_at):
        return _ignored("no_such_reversal_under_way")
    heard = replace(payment, reversal_state=ReversalState.ACKNOWLEDGED)
    return Decision(
        events=(ReversalAcknowledged(subject=heard, reasons=(response.response_code,)),),
        timers=(TimerCancelled(payment.id, REVERSAL_REPEAT),),
        answer=Answer("noted"),
    )


# --- 0220 ---


def _completed(asked: Asked, completion: CompletionAdvice, payment: Payment | None) -> Decision:
    if payment is None:
        return _refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "unknown_payment")
    if (payment.card_token, payment.merchant_id) != (asked.card_token, completion.merchant_id):
        return _refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "another_card_or_merchant")
    if payment.state not in (PaymentState.APPROVED, PaymentState.CAPTURED):
        return _refused(ResponseCode.INVALID_TRANSACTION, f"payment_is_{payment.state}")
    if payment.is_completed:
        return _refused(ResponseCode.INVALID_TRANSACTION, "already_completed")
    if payment.processing_code[:2] == REFUND:
        return _refused(ResponseCode.INVALID_TRANSACTION, "refund_has_no_completion")
    final = completion.amount
    if final.asset != payment.asset or final.amount_minor <= 0:
        return _refused(ResponseCode.INVALID_AMOUNT, "amount_not_positive")
    if final.amount_minor > largest_final_minor(payment.amount_minor, payment.mcc, payment.is_preauthorization):
        return _refused(ResponseCode.EXCEEDS_AMOUNT_LIMIT, "over_tolerance")
    done = replace(payment, state=PaymentState.CAPTURED, captured_minor=final.amount_minor, is_completed=True)
    return Decision(events=(PaymentCaptured(subject=done, reasons=("completed",)),), answer=_accepted(done))


# --- what the rules share ---


def _new_payment(asked: Asked, request: AuthorizationRequest, now: datetime) -> Payment:
    assert asked.card_token is not None and asked.merchant is not None, "prepare names card and merchant"
    return Payment(
        id=asked.payment_id,
        acquirer_id=request.acquirer_id,
        terminal_id=request.terminal_id,
        merchant_id=request.merchant_id,
        merchant=asked.merchant,
        stan=request.stan,
        transmitted_at=request.transmitted_at,
        transacted_at=now,
        rrn=request.rrn.strip() or retrieval_reference(request.stan, request.transmitted_at),
        card_token=asked.card_token,
        first_six=request.pan.clear[:6],
        last_four=request.pan.clear[-4:],
        expiry=request.expiry,
        processing_code=request.processing_code,
        mcc=request.mcc,
        pos_entry_mode=request.pos_entry_mode,
        is_preauthorization=request.is_preauthorization,
        is_completed=False,
        requested_minor=request.amount.amount_minor,
        amount_minor=0,
        captured_minor=0,
        asset=request.amount.asset,
        state=PaymentState.PENDING,
        response_code=None,
        approval_code=None,
        network_reference=None,
        reasons=(),
        reversal_state=ReversalState.NONE,
        reversal_attempts=0,
        reversal_stan=None,
        reversal_transmitted_at=None,
        reversal_reason=None,
    )


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
        is_completed=False,
        requested_minor=reversal.amount.amount_minor,
        amount_minor=0,
        captured_minor=0,
        asset=reversal.amount.asset,
        state=PaymentState.REVERSED,
        response_code=None,
        approval_code=None,
        network_reference=None,
        reasons=("reversed_before_request",),
        reversal_state=ReversalState.NONE,
        reversal_attempts=0,
        reversal_stan=None,
        reversal_transmitted_at=None,
        reversal_reason=None,
    )


def _with_reversal(payment: Payment, stan: str, at: datetime, reason: ResponseCode | None) -> Payment:
    """The payment with a new 0420 under way. It says the new total, so it replaces one that is not acknowledged yet."""
    return replace(
        payment,
        reversal_state=ReversalState.SENT,
        reversal_attempts=1,
        reversal_stan=stan,
        reversal_transmitted_at=at,
        reversal_reason=reason,
    )


def _advice(route: Route, payment: Payment, pan: Pan) -> Message:
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
            message_type="0100",
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


def _repeat_timer(payment: Payment, now: datetime) -> Timer:
    wait = min(FIRST_REPEAT * 2 ** min(payment.reversal_attempts - 1, 6), LONGEST_REPEAT)
    return Timer(payment.id, REVERSAL_REPEAT, now + wait)


def _answer_terminal(payment: Payment) -> AnswerTo:
    """The answer to the terminal's request, which had been left open. The payment holds the fields of its key."""
    return AnswerTo(key_of(KEYS[AuthorizationRequest], payment), _answer(payment))


def _answer(payment: Payment) -> Answer:
    assert payment.response_code is not None, "a payment is answered once it has a response code"
    facts: dict[str, Json] = {
        "payment": str(payment.id),
        "rrn": payment.rrn,
        "network_reference": payment.network_reference,
    }
    if payment.amount_minor:
        facts |= {"approval_code": payment.approval_code, "amount_minor": payment.amount_minor, "asset": payment.asset}
    return Answer(payment.response_code, payment.reasons, facts)


def _accepted(payment: Payment) -> Answer:
    return Answer(ResponseCode.APPROVED, facts={"payment": str(payment.id), "rrn": payment.rrn})


def _refused(code: ResponseCode, reason: str) -> Decision:
    return Decision(answer=Answer(code, (reason,)))


def _ignored(reason: str) -> Decision:
    return Decision(answer=Answer("ignored", (reason,)))

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
- a sale that chip and terminal approved offline, told later: captured, whatever the issuer would have said; after its
  reversal, or when it is no sale of this merchant's: refused with 12 or 58;
- an answer that approves more than was asked for: no answer at all, the timer gives the payment up.

Facts of an answer to a 0100: `payment`, `rrn`, `network_reference`, and when approved `approval_code`,
`amount_minor`, `asset`; `icc_data` where the issuer tells the chip something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from engine.authorization.answers import (
    AUTHORIZATION_TIMEOUT,
    Asked,
    Route,
    accepted,
    answer_of,
    answer_terminal,
    ignored,
    refused,
)
from engine.authorization.model import (
    LateResponseIgnored,
    Payment,
    PaymentApproved,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRequested,
    PaymentState,
    PaymentTimedOut,
    UnusableResponseIgnored,
    retrieval_reference,
)
from engine.authorization.reversals import acknowledge, advice_of, repeat, repeat_timer, take_back, with_reversal
from engine.authorization.tolerances import largest_final_minor
from engine.merchants.model import Merchant, MerchantState, Terminal
from engine.vocabulary.decision import (
    Answer,
    Decision,
    Message,
    State,
    Timer,
    TimerCancelled,
    TimerFired,
)
from engine.vocabulary.events import Event
from engine.vocabulary.messages import (
    CASH,
    CASHBACK,
    PURCHASE,
    REFUND,
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    OfflineSaleAdvice,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.responses import ResponseCode

ANSWER_WITHIN = timedelta(seconds=30)


def decide(route: Route, state: State, asked: Asked, now: datetime) -> Decision:
    """The rules of payments, by kind of request."""
    payment = state.get(Payment, asked.payment_id)
    match asked.request:
        case AuthorizationRequest():
            return _requested(route, state, asked, now)
        case AuthorizationResponse():
            return _responded(asked.request, payment)
        case ReversalAdvice():
            return take_back(route, asked, asked.request, payment, now)
        case ReversalResponse():
            return acknowledge(asked.request, payment)
        case CompletionAdvice():
            return _completed(asked, asked.request, payment)
        case OfflineSaleAdvice():
            return _sold_offline(route, state, asked, asked.request)
        case TimerFired(name=name) if name == AUTHORIZATION_TIMEOUT:
            return _silent(route, asked, payment, now)
        case _:
            return repeat(route, asked, payment, now)


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
    if request.transaction_type not in (PURCHASE, CASH, CASHBACK, REFUND):
        yield ResponseCode.INVALID_TRANSACTION, "transaction_type_not_supported"
    elif request.is_preauthorization and request.transaction_type == REFUND:
        yield ResponseCode.INVALID_TRANSACTION, "refund_cannot_wait"


def _declined(payment: Payment, code: ResponseCode, reasons: tuple[str, ...]) -> Decision:
    declined = replace(payment, state=PaymentState.DECLINED, response_code=code, reasons=reasons)
    return Decision(events=(PaymentDeclined(subject=declined, reasons=reasons),), answer=answer_of(declined))


# --- 0110 ---


def _responded(response: AuthorizationResponse, payment: Payment | None) -> Decision:
    if payment is None:
        return ignored("unknown_payment")
    if payment.state is not PaymentState.PENDING:
        return ignored("late")._replace(events=(LateResponseIgnored(subject=payment, reasons=(payment.state,)),))
    heard = replace(payment, response_code=response.response_code, network_reference=response.network_reference)
    timeout_off = TimerCancelled(payment.id, AUTHORIZATION_TIMEOUT)
    if not response.response_code.approved:
        declined = replace(heard, state=PaymentState.DECLINED, reasons=("declined_by_issuer",))
        event = PaymentDeclined(subject=declined, reasons=declined.reasons)
        return _settled(declined, event, timeout_off, response.icc_data)
    if response.amount.asset != payment.asset or not 0 < response.amount.amount_minor <= payment.requested_minor:
        # Whatever this approves is not what was asked for. It counts as no answer: the timer gives the payment up.
        unusable = UnusableResponseIgnored(subject=payment, reasons=("amount_not_asked_for",))
        return ignored("amount_not_asked_for")._replace(events=(unusable,))
    approved = replace(heard, approval_code=response.approval_code, amount_minor=response.amount.amount_minor)
    if payment.is_preauthorization:
        approved = replace(approved, state=PaymentState.APPROVED)
        return _settled(approved, PaymentApproved(subject=approved), timeout_off, response.icc_data)
    captured = replace(approved, state=PaymentState.CAPTURED, captured_minor=approved.amount_minor)
    return _settled(captured, PaymentCaptured(subject=captured), timeout_off, response.icc_data)


def _settled(payment: Payment, event: Event, timer: TimerCancelled, icc_data: bytes | None) -> Decision:
    return Decision(
        events=(event,), timers=(timer,), answer=Answer("noted"), answers=(answer_terminal(payment, icc_data),)
    )


# --- timers ---


def _silent(route: Route, asked: Asked, payment: Payment | None, now: datetime) -> Decision:
    """The payment is off, whatever the issuer may have decided: the terminal hears 91, the network a reversal."""
    if payment is None or payment.state is not PaymentState.PENDING:
        return ignored("answered_meanwhile")
    assert asked.pan is not None, "a payment that waits for its answer has a card in the vault"
    code, reasons = ResponseCode.ISSUER_INOPERATIVE, ("no_answer",)
    off = replace(payment, state=PaymentState.TIMED_OUT, response_code=code, reasons=reasons)
    # DE 7 has whole seconds.
    off = with_reversal(off, payment.stan, now.replace(microsecond=0), ResponseCode.RESPONSE_RECEIVED_TOO_LATE)
    return Decision(
        events=(PaymentTimedOut(subject=off, reasons=reasons),),
        messages=(advice_of(route, off, asked.pan),),
        timers=(repeat_timer(off, now),),
        answer=Answer("noted"),
        answers=(answer_terminal(off),),
    )


# --- 0220 ---


def _completed(asked: Asked, completion: CompletionAdvice, payment: Payment | None) -> Decision:
    if payment is None:
        return refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "unknown_payment")
    if (payment.card_token, payment.merchant_id) != (asked.card_token, completion.merchant_id):
        return refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "another_card_or_merchant")
    if payment.state not in (PaymentState.APPROVED, PaymentState.CAPTURED):
        return refused(ResponseCode.INVALID_TRANSACTION, f"payment_is_{payment.state}")
    if payment.is_completed:
        return refused(ResponseCode.INVALID_TRANSACTION, "already_completed")
    if payment.processing_code[:2] == REFUND:
        return refused(ResponseCode.INVALID_TRANSACTION, "refund_has_no_completion")
    final = completion.amount
    if final.asset != payment.asset or final.amount_minor <= 0:
        return refused(ResponseCode.INVALID_AMOUNT, "amount_not_positive")
    if final.amount_minor > largest_final_minor(payment.amount_minor, payment.mcc, payment.is_preauthorization):
        return refused(ResponseCode.EXCEEDS_AMOUNT_LIMIT, "over_tolerance")
    done = replace(payment, state=PaymentState.CAPTURED, captured_minor=final.amount_minor, is_completed=True)
    return Decision(events=(PaymentCaptured(subject=done, reasons=("completed",)),), answer=accepted(done))


def _sold_offline(route: Route, state: State, asked: Asked, advice: OfflineSaleAdvice) -> Decision:
    """The goods are gone: the payment is captured, and its issuer hears of it by clearing alone.

    Refused only for what makes it nobody's: another merchant's terminal, a currency that the merchant does not take.
    """
    sale, merchant = advice.sale, state.get(Merchant, asked.merchant)
    if (known := state.get(Payment, asked.payment_id)) is not None:
        # Its reversal came first: the sale is off.
        return refused(ResponseCode.INVALID_TRANSACTION, f"payment_is_{known.state}")
    refusals = list(_refusals(route, state, asked, sale, merchant))
    if sale.transaction_type not in (PURCHASE, CASHBACK) or sale.is_preauthorization:
        refusals.append((ResponseCode.INVALID_TRANSACTION, "not_a_sale"))
    if refusals:
        return refused(*refusals[0])
    assert merchant is not None, "an unknown merchant is refused"
    captured = replace(
        _new_payment(asked, sale, sale.transmitted_at),
        mcc=merchant.mcc,
        state=PaymentState.CAPTURED,
        response_code=ResponseCode.APPROVED,
        approval_code=advice.approval_code,
        amount_minor=sale.amount.amount_minor,
        captured_minor=sale.amount.amount_minor,
    )
    return Decision(
        events=(PaymentCaptured(subject=captured, reasons=("approved_offline",)),), answer=accepted(captured)
    )


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
        requested_minor=request.amount.amount_minor,
        asset=request.amount.asset,
        state=PaymentState.PENDING,
    )

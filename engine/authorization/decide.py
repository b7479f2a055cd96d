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
- an increment of what is no open pre-authorization of this card and merchant: refused with 12 or 25; its pre-
  authorization completed or taken back while its answer is under way: the increment is taken back, too;
- nothing to pay (account verification, balance inquiry): confirmed, never presented;
- the final amount of fuel: told to the network at once (0120), for the issuer holds the most a pump gives;
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
    IncrementJoined,
    LateResponseIgnored,
    Payment,
    PaymentApproved,
    PaymentCaptured,
    PaymentConfirmed,
    PaymentDeclined,
    PaymentIncreased,
    PaymentRequested,
    PaymentReversed,
    PaymentState,
    PaymentTimedOut,
    UnusableResponseIgnored,
    retrieval_reference,
)
from engine.authorization.pin_pads import PinPad, PinPadCounted, counted
from engine.authorization.reversals import acknowledge, advice_of, repeat, repeat_timer, take_back, with_reversal
from engine.authorization.tolerances import FUEL_MCCS, largest_final_minor
from engine.merchants.model import Merchant, MerchantState, Terminal
from engine.vocabulary.decision import (
    Answer,
    Decision,
    Json,
    Message,
    State,
    Timer,
    TimerCancelled,
    TimerFired,
)
from engine.vocabulary.events import Event
from engine.vocabulary.messages import (
    BALANCE_INQUIRY,
    CASHBACK,
    CREDITS,
    DEBITS,
    PREAUTHORIZED,
    PURCHASE,
    AdviceReason,
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    OfflineSaleAdvice,
    OriginalData,
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
            decision = _requested(route, state, asked, now)
            return decision._replace(events=(*_counted(state, asked), *decision.events))
        case AuthorizationResponse():
            return _responded(route, state, asked, payment, now)
        case ReversalAdvice():
            base = None if payment is None else state.get(Payment, payment.base_id)
            return take_back(route, asked, asked.request, payment, now, base=base)
        case ReversalResponse():
            return acknowledge(asked.request, payment)
        case CompletionAdvice():
            return _completed(route, state, asked, payment)
        case AuthorizationAdviceResponse():
            return ignored("heard")
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


def _counted(state: State, asked: Asked) -> Iterator[Event]:
    """Whatever is answered: a key that was used is used."""
    pad = _pin_pad(state, asked)
    if pad is not None:
        yield PinPadCounted(subject=pad)


def _pin_pad(state: State, asked: Asked) -> PinPad | None:
    """The pad after this request; None where there is none, or its key serial number was used."""
    if asked.pin_pad is None:
        return None
    return counted(state.get(PinPad, asked.pin_pad), asked.pin_pad, asked.request.key_serial_number)


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
    if asked.pin_pad is not None and _pin_pad(state, asked) is None:
        yield ResponseCode.SECURITY_VIOLATION, "key_serial_number_used"
    is_question = request.transaction_type in (PURCHASE, BALANCE_INQUIRY) and request.original is None
    if request.amount.amount_minor < 0 or (not request.amount.amount_minor and not is_question):
        yield ResponseCode.INVALID_AMOUNT, "amount_not_positive"
    if merchant is not None and request.amount.asset != merchant.asset:
        yield ResponseCode.INVALID_TRANSACTION, "currency_not_accepted"
    if request.transaction_type not in CREDITS | DEBITS | {BALANCE_INQUIRY}:
        yield ResponseCode.INVALID_TRANSACTION, "transaction_type_not_supported"
    elif request.is_preauthorization and request.transaction_type in CREDITS:
        yield ResponseCode.INVALID_TRANSACTION, "refund_cannot_wait"
    elif request.is_preauthorization and request.is_financial:
        yield ResponseCode.INVALID_TRANSACTION, "single_message_cannot_wait"
    if request.original is not None:
        base = state.get(Payment, asked.base_id)
        if base is None or (base.card_token, base.merchant_id) != (asked.card_token, request.merchant_id):
            yield ResponseCode.UNABLE_TO_LOCATE_RECORD, "original_unknown"
        elif base.state is not PaymentState.APPROVED or base.asset != request.amount.asset:
            yield ResponseCode.INVALID_TRANSACTION, f"original_is_{base.state}"


def _declined(payment: Payment, code: ResponseCode, reasons: tuple[str, ...]) -> Decision:
    declined = replace(payment, state=PaymentState.DECLINED, response_code=code, reasons=reasons)
    return Decision(events=(PaymentDeclined(subject=declined, reasons=reasons),), answer=answer_of(declined))


# --- 0110 ---


def _responded(route: Route, state: State, asked: Asked, payment: Payment | None, now: datetime) -> Decision:
    response: AuthorizationResponse = asked.request
    if payment is None:
        return ignored("unknown_payment")
    if payment.state is not PaymentState.PENDING:
        return ignored("late")._replace(events=(LateResponseIgnored(subject=payment, reasons=(payment.state,)),))
    heard = replace(payment, response_code=response.response_code, network_reference=response.network_reference)
    if not response.response_code.approved:
        declined = replace(heard, state=PaymentState.DECLINED, reasons=("declined_by_issuer",))
        return _settled(declined, PaymentDeclined(subject=declined, reasons=declined.reasons), response)
    approves_too_much = response.amount.amount_minor > payment.requested_minor
    approves_nothing = payment.requested_minor > 0 and response.amount.amount_minor <= 0
    if response.amount.asset != payment.asset or approves_too_much or approves_nothing:
        # Whatever this approves is not what was asked for. It counts as no answer: the timer gives the payment up.
        unusable = UnusableResponseIgnored(subject=payment, reasons=("amount_not_asked_for",))
        return ignored("amount_not_asked_for")._replace(events=(unusable,))
    approved = replace(heard, approval_code=response.approval_code, amount_minor=response.amount.amount_minor)
    if not payment.requested_minor:
        confirmed = replace(approved, state=PaymentState.CONFIRMED)
        return _settled(confirmed, PaymentConfirmed(subject=confirmed), response)
    if payment.base_id is not None:
        return _joined(route, state, asked, approved, now)
    if payment.is_preauthorization:
        approved = replace(approved, state=PaymentState.APPROVED)
        return _settled(approved, PaymentApproved(subject=approved), response)
    captured = replace(approved, state=PaymentState.CAPTURED, captured_minor=approved.amount_minor)
    return _settled(captured, PaymentCaptured(subject=captured), response)


def _joined(route: Route, state: State, asked: Asked, increment: Payment, now: datetime) -> Decision:
    assert increment.base_id is not None and asked.pan is not None, "an increment was asked for with its card"
    response: AuthorizationResponse = asked.request
    base = state.need(Payment, increment.base_id)
    if base.state is PaymentState.APPROVED:
        joined = replace(increment, state=PaymentState.JOINED)
        grown = replace(
            base,
            requested_minor=base.requested_minor + increment.amount_minor,
            amount_minor=base.amount_minor + increment.amount_minor,
        )
        done = _settled(joined, IncrementJoined(subject=joined), response)
        return done._replace(events=(PaymentIncreased(subject=grown), *done.events))
    # Completed or taken back meanwhile: nobody will present what this adds.
    reasons = (f"original_is_{base.state}",)
    off = replace(increment, state=PaymentState.REVERSED, amount_minor=0, reasons=reasons)
    off = replace(off, response_code=ResponseCode.INVALID_TRANSACTION)
    off = with_reversal(off, off.stan, now.replace(microsecond=0), None)
    done = _settled(off, PaymentReversed(subject=off, reasons=reasons), response)
    return done._replace(messages=(advice_of(route, off, asked.pan),), timers=(*done.timers, repeat_timer(off, now)))


def _settled(payment: Payment, event: Event, response: AuthorizationResponse) -> Decision:
    told: dict[str, Json] = {name: fact for name, fact in response.facts.items() if name != "amount_minor"}
    return Decision(
        events=(event,),
        timers=(TimerCancelled(payment.id, AUTHORIZATION_TIMEOUT),),
        answer=Answer("noted"),
        answers=(answer_terminal(payment, told),),
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


def _completed(route: Route, state: State, asked: Asked, payment: Payment | None) -> Decision:
    completion: CompletionAdvice = asked.request
    if payment is None:
        return refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "unknown_payment")
    if (payment.card_token, payment.merchant_id) != (asked.card_token, completion.merchant_id):
        return refused(ResponseCode.UNABLE_TO_LOCATE_RECORD, "another_card_or_merchant")
    if payment.state not in (PaymentState.APPROVED, PaymentState.CAPTURED):
        return refused(ResponseCode.INVALID_TRANSACTION, f"payment_is_{payment.state}")
    if payment.is_completed:
        return refused(ResponseCode.INVALID_TRANSACTION, "already_completed")
    if payment.processing_code[:2] in CREDITS:
        return refused(ResponseCode.INVALID_TRANSACTION, "refund_has_no_completion")
    final = completion.amount
    if final.asset != payment.asset or final.amount_minor <= 0:
        return refused(ResponseCode.INVALID_AMOUNT, "amount_not_positive")
    if final.amount_minor > largest_final_minor(payment.amount_minor, payment.mcc, payment.is_preauthorization):
        return refused(ResponseCode.EXCEEDS_AMOUNT_LIMIT, "over_tolerance")
    done = replace(payment, state=PaymentState.CAPTURED, captured_minor=final.amount_minor, is_completed=True)
    captured = PaymentCaptured(subject=done, reasons=("completed",))
    merchant = state.get(Merchant, done.merchant)
    is_fuel = done.mcc in FUEL_MCCS and done.is_preauthorization
    told = (_final_amount(route, done, completion, merchant),) if is_fuel and merchant is not None else ()
    return Decision(events=(captured,), messages=told, answer=accepted(done))


def _final_amount(route: Route, payment: Payment, completion: CompletionAdvice, merchant: Merchant) -> Message:
    """0120: what the pump has given. Sent once: if it is lost, clearing tells the same."""
    assert payment.approval_code is not None and payment.expiry is not None, "only what is approved is completed"
    request = AuthorizationRequest(
        acquirer_id=payment.acquirer_id,
        terminal_id=payment.terminal_id,
        merchant_id=payment.merchant_id,
        merchant_name=merchant.acceptor,
        mcc=merchant.mcc,
        stan=completion.stan,
        transmitted_at=completion.transmitted_at,
        rrn=payment.rrn,
        pan=completion.pan,
        expiry=payment.expiry,
        processing_code=payment.processing_code,
        amount=completion.amount,
        pos_entry_mode=payment.pos_entry_mode or "000",
        pos_condition_code=PREAUTHORIZED,
        original=OriginalData(
            message_type=payment.message_type,
            stan=payment.stan,
            transmitted_at=payment.transmitted_at,
            acquirer_id=payment.acquirer_id,
        ),
    )
    advice = AuthorizationAdvice(
        request=request,
        reason=AdviceReason.FINAL_AMOUNT,
        response_code=ResponseCode.APPROVED,
        approval_code=payment.approval_code,
    )
    return Message(to=route.network_member_id, body=advice)


def _sold_offline(route: Route, state: State, asked: Asked, advice: OfflineSaleAdvice) -> Decision:
    """The goods are gone: the payment is captured, and its issuer hears of it by clearing alone.

    Refused only for what makes it nobody's: another merchant's terminal, a currency that the merchant does not take.
    """
    sale, merchant = advice.sale, state.get(Merchant, asked.merchant)
    if (known := state.get(Payment, asked.payment_id)) is not None:
        # Its reversal came first: the sale is off.
        return refused(ResponseCode.INVALID_TRANSACTION, f"payment_is_{known.state}")
    refusals = list(_refusals(route, state, asked, sale, merchant))
    if not sale.amount.amount_minor:
        refusals.append((ResponseCode.INVALID_AMOUNT, "amount_not_positive"))
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
        is_financial=request.is_financial,
        base_id=asked.base_id,
        requested_minor=request.amount.amount_minor,
        asset=request.amount.asset,
        state=PaymentState.PENDING,
    )

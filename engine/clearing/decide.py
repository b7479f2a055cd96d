"""The rules of clearing: a captured payment is presented once, and booked; the network's confirmation books what it
costs. Pure.

Hard cases: a payment asked to be presented twice, or reversed just before the cut-off (refused, by its state); a
confirmation twice (its key), with other amounts (its fingerprint), or of an item that we never presented (refused); an
item that the network does not take (booked back; once the merchant is paid it stays in the receivable, named); a
refund (everything turned round, but the discount of the purchase is not given back, and the refund itself bears
none); an amount of interchange that rounds to nothing (no posting).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from engine.authorization.model import Payment, PaymentState
from engine.clearing.model import (
    ClearingItem,
    ConfirmItem,
    ItemConfirmed,
    ItemPresented,
    ItemRejected,
    ItemState,
    ItemUncollected,
    PaymentPresented,
    PresentPayment,
    RejectItem,
    SendFile,
    id_of_item,
)
from engine.clearing.reference import acquirer_reference_number
from engine.ledger import rules
from engine.ledger.chart import (
    DISCOUNT_INCOME,
    INTERCHANGE_EXPENSE,
    NETWORK_FEE_EXPENSE,
    NETWORK_RECEIVABLE,
    account_id,
)
from engine.merchants.model import Merchant
from engine.vocabulary.decision import Answer, Decision, Message, State
from engine.vocabulary.messages import CREDITS, REFUND
from engine.vocabulary.money import round_half_even
from engine.vocabulary.postings import Posting, PostingOutcome


def decide(
    book: str,
    member_id: str,
    state: State,
    request: PresentPayment | ConfirmItem | RejectItem | SendFile,
    now: datetime,
) -> Decision:
    """The rules of clearing of the acquirer `member_id`, in its book."""
    match request:
        case PresentPayment():
            return _present(book, member_id, state, request)
        case ConfirmItem():
            return _confirm(book, state, request)
        case RejectItem():
            return _reject(book, state, request)
        case SendFile():
            return Decision(
                messages=(Message(to=request.recipient_id, body=request.file, durable=True),), answer=Answer("queued")
            )


def _present(book: str, member_id: str, state: State, request: PresentPayment) -> Decision:
    payment = state.get(Payment, request.payment_id)
    if payment is None:
        return _refused("unknown_payment")
    if payment.state is not PaymentState.CAPTURED:
        return _refused(f"payment_is_{payment.state}")
    merchant = state.need(Merchant, payment.merchant)
    is_refund = payment.processing_code[:2] in CREDITS
    item = ClearingItem(
        id=id_of_item(book, payment.id),
        arn=acquirer_reference_number(member_id, request.business_date, payment.id),
        payment_id=payment.id,
        merchant=merchant.id,
        account_id=merchant.account_id,
        # To clearing an original credit is a credit like any other.
        processing_code=REFUND + payment.processing_code[2:] if is_refund else payment.processing_code,
        amount_minor=payment.captured_minor,
        discount_minor=0 if is_refund else merchant.discount_minor(payment.captured_minor),
        asset=payment.asset,
        business_date=request.business_date,
        state=ItemState.PRESENTED,
        interchange=None,
        interchange_minor=0,
        network_fee=None,
        network_fee_minor=0,
        payout_id=None,
    )
    assert state.get(ClearingItem, item.id) is None, "a captured payment has no item yet"
    receivable, on = account_id(book, NETWORK_RECEIVABLE, item.asset), request.business_date
    if is_refund:
        postings = _both_ways(-item.amount_minor, receivable, item.account_id, "refund", item, on=on)
    else:
        income = account_id(book, DISCOUNT_INCOME, item.asset)
        postings = (
            *_both_ways(item.amount_minor, receivable, item.account_id, "purchase", item, on=on),
            *_both_ways(item.discount_minor, item.account_id, income, "merchant discount", item, on=on),
        )
    if (outcome := rules.check(state, postings)) is not PostingOutcome.OK:
        return _refused(outcome)
    return Decision(
        events=(
            PaymentPresented(subject=replace(payment, state=PaymentState.PRESENTED)),
            ItemPresented(subject=item),
        ),
        postings=postings,
        answer=Answer("presented", facts={"arn": item.arn}),
    )


def _confirm(book: str, state: State, request: ConfirmItem) -> Decision:
    item = state.find(ClearingItem, "arn", request.arn)
    if item is None:
        return _refused("unknown_item")
    if item.state is not ItemState.PRESENTED:
        return _refused(f"item_is_{item.state}")
    confirmed = replace(
        item,
        state=ItemState.CONFIRMED,
        interchange=request.interchange,
        interchange_minor=round_half_even(Decimal(request.interchange)),
        network_fee=request.network_fee,
        network_fee_minor=round_half_even(Decimal(request.network_fee)),
        settled_on=request.business_date,
        rate=request.rate,
        downgrades=request.downgrades,
    )
    receivable = account_id(book, NETWORK_RECEIVABLE, item.asset)
    interchange_expense = account_id(book, INTERCHANGE_EXPENSE, item.asset)
    fee_expense = account_id(book, NETWORK_FEE_EXPENSE, item.asset)
    on = request.business_date
    postings = (
        *_both_ways(confirmed.interchange_minor, interchange_expense, receivable, "interchange", item, on=on),
        *_both_ways(confirmed.network_fee_minor, fee_expense, receivable, "network fee", item, on=on),
    )
    if (outcome := rules.check(state, postings)) is not PostingOutcome.OK:
        return _refused(outcome)
    return Decision(events=(ItemConfirmed(subject=confirmed),), postings=postings, answer=Answer("confirmed"))


def _reject(book: str, state: State, request: RejectItem) -> Decision:
    item = state.find(ClearingItem, "arn", request.arn)
    if item is None:
        return _refused("unknown_item")
    if item.state is not ItemState.PRESENTED:
        return _refused(f"item_is_{item.state}")
    if item.payout_id is not None:
        uncollected = replace(item, state=ItemState.UNCOLLECTED)
        return Decision(events=(ItemUncollected(subject=uncollected),), answer=Answer("uncollected"))
    postings = booked_back(book, item, request.business_date)
    if (outcome := rules.check(state, postings)) is not PostingOutcome.OK:
        return _refused(outcome)
    rejected = replace(item, state=ItemState.REJECTED)
    return Decision(events=(ItemRejected(subject=rejected),), postings=postings, answer=Answer("rejected"))


def booked_back(book: str, item: ClearingItem, on: date) -> tuple[Posting, ...]:
    """The postings that undo what was booked when an item was presented: the network does not take it."""
    receivable = account_id(book, NETWORK_RECEIVABLE, item.asset)
    income = account_id(book, DISCOUNT_INCOME, item.asset)
    amount_minor = -item.amount_minor if item.is_refund else item.amount_minor
    return (
        *_both_ways(amount_minor, item.account_id, receivable, "item rejected", item, on=on),
        *_both_ways(item.discount_minor, income, item.account_id, "discount of a rejected item", item, on=on),
    )


def _both_ways(
    amount_minor: int, debit: UUID, credit: UUID, kind: str, item: ClearingItem, *, on: date
) -> tuple[Posting, ...]:
    """The posting of a signed amount: negative turns it round, nothing is nothing."""
    if amount_minor == 0:
        return ()
    if amount_minor < 0:
        debit, credit = credit, debit
    return (
        Posting(
            debit=debit,
            credit=credit,
            amount_minor=abs(amount_minor),
            kind=kind,
            effective_on=on,
            subject_id=item.id,
        ),
    )


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

"""The rules of clearing: what an item is worth to whom.

Hard cases: the same item again, in the same file or another (its key: nothing happens); another item under a used ARN
(refused by its key); a card of nobody's range, an asset that a side has no position in, an amount of nothing (rejected,
and back to the acquirer); a refund (everything turns round).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from engine.clearing.interchange import network_fee, price
from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.chart import MEMBER_POSITION
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.money import round_half_even
from engine.vocabulary.postings import Posting, PostingOutcome
from simulator.network.clearing.model import Item, ItemAccepted, ItemRejected, ItemState, RoutedItem, id_of_item
from simulator.network.members.model import id_of_member


def decide(book: Book, state: State, routed: RoutedItem, now: datetime) -> Decision:
    """Accept or reject an item. An accepted purchase is owed by the issuer's position to the acquirer's."""
    item = _item(book, routed)
    if item.issuer_id is None:
        return _rejected(item, "account_range_unknown")
    payer, payee = _position(book, item.issuer_id, item.asset), _position(book, item.acquirer_id, item.asset)
    if item.is_credit:
        payer, payee = payee, payer
    posting = Posting(
        debit=payer,
        credit=payee,
        amount_minor=item.amount_minor,
        kind="credit" if item.is_credit else "purchase",
        effective_on=item.business_date,
        subject_id=item.id,
    )
    if (outcome := rules.check(state, (posting,))) is not PostingOutcome.OK:
        return _rejected(item, outcome.value)
    return Decision(events=(ItemAccepted(subject=item),), postings=(posting,), answer=Answer("accepted"))


def _item(book: Book, routed: RoutedItem) -> Item:
    request, presented = routed.request, routed.request.presentment
    priced, fee = price(presented, request.business_date), network_fee(presented)
    return Item(
        id=id_of_item(book, presented.arn),
        arn=presented.arn,
        business_date=request.business_date,
        file_id=request.file_id,
        acquirer_id=presented.acquirer_id,
        issuer_id=routed.issuer_id,
        network_reference=presented.network_reference,
        card_token=routed.card_token,
        processing_code=presented.processing_code,
        amount_minor=presented.amount.amount_minor,
        asset=presented.amount.asset,
        transacted_at=presented.transacted_at,
        authorized_on=presented.authorized_on,
        approval_code=presented.approval_code,
        pos_entry_mode=presented.pos_entry_mode,
        mcc=presented.mcc,
        terminal_id=presented.terminal_id,
        merchant_id=presented.merchant_id,
        merchant_name=presented.merchant_name,
        is_final=presented.is_final,
        interchange=priced.interchange,
        interchange_minor=round_half_even(priced.interchange),
        network_fee=fee,
        network_fee_minor=round_half_even(fee),
        rate=priced.rate,
        downgrades=priced.reasons,
        state=ItemState.ACCEPTED,
    )


def _rejected(item: Item, reason: str) -> Decision:
    rejected = replace(item, state=ItemState.REJECTED, reason=reason)
    event = ItemRejected(subject=rejected, reasons=(reason,))
    return Decision(events=(event,), answer=Answer("rejected", (reason,)))


def _position(book: Book, member_id: str, asset: str) -> UUID:
    return book.account(MEMBER_POSITION, asset, id_of_member(book, member_id))

"""The rules of clearing: what is presented is posted, whatever the authorization has come to.

Hard cases: less than was held (the rest is released if the presentment is the last), more, several for one
authorization, under a reference that is missing or nobody's (found by its approval code, or not at all), after the
hold has expired or was reversed, without any authorization, of a declined request, of a card that is closed or
unknown, in a currency that the account does not hold, an amount that drives the balance below zero, a refund under its
purchase's reference. The same ARN again never gets here: it is a replay.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from engine.ledger.book import Book
from engine.ledger.chart import INTERCHANGE_INCOME, NETWORK_PAYABLE, SINGLE_MESSAGES, UNPLACED_ITEMS
from engine.ledger.model import Account
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.messages import CASH, CREDITS, Presentment
from engine.vocabulary.money import round_half_even
from engine.vocabulary.postings import Posting
from issuer.authorization.holds import post_back, release
from issuer.authorization.model import Authorization, AuthorizationPresented, AuthorizationState
from issuer.cards.model import Card
from issuer.clearing.model import (
    MatchedBy,
    PresentedItem,
    PresentmentPosted,
    PresentmentUnplaced,
    TokenisedPresentment,
    is_refund,
)

CLEARABLE = frozenset({AuthorizationState.APPROVED, AuthorizationState.EXPIRED, AuthorizationState.POSTED})
POSTED = frozenset({"purchase", "cash", "refund"})
"""The kinds of the postings that carry items' amounts: one for each item."""
INTERCHANGE = "interchange"
NO_INTERCHANGE = "0.000000"


def decide(book: Book, state: State, tokenised: TokenisedPresentment, now: datetime) -> Decision:
    """Release what is held for the item, post the item and its interchange. Answered "posted" or "unplaced"; nothing
    is refused."""
    presentment = tokenised.request
    asset = presentment.amount.asset
    card = state.find(Card, "card_token", tokenised.card_token)
    account = None if card is None else state.need(Account, card.account_id)
    placed = account is not None and account.asset == asset
    authorization, matched_by = _matched(state, tokenised, card)
    released = _to_release(authorization, presentment)
    interchange = presentment.interchange or NO_INTERCHANGE
    item = PresentedItem(
        id=book.id("item", presentment.arn, on=presentment.business_date),
        arn=presentment.arn,
        network_reference=presentment.network_reference,
        authorization_id=None if authorization is None else authorization.id,
        card_id=None if card is None else card.id,
        account_id=_place(book, presentment, authorization, account if placed else None),
        placed=placed,
        is_refund=is_refund(presentment),
        amount_minor=presentment.amount.amount_minor,
        asset=asset,
        released_minor=released,
        interchange=interchange,
        interchange_minor=round_half_even(Decimal(interchange)),
        mcc=presentment.mcc,
        merchant_name=presentment.merchant_name,
        transacted_at=presentment.transacted_at,
        business_date=presentment.business_date,
        matched_by=matched_by,
        rate=presentment.rate,
        downgrades=presentment.downgrades,
    )
    codes = (NETWORK_PAYABLE, INTERCHANGE_INCOME) if placed else (NETWORK_PAYABLE, INTERCHANGE_INCOME, UNPLACED_ITEMS)
    matched_postings, matched_events = _presented(book, authorization, presentment, released)
    return Decision(
        events=(
            *book.opening(state, codes, asset),
            *matched_events,
            PresentmentPosted(subject=item) if placed else PresentmentUnplaced(subject=item),
        ),
        postings=(*matched_postings, *_item_postings(book, item, presentment)),
        answer=Answer(
            "posted" if placed else "unplaced", facts={"item_id": str(item.id), "released_minor": item.released_minor}
        ),
    )


def _matched(
    state: State, tokenised: TokenisedPresentment, card: Card | None
) -> tuple[Authorization | None, MatchedBy | None]:
    """The authorization under the item's network reference, else the one that the fallback has found, if it is of the
    same card and direction.

    A refund may name its purchase: it is no presentment of it.
    """
    presentment = tokenised.request
    pairs = ((presentment.network_reference, MatchedBy.REFERENCE), (tokenised.fallback, MatchedBy.APPROVAL_CODE))
    for reference, matched_by in pairs:
        if reference is None or card is None:
            continue
        found = state.find(Authorization, "network_reference", reference)
        if found is None or found.card_id != card.id:
            continue
        if (found.transaction_type in CREDITS) is is_refund(presentment):
            return found, matched_by
    return None, None


def _place(book: Book, presentment: Presentment, authorization: Authorization | None, account: Account | None) -> UUID:
    """The account that the item is posted to."""
    if account is None:
        return book.account(UNPLACED_ITEMS, presentment.amount.asset)
    if authorization is not None and _has_moved(authorization, presentment):
        return book.account(SINGLE_MESSAGES, presentment.amount.asset)
    return account.id


def _has_moved(authorization: Authorization, presentment: Presentment) -> bool:
    """Whether a single message has posted just what is presented."""
    return (
        authorization.state is AuthorizationState.POSTED
        and authorization.amount_minor == presentment.amount.amount_minor
        and presentment.is_final
    )


def _to_release(authorization: Authorization | None, presentment: Presentment) -> int:
    if authorization is None:
        return 0
    held = authorization.held_left_minor
    return held if presentment.is_final else min(held, presentment.amount.amount_minor)


def _presented(
    book: Book, authorization: Authorization | None, presentment: Presentment, released: int
) -> tuple[tuple[Posting, ...], tuple[AuthorizationPresented, ...]]:
    if authorization is None:
        return (), ()
    single = authorization.state is AuthorizationState.POSTED
    cleared = (presentment.is_final or single) and authorization.state in CLEARABLE
    changed = replace(
        authorization,
        held_left_minor=authorization.held_left_minor - released,
        presented_minor=authorization.presented_minor + presentment.amount.amount_minor,
        state=AuthorizationState.CLEARED if cleared else authorization.state,
    )
    postings = release(authorization, released, presentment.business_date)
    if single and not _has_moved(authorization, presentment):
        postings = post_back(book, authorization, authorization.amount_minor, presentment.business_date)
    return postings, (AuthorizationPresented(subject=changed),)


def _item_postings(book: Book, item: PresentedItem, presentment: Presentment) -> tuple[Posting, ...]:
    payable = book.account(NETWORK_PAYABLE, item.asset)
    income = book.account(INTERCHANGE_INCOME, item.asset)
    kind = "refund" if item.is_refund else "cash" if presentment.processing_code[:2] == CASH else "purchase"
    amount = Posting(
        debit=payable if item.is_refund else item.account_id,
        credit=item.account_id if item.is_refund else payable,
        amount_minor=item.amount_minor,
        kind=kind,
        effective_on=item.business_date,
        subject_id=item.id,
        forced=True,
    )
    # Positive: we earn it, so we owe the network less.
    earned = item.interchange_minor > 0
    interchange = Posting(
        debit=payable if earned else income,
        credit=income if earned else payable,
        amount_minor=abs(item.interchange_minor),
        kind=INTERCHANGE,
        effective_on=item.business_date,
        subject_id=item.id,
    )
    return tuple(posting for posting in (amount, interchange) if posting.amount_minor)

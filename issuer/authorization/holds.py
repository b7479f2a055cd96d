"""The postings of an authorization: a hold and its release, or, for a single message, the money itself. Pure."""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from engine.ledger.book import Book
from engine.ledger.chart import SINGLE_MESSAGES
from engine.vocabulary.messages import CREDITS
from engine.vocabulary.postings import Posting
from issuer.authorization.model import Authorization

HOLD: Final = "card hold"
HOLD_RELEASED: Final = "card hold released"
SINGLE_MESSAGE: Final = "single message"
SINGLE_MESSAGE_BACK: Final = "single message back"


def hold(authorization: Authorization, amount_minor: int, on: date, *, forced: bool = False) -> tuple[Posting, ...]:
    """The posting that promises `amount_minor` of the customer's money; none for nothing. `forced`: although the
    account does not hold so much."""
    assert authorization.account_id is not None and authorization.held_id is not None, "a hold has accounts"
    return _posting(
        (authorization.account_id, authorization.held_id), amount_minor, HOLD, on, authorization, forced=forced
    )


def release(authorization: Authorization, amount_minor: int, effective_on: date) -> tuple[Posting, ...]:
    """The posting that gives `amount_minor` of a hold back to the customer; none for nothing."""
    assert 0 <= amount_minor <= authorization.held_left_minor, "no more is released than is held"
    if not amount_minor:
        return ()
    assert authorization.account_id is not None and authorization.held_id is not None, "a hold has accounts"
    places = (authorization.held_id, authorization.account_id)
    return _posting(places, amount_minor, HOLD_RELEASED, effective_on, authorization)


def post(book: Book, authorization: Authorization, amount_minor: int, on: date) -> tuple[Posting, ...]:
    """The posting of a single message: from the customer, or to the customer."""
    return _single(book, authorization, amount_minor, SINGLE_MESSAGE, on, back=False)


def post_back(book: Book, authorization: Authorization, amount_minor: int, on: date) -> tuple[Posting, ...]:
    """The posting that takes a single message back."""
    return _single(book, authorization, amount_minor, SINGLE_MESSAGE_BACK, on, back=True)


def _single(
    book: Book, authorization: Authorization, amount_minor: int, kind: str, on: date, *, back: bool
) -> tuple[Posting, ...]:
    assert authorization.account_id is not None, "a single message has an account"
    places = (authorization.account_id, book.account(SINGLE_MESSAGES, authorization.asset))
    if (authorization.transaction_type in CREDITS) is not back:
        places = places[::-1]
    # Money that came to the customer may be spent when it is taken back.
    return _posting(places, amount_minor, kind, on, authorization, forced=back)


def _posting(
    places: tuple[UUID, UUID],
    amount_minor: int,
    kind: str,
    on: date,
    authorization: Authorization,
    *,
    forced: bool = False,
) -> tuple[Posting, ...]:
    if not amount_minor:
        return ()
    debit, credit = places
    return (
        Posting(
            debit=debit,
            credit=credit,
            amount_minor=amount_minor,
            kind=kind,
            effective_on=on,
            subject_id=authorization.id,
            forced=forced,
        ),
    )

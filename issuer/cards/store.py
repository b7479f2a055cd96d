"""The SQL of cards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Column, Connection, Date, SmallInteger, Table, Text, Uuid

from engine.accounts.store import read_customers
from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import STATIC
from issuer.cards.model import BlockCard, Card, PersonalisedCard
from issuer.tables import metadata

cards = Table(
    "cards",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("card_token", Uuid, nullable=False, unique=True),
    Column("first_six", Text, nullable=False),
    Column("last_four", Text, nullable=False),
    Column("customer_id", Uuid, nullable=False, index=True),
    Column("account_id", Uuid, nullable=False),
    Column("expiry", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("pvki", Text),
    Column("pvv", Text),
    Column("pin_tries_left", SmallInteger, nullable=False),
    Column("issued_on", Date, nullable=False),
)

card_rows = NounRows(Card, cards)


def load(
    book: Book, connection: Connection, prepared: Sequence[PersonalisedCard | BlockCard], state: State
) -> set[UUID]:
    """Lock the cards, read the customers whom cards are issued to; the accounts that those cards will spend from."""
    issued = [request for request in prepared if isinstance(request, PersonalisedCard)]
    ids = {request.card_id for request in prepared if isinstance(request, BlockCard)}
    ids |= {card_id(book, request.card_token) for request in issued}
    for card in card_rows.lock(connection, sorted(ids)):
        state.put(card)
    load_customers(connection, {one.request.customer_id for one in issued}, state)
    return {one.request.account_id for one in issued}


def load_customers(connection: Connection, ids: set[UUID], state: State) -> None:
    """Put these customers into the state, unlocked, unless a stage before has locked them."""
    for customer in read_customers(connection, sorted(ids)):
        if state.get(type(customer), customer.id) is None:
            state.put(customer)


def card_id(book: Book, card_token: UUID) -> UUID:
    """The identifier of the card whose number has this token, whether there is one or not."""
    return book.id("card", str(card_token), on=STATIC)


def read_by_token(connection: Connection, tokens: Collection[UUID]) -> list[Card]:
    """The cards of these tokens, unlocked, in id order."""
    return card_rows.read(connection, sorted(tokens), by="card_token")

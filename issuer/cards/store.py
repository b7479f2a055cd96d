"""The SQL of cards, their products and their fulfilment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Boolean, Column, Connection, Date, Integer, SmallInteger, Table, Text, Uuid, select

from engine.accounts.store import read_customers
from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import STATIC
from issuer.cards.decide import fulfilment_id
from issuer.cards.fulfilment import Fulfilment, MoveFulfilment
from issuer.cards.model import Card, OrderCard, PersonalisedCard, PreparedCardRequest, ReplaceCard
from issuer.cards.products import CardProduct, OpenProduct
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
    Column("state_reason", Text, nullable=False),
    Column("product_id", Uuid),
    Column("form", Text, nullable=False),
    Column("use", Text, nullable=False),
    Column("merchant_id", Text),
    Column("service_code", Text, nullable=False),
    Column("sequence_number", Text, nullable=False),
    Column("last_atc", Integer),
    Column("renewal_expiry", Text),
    Column("renewal_sequence_number", Text),
    Column("replaces", Uuid),
    Column("replaced_by", Uuid),
    Column("script", Text),
    Column("script_atc", Integer),
)
card_products = Table(
    "card_products",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("account_range", Text, nullable=False, unique=True),
    Column("number_length", SmallInteger, nullable=False),
    Column("region", Text, nullable=False),
    Column("funding", Text, nullable=False),
    Column("regulated", Boolean, nullable=False),
    Column("validity_months", SmallInteger, nullable=False),
    Column("opened_on", Date, nullable=False),
)
card_fulfilments = Table(
    "card_fulfilments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("card_id", Uuid, nullable=False, index=True),
    Column("sequence_number", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("ordered_on", Date, nullable=False),
    Column("changed_on", Date, nullable=False),
    Column("shipments", SmallInteger, nullable=False),
)

card_rows = NounRows(Card, cards)
product_rows = NounRows(CardProduct, card_products)
fulfilment_rows = NounRows(Fulfilment, card_fulfilments)


def load(book: Book, connection: Connection, prepared: Sequence[PreparedCardRequest], state: State) -> set[UUID]:
    """Lock the cards, their fulfilments and the products that are to be opened, read the customers whom cards are
    issued to; the accounts that those cards will spend from."""
    personalised = [request for request in prepared if isinstance(request, PersonalisedCard)]
    opened = [request for request in prepared if isinstance(request, OpenProduct)]
    ids = {one.card_id for one in prepared if not isinstance(one, PersonalisedCard | OpenProduct)}
    ids |= {one.request.card_id for one in personalised if isinstance(one.request, ReplaceCard)}
    ids |= {card_id(book, one.card_token) for one in personalised if one.card_token is not None}
    plastics = {
        fulfilment_id(book, one.card_id, one.sequence_number) for one in prepared if isinstance(one, MoveFulfilment)
    }
    customers = {one.request.customer_id for one in personalised if not isinstance(one.request, ReplaceCard)}
    accounts = {one.request.account_id for one in personalised if not isinstance(one.request, OrderCard | ReplaceCard)}
    replaced = {one.request.card_id for one in personalised if isinstance(one.request, ReplaceCard)}
    for card in card_rows.lock(connection, sorted(ids)):
        state.put(card)
        numbers = (card.sequence_number, card.renewal_sequence_number)
        plastics |= {fulfilment_id(book, card.id, number) for number in numbers if number is not None}
        if card.id in replaced:
            customers.add(card.customer_id)
    for plastic in fulfilment_rows.lock(connection, sorted(plastics)):
        state.put(plastic)
    if opened:
        found = {one.id: one for one in product_rows.read(connection, [one.name for one in opened], by="name")}
        ranges = [one.account_range for one in opened]
        found |= {one.id: one for one in product_rows.read(connection, ranges, by="account_range")}
        for product in product_rows.lock(connection, sorted(found)):
            state.put(product)
    load_customers(connection, customers, state)
    ordering = [one.request.customer_id for one in personalised if isinstance(one.request, OrderCard)]
    return accounts | {one.account_id for one in read_customers(connection, sorted(set(ordering)))}


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


def read_cards(connection: Connection, ids: Collection[UUID]) -> list[Card]:
    """These cards, unlocked, in id order."""
    return card_rows.read(connection, sorted(ids))


def read_cards_of(connection: Connection, customer_id: UUID) -> list[Card]:
    """A customer's cards, unlocked, in id order."""
    return card_rows.read(connection, [customer_id], by="customer_id")


def read_fulfilments(connection: Connection, card_ids: Collection[UUID]) -> list[Fulfilment]:
    """The fulfilments of these cards' plastic, unlocked."""
    return fulfilment_rows.read(connection, sorted(card_ids), by="card_id")


def read_products(connection: Connection, names: Collection[str]) -> dict[str, CardProduct]:
    """The products of these names."""
    return {one.name: one for one in product_rows.read(connection, sorted(names), by="name")}


def read_all_products(connection: Connection) -> list[CardProduct]:
    """Every product, by name."""
    return product_rows.nouns(connection.execute(select(card_products).order_by(card_products.c.name)))

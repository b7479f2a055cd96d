"""The SQL of authorizations. Cards and accounts are the other stages'; their rows are locked with these, cards
first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Connection, Date, DateTime, Index, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.vocabulary.decision import State
from issuer.authorization.model import (
    Authorization,
    ReleaseExpiredHold,
    TokenisedReversal,
    VerifiedRequest,
    reference_of,
)
from issuer.cards.store import card_id, card_rows, load_customers
from issuer.tables import metadata

authorizations = Table(
    "authorizations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("network_reference", Text, nullable=False, unique=True),
    Column("card_id", Uuid),
    Column("account_id", Uuid),
    Column("held_id", Uuid),
    Column("transaction_type", Text, nullable=False),
    Column("requested_minor", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("held_left_minor", BigInteger, nullable=False),
    Column("presented_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("response_code", Text, nullable=False),
    Column("approval_code", Text),
    Column("reasons", JSONB, nullable=False),
    Column("preauthorization", Boolean, nullable=False),
    Column("mcc", Text, nullable=False),
    Column("acquirer_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("merchant_name", Text, nullable=False),
    Column("terminal_id", Text, nullable=False),
    Column("pos_entry_mode", Text, nullable=False),
    Column("transacted_at", DateTime(timezone=True), nullable=False),
    Column("authorized_on", Date, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Index("authorizations_by_card", "card_id", "transacted_at"),
    # Only what still holds money is looked for by its expiry.
    Index("authorizations_by_expiry", "expires_at", "id", postgresql_where=text("held_left_minor > 0")),
)

authorization_rows = NounRows(Authorization, authorizations)

_LOCK = text(
    "select * from authorizations where id = any(:ids) or network_reference = any(:references) order by id for update"
)
_DUE = text(
    "select id, expires_at from authorizations where held_left_minor > 0 and (expires_at, id) > (:after, :after_id)"
    " and expires_at <= :now order by expires_at, id limit :most"
)
PAGE = 5_000
_BEGINNING = (datetime.min.replace(tzinfo=UTC), UUID(int=0))


def load(
    book: Book,
    connection: Connection,
    prepared: Sequence[VerifiedRequest | TokenisedReversal | ReleaseExpiredHold],
    state: State,
) -> set[UUID]:
    """Lock the cards and the authorizations that the messages name, read the cards' customers; the cards' accounts."""
    messages = [one for one in prepared if not isinstance(one, ReleaseExpiredHold)]
    accounts: set[UUID] = set()
    customers: set[UUID] = set()
    for card in card_rows.lock(connection, sorted({card_id(book, one.card_token) for one in messages})):
        state.put(card)
        accounts.add(card.account_id)
        customers.add(card.customer_id)
    load_customers(connection, customers, state)
    ids = {one.authorization_id for one in prepared if isinstance(one, ReleaseExpiredHold)}
    return accounts | lock_authorizations(connection, ids, {reference_of(one.request) for one in messages}, state)


def lock_authorizations(
    connection: Connection, ids: Iterable[UUID], references: Iterable[str], state: State
) -> set[UUID]:
    """Lock these authorizations in id order and put them into the state; the accounts that they hold money of."""
    accounts = set()
    for row in connection.execute(_LOCK, {"ids": list(ids), "references": list(references)}).mappings():
        authorization = authorization_rows.noun({**row})
        state.put(authorization)
        if authorization.account_id is not None:
            accounts.add(authorization.account_id)
    return accounts


def due_holds(connection: Connection, now: datetime) -> Iterator[UUID]:
    """The authorizations whose holds have expired by `now`, oldest first, read page by page: those released
    meanwhile drop out."""
    after, after_id = _BEGINNING
    while page := connection.execute(_DUE, {"after": after, "after_id": after_id, "now": now, "most": PAGE}).all():
        connection.rollback()
        yield from (row.id for row in page)
        after, after_id = page[-1].expires_at, page[-1].id

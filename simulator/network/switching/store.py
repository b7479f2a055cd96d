"""The SQL of switching."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Connection, DateTime, Integer, Table, Text, Uuid

from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.vocabulary.decision import State
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    ReversalAdvice,
    ReversalResponse,
)
from simulator.network.switching.model import (
    ISSUER_TIMEOUT,
    Exchange,
    Fired,
    FromIssuer,
    Prepared,
    Reversal,
    Routed,
    id_of_exchange,
    id_of_reversal,
    id_of_reversed_exchange,
)
from simulator.tables import metadata

exchanges = Table(
    "exchanges",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("network_reference", Text, nullable=False, index=True),
    Column("acquirer_id", Text, nullable=False),
    Column("issuer_id", Text),
    Column("terminal_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("stan", Text, nullable=False),
    Column("transmitted_at", DateTime(timezone=True), nullable=False),
    Column("rrn", Text, nullable=False),
    Column("card_token", Uuid, nullable=False),
    Column("processing_code", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("response_code", Text),
    Column("approval_code", Text),
    Column("reversed_in_full", Boolean, nullable=False),
)

reversals = Table(
    "reversals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("exchange_id", Uuid, nullable=False, index=True),
    Column("network_reference", Text, nullable=False),
    Column("issuer_id", Text, nullable=False),
    Column("acquirer_id", Text, nullable=False),
    Column("terminal_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("stan", Text, nullable=False),
    Column("transmitted_at", DateTime(timezone=True), nullable=False),
    Column("rrn", Text, nullable=False),
    Column("card_token", Uuid, nullable=False),
    Column("processing_code", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("replacement_minor", BigInteger),
    Column("original_message_type", Text, nullable=False),
    Column("original_stan", Text, nullable=False),
    Column("original_transmitted_at", DateTime(timezone=True), nullable=False),
    Column("original_acquirer_id", Text, nullable=False),
    Column("response_code", Text),
    Column("state", Text, nullable=False),
    Column("repeats", Integer, nullable=False),
)

exchange_rows = NounRows(Exchange, exchanges)
reversal_rows = NounRows(Reversal, reversals)


def load(book: Book, connection: Connection, prepared: Sequence[Prepared], state: State) -> set[UUID]:
    """Lock the exchanges, then the reversals, that these messages and timers are about. No account is touched."""
    exchange_ids: set[UUID] = set()
    reversal_ids: set[UUID] = set()
    for one in prepared:
        match one:
            case Routed(request=AuthorizationRequest() as sent):
                exchange_ids.add(_exchange_id(book, sent))
            case Routed(request=ReversalAdvice() as advice):
                exchange_ids.add(id_of_reversed_exchange(book, advice))
            case FromIssuer(response=ReversalResponse() as response):
                reversal_ids.add(id_of_reversal(book, response))
            case FromIssuer(response=AuthorizationResponse() as answered):
                exchange_ids.add(_exchange_id(book, answered))
            case Fired(timer=timer):
                (exchange_ids if timer.name == ISSUER_TIMEOUT else reversal_ids).add(timer.subject_id)
    for exchange in exchange_rows.lock(connection, sorted(exchange_ids)):
        state.put(exchange)
    for reversal in reversal_rows.lock(connection, sorted(reversal_ids)):
        state.put(reversal)
    return set()


def read_cards(
    connection: Connection, exchange_ids: Collection[UUID], reversal_ids: Collection[UUID]
) -> dict[UUID, UUID]:
    """The card token of each of these exchanges and reversals, by their identifiers, unlocked."""
    found: list[Exchange | Reversal] = [*exchange_rows.read(connection, sorted(exchange_ids))]
    found += reversal_rows.read(connection, sorted(reversal_ids))
    return {noun.id: noun.card_token for noun in found}


def _exchange_id(book: Book, sent: AuthorizationRequest | AuthorizationResponse) -> UUID:
    return id_of_exchange(book, sent.acquirer_id, sent.terminal_id, sent.stan, sent.transmitted_at)

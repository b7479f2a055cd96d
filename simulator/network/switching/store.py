"""The SQL of switching."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Connection, Date, DateTime, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.vocabulary.decision import State
from engine.vocabulary.messages import (
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    ReversalAdvice,
    ReversalResponse,
)
from simulator.network.switching.model import (
    ISSUER_TIMEOUT,
    REVERSAL_REPEAT,
    Exchange,
    Fired,
    FromIssuer,
    Prepared,
    Reversal,
    Routed,
    SetStandIn,
    StandInTerms,
    StandInUse,
    id_of_exchange,
    id_of_reversal,
    id_of_reversed_exchange,
    id_of_stand_in,
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
    Column("is_financial", Boolean, nullable=False),
    Column("mcc", Text, nullable=False),
    Column("merchant_name", Text, nullable=False),
    Column("expiry", Text, nullable=False),
    Column("pos_entry_mode", Text, nullable=False),
    Column("pos_condition_code", Text, nullable=False),
    Column("has_pin", Boolean, nullable=False),
    Column("original_stan", Text),
    Column("original_transmitted_at", DateTime(timezone=True)),
    Column("advice_reason", Text),
    Column("advice_heard", Boolean, nullable=False),
    Column("advice_repeats", Integer, nullable=False),
)

stand_in_terms = Table(
    "stand_in_terms",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("issuer_id", Text, nullable=False, unique=True),
    Column("most_minor", BigInteger, nullable=False),
    Column("most_a_day", Integer, nullable=False),
    Column("most_a_day_minor", BigInteger, nullable=False),
    Column("refused_mccs", JSONB, nullable=False),
)

stand_in_uses = Table(
    "stand_in_uses",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("day", Date, nullable=False),
    Column("count", Integer, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
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
terms_rows = NounRows(StandInTerms, stand_in_terms)
use_rows = NounRows(StandInUse, stand_in_uses)


def load(book: Book, connection: Connection, prepared: Sequence[Prepared], state: State) -> set[UUID]:
    """Lock the exchanges, then the reversals, that these messages and timers are about, and what they may need of
    stand-in. No account is touched."""
    exchange_ids: set[UUID] = set()
    reversal_ids: set[UUID] = set()
    may_stand_in: set[UUID] = set()
    silent: set[UUID] = set()
    for one in prepared:
        match one:
            case Routed(request=AuthorizationRequest() | AuthorizationAdvice() as sent):
                exchange_ids.add(_exchange_id(book, sent))
                if not one.reachable and one.issuer_id is not None:
                    may_stand_in.add(one.card_token)
            case Routed(request=ReversalAdvice() as advice):
                exchange_ids.add(id_of_reversed_exchange(book, advice))
            case FromIssuer(response=ReversalResponse() as response):
                reversal_ids.add(id_of_reversal(book, response))
            case FromIssuer(response=AuthorizationResponse() | AuthorizationAdviceResponse() as answered):
                exchange_ids.add(_exchange_id(book, answered))
            case Fired(timer=timer):
                (reversal_ids if timer.name == REVERSAL_REPEAT else exchange_ids).add(timer.subject_id)
                if timer.name == ISSUER_TIMEOUT:
                    silent.add(timer.subject_id)
    for exchange in exchange_rows.lock(connection, sorted(exchange_ids)):
        state.put(exchange)
    for reversal in reversal_rows.lock(connection, sorted(reversal_ids)):
        state.put(reversal)
    if may_stand_in or silent:
        may_stand_in |= {one.card_token for one in state.all(Exchange) if one.id in silent}
        for terms in connection.execute(text("select * from stand_in_terms order by id")).mappings():
            state.put(terms_rows.noun({**terms}))
        for used in use_rows.lock(connection, sorted(may_stand_in)):
            state.put(used)
    agreed = {id_of_stand_in(book, one.issuer_id) for one in prepared if isinstance(one, SetStandIn)}
    for known in terms_rows.lock(connection, sorted(agreed)):
        state.put(known)
    return set()


def read_cards(
    connection: Connection, exchange_ids: Collection[UUID], reversal_ids: Collection[UUID]
) -> dict[UUID, UUID]:
    """The card token of each of these exchanges and reversals, by their identifiers, unlocked."""
    found: list[Exchange | Reversal] = [*exchange_rows.read(connection, sorted(exchange_ids))]
    found += reversal_rows.read(connection, sorted(reversal_ids))
    return {noun.id: noun.card_token for noun in found}


def _exchange_id(
    book: Book,
    sent: AuthorizationRequest | AuthorizationAdvice | AuthorizationResponse | AuthorizationAdviceResponse,
) -> UUID:
    return id_of_exchange(book, sent.acquirer_id, sent.terminal_id, sent.stan, sent.transmitted_at)

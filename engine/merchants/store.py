"""The SQL of merchants and terminals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Column, Connection, Index, Integer, Table, Text, Uuid

from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger.chart import MERCHANT_PAYABLE, account_id
from engine.merchants.decide import own_accounts
from engine.merchants.model import (
    CloseMerchant,
    Merchant,
    OpenMerchant,
    Terminal,
    ecommerce_terminal,
    id_of_merchant,
    id_of_terminal,
)
from engine.vocabulary.decision import State

merchants = Table(
    "merchants",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("merchant_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("mcc", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("discount_bps", Integer, nullable=False),
    Column("discount_fixed_minor", Integer, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("deposit_reference", Text, nullable=False),
    Column("state", Text, nullable=False),
)

terminals = Table(
    "terminals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("terminal_id", Text, nullable=False, unique=True),
    Column("merchant", Uuid, nullable=False),
    Index("terminals_by_merchant", "merchant"),
)

merchant_rows = NounRows(Merchant, merchants)
terminal_rows = NounRows(Terminal, terminals)


def load(
    book: str, connection: Connection, requests: Sequence[OpenMerchant | CloseMerchant], state: State
) -> set[UUID]:
    """Lock the merchants and terminals that the requests name; the accounts they may find open already."""
    opening = [request for request in requests if isinstance(request, OpenMerchant)]
    for merchant in merchant_rows.lock(
        connection, sorted({id_of_merchant(book, request.merchant_id) for request in requests})
    ):
        state.put(merchant)
    named = {
        id_of_terminal(book, terminal_id)
        for request in opening
        for terminal_id in (*request.terminal_ids, ecommerce_terminal(book, request.merchant_id))
    }
    for terminal in terminal_rows.lock(connection, sorted(named)):
        state.put(terminal)
    return own_accounts(book, {request.asset for request in opening}) | {
        account_id(book, MERCHANT_PAYABLE, request.asset, id_of_merchant(book, request.merchant_id))
        for request in opening
    }


def read_merchants(connection: Connection, ids: Collection[UUID], state: State) -> None:
    """Put these merchants into the state, unlocked: later stages read them and change nothing of them."""
    for merchant in merchant_rows.read(connection, sorted(ids)):
        if state.get(Merchant, merchant.id) is None:
            state.put(merchant)


def read_terminals(connection: Connection, ids: Collection[UUID], state: State) -> None:
    """Put these terminals into the state, unlocked."""
    for terminal in terminal_rows.read(connection, sorted(ids)):
        if state.get(Terminal, terminal.id) is None:
            state.put(terminal)

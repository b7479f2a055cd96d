"""The SQL of the settlement bank."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Connection, Date, Index, Integer, Table, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.ledger.chart import CENTRAL_CASH
from engine.runtime.stage import Outside
from engine.vocabulary.decision import State
from simulator.settlement_bank.model import (
    CASH,
    Deposit,
    Drawing,
    DrawStatement,
    Movement,
    OpenDeposit,
    PayOut,
    SettleMember,
    StatedEntry,
    Statement,
    id_of_deposit,
)
from simulator.tables import metadata

deposits = Table(
    "deposits",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("account_id", Uuid, nullable=False, unique=True),
    Column("statement_count", Integer, nullable=False),
    Column("stated_entries", BigInteger, nullable=False),
    Column("stated_minor", BigInteger, nullable=False),
    Index("deposits_by_reference", "reference", "asset", unique=True),
)

movements = Table(
    "movements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("payer", Text, nullable=False),
    Column("payee", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("state", Text, nullable=False),
    Index("movements_by_date", "business_date", "kind"),
    info={"append_only": True},
)

statements = Table(
    "bank_statements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("statement_id", Text, nullable=False, unique=True),
    Column("deposit", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("opening_minor", BigInteger, nullable=False),
    Column("closing_minor", BigInteger, nullable=False),
    Column("lines", JSONB, nullable=False),
    Index("bank_statements_by_date", "business_date", "occasion"),
    info={"append_only": True},
)

deposit_rows = NounRows(Deposit, deposits)
movement_rows = NounRows(Movement, movements)
statement_rows = NounRows(Statement, statements)

_UNSTATED = text(
    "select d.id, case when e.debit = d.account_id then e.debit_number else e.credit_number end as number, e.kind,"
    " case when e.debit = d.account_id then -e.amount_minor else e.amount_minor end as amount_minor, m.reference,"
    " case when m.payer = d.reference then m.payee else m.payer end as counterpart"
    " from deposits d join entries e on (e.debit = d.account_id and e.debit_number > d.stated_entries)"
    " or (e.credit = d.account_id and e.credit_number > d.stated_entries)"
    " join movements m on m.id = e.subject_id where d.id = any(:ids) order by d.id, number"
)
_MOVED = text(
    "select distinct deposit, asset from ("
    "select payer as deposit, asset from movements where business_date = :business_date and kind = :kind"
    " union all select payee, asset from movements where business_date = :business_date and kind = :kind and :both"
    ") moved where deposit <> :cash order by 1, 2"
)


def prepare(book: Book, outside: Outside, requests: Sequence[Any]) -> list[Any]:
    """Statements get the entries that are not stated yet: read without a lock, for what is written is never changed."""
    drawn = [request for request in requests if isinstance(request, DrawStatement)]
    if not drawn:
        return list(requests)
    ids = {id_of_deposit(book, request.deposit, request.asset) for request in drawn}
    entries: dict[UUID, list[StatedEntry]] = {}
    with outside.read() as connection:
        for row in connection.execute(_UNSTATED, {"ids": sorted(ids)}):
            entries.setdefault(row.id, []).append(
                StatedEntry(
                    number=row.number,
                    kind=row.kind,
                    amount_minor=row.amount_minor,
                    reference=row.reference,
                    counterpart=row.counterpart,
                )
            )
    return [
        Drawing(request, tuple(entries.get(id_of_deposit(book, request.deposit, request.asset), ())))
        if isinstance(request, DrawStatement)
        else request
        for request in requests
    ]


def load(
    book: Book,
    connection: Connection,
    prepared: Sequence[OpenDeposit | SettleMember | PayOut | Drawing],
    state: State,
) -> set[UUID]:
    """Lock the deposits that are named; their accounts, and the bank's own cash."""
    named: set[tuple[str, str]] = set()
    for one in prepared:
        match one:
            case OpenDeposit():
                named.add((one.reference, one.asset))
            case SettleMember():
                named |= {(one.member_id, one.asset), (one.network_id, one.asset)}
            case PayOut():
                named |= {(one.acquirer_id, one.asset), (one.deposit_reference, one.asset)}
            case Drawing():
                named.add((one.request.deposit, one.request.asset))
    found = deposit_rows.lock(connection, sorted(id_of_deposit(book, *name) for name in named))
    for deposit in found:
        state.put(deposit)
    cash = {book.account(CENTRAL_CASH, asset) for _, asset in named}
    return cash | {deposit.account_id for deposit in found}


def has_deposit(connection: Connection, reference: str, asset: str) -> bool:
    """Whether somebody of this reference keeps money of this asset here."""
    found = connection.execute(
        select(deposits.c.id).where(deposits.c.reference == reference, deposits.c.asset == asset)
    )
    return found.one_or_none() is not None


def read_moved(connection: Connection, business_date: date, kind: str, *, payees: bool) -> list[tuple[str, str]]:
    """The deposits (reference, asset) that movements of a kind and date have paid from, and with `payees` to."""
    what = {"business_date": business_date, "kind": kind, "both": payees, "cash": CASH}
    return [(row.deposit, row.asset) for row in connection.execute(_MOVED, what)]


def read_statements(connection: Connection, business_date: date, occasion: str) -> list[Statement]:
    """The statements drawn on an occasion, by identifier."""
    found = statement_rows.read(connection, [business_date], by="business_date")
    return sorted((one for one in found if one.occasion == occasion), key=lambda one: one.statement_id)

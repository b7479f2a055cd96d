"""The SQL of transfers and requests for money."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import BigInteger, Column, Connection, Date, DateTime, Table, Text, Uuid

from engine.accounts.model import normal_handle
from engine.accounts.store import customer_rows
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger.book import Book
from engine.transfers.decide import Request
from engine.transfers.model import AnswerRequest, MoneyRequest, RequestMoney, SendMoney, Transfer
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import STATIC

transfers = Table(
    "transfers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("sender_id", Uuid, nullable=False),
    Column("receiver_id", Uuid, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("request_id", Uuid, unique=True),
    Column("business_date", Date, nullable=False),
    Column("sent_at", DateTime(timezone=True), nullable=False),
    info={"append_only": True},
)

money_requests = Table(
    "money_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("requester_id", Uuid, nullable=False),
    Column("payer_id", Uuid, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

transfer_rows = NounRows(Transfer, transfers)
money_request_rows = NounRows(MoneyRequest, money_requests)


def load(book: Book, connection: Connection, prepared: Sequence[Request], state: State) -> set[UUID]:
    """Lock the people whom the requests name, then the requests for money; the wallets of those people.

    People come first, as they do in the stage before this one. Who they are is read off a request for money without a
    lock: that never changes.
    """
    people: set[UUID] = set()
    asked: set[UUID] = set()
    for request in prepared:
        match request:
            case SendMoney(sender_id=own, handle=handle) | RequestMoney(requester_id=own, payer_handle=handle):
                people.add(own)
                if (known := normal_handle(handle)) is not None:
                    people.add(book.id("customer", known, on=STATIC))
            case AnswerRequest():
                asked.add(request.request_id)
            case _:
                asked.add(request.subject_id)
    for money_request in money_request_rows.read(connection, sorted(asked)):
        people |= {money_request.requester_id, money_request.payer_id}
    accounts = set()
    for customer in customer_rows.lock(connection, sorted(people)):
        state.put(customer)
        accounts.add(customer.account_id)
    for money_request in money_request_rows.lock(connection, sorted(asked)):
        state.put(money_request)
    return accounts


def read_transfers(connection: Connection, ids: Sequence[UUID]) -> list[Transfer]:
    """These transfers, unlocked, in id order."""
    return transfer_rows.read(connection, ids)

"""The SQL of customers. Their money is the ledger's."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Column, Connection, Date, Table, Text, Uuid

from engine.accounts.model import ChangeCustomerState, Customer, OpenCustomer, normal_handle
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger.book import Book
from engine.ledger.chart import SETTLEMENT_BANK
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import STATIC

customers = Table(
    "customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("asset", Text, nullable=False),
    Column("opened_on", Date, nullable=False),
)

customer_rows = NounRows(Customer, customers)


def load(
    book: Book, connection: Connection, prepared: Sequence[OpenCustomer | ChangeCustomerState], state: State
) -> set[UUID]:
    """Lock the customers whom the requests name; the accounts of those, and the settlement bank's that deposits come
    from."""
    ids: set[UUID] = set()
    accounts: set[UUID] = set()
    for request in prepared:
        if isinstance(request, OpenCustomer):
            accounts.add(book.account(SETTLEMENT_BANK, request.asset))
            if (handle := normal_handle(request.handle)) is not None:
                ids.add(book.id("customer", handle, on=STATIC))
        else:
            ids.add(request.customer_id)
    for customer in customer_rows.lock(connection, sorted(ids)):
        state.put(customer)
        accounts.add(customer.account_id)
    return accounts


def read_customers(connection: Connection, ids: Sequence[UUID]) -> list[Customer]:
    """These customers, unlocked, in id order."""
    return customer_rows.read(connection, ids)


def read_by_handle(connection: Connection, handles: Sequence[str]) -> list[Customer]:
    """The customers of these handles (as kept: lower case, with `@`), unlocked, in id order."""
    return customer_rows.read(connection, handles, by="handle")

"""The SQL of savings. Closing balances are read off the ledger's entries, by effective date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, Date, Index, Integer, Table, Text, Uuid, text

from engine.accounts.store import customer_rows
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger.book import Book
from engine.ledger.chart import INTEREST_ACCRUED, INTEREST_EXPENSE
from engine.savings.decide import DAY, Request
from engine.savings.model import (
    AccrualBook,
    AccrueInterest,
    BookAccrual,
    CloseCustomer,
    ClosingBalance,
    MoveSavings,
    OpenSavings,
    PostInterest,
    SavingsAccount,
    closing_id,
)
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import STATIC

savings_accounts = Table(
    "savings_accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False, unique=True),
    Column("asset", Text, nullable=False),
    Column("rate_bps", Integer, nullable=False),
    Column("day_count", Text, nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("accrued_through", Date, nullable=False),
    Column("earned_micro", BigInteger, nullable=False),
    Column("remainder", Integer, nullable=False),
    Column("paid_minor", BigInteger, nullable=False),
    CheckConstraint("remainder >= 0 and earned_micro >= 0 and paid_minor >= 0", name="only_grows"),
    Index("savings_accounts_by_customer", "customer_id"),
)

accrual_books = Table(
    "accrual_books",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("asset", Text, nullable=False, unique=True),
    Column("booked_through", Date, nullable=False),
    Column("earned_micro", BigInteger, nullable=False),
    Column("booked_minor", BigInteger, nullable=False),
)

savings_rows = NounRows(SavingsAccount, savings_accounts)
accrual_book_rows = NounRows(AccrualBook, accrual_books)

_CLOSING = text(
    "select s.id, w.business_date, s.paid_minor,"
    " (select coalesce(sum(e.amount_minor), 0) from entries e"
    "   where e.credit = s.account_id and e.effective_on <= w.business_date)"
    " - (select coalesce(sum(e.amount_minor), 0) from entries e"
    "   where e.debit = s.account_id and e.effective_on <= w.business_date) as balance_minor"
    " from unnest(cast(:ids as uuid[]), cast(:dates as date[])) as w(id, business_date)"
    " join savings_accounts s on s.id = w.id where s.id = any(:ids)"
)
_DUE = text("select id, accrued_through from savings_accounts where accrued_through < :business_date order by id")
_EARNED = text(
    "select asset, sum(earned_micro)::bigint as earned_micro from savings_accounts group by asset order by asset"
)
_ACCRUED = text("select id from savings_accounts where accrued_through = :business_date order by id")


def load(book: Book, connection: Connection, prepared: Sequence[Request], state: State) -> set[UUID]:
    """Lock customers, savings accounts and accrual books; closing balances beside them; the ledger accounts that move.

    With the savings account locked nothing can move on its ledger account but what this batch moves.
    """
    people: set[UUID] = set()
    leaving: set[UUID] = set()
    savings: set[UUID] = set()
    moving: set[UUID] = set()
    paying: set[UUID] = set()
    closing: list[tuple[UUID, date]] = []
    books: set[UUID] = set()
    accounts: set[UUID] = set()
    for request in prepared:
        match request:
            case OpenSavings():
                people.add(request.customer_id)
            case MoveSavings():
                people.add(request.customer_id)
                moving.add(request.savings_id)
            case CloseCustomer():
                leaving.add(request.customer_id)
            case AccrueInterest():
                savings.add(request.savings_id)
                closing.append((request.savings_id, request.business_date))
            case PostInterest():
                paying.add(request.savings_id)
            case BookAccrual():
                books.add(book.id("accrual_book", request.asset, on=STATIC))
                accounts |= {book.account(code, request.asset) for code in (INTEREST_EXPENSE, INTEREST_ACCRUED)}
    for customer in customer_rows.lock(connection, sorted(people | leaving)):
        state.put(customer)
        accounts.add(customer.account_id)
    if leaving:
        # Whoever opens a savings account locks the customer first: none comes after this look.
        moving |= {account.id for account in read_savings(connection, sorted(leaving))}
    for account in savings_rows.lock(connection, sorted(savings | moving | paying)):
        state.put(account)
        if account.id in moving | paying:
            accounts.add(account.account_id)
        if account.id in paying:
            accounts.add(book.account(INTEREST_ACCRUED, account.asset))
    for accrual_book in accrual_book_rows.lock(connection, sorted(books)):
        state.put(accrual_book)
    if closing:
        wanted = {"ids": [one for one, _ in closing], "dates": [on for _, on in closing]}
        for row in connection.execute(_CLOSING, wanted):
            state.put(
                ClosingBalance(
                    id=closing_id(row.id, row.business_date),
                    balance_minor=int(row.balance_minor),
                    paid_minor=row.paid_minor,
                )
            )
    return accounts


def read_due(connection: Connection, business_date: date) -> list[AccrueInterest]:
    """What must be accrued so that every account is accrued through `business_date`: each missing day, oldest first."""
    return [
        AccrueInterest(savings_id=row.id, business_date=row.accrued_through + DAY * number)
        for row in connection.execute(_DUE, {"business_date": business_date})
        for number in range(1, (business_date - row.accrued_through).days + 1)
    ]


def read_earned(connection: Connection, business_date: date) -> list[BookAccrual]:
    """What all accounts have earned so far, by asset, as the request that books it for `business_date`."""
    return [
        BookAccrual(asset=row.asset, business_date=business_date, earned_micro=row.earned_micro)
        for row in connection.execute(_EARNED)
    ]


def read_payable(connection: Connection, period_end: date) -> list[PostInterest]:
    """The payment of each account that is accrued through exactly `period_end`."""
    return [
        PostInterest(savings_id=row.id, period_end=period_end)
        for row in connection.execute(_ACCRUED, {"business_date": period_end})
    ]


def read_savings(connection: Connection, customer_ids: Sequence[UUID]) -> list[SavingsAccount]:
    """The savings accounts of these customers, unlocked, in id order."""
    return savings_rows.read(connection, customer_ids, by="customer_id")

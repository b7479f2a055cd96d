"""The SQL of savings: products, accounts, and what is read of the ledger's entries by effective date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Date,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from engine.accounts.store import customer_rows
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger.book import Book
from engine.savings.corrections import OWN_CODES, accrual_book_id
from engine.savings.decide import Request
from engine.savings.model import (
    BOOKED_KINDS,
    AccrualBook,
    BookAccrual,
    CloseCustomer,
    CloseSavings,
    CorrectInterest,
    EarnedTotal,
    History,
    MoveSavings,
    OpenProduct,
    OpenSavings,
    PlanSavings,
    RoundUp,
    SavingsAccount,
    SetRates,
    history_id,
)
from engine.savings.products import RateVersion, SavingsProduct
from engine.savings.terms import product_id
from engine.vocabulary.decision import State

savings_products = Table(
    "savings_products",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("asset", Text, nullable=False),
    Column("day_count", Text, nullable=False),
    Column("balance_method", Text, nullable=False),
    Column("compounding", Text, nullable=False),
    Column("posting", Text, nullable=False),
    Column("term_months", Integer, nullable=False),
    Column("promotional_bps", Integer, nullable=False),
    Column("promotional_days", Integer, nullable=False),
    Column("overdraft_minor", BigInteger, nullable=False),
    Column("withdrawals_a_month", Integer),
    Column("withholding_bps", Integer, nullable=False),
)

savings_rates = Table(
    "savings_rates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("product_id", Uuid, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("tier_method", Text, nullable=False),
    Column("tiers", JSONB, nullable=False),
    Column("minimum_minor", BigInteger, nullable=False),
    Column("overdraft_bps", Integer, nullable=False),
    Index("savings_rates_by_product", "product_id", "effective_on", unique=True),
)

savings_accounts = Table(
    "savings_accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False, unique=True),
    Column("asset", Text, nullable=False),
    Column("product_id", Uuid, nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("matures_on", Date),
    Column("closed_on", Date),
    Column("accrued_through", Date, nullable=False),
    Column("posted_through", Date, nullable=False),
    Column("recompute_from", Date),
    Column("earned_micro", BigInteger, nullable=False),
    Column("earned_parts", BigInteger, nullable=False),
    Column("paid_minor", BigInteger, nullable=False),
    Column("compounded_micro", BigInteger, nullable=False),
    Column("owed_micro", BigInteger, nullable=False),
    Column("owed_parts", BigInteger, nullable=False),
    Column("charged_minor", BigInteger, nullable=False),
    Column("withheld_minor", BigInteger, nullable=False),
    Column("average_sum", BigInteger, nullable=False),
    Column("average_days", Integer, nullable=False),
    Column("goal_name", Text),
    Column("goal_minor", BigInteger),
    Column("goal_on", Date),
    Column("round_up_minor", BigInteger, nullable=False),
    Column("withdrawals", Integer, nullable=False),
    Column("withdrawals_in", Date),
    CheckConstraint("earned_parts >= 0 and owed_parts >= 0 and owed_micro >= 0", name="fractions_are_whole"),
    CheckConstraint("earned_micro >= 0 and paid_minor >= 0 and withheld_minor >= 0", name="nothing_below_zero"),
    Index("savings_accounts_by_customer", "customer_id"),
    Index("savings_accounts_to_correct", "id", postgresql_where=text("recompute_from is not null")),
    # A night changes every row: with room on each page no index has to follow.
    postgresql_with={"fillfactor": "45"},
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

product_rows = NounRows(SavingsProduct, savings_products)
rate_rows = NounRows(RateVersion, savings_rates)
savings_rows = NounRows(SavingsAccount, savings_accounts)
accrual_book_rows = NounRows(AccrualBook, accrual_books)

_HISTORY = text(
    "select s.id, e.effective_on, e.kind, sum(e.minor)::bigint as minor from savings_accounts s join lateral ("
    " select effective_on, kind, amount_minor as minor from entries where credit = s.account_id"
    " union all select effective_on, kind, -amount_minor from entries where debit = s.account_id"
    ") e on true where s.id = any(:ids) group by s.id, e.effective_on, e.kind order by s.id, e.effective_on"
)
_LATE = text(
    "select id from savings_accounts where recompute_from is not null and closed_on is null"
    " and (cast(:after as uuid) is null or id > :after) order by id limit :most"
)
_PAGE = text(
    "select id from savings_accounts where cast(:after as uuid) is null or id > :after order by id limit :most"
)
_BEHIND = text("select min(accrued_through) from savings_accounts where closed_on is null")
_OFFERED = text("select id from savings_products order by id")
_MARKS = text(
    "select chain, min(sequence) as sequence from batches where recorded_at >= :since group by chain order by chain"
)
# By the primary keys of accounts and customers: an account's owner is the customer.
_PURCHASES = text(
    "select e.sequence, e.position, e.subject_id as item_id, c.id as customer_id, c.account_id as wallet_id,"
    " e.amount_minor from entries e join accounts a on a.id = e.debit join customers c on c.id = a.owner_id"
    " where e.chain = :chain and (e.sequence, e.position) > (:sequence, :position) and e.kind = 'purchase'"
    " and e.subject_id is not null and c.account_id = e.debit and exists ("
    "  select from savings_accounts s"
    "  where s.customer_id = c.id and s.round_up_minor > 0 and s.closed_on is null"
    " ) order by e.sequence, e.position limit :most"
)
_ASSETS = text("select distinct asset from savings_accounts order by asset")
_EARNED = text("select coalesce(sum(earned_micro), 0)::bigint from savings_accounts where asset = :asset")


def load(book: Book, connection: Connection, prepared: Sequence[Request], state: State) -> set[UUID]:
    """Lock customers, products, savings accounts and accrual books; histories beside them; the ledger accounts that
    move.

    With the savings account locked nothing can move on its ledger account but what this batch moves.
    """
    people: set[UUID] = set()
    all_of: set[UUID] = set()
    offers: set[UUID] = set()
    changed: set[UUID] = set()
    savings: set[UUID] = set()
    anew: set[UUID] = set()
    assets: set[str] = set()
    totals: set[str] = set()
    for request in prepared:
        match request:
            case OpenProduct():
                changed.add(product_id(book, request.name))
            case SetRates():
                changed.add(product_id(book, request.product))
            case OpenSavings():
                people.add(request.customer_id)
                offers.add(product_id(book, request.product))
            case MoveSavings() | PlanSavings():
                people.add(request.customer_id)
                savings.add(request.savings_id)
            case CloseSavings():
                people.add(request.customer_id)
                anew.add(request.savings_id)
            case RoundUp() | CloseCustomer():
                all_of.add(request.customer_id)
            case CorrectInterest():
                anew.add(request.savings_id)
            case BookAccrual():
                totals.add(request.asset)
    accounts: set[UUID] = set()
    for customer in customer_rows.lock(connection, sorted(people | all_of)):
        state.put(customer)
        accounts.add(customer.account_id)
    for product in product_rows.lock(connection, sorted(changed)):
        state.put(product)
    if all_of:
        # Whoever opens a savings account locks the customer first: none comes after this look.
        savings |= {account.id for account in read_savings(connection, sorted(all_of))}
    for account in savings_rows.lock(connection, sorted(savings | anew)):
        state.put(account)
        accounts.add(account.account_id)
        offers.add(account.product_id)
        if account.id in anew:
            assets.add(account.asset)
    for asset in assets | totals:
        accounts |= {book.account(code, asset) for code in OWN_CODES}
    for accrual_book in accrual_book_rows.lock(
        connection, sorted(accrual_book_id(book, asset) for asset in assets | totals)
    ):
        state.put(accrual_book)
    for product in product_rows.read(connection, sorted(offers - changed)):
        state.put(product)
    for version in read_rates(connection, sorted(changed | offers)):
        state.put(version)
    for history in read_histories(
        connection,
        [state.need(SavingsAccount, one) for one in sorted(anew) if state.get(SavingsAccount, one) is not None],
    ):
        state.put(history)
    for asset in totals:
        # Under the lock of the book, behind which closings and corrections wait.
        earned_micro = connection.execute(_EARNED, {"asset": asset}).scalar_one()
        state.put(EarnedTotal(id=accrual_book_id(book, asset), earned_micro=earned_micro))
    return accounts


def read_savings(connection: Connection, customer_ids: Sequence[UUID]) -> list[SavingsAccount]:
    """The savings accounts of these customers, unlocked, in id order."""
    return savings_rows.read(connection, customer_ids, by="customer_id")


def read_account(connection: Connection, savings_id: UUID) -> SavingsAccount | None:
    """This savings account, unlocked."""
    return next(iter(savings_rows.read(connection, [savings_id])), None)


def read_products(connection: Connection, ids: Sequence[UUID]) -> list[SavingsProduct]:
    """These products, unlocked, in id order."""
    return product_rows.read(connection, ids)


def read_page(connection: Connection, after: UUID | None, most: int) -> list[SavingsAccount]:
    """The next accounts in id order, closed ones too, unlocked."""
    ids = list(connection.execute(_PAGE, {"after": after, "most": most}).scalars())
    return savings_rows.read(connection, ids)


def read_furthest_behind(connection: Connection) -> date | None:
    """Through which day the account is counted that is furthest behind; None without an open account."""
    return connection.execute(_BEHIND).scalar()


def read_offered(connection: Connection) -> list[SavingsProduct]:
    """Every product that there is, in id order."""
    return product_rows.read(connection, list(connection.execute(_OFFERED).scalars()))


def read_rates(connection: Connection, product_ids: Sequence[UUID]) -> list[RateVersion]:
    """All rates of these products, in the order in which they take effect."""
    found = rate_rows.read(connection, product_ids, by="product_id")
    return sorted((_restored(one) for one in found), key=lambda one: (one.product_id, one.effective_on))


def read_histories(connection: Connection, accounts: Sequence[SavingsAccount]) -> list[History]:
    """All that the entries of these accounts say, by effective date."""
    movements: dict[UUID, Counter[date]] = {account.id: Counter() for account in accounts}
    booked: dict[UUID, Counter[tuple[date, str]]] = {account.id: Counter() for account in accounts}
    for row in connection.execute(_HISTORY, {"ids": list(movements)}):
        if row.kind in BOOKED_KINDS:
            booked[row.id][row.effective_on, row.kind] += row.minor
        else:
            movements[row.id][row.effective_on] += row.minor
    return [
        History(
            id=history_id(account.id),
            movements=movements[account.id],
            booked=booked[account.id],
            recompute_from=account.recompute_from,
        )
        for account in accounts
    ]


def read_late(connection: Connection, after: UUID | None, most: int) -> list[UUID]:
    """The next accounts in id order that a movement of a day that was counted has left to be corrected."""
    return list(connection.execute(_LATE, {"after": after, "most": most}).scalars())


def read_marks(connection: Connection, since: datetime) -> list[tuple[int, int]]:
    """Where each chain (by number) stood at an instant: the sequence of its first batch recorded then or later."""
    return [(row.chain, row.sequence) for row in connection.execute(_MARKS, {"since": since})]


def read_purchases(
    connection: Connection, chain: int, after: tuple[int, int], most: int
) -> tuple[list[RoundUp], tuple[int, int]]:
    """The next card purchases in a chain, beyond a place (sequence, position), of those who round up, and the place of
    the last.

    They are the ledger's entries, as clearing has posted them: savings know nothing of cards.
    """
    place = {"chain": chain, "sequence": after[0], "position": after[1], "most": most}
    rows = connection.execute(_PURCHASES, place).all()
    found = [
        RoundUp(
            item_id=row.item_id, customer_id=row.customer_id, wallet_id=row.wallet_id, amount_minor=row.amount_minor
        )
        for row in rows
    ]
    return found, (rows[-1].sequence, rows[-1].position) if rows else after


def read_assets(connection: Connection) -> list[str]:
    """What savings accounts hold."""
    return list(connection.execute(_ASSETS).scalars())


def _restored(version: RateVersion) -> RateVersion:
    """Tiers as pairs again: JSON has lists."""
    return RateVersion(
        **{name: getattr(version, name) for name in rate_rows.names if name != "tiers"},
        tiers=tuple((least, rate) for least, rate in version.tiers),
    )

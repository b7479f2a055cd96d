"""A bank with many savings accounts, each opened with one deposit, by set-based SQL, such that the audit holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import text

from api.system import System
from benchmarks.filling import register
from engine.database.institutions import Institution
from engine.ledger.book import Book
from engine.ledger.chart import EQUITY, INTEREST_ACCRUED, OVERDRAFT_INTEREST, SAVINGS, TAX_WITHHELD
from engine.savings.model import OpenProduct
from engine.savings.products import Frequency, RateVersion, SavingsProduct
from engine.savings.store import product_rows, rate_rows
from engine.savings.terms import open_product
from engine.vocabulary.decision import State

OPENED = date(2026, 1, 5)
PRODUCT = OpenProduct(
    reference="filling",
    name="saver",
    effective_on=OPENED - timedelta(days=1),
    tiers=((0, 365), (2_000_000, 400), (8_000_000, 425)),
    compounding=Frequency.DAILY,
    posting=Frequency.DAILY,
)
"""Three tiers; posted each night, so that each night of the benchmark posts."""

_FILL = (
    """
insert into accounts (id, code, asset, balance_minor, minimum_minor, floor_minor, entry_count, closed)
select md5('account ' || n)::uuid, cast(:savings as int), 'USD', 100000 + n % 1000000 * 7, 0, 0, 1, false
from generate_series(0, :accounts - 1) n
""",
    """
insert into accounts (id, code, asset, balance_minor, entry_count, closed)
select md5('equity')::uuid, cast(:equity as int), 'USD', -sum(balance_minor), count(*), false from accounts
""",
    "insert into accounts (id, code, asset, balance_minor, entry_count, closed)"
    " select id, code, 'USD', 0, 0, false from unnest(cast(:own as uuid[]), cast(:own_codes as int[])) o(id, code)",
    """
insert into requests (id, stage, kind, fingerprint, code, answer, first_seen_at, answered_at)
select md5('deposit ' || n)::uuid, 'filling', 'Deposit', '', 'ok', '{"code": "ok", "facts": {}, "reasons": []}',
       :at, :at
from generate_series(0, :accounts - 1) n
""",
    """
insert into entries (chain, sequence, position, request_id, line, debit, credit, amount_minor, kind, effective_on,
                     forced, debit_number, credit_number, debit_after, credit_after, occurred_at)
select 1, n / 1000 + 1, n % 1000, md5('deposit ' || n)::uuid, 0, md5('equity')::uuid, md5('account ' || n)::uuid,
       100000 + n % 1000000 * 7, 'to savings', cast(:day as date), false, n + 1, 1,
       -sum(100000 + n % 1000000 * 7) over (order by n), 100000 + n % 1000000 * 7, :at
from generate_series(0, :accounts - 1) n
""",
    "insert into chains (id, opened_at) values (1, :at)",
    # Identifiers in the order in which the accounts were opened, as those of the product are, day by day.
    """
insert into savings_accounts (id, customer_id, account_id, asset, product_id, opened_on, accrued_through,
    posted_through, earned_micro, earned_parts, paid_minor, compounded_micro, owed_micro, owed_parts, charged_minor,
    withheld_minor, average_sum, average_days, round_up_minor, withdrawals)
select cast(lpad(to_hex(n), 8, '0') || substr(md5('savings ' || n), 9) as uuid), md5('customer ' || n)::uuid,
       md5('account ' || n)::uuid, 'USD', cast(:product as uuid), cast(:day as date), cast(:day as date) - 1,
       cast(:day as date) - 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
from generate_series(0, :accounts - 1) n
""",
)

_FILLED = (
    "accounts",
    "chains",
    "requests",
    "entries",
    "batches",
    "savings_products",
    "savings_rates",
    "savings_accounts",
)
_TABLES = (*_FILLED, "events")


def fill_savings(system: System, institution: Institution, accounts: int) -> None:
    """Open `accounts` savings accounts on `OPENED`, with 1,000.00 and more in each."""
    book = Book(institution.name, institution.time_zone)
    product, rates = (event.subject for event in open_product(book, State(), PRODUCT).events)
    assert isinstance(product, SavingsProduct) and isinstance(rates, RateVersion)
    own = (INTEREST_ACCRUED, TAX_WITHHELD, OVERDRAFT_INTEREST)
    at = datetime.combine(OPENED, time(8), UTC)
    values = {
        "equity": EQUITY,
        "savings": SAVINGS,
        "accounts": accounts,
        "at": at,
        "day": OPENED,
        "product": product.id,
        "own": [book.account(code, "USD") for code in own],
        "own_codes": list(own),
    }
    with system.database.owner().begin() as connection:
        connection.exec_driver_sql(f"set local search_path to {institution.schema_name}")
        for statement in _FILL:
            connection.execute(text(statement), values)
        product_rows.insert(connection, [product])
        rate_rows.insert(connection, [rates])
        register(connection, accounts, at)
    at_rest(system, institution)


def copy_savings(system: System, of: Institution, to: Institution) -> None:
    """Give `to`, which has nothing yet, every row that `fill_savings` has given `of`, the same ones."""
    with system.database.owner().begin() as connection:
        for table in _FILLED:
            connection.exec_driver_sql(
                f"insert into {to.schema_name}.{table} select * from {of.schema_name}.{table}"  # noqa: S608
            )
    at_rest(system, to)


def at_rest(system: System, institution: Institution) -> None:
    """What was left to be done is done, and not while the next turn is measured: nothing to vacuum, statistics of what
    is there, a checkpoint just made."""
    with system.database.owner().connect() as connection:
        plain = connection.execution_options(isolation_level="AUTOCOMMIT")
        for table in _TABLES:
            # Who commits as it goes would be joined by the autovacuum in the middle, who commits at the end would not.
            place = f"{institution.schema_name}.{table}"
            plain.exec_driver_sql(f"alter table {place} set (autovacuum_enabled = false)")
            plain.exec_driver_sql(f"vacuum analyze {place}")
        plain.exec_driver_sql("checkpoint")

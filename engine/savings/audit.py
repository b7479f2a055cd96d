"""What the rows of savings must prove: every account stands where its movements and its product's rates put it, to the
last part of a millionth, and the ledger shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from uuid import UUID

from sqlalchemy import Connection, text

from engine.ledger.audit import Proof, Watch
from engine.ledger.chart import INTEREST_ACCRUED
from engine.savings.accrual import Accrued
from engine.savings.corrections import unbooked
from engine.savings.interest import closing, course
from engine.savings.model import INTEREST, OVERDRAFT_INTEREST, TAX, History, SavingsAccount
from engine.savings.products import DAY, MICRO, RateVersion, SavingsProduct
from engine.savings.store import read_histories, read_offered, read_page, read_rates

PAGE = 500
"""Accounts whose histories are held at once: bounds the memory."""

_ENTERED = (
    "select s.id, coalesce(sum(e.minor) filter (where e.kind = :interest), 0)::bigint as paid_minor,"
    " coalesce(-sum(e.minor) filter (where e.kind = :tax), 0)::bigint as withheld_minor,"
    " coalesce(-sum(e.minor) filter (where e.kind = :overdraft), 0)::bigint as charged_minor"
    " from savings_accounts s left join ("
    "  select credit as account_id, kind, amount_minor as minor from entries"
    "  where kind in (:interest, :tax, :overdraft)"
    "  union all"
    "  select debit, kind, -amount_minor from entries where kind in (:interest, :tax, :overdraft)"
    " ) e on e.account_id = s.account_id"
    " group by s.id, s.paid_minor, s.withheld_minor, s.charged_minor"
)
_DIFFERING = text(
    "select s.id, s.paid_minor, s.withheld_minor, s.charged_minor, b.paid_minor as paid_entered,"  # noqa: S608
    f" b.withheld_minor as withheld_entered, b.charged_minor as charged_entered from ({_ENTERED}) b"
    " join savings_accounts s on s.id = b.id where (s.paid_minor, s.withheld_minor, s.charged_minor)"
    " is distinct from (b.paid_minor, b.withheld_minor, b.charged_minor) order by s.id"
)
# While a night's accrual runs, accounts are ahead of the book: it is compared once it has been booked.
_BOOKED = text(
    "select b.asset, b.earned_micro, b.booked_minor, s.earned_micro as by_account, s.paid_minor,"
    " s.accrued_through <= b.booked_through as booked, coalesce(a.balance_minor, 0) as balance_minor"
    " from accrual_books b join (select asset, sum(earned_micro)::bigint as earned_micro,"
    " sum(paid_minor)::bigint as paid_minor, max(accrued_through) as accrued_through"
    " from savings_accounts group by asset) s on s.asset = b.asset"
    " left join accounts a on a.code = :code and a.asset = b.asset order by b.asset"
)
_TOTAL = text("select count(*) from savings_accounts")


def _entered(connection: Connection) -> Iterator[str]:
    kinds = {"interest": INTEREST, "tax": TAX, "overdraft": OVERDRAFT_INTEREST}
    for row in connection.execute(_DIFFERING, kinds):
        for what, said, entered in (
            ("of interest paid", row.paid_minor, row.paid_entered),
            ("of tax withheld", row.withheld_minor, row.withheld_entered),
            ("of overdraft interest charged", row.charged_minor, row.charged_entered),
        ):
            if said != entered:
                yield f"savings account {row.id}: {said} {what}, its entries say {entered}"


def _booked(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BOOKED, {"code": INTEREST_ACCRUED}):
        if row.booked and row.earned_micro != row.by_account:
            yield f"accrual book {row.asset}: {row.earned_micro} millionths, its accounts earned {row.by_account}"
        if row.booked_minor != row.earned_micro // MICRO:
            yield f"accrual book {row.asset}: {row.booked_minor} booked of {row.earned_micro} millionths"
        if row.balance_minor != row.booked_minor - row.paid_minor:
            yield (
                f"interest accrued in {row.asset}: balance {row.balance_minor},"
                f" booked {row.booked_minor} less paid {row.paid_minor}"
            )


def _unwatched(_done: int, _total: int) -> None:
    """Nobody looks."""


def _defined(connection: Connection, watch: Watch = _unwatched) -> Iterator[str]:
    products = {one.id: one for one in read_offered(connection)}
    rates = {
        one: tuple(version for version in read_rates(connection, [one]) if version.product_id == one)
        for one in products
    }
    total = connection.execute(_TOTAL).scalar_one()
    after: UUID | None = None
    done = 0
    while page := read_page(connection, after, PAGE):
        for account, history in zip(page, read_histories(connection, page), strict=True):
            # One with a movement that came late is corrected by the next night.
            if account.recompute_from is None:
                yield from _as_defined(account, history, products[account.product_id], rates[account.product_id])
        after, done = page[-1].id, done + len(page)
        watch(done, total)


def _as_defined(
    account: SavingsAccount, history: History, product: SavingsProduct, versions: tuple[RateVersion, ...]
) -> Iterator[str]:
    closed = account.closed_on is not None
    end = course(
        product,
        versions,
        account.opened_on,
        history.movements,
        account.accrued_through,
        posted_through=account.posted_through,
        ends_there=closed,
    )
    defined, due = end.accrued, [(last_day + DAY, one) for last_day, one in end.booked.items()]
    if account.closed_on is not None:
        last, defined = closing(defined, product)
        due.append((account.closed_on, last))
    for field in fields(Accrued):
        found, right = getattr(account, field.name), getattr(defined, field.name)
        if found != right:
            yield f"savings account {account.id}: {field.name} is {found}, its movements make it {right}"
    for on, kind, minor in unbooked(history, due):
        yield f"savings account {account.id}: {kind} of {on} is {-minor} more than its movements make it"


SAVINGS_PROOFS = (
    Proof("interest paid is interest entered", _entered),
    Proof("the ledger shows the interest earned", _booked),
    Proof("interest is what movements and rates make it", _defined, _defined),
)
"""What the rows of savings must prove."""

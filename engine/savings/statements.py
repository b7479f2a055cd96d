"""What savings say on paper: a statement with the yield earned, and a year's interest for the tax office.

Read off the ledger's entries by effective date; interest is that of the definition (`interest.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

from engine.savings.accrual import annual_percentage_yield
from engine.savings.interest import course
from engine.savings.model import BOOKED_KINDS, INTEREST, OVERDRAFT_INTEREST, TAX, SavingsAccount
from engine.savings.products import DAY
from engine.savings.store import read_histories, read_products, read_rates

_LINES = text(
    "select effective_on, kind, minor from ("
    " select effective_on, kind, amount_minor as minor, credit_number as number from entries where credit = :account"
    " union all select effective_on, kind, -amount_minor, debit_number from entries where debit = :account"
    ") sides where effective_on <= :last order by effective_on, number"
)
_YEAR = text(
    "select s.customer_id, s.asset,"
    " coalesce(sum(e.minor) filter (where e.kind = :interest), 0)::bigint as interest_minor,"
    " coalesce(-sum(e.minor) filter (where e.kind = :tax), 0)::bigint as withheld_minor,"
    " coalesce(-sum(e.minor) filter (where e.kind = :overdraft), 0)::bigint as charged_minor"
    " from savings_accounts s join ("
    "  select credit as account_id, kind, amount_minor as minor from entries where kind = any(:kinds)"
    "   and effective_on between :first and :last"
    "  union all select debit, kind, -amount_minor from entries where kind = any(:kinds)"
    "   and effective_on between :first and :last"
    " ) e on e.account_id = s.account_id group by s.customer_id, s.asset order by s.customer_id, s.asset"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a statement, in minor units in (negative: out), with the balance after it."""

    effective_on: date
    kind: str
    minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsStatement:
    """An account over the days from `first` to `last`, both included; amounts in minor units.

    `earned_micro` millionths of a minor unit were earned, on `average_minor` a day (rounded down), which is a yield of
    `yield_earned` percent (12 CFR 1030 appendix A part II; None where there was no balance to earn on).
    """

    savings_id: UUID
    first: date
    last: date
    opening_minor: int
    closing_minor: int
    interest_minor: int
    withheld_minor: int
    charged_minor: int
    earned_micro: int
    average_minor: int
    yield_earned: Decimal | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """What a customer was paid, withheld and charged in a calendar year, by the effective dates of the postings."""

    customer_id: UUID
    asset: str
    interest_minor: int
    withheld_minor: int
    charged_minor: int


def statement(connection: Connection, account: SavingsAccount, first: date, last: date) -> SavingsStatement:
    """The statement of an account for days that have been counted: `last` is `accrued_through` at most."""
    assert account.opened_on <= first <= last <= account.accrued_through, "a statement is about days that were counted"
    rows = connection.execute(_LINES, {"account": account.account_id, "last": last}).all()
    balance = sum(row.minor for row in rows if row.effective_on < first)
    opening, lines, by_day = balance, [], Counter[date]()
    kinds: Counter[str] = Counter()
    for row in rows:
        if row.effective_on >= first:
            balance += row.minor
            lines.append(Line(row.effective_on, row.kind, row.minor, balance))
            by_day[row.effective_on] += row.minor
            kinds[row.kind] += row.minor
    days = (last - first).days + 1
    total, running = 0, opening
    for number in range(days):
        running += by_day[first + timedelta(days=number)]
        total += max(running, 0)
    earned_micro = _earned(connection, account, last) - _earned(connection, account, first - DAY)
    return SavingsStatement(
        savings_id=account.id,
        first=first,
        last=last,
        opening_minor=opening,
        closing_minor=balance,
        interest_minor=kinds[INTEREST],
        withheld_minor=-kinds[TAX],
        charged_minor=-kinds[OVERDRAFT_INTEREST],
        earned_micro=earned_micro,
        average_minor=total // days,
        yield_earned=annual_percentage_yield(Decimal(total), Decimal(earned_micro * days).scaleb(-6), days)
        if total > 0
        else None,
        lines=tuple(lines),
    )


def tax_report(connection: Connection, year: int) -> list[TaxLine]:
    """Every customer who was paid or charged interest in a calendar year, in order."""
    values = {"first": date(year, 1, 1), "last": date(year, 12, 31), "kinds": list(BOOKED_KINDS)}
    kinds = {"interest": INTEREST, "tax": TAX, "overdraft": OVERDRAFT_INTEREST}
    return [TaxLine(**row._mapping) for row in connection.execute(_YEAR, values | kinds)]


def _earned(connection: Connection, account: SavingsAccount, through: date) -> int:
    if through == account.accrued_through:
        return account.earned_micro
    (product,) = read_products(connection, [account.product_id])
    (history,) = read_histories(connection, [account])
    end = course(product, tuple(read_rates(connection, [product.id])), account.opened_on, history.movements, through)
    return end.accrued.earned_micro


@dataclass(frozen=True, slots=True)
class Point:
    """A day's end: the balance, interest accrued and not posted (millionths), and all that was posted so far."""

    day: date
    balance_minor: int
    unpaid_micro: int
    paid_minor: int


@dataclass(frozen=True, slots=True)
class DrawnCourse:
    """What a picture of an account shows: every day that was counted, and when its rates changed."""

    product: str
    asset: str
    points: tuple[Point, ...]
    changes: tuple[tuple[date, str], ...]


def read_course(connection: Connection, account: SavingsAccount) -> DrawnCourse:
    """Every day of an account, as the definition has it."""
    (product,) = read_products(connection, [account.product_id])
    versions = tuple(read_rates(connection, [product.id]))
    (history,) = read_histories(connection, [account])
    points: list[Point] = []
    course(
        product,
        versions,
        account.opened_on,
        history.movements,
        account.accrued_through,
        posted_through=account.posted_through,
        tell=lambda day, balance, accrued: points.append(Point(day, balance, accrued.unpaid_micro, accrued.paid_minor)),
    )
    changes = tuple(
        (version.effective_on, ", ".join(f"{rate} bps from {least}" for least, rate in version.tiers))
        for version in versions
        if account.opened_on < version.effective_on <= account.accrued_through
    )
    return DrawnCourse(product.name, account.asset, tuple(points), changes)

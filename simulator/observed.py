"""What the institutions' books say when the world has been played: read from their rows, by set, changing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, text

from engine.ledger.chart import CHART, Side
from simulator.auditor_books import Books

_WALLETS: Final = text(
    "select c.handle, a.balance_minor as available, h.balance_minor as held"
    " from customers c join accounts a on a.id = c.account_id join accounts h on h.id = a.held_id"
)
_PAYOUTS: Final = text(
    "select m.merchant_id, sum(p.amount_minor) as paid from payouts p join merchants m on m.id = p.merchant"
    " group by m.merchant_id"
)
_ISSUERS_POSITION: Final = text("select sum(reported_minor) from settlements")
_ACQUIRERS_POSITION: Final = text("select sum(reported_minor) from acquirer_settlements")
_INTEREST: Final = text(
    "select c.handle, s.earned_micro from savings_accounts s join customers c on c.id = s.customer_id"
)
_CLEARED: Final = text(
    "select count(*) as items, coalesce(sum(amount_minor) filter (where processing_code not like '20%'), 0) as bought,"
    " coalesce(sum(amount_minor) filter (where processing_code like '20%'), 0) as given_back,"
    " coalesce(sum(interchange_minor), 0) as interchange, coalesce(sum(network_fee_minor), 0) as fees,"
    " coalesce(sum(discount_minor), 0) as discount from clearing_items"
)
_TRIAL: Final = text(
    "select code, asset, sum(balance_minor) as balance, count(*) as accounts from accounts group by code, asset"
    " having sum(balance_minor) <> 0 order by code, asset"
)
_INTEREST_BOOKED: Final = text("select coalesce(sum(booked_minor), 0) from accrual_books")


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One code of a book's trial balance: minor units on its normal side, over so many accounts."""

    code: int
    name: str
    side: Side
    asset: str
    balance_minor: int
    accounts: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """What the acquirer's items of the day come to, in minor units."""

    items: int
    bought_minor: int
    given_back_minor: int
    interchange_minor: int
    fees_minor: int
    discount_minor: int


def books(issuers: Mapping[str, Engine], acquirer: Engine) -> Books:
    """The books in the terms of the auditor: those of the banks, by name, and of the acquirer."""
    wallets: dict[str, tuple[int, int]] = {}
    positions: dict[str, int] = {}
    interest: dict[str, int] = {}
    for name, engine in issuers.items():
        wallets |= {row.handle.removeprefix("@"): (row.available, row.held) for row in _rows(engine, _WALLETS)}
        interest |= {row.handle.removeprefix("@"): row.earned_micro for row in _rows(engine, _INTEREST)}
        positions[name] = int(_one(engine, _ISSUERS_POSITION) or 0)
    positions["acquirer"] = int(_one(acquirer, _ACQUIRERS_POSITION) or 0)
    payouts = {row.merchant_id: int(row.paid) for row in _rows(acquirer, _PAYOUTS)}
    return Books(wallets=wallets, payouts=payouts, net_positions=positions, interest_micro=interest)


def cleared(acquirer: Engine) -> Cleared:
    """What was presented, and what it cost."""
    (row,) = _rows(acquirer, _CLEARED)
    return Cleared(*map(int, row))


def interest_booked_minor(bank: Engine) -> int:
    """Interest that the bank's ledger shows as accrued, in whole minor units."""
    return int(_one(bank, _INTEREST_BOOKED))


def trial_balance(book: Engine) -> list[TrialLine]:
    """Every code of a book that holds something, in order."""
    return [
        TrialLine(row.code, CHART[row.code].name, CHART[row.code].side, row.asset, int(row.balance), row.accounts)
        for row in _rows(book, _TRIAL)
    ]


def _rows(engine: Engine, query: Any) -> Any:
    with engine.connect() as connection:
        return connection.execute(query).all()


def _one(engine: Engine, query: Any) -> Any:
    with engine.connect() as connection:
        return connection.execute(query).scalar()

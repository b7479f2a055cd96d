"""What the institutions' books say when the world has been played: read from their rows, by set, changing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from api.system import Seat
from engine.database.institutions import InstitutionRole
from engine.ledger.chart import CHART, NETWORK_FEE_INCOME, ROUNDING, Side
from simulator.auditor_books import Books

Seats = Mapping[str, Seat]
"""The institutions of a world, by name."""

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
_OWN: Final = text("select coalesce(sum(balance_minor), 0) from accounts where code = :code")
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


def books(seats: Seats) -> Books:
    """The books of all institutions in the terms of the auditor."""
    wallets: dict[str, tuple[int, int]] = {}
    net: dict[str, int] = {}
    interest: dict[str, int] = {}
    payouts: dict[str, int] = {}
    for name, seat in seats.items():
        if seat.institution.role == "issuer":
            wallets |= {row.handle.removeprefix("@"): (row.available, row.held) for row in _rows(seat, _WALLETS)}
            interest |= {row.handle.removeprefix("@"): row.earned_micro for row in _rows(seat, _INTEREST)}
            net[name] = int(_one(seat, _ISSUERS_POSITION) or 0)
        elif seat.institution.role == "acquirer":
            payouts |= {row.merchant_id: int(row.paid) for row in _rows(seat, _PAYOUTS)}
            net[name] = int(_one(seat, _ACQUIRERS_POSITION) or 0)
    return Books(wallets=wallets, payouts=payouts, net_positions=net, interest_micro=interest)


def net_positions(seats: Seats, own: Books) -> dict[str, int]:
    """What each member receives in the day's settlement, and what the network keeps: fees, less what rounding cost."""
    network = with_role(seats, "network")
    kept = _own(network, NETWORK_FEE_INCOME) - _own(network, ROUNDING)
    return {**own.net_positions, network.institution.name: kept}


def cleared(seats: Seats) -> Cleared:
    """What was presented, and what it cost."""
    (row,) = _rows(with_role(seats, "acquirer"), _CLEARED)
    return Cleared(*map(int, row))


def interest_booked_minor(seats: Seats) -> int:
    """Interest that the banks' ledgers show as accrued, in whole minor units."""
    return sum(int(_one(seat, _INTEREST_BOOKED)) for seat in seats.values() if seat.institution.role == "issuer")


def trial_balance(seat: Seat) -> list[TrialLine]:
    """Every code of a book that holds something, in order."""
    return [
        TrialLine(row.code, CHART[row.code].name, CHART[row.code].side, row.asset, int(row.balance), row.accounts)
        for row in _rows(seat, _TRIAL)
    ]


def with_role(seats: Seats, role: InstitutionRole) -> Seat:
    """The one institution that has the role."""
    (found,) = (seat for seat in seats.values() if seat.institution.role == role)
    return found


def _rows(seat: Seat, query: Any) -> Any:
    with seat.processor.engine.connect() as connection:
        return connection.execute(query).all()


def _own(seat: Seat, code: int) -> int:
    with seat.processor.engine.connect() as connection:
        return int(connection.execute(_OWN, {"code": code}).scalar_one())


def _one(seat: Seat, query: Any) -> Any:
    with seat.processor.engine.connect() as connection:
        return connection.execute(query).scalar()

"""What the rows of savings must prove: the ledger shows what the accounts have earned, to the last millionth."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from engine.ledger.audit import Proof
from engine.ledger.chart import INTEREST_ACCRUED
from engine.savings.accrual import MICRO
from engine.savings.model import INTEREST

_PAID = text(
    "select s.id, s.paid_minor, coalesce(sum(e.amount_minor), 0)::bigint as entered from savings_accounts s"
    " left join entries e on e.credit = s.account_id and e.kind = :interest"
    " group by s.id, s.paid_minor having s.paid_minor <> coalesce(sum(e.amount_minor), 0) order by s.id"
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


def _paid(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_PAID, {"interest": INTEREST}):
        yield f"savings account {row.id}: {row.paid_minor} of interest paid, its entries say {row.entered}"


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


SAVINGS_PROOFS = (
    Proof("interest paid is interest entered", _paid),
    Proof("the ledger shows the interest earned", _booked),
)
"""What the rows of savings must prove."""

"""What the books said: balances as of an instant or an effective date, and statements page by page.

A *ledger balance* is available and held together, so that a hold never shows in it. A posting counts from its
effective date, which may be long before the instant it occurred at (a correction) or after it; when it was recorded is
a third time, that of its batch. All balances of a book as of one instant, or one date, net to zero: each entry counts
on both of its sides or on neither.

Reads only, without a lock. What is asked for once stays true for instants and numbers that have passed; a date's
balances change with postings that are effective on it and come later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, TextClause, text

from engine.ledger.chart import DEBIT_CODES

MOST_LINES = 1_000
"""Of one page."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Both parts of an account's balance, in minor units on its normal side. Nothing is held out of most accounts."""

    available_minor: int
    held_minor: int = 0

    @property
    def ledger_minor(self) -> int:
        """Available and held together."""
        return self.available_minor + self.held_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One entry, as its account sees it. `number` is the account's running entry number and the cursor of pages.

    `change_minor` is signed on the account's normal side; `balance` is what the entry left.
    """

    number: int
    change_minor: int
    balance: Balance
    counterpart: UUID
    kind: str
    subject_id: UUID | None
    corrects: UUID | None
    request_id: UUID
    effective_on: date
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Lines in the order in which they were posted. `more`: whether others lie beyond, in the direction asked for.

    The first line's number is what to pass as `before` for the page before this one, the last one's as `after` for the
    page that follows.
    """

    lines: tuple[StatementLine, ...] = ()
    more: bool = False


# An account's balance is the sum of its entries. The accounts are parameters, not a join: of values that it sees the
# planner knows whether few entries have them or most.
_AS_OF = """
select part, sum(debited) as debited from (
    select debit as part, amount_minor as debited from entries where debit = any(:parts) and {cut}
    union all
    select credit, -amount_minor from entries where credit = any(:parts) and {cut}
) sides group by part
"""
_AT = text(_AS_OF.format(cut="occurred_at <= :cut"))
_ON = text(_AS_OF.format(cut="effective_on <= :cut"))
_ACCOUNTS = text("select id, code, held_id from accounts where id = any(:ids)")

_SIDE = """
(
    select chain, sequence, {own}_number as number, {sign} as change, {own}_after as available,
           {own}_held_after as held, {other} as counterpart, kind, subject_id, corrects, request_id, effective_on,
           occurred_at
    from entries
    where {own} = :account and {own}_number {beyond} :cursor
      and (:holds or {other} is distinct from cast(:held_id as uuid))
    order by {own}_number {direction} limit :lines
)
"""
_PAGE = """
select l.*, b.recorded_at from (
    select * from ({debits} union all {credits}) sides order by number {direction} limit :lines
) l join batches b on b.chain = l.chain and b.sequence = l.sequence order by l.number {direction}
"""


def _page(beyond: str, direction: str) -> str:
    sides = {
        name: _SIDE.format(own=own, other=other, sign=sign, beyond=beyond, direction=direction)
        for name, own, other, sign in (
            ("debits", "debit", "credit", "amount_minor"),
            ("credits", "credit", "debit", "-amount_minor"),
        )
    }
    return _PAGE.format(direction=direction, **sides)


_FORWARD, _BACKWARD = text(_page(">", "asc")), text(_page("<", "desc"))
_BEYOND_ALL = 2**63 - 1


def balances_at(connection: Connection, account_ids: Sequence[UUID], instant: datetime) -> dict[UUID, Balance]:
    """What these accounts held at an instant: all that occurred until then, it included. Unknown accounts are left out.

    Reads every entry of the accounts: for a customer's few, not for an institution's own of many years.
    """
    return _balances(connection, account_ids, _AT, instant)


def balances_on(connection: Connection, account_ids: Sequence[UUID], day: date) -> dict[UUID, Balance]:
    """What these accounts held at the end of an effective date, by what is known now. As `balances_at` otherwise."""
    return _balances(connection, account_ids, _ON, day)


def statement(
    connection: Connection,
    account_id: UUID,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = 100,
    holds: bool = False,
) -> Page:
    """A page of an account's entries: the first `limit` after the entry number `after`, the last before `before`, or,
    with neither, the newest.

    Entry numbers never change, so a walk in either direction meets each entry once, whatever is posted meanwhile.
    Without `holds` the postings between the account and its held counterpart are left out. The page of an account that
    is not there is empty.
    """
    assert after is None or before is None, "a page lies on one side of its cursor"
    assert 1 <= limit <= MOST_LINES, f"a page has 1 to {MOST_LINES} lines"
    account = connection.execute(_ACCOUNTS, {"ids": [account_id]}).first()
    if account is None:
        return Page()
    forward = after is not None
    cursor = after if after is not None else _BEYOND_ALL if before is None else before
    # One line more than the page has: whether anything lies beyond it.
    found = connection.execute(
        _FORWARD if forward else _BACKWARD,
        {"account": account_id, "held_id": account.held_id, "holds": holds, "cursor": cursor, "lines": limit + 1},
    ).all()
    rows = found[:limit] if forward else found[:limit][::-1]
    sign = 1 if account.code in DEBIT_CODES else -1
    return Page(tuple(_line(row, sign) for row in rows), len(found) > limit)


def _balances(
    connection: Connection, account_ids: Sequence[UUID], as_of: TextClause, cut: date | datetime
) -> dict[UUID, Balance]:
    accounts = connection.execute(_ACCOUNTS, {"ids": list(account_ids)}).all()
    parts = [part for row in accounts for part in (row.id, row.held_id) if part is not None]
    debited = {row.part: int(row.debited) for row in connection.execute(as_of, {"parts": parts, "cut": cut})}
    balances = {}
    for row in accounts:
        sign = 1 if row.code in DEBIT_CODES else -1
        balances[row.id] = Balance(sign * debited.get(row.id, 0), sign * debited.get(row.held_id, 0))
    return balances


def _line(row: Row[Any], sign: int) -> StatementLine:
    return StatementLine(
        number=row.number,
        change_minor=sign * row.change,
        balance=Balance(row.available, row.held or 0),
        counterpart=row.counterpart,
        kind=row.kind,
        subject_id=row.subject_id,
        corrects=row.corrects,
        request_id=row.request_id,
        effective_on=row.effective_on,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
    )

"""The audit: proofs over the rows of one book.

A proof yields findings, each a sentence that names the row; none means proven.

Stages add proofs of their own (holds, presentments, payables) in the same shape; `api/audit.py` lists them by role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from engine.ledger import chain
from engine.ledger.chart import CHART, Side

PAGE = 5_000
"""Batches read at once while a chain is recomputed: bounds the memory."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`find` yields a sentence for every row that contradicts `name`."""

    name: str
    find: Callable[[Connection], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """What an institution shows of its book to others: the same figure (`about`) is the same amount in all books.

    Figures of one `cycle` that are taken once each sum to zero. Minor units.
    """

    about: str
    amount_minor: int
    cycle: str | None = None


def figures(connection: Connection, statement: TextClause, **parameters: object) -> list[Figure]:
    """The figures that a statement of `about`, `amount_minor` and `cycle` selects."""
    rows = connection.execute(statement, parameters)
    return [Figure(row.about, int(row.amount_minor), row.cycle) for row in rows]


_DEBIT_CODES = [code for code, line in CHART.items() if line.side is Side.DEBIT]

_LEGS = """
with legs as (
    select debit as account, debit_number as number, amount_minor as debited, 0 as credited, debit_after as after,
           chain, sequence, position from entries
    union all
    select credit, credit_number, 0, amount_minor, credit_after, chain, sequence, position from entries
), signed as (
    select l.*, case when a.code = any(:debit_codes) then debited - credited else credited - debited end as change
    from legs l join accounts a on a.id = l.account
)
"""

_BALANCES = text(
    _LEGS  # noqa: S608, constants of this module
    + """
select a.id, a.code, a.balance_minor, a.entry_count, coalesce(s.total, 0) as total, coalesce(s.entries, 0) as entries
from accounts a left join (select account, sum(change) as total, count(*) as entries from signed group by account) s
  on s.account = a.id
where a.balance_minor <> coalesce(s.total, 0) or a.entry_count <> coalesce(s.entries, 0)
order by a.id
"""
)
_RUNNING = text(
    _LEGS  # noqa: S608, constants of this module
    + """
select account, number, after, expected_number, expected_after, chain, sequence, position from (
    select *, row_number() over w as expected_number, sum(change) over w as expected_after
    from signed window w as (partition by account order by number)
) run where number <> expected_number or after <> expected_after order by account, number
"""
)
_NET = text(
    "select asset, sum(case when code = any(:debit_codes) then balance_minor else -balance_minor end) as net"
    " from accounts group by asset"
)
_ASSETS = text(
    "select e.chain, e.sequence, e.position, e.request_id from entries e"
    " left join accounts d on d.id = e.debit left join accounts c on c.id = e.credit"
    " where d.id is null or c.id is null or d.asset <> c.asset order by 1, 2, 3"
)
_BELOW = text("select id, code, balance_minor, floor_minor from accounts where balance_minor < floor_minor order by id")
_CONSTRAINTS = text(
    "select conname from pg_constraint where conrelid = 'accounts'::regclass and contype = 'c' and convalidated"
)
_CODES = {"debit_codes": _DEBIT_CODES}


def _name(row: Row[Any]) -> str:
    return f"account {row.id} ({CHART[row.code].name})"


def _balances(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BALANCES, _CODES):
        if row.balance_minor != row.total:
            yield f"{_name(row)}: balance {row.balance_minor}, its entries sum to {row.total}"
        if row.entry_count != row.entries:
            yield f"{_name(row)}: {row.entry_count} entries were written, {row.entries} are there"


def _running(connection: Connection) -> Iterator[str]:
    reported = set()
    for row in connection.execute(_RUNNING, _CODES):
        if row.account not in reported:
            reported.add(row.account)
            batch = f"batch {row.chain}/{row.sequence}, position {row.position}"
            place = f"entry {row.number} of account {row.account} ({batch})"
            if row.number != row.expected_number:
                yield f"{place}: entry {row.expected_number} is missing before it"
            else:
                yield f"{place}: balance after it {row.after}, should be {row.expected_after}"


def _nets(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_NET, _CODES):
        if row.net:
            yield f"the book in {row.asset} is off by {row.net} minor units (debits less credits)"


def _assets(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_ASSETS):
        place = f"entry {row.chain}/{row.sequence}/{row.position} of request {row.request_id}"
        yield f"{place}: an account is missing or the assets differ"


def _below(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BELOW):
        yield f"{_name(row)}: balance {row.balance_minor} is below its floor {row.floor_minor}"


def _constraints(connection: Connection) -> Iterator[str]:
    present = {row.conname for row in connection.execute(_CONSTRAINTS)}
    for name in ("accounts_balance_at_least_floor_check", "accounts_floor_at_most_minimum_check"):
        if name not in present:
            yield f"the database no longer checks {name}"


def _chains(connection: Connection) -> Iterator[str]:
    known = connection.execute(text("select id, predecessor, predecessor_digest from chains order by id")).all()
    digests = _ChainDigests(connection)
    for row in known:
        start = chain.GENESIS if row.predecessor_digest is None else bytes(row.predecessor_digest)
        if row.predecessor_digest is not None and not digests.contains(row.predecessor, start):
            yield f"chain {row.id}: the digest it builds on is not in chain {row.predecessor}"
        yield from digests.recompute(row.id, start)
    if stray := connection.execute(
        text("select count(*) from batches b left join chains c on c.id = b.chain where c.id is null")
    ).scalar():
        yield f"{stray} batches belong to no registered chain"


class _ChainDigests:
    """Recomputes chains page by page."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def contains(self, number: int, digest: bytes) -> bool:
        found = self._connection.execute(
            text("select 1 from batches where chain = :chain and digest = :digest"), {"chain": number, "digest": digest}
        )
        return found.first() is not None

    def recompute(self, number: int, previous: bytes) -> Iterator[str]:
        expected = 1
        while page := self._connection.execute(
            text(
                "select sequence, digest, entry_count, event_count from batches"
                " where chain = :chain and sequence >= :start order by sequence limit :page"
            ),
            {"chain": number, "start": expected, "page": PAGE},
        ).all():
            last = page[-1].sequence
            entries = self._lines("entries", chain.ENTRY_COLUMNS, number, expected, last)
            events = self._lines("events", chain.EVENT_COLUMNS, number, expected, last)
            for batch in page:
                if batch.sequence != expected:
                    yield f"chain {number}: batch {expected} is missing"
                    expected = batch.sequence
                own_entries, own_events = entries.get(batch.sequence, []), events.get(batch.sequence, [])
                if (len(own_entries), len(own_events)) != (batch.entry_count, batch.event_count):
                    yield (
                        f"batch {number}/{batch.sequence}: written with {batch.entry_count} entries"
                        f" and {batch.event_count} events, now {len(own_entries)} and {len(own_events)}"
                    )
                elif chain.digest(previous, own_entries, own_events) != bytes(batch.digest):
                    yield f"batch {number}/{batch.sequence}: its rows do not give its digest"
                previous = bytes(batch.digest)
                expected += 1

    def _lines(
        self, table: str, columns: tuple[str, ...], number: int, first: int, last: int
    ) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        statement = text(
            f"select sequence, {', '.join(columns)} from {table}"  # noqa: S608, constants of `chain`
            " where chain = :chain and sequence between :first and :last order by sequence, position"
        )
        for row in self._connection.execute(statement, {"chain": number, "first": first, "last": last}).mappings():
            found.setdefault(row["sequence"], []).append(chain.line_of(columns, dict(row)))
        return found


def _closes(connection: Connection) -> Iterator[str]:
    cut = text(
        "select c.business_date, c.chain, c.sequence, b.digest is null as missing from closes c"
        " left join batches b on b.chain = c.chain and b.sequence = c.sequence"
        " where b.digest is distinct from c.digest order by 1, 2"
    )
    for row in connection.execute(cut):
        what = "is gone: its tail was cut" if row.missing else "has another digest"
        yield f"the close of {row.business_date} anchors batch {row.chain}/{row.sequence}, which {what}"


LEDGER_PROOFS = (
    Proof("balances equal their entries", _balances),
    Proof("entries run without a gap", _running),
    Proof("the book nets to zero", _nets),
    Proof("entries join accounts of one asset", _assets),
    Proof("no balance is below its floor", _below),
    Proof("the database checks the limits", _constraints),
    Proof("the chains give their digests", _chains),
    Proof("closed days are whole", _closes),
)
"""What every book must prove."""

"""The audit: proofs over the rows of one book.

A proof yields findings, each a sentence that names the row; none means proven. What is summed is summed by the
database; what is read row by row (the chains) streams through a cursor of the server, so that memory stays bounded
whatever the size of the book.

Stages add proofs of their own (holds, presentments, payables) in the same shape; `api/audit.py` lists them by role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from engine.database.bulk import Rows
from engine.database.tables import metadata
from engine.ledger import chain
from engine.ledger.chart import CHART, DEBIT_CODES

PAGE = 2_000
"""Rows fetched at once from a cursor of the server: bounds the memory."""
_STREAMED = {"stream_results": True, "yield_per": PAGE}

Find = Callable[[Connection], Iterator[str]]
Watch = Callable[[int, int], object]
"""Told how many rows of how many a long proof has read."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`find` yields a sentence for every row that contradicts `name`.

    `watched`, of a proof that reads row by row, does the same and says meanwhile how far it is.
    """

    name: str
    find: Find
    watched: Callable[[Connection, Watch], Iterator[str]] | None = None

    def findings(self, connection: Connection, watch: Watch) -> Iterator[str]:
        """What contradicts it, found while `watch` is told how far it is, if it is long."""
        return self.find(connection) if self.watched is None else self.watched(connection, watch)


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
select distinct on (account)
       account, number, after, expected_number, expected_after, chain, sequence, position from (
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
_BEYOND = text(
    "select id, code, balance_minor, floor_minor, ceiling_minor from accounts"
    " where balance_minor < floor_minor or balance_minor > ceiling_minor order by id"
)
_CHECKED = text(
    "select conname as name from pg_constraint where conrelid = to_regclass(:table) and convalidated and conenforced"
    " union select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid"
    " where i.indrelid = to_regclass(:table) and i.indisunique and i.indisvalid"
)
_MAY = text(
    "select wanted as right from unnest(cast(:rights as text[])) wanted"
    " where has_table_privilege(to_regclass(:table), wanted)"
)
_UNASKED = """
select w.request_id, min(w.chain) as chain, min(w.sequence) as sequence, min(w.position) as position from {table} w
left join requests r on r.id = w.request_id where r.id is null group by w.request_id order by 2, 3, 4
"""
_DOUBLED = """
select request_id, line, count(*) as times from {table} group by request_id, line having count(*) > 1 order by 1, 2
"""
_CODES = {"debit_codes": sorted(DEBIT_CODES)}


def _name(row: Row[Any]) -> str:
    return f"account {row.id} ({CHART[row.code].name})"


def _balances(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BALANCES, _CODES, execution_options=_STREAMED):
        if row.balance_minor != row.total:
            yield f"{_name(row)}: balance {row.balance_minor}, its entries sum to {row.total}"
        if row.entry_count != row.entries:
            yield f"{_name(row)}: {row.entry_count} entries were written, {row.entries} are there"


def _running(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_RUNNING, _CODES, execution_options=_STREAMED):
        batch = f"batch {row.chain}/{row.sequence}, position {row.position}"
        place = f"entry {row.number} of account {row.account} ({batch})"
        if row.number < row.expected_number:
            yield f"{place}: there is another entry of this number"
        elif row.number > row.expected_number:
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


def _beyond(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BEYOND):
        below = row.floor_minor is not None and row.balance_minor < row.floor_minor
        limit = f"below its floor {row.floor_minor}" if below else f"above its ceiling {row.ceiling_minor}"
        yield f"{_name(row)}: balance {row.balance_minor} is {limit}"


def _constraints(connection: Connection) -> Iterator[str]:
    for table in metadata.sorted_tables:
        declared = {str(one.name) for one in table.constraints} | {str(one.name) for one in table.indexes if one.unique}
        for name in sorted(declared - set(connection.execute(_CHECKED, {"table": table.name}).scalars())):
            yield f"the database no longer checks {name} of {table.name}"
        if table.info.get("append_only"):
            rights = connection.execute(_MAY, {"table": table.name, "rights": ["UPDATE", "DELETE", "TRUNCATE"]})
            for right in rights.scalars():
                yield f"the institution's role may {right} rows of {table.name}, which are written once"


def _requests(connection: Connection) -> Iterator[str]:
    for table, what in (("entries", "entry"), ("events", "event")):
        for row in connection.execute(text(_UNASKED.format(table=table)), execution_options=_STREAMED):
            yield f"{what} {row.chain}/{row.sequence}/{row.position}: its request {row.request_id} is not recorded"
        for row in connection.execute(text(_DOUBLED.format(table=table)), execution_options=_STREAMED):
            yield f"{what} {row.line} of request {row.request_id} is there {row.times} times"


def _unwatched(_done: int, _total: int) -> None:
    """Nobody looks."""


def _chains(connection: Connection, watch: Watch = _unwatched) -> Iterator[str]:
    known = {row.id: row for row in connection.execute(text("select * from chains order by id"))}
    for number in sorted(set(range(1, max(known, default=0))) - set(known)):
        yield f"chain {number} is missing"
    total = connection.execute(text("select coalesce(sum(entry_count + event_count), 0) from batches")).scalar_one()
    entries = _Lines(connection, "entries", chain.ENTRY_COLUMNS)
    events = _Lines(connection, "events", chain.EVENT_COLUMNS)
    batches = connection.execute(
        text("select chain, sequence, digest, entry_count, event_count from batches order by chain, sequence"),
        execution_options=_STREAMED,
    )
    for number, own in groupby(batches, key=itemgetter(0)):
        previous, expected = chain.GENESIS, 1
        if (registered := known.get(number)) is None:
            yield f"chain {number}: its batches belong to no registered chain"
        elif registered.predecessor_digest is not None:
            previous = bytes(registered.predecessor_digest)
            if not _contains(connection, registered.predecessor, previous):
                yield f"chain {number}: the digest it builds on is not in chain {registered.predecessor}"
        for batch in own:
            place = (number, batch.sequence)
            yield from entries.strays(place)
            yield from events.strays(place)
            if batch.sequence != expected:
                yield f"chain {number}: batch {expected} is missing"
            read = entries.read, events.read
            digest = chain.digest(previous, entries.of(place), events.of(place))
            found = entries.read - read[0], events.read - read[1]
            if found != (batch.entry_count, batch.event_count):
                yield (
                    f"batch {number}/{batch.sequence}: written with {batch.entry_count} entries"
                    f" and {batch.event_count} events, now {found[0]} and {found[1]}"
                )
            elif digest != bytes(batch.digest):
                yield f"batch {number}/{batch.sequence}: its rows do not give its digest"
            previous, expected = bytes(batch.digest), batch.sequence + 1
            watch(entries.read + events.read, total)
    yield from entries.strays(None)
    yield from events.strays(None)


def _contains(connection: Connection, number: int, digest: bytes) -> bool:
    found = connection.execute(
        text("select 1 from batches where chain = :chain and digest = :digest"), {"chain": number, "digest": digest}
    )
    return found.first() is not None


class _Lines:
    """The lines of a table in the order of the chains, streamed, to be taken batch by batch."""

    def __init__(self, connection: Connection, table: str, columns: tuple[str, ...]) -> None:
        self.read = 0
        self._table = table
        self._columns = columns
        self._rows_of = Rows(metadata.tables[table])
        self._rows = connection.execute(
            text(
                f"select chain, sequence, {', '.join(columns)} from {table}"  # noqa: S608, constants of `chain`
                " order by chain, sequence, position"
            ),
            execution_options=_STREAMED,
        )
        self._next = self._rows.fetchone()

    def of(self, place: tuple[int, int]) -> tuple[str, ...]:
        """The arrays of the batch `place` = (chain, sequence): what its digest was taken over."""
        lines: list[Sequence[Any]] = []
        while (row := self._next) is not None and (row[0], row[1]) == place:
            self.read += 1
            self._next = self._rows.fetchone()
            lines.append(row[2:])
        return self._rows_of.arrays(self._columns, zip(*lines, strict=True)) if lines else ()

    def strays(self, until: tuple[int, int] | None) -> Iterator[str]:
        """Pass over rows before the batch `until` (None: all that are left): no batch has them."""
        while (row := self._next) is not None and (until is None or (row[0], row[1]) < until):
            place, lines = (row[0], row[1]), self.read
            self.of(place)
            yield f"batch {place[0]}/{place[1]} is not there, {self.read - lines} {self._table} are written in it"


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
    Proof("no balance is beyond its limits", _beyond),
    Proof("the database checks the limits", _constraints),
    Proof("each request took effect once", _requests),
    Proof("the chains give their digests", _chains, _chains),
    Proof("closed days are whole", _closes),
)
"""What every book must prove."""

"""The posting of a period's interest for a chunk of accounts: one transaction, written by one statement.

The rows are those that a decision would write, and so is the digest: the database gives each column of them as one
text, which is put together as the array literals that the chain's digest is taken over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from engine.database.bulk import Rows
from engine.ledger import chain
from engine.ledger import store as ledger
from engine.ledger.book import Book
from engine.ledger.chart import INTEREST_ACCRUED, OVERDRAFT_INTEREST, TAX_WITHHELD
from engine.ledger.model import Account
from engine.runtime import idempotency, journal
from engine.savings import model
from engine.savings.model import InterestPosted, SavingsAccount
from engine.savings.products import MICRO
from engine.savings.store import savings_rows
from engine.vocabulary.decision import Answer, State

POSTING_CHUNK = 10_000
"""Accounts of one batch: three entries each at most, whose lines fit 16 bits."""
_SEPARATOR = "\x1f"

_entries, _events = Rows(ledger.entries), Rows(journal.events)

_DUE = """
    from savings_accounts s
    join unnest(cast(:products as uuid[]), cast(:parts as bigint[]), cast(:withholding as bigint[]),
                cast(:periods_end as boolean[]), cast(:anniversaries as boolean[]))
      as t(product_id, parts, withholding, period_ends, anniversary) on t.product_id = s.product_id
    {more}
    where s.accrued_through = :day and s.posted_through < :day and s.closed_on is null
      and (t.period_ends or s.matures_on = :following or (
          t.anniversary and date_part('month', s.opened_on) * 100 + date_part('day', s.opened_on)
          = any(cast(:anniversary_days as integer[]))))
"""
_CHOOSE = text(
    "with due as (select s.id "  # noqa: S608, constants of this module
    + _DUE.format(more="")
    + "  and (cast(:after as uuid) is null or s.id > :after) order by s.id limit :most for update of s)"
    " select count(*) as accounts, min(id::text) as first, max(id::text) as last from due"
)


# In the order of the key until there are enough: the planner, who expects one, would sort all accounts for each chunk.
_IN_ORDER = (text("set local enable_seqscan = off"), text("set local enable_sort = off"))
_IN_MEMORY = (text("set local enable_sort = on"), text("set local work_mem = '64MB'"))


def _json(name: str, changed: Mapping[str, str]) -> str:
    """A field of the account's snapshot, as `canonical_json` writes it."""
    column = savings_rows.table.columns[name]
    value = changed.get(name, f"d.{name}")
    kind = column.type.python_type
    written = {UUID: f"'\"' || {value} || '\"'", date: f"'\"' || {value} || '\"'", str: f"to_json({value})"}.get(
        kind, value
    )
    return f"'\"{name}\":' || coalesce(({written})::text, 'null')"


_CHANGED = {
    "paid_minor": "d.paid_minor + d.paid",
    "withheld_minor": "d.withheld_minor + d.withheld",
    "charged_minor": "d.charged_minor + d.charged",
    "compounded_micro": "0",
    "posted_through": "cast(:day as date)",
}
_SNAPSHOT = " || ',' || ".join(_json(name, _CHANGED) for name in sorted(savings_rows.names))


def _half_even(whole: str, rest: str, one: str) -> str:
    """`accrual.half_even` as an expression: `whole` + `rest`/`one`, halves to the even neighbour."""
    return f"{whole} + case when 2 * ({rest}) > {one} or (2 * ({rest}) = {one} and {whole} % 2 <> 0) then 1 else 0 end"


def _bare_uuid(value: str) -> str:
    return f"replace({value}::text, '-', '')"


def _joined(value: str, rows: str, separator: str = "','") -> str:
    return f"string_agg({value}::text, {separator} order by {rows}.place)"


_COLUMNS = ", ".join(f"s.{name}" for name in savings_rows.names)
_ENTRY_TEXTS = {
    "debit": _bare_uuid("n.debit"),
    "credit": _bare_uuid("n.credit"),
    "amount_minor": "n.amount",
    "subject_id": _bare_uuid("n.id"),
    "debit_number": "n.debit_number",
    "credit_number": "n.credit_number",
    "debit_after": "n.debit_after",
    "credit_after": "n.credit_after",
}
"""The columns of entries that differ from one to the next."""

_POST = text(
    "with held as (select "  # noqa: S608, constants of this module
    + _COLUMNS
    + f""", t.parts, t.withholding, a.balance_minor, a.entry_count,
    ((s.earned_micro % {MICRO}) + {MICRO}) % {MICRO} as earned_rest,
    s.owed_micro % {MICRO} as owed_rest
"""
    + _DUE.format(more="join accounts a on a.id = s.account_id")
    + """  and s.id >= :first and s.id <= :last
), paying as (
    select *, greatest("""
    + _half_even(
        f"((earned_micro - earned_rest) / {MICRO} - paid_minor)",
        "earned_rest * parts + earned_parts",
        f"{MICRO} * parts",
    )
    + """, 0) as paid, greatest("""
    + _half_even(
        f"((owed_micro - owed_rest) / {MICRO} - charged_minor)", "owed_rest * parts + owed_parts", f"{MICRO} * parts"
    )
    + """, 0) as charged from held
), due as materialized (
    select *, """
    + _half_even("(paid * withholding / 10000)", "paid * withholding % 10000", "10000")
    + """ as withheld, row_number() over (order by id) - 1 as place from paying
), lines as (
    select 1 as sort, id, account_id, paid as amount, balance_minor + paid as after, entry_count + 1 as number
    from due where paid > 0
    union all
    select 2, id, account_id, withheld, balance_minor + paid - withheld, entry_count + 2 from due where withheld > 0
    union all
    select 3, id, account_id, charged, balance_minor + paid - withheld - charged,
           entry_count + 1 + case when paid > 0 then 1 else 0 end + case when withheld > 0 then 1 else 0 end
    from due where charged > 0
), own as (
    select * from unnest(cast(:own as uuid[]), cast(:own_kinds as text[]), cast(:own_balances as bigint[]),
                         cast(:own_counts as bigint[])) with ordinality as o(own_id, kind, balance, count, sort)
), numbered as materialized (
    select l.id, l.amount, o.kind, row_number() over (order by l.sort, l.id) - 1 as place, l.sort,
           case l.sort when 1 then o.own_id else l.account_id end as debit,
           case l.sort when 1 then l.account_id else o.own_id end as credit,
           case l.sort when 1 then o.count + row_number() over w else l.number end as debit_number,
           case l.sort when 1 then l.number else o.count + row_number() over w end as credit_number,
           case l.sort when 1 then o.balance - sum(l.amount) over w else l.after end::bigint as debit_after,
           case l.sort when 1 then l.after else o.balance + sum(l.amount) over w end::bigint as credit_after
    from lines l join own o on o.sort = l.sort
    window w as (partition by l.sort order by l.id rows unbounded preceding)
), facts as materialized (
    select d.id, d.place, '{' || """
    + _SNAPSHOT
    + """ || '}' as snapshot from due d
), entered as (
    insert into entries (chain, sequence, position, request_id, line, debit, credit, amount_minor, kind, subject_id,
                         effective_on, forced, debit_number, credit_number, debit_after, credit_after, occurred_at)
    select :chain, :sequence, n.place, :request_id, n.place, n.debit, n.credit, n.amount, n.kind, n.id,
           :following, true, n.debit_number, n.credit_number, n.debit_after, n.credit_after, :now
    from numbered n
), happened as (
    insert into events (chain, sequence, position, request_id, line, kind, subject_kind, subject_id, reasons, snapshot,
                        occurred_at)
    select :chain, :sequence, f.place, :request_id, f.place, :fact, :noun, f.id, '', f.snapshot, :now from facts f
), moved as (
    update accounts a set
        balance_minor = d.balance_minor + d.paid - d.withheld - d.charged,
        floor_minor = case when a.minimum_minor is not null
            then least(a.minimum_minor, d.balance_minor + d.paid - d.withheld - d.charged) end,
        ceiling_minor = case when a.maximum_minor is not null
            then greatest(a.maximum_minor, d.balance_minor + d.paid - d.withheld - d.charged) end,
        entry_count = d.entry_count + case when d.paid > 0 then 1 else 0 end
                    + case when d.withheld > 0 then 1 else 0 end + case when d.charged > 0 then 1 else 0 end
    from due d where a.id = d.account_id and (d.paid > 0 or d.charged > 0)
), stands as (
    update savings_accounts s set
        paid_minor = s.paid_minor + d.paid, withheld_minor = s.withheld_minor + d.withheld,
        charged_minor = s.charged_minor + d.charged, compounded_micro = 0, posted_through = :day
    from due d where s.id = d.id
), entry_texts as (
    select count(*) filter (where sort = 1) as paid_entries, count(*) filter (where sort = 2) as withheld_entries,
           count(*) filter (where sort = 3) as charged_entries,
           sum(amount) filter (where sort = 1) as paid, sum(amount) filter (where sort = 2) as withheld,
           sum(amount) filter (where sort = 3) as charged, """
    + ", ".join(f"{_joined(value, 'n')} as {name}" for name, value in _ENTRY_TEXTS.items())
    + """ from numbered n
), event_texts as (
    select count(*) as facts, """
    + f"{_joined(_bare_uuid('f.id'), 'f')} as subjects, {_joined('f.snapshot', 'f', ':separator')} as snapshots"
    + """ from facts f
)
select * from entry_texts cross join event_texts
"""
)


class Chain:
    """The chain of a run's batches, opened by the first."""

    def __init__(self, engine: Engine, now: datetime) -> None:
        self.engine = engine
        self.now = now
        self._head: tuple[int, int, bytes] | None = None

    def next(self, connection: Connection) -> tuple[tuple[int, int], bytes]:
        """The place (chain, sequence) of the next batch, and the digest that it builds on."""
        if self._head is None:
            number, head = ledger.open_chain(connection, self.now)
            self._head = number, 0, head
        number, sequence, previous = self._head
        return (number, sequence + 1), previous

    def written(self, place: tuple[int, int], digest: bytes) -> None:
        """The batch has been committed."""
        self._head = (*place, digest)


def post_chunk(
    chains: Chain, book: Book, asset: str, values: Mapping[str, Any], after: UUID | None
) -> tuple[UUID, int] | None:
    """Post the next accounts of an asset in id order, beyond `after`: the last one and how many, or None for none.

    `values` are the terms by product and the day (`overnight.post_day`).
    """
    codes = {model.INTEREST: INTEREST_ACCRUED, model.TAX: TAX_WITHHELD, model.OVERDRAFT_INTEREST: OVERDRAFT_INTEREST}
    own = [book.account(code, asset) for code in codes.values()]
    with chains.engine.begin() as connection:
        for setting in _IN_ORDER:
            connection.execute(setting)
        chosen = connection.execute(_CHOOSE, {**values, "after": after, "most": POSTING_CHUNK}).one()
        if not chosen.accounts:
            return None
        first, last = UUID(chosen.first), UUID(chosen.last)
        place, previous = chains.next(connection)
        # Savings accounts move under the lock of their rows; these last, whose holders wait for none of those.
        state = State()
        ledger.load(connection, own, state)
        kept = [state.need(Account, identity) for identity in own]
        # An account is posted once for a day: the first of a chunk is that of no other.
        request_id = book.id("interest posting", asset, str(first), on=values["day"])
        for setting in _IN_MEMORY:
            connection.execute(setting)
        written = connection.execute(
            _POST,
            {
                **values,
                "first": first,
                "last": last,
                "chain": place[0],
                "sequence": place[1],
                "request_id": request_id,
                "now": chains.now,
                "fact": InterestPosted.__name__,
                "noun": SavingsAccount.__name__,
                "separator": _SEPARATOR,
                "own": own,
                "own_kinds": list(codes),
                "own_balances": [one.balance_minor for one in kept],
                "own_counts": [one.entry_count for one in kept],
            },
        ).one()
        counts = [written.paid_entries, written.withheld_entries, written.charged_entries]
        sums = [-int(written.paid or 0), int(written.withheld or 0), int(written.charged or 0)]
        moved = [
            one._replace(balance_minor=one.balance_minor + change, entry_count=one.entry_count + count)
            for one, change, count in zip(kept, sums, counts, strict=True)
            if count
        ]
        ledger.account_rows.update(connection, moved, columns=("balance_minor", "entry_count"))
        digest = chain.digest(
            previous,
            _entry_arrays(written, dict(zip(codes, counts, strict=True)), request_id, values["following"], chains.now),
            _event_arrays(written, request_id, chains.now),
        )
        ledger.write_batch(connection, place, digest, (sum(counts), written.facts), chains.now)
        answer = Answer("paid", facts={"accounts": written.facts, "amount_minor": -sums[0]})
        asked = idempotency.Seen(
            request_id, "savings", "PostInterest", b"", answer.code, idempotency.text_of(answer), chains.now, chains.now
        )
        idempotency.write(connection, [asked], {}, chains.now)
    chains.written(place, digest)
    return last, written.facts


def _entry_arrays(
    written: Row[Any], counts: dict[str, int], request_id: UUID, on: date, now: datetime
) -> tuple[str, ...]:
    number = sum(counts.values())
    if not number:
        return ()
    same: dict[str, Any] = {
        "request_id": [request_id] * number,
        "line": range(number),
        "kind": [kind for kind, count in counts.items() for _ in range(count)],
        "effective_on": [on] * number,
        "forced": [True] * number,
        "corrects": [None] * number,
        "debit_held_after": [None] * number,
        "credit_held_after": [None] * number,
        "occurred_at": [now] * number,
    }
    made = dict(zip(same, _entries.arrays(tuple(same), same.values()), strict=True))
    return tuple(made.get(name) or "{" + getattr(written, name) + "}" for name in chain.ENTRY_COLUMNS)


def _event_arrays(written: Row[Any], request_id: UUID, now: datetime) -> tuple[str, ...]:
    number = written.facts
    same: dict[str, Any] = {
        "request_id": [request_id] * number,
        "line": range(number),
        "kind": [InterestPosted.__name__] * number,
        "subject_kind": [SavingsAccount.__name__] * number,
        "reasons": [""] * number,
        "snapshot": written.snapshots.split(_SEPARATOR),
        "occurred_at": [now] * number,
    }
    made = dict(zip(same, _events.arrays(tuple(same), same.values()), strict=True))
    return tuple(made.get(name) or "{" + written.subjects + "}" for name in chain.EVENT_COLUMNS)

"""The SQL of the ledger: accounts under lock, entries appended, and the chain of batches that shows a cut or a
change.

Each writer session (one thread of one process) has a chain of its own: it never waits for another to number a batch.
A batch carries the digest over its entries, its events and the digest before it; the day's close anchors the head of
every chain, so that a tail that was cut off shows as well as a row that was changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import insert

from engine.database.bulk import Rows, by_column
from engine.database.nouns import NounRows
from engine.database.pipeline import Parcel, Sent, send
from engine.database.tables import metadata
from engine.ledger.chain import ENTRY_COLUMNS, GENESIS
from engine.ledger.model import Account, Entry
from engine.vocabulary.decision import State

accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Integer, nullable=False),
    Column("asset", Text, nullable=False),
    Column("owner_id", Uuid),
    Column("held_id", Uuid),
    Column("balance_minor", BigInteger, nullable=False),
    Column("minimum_minor", BigInteger),
    Column("maximum_minor", BigInteger),
    Column("floor_minor", BigInteger),
    Column("ceiling_minor", BigInteger),
    Column("entry_count", BigInteger, nullable=False),
    Column("closed", Boolean, nullable=False),
    CheckConstraint("balance_minor >= floor_minor", name="balance_at_least_floor"),
    CheckConstraint("floor_minor <= minimum_minor", name="floor_at_most_minimum"),
    CheckConstraint("balance_minor <= ceiling_minor", name="balance_at_most_ceiling"),
    CheckConstraint("ceiling_minor >= maximum_minor", name="ceiling_at_least_maximum"),
    Index("accounts_by_owner", "owner_id"),
    # Every posting changes two rows: with room on each page no index has to follow, and what was is cleaned up there.
    postgresql_with={"fillfactor": "50"},
)

entries = Table(
    "entries",
    metadata,
    Column("chain", Integer, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("request_id", Uuid, nullable=False),
    Column("line", SmallInteger, nullable=False),
    Column("debit", Uuid, nullable=False),
    Column("credit", Uuid, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Uuid),
    Column("effective_on", Date, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("corrects", Uuid),
    Column("debit_number", BigInteger, nullable=False),
    Column("credit_number", BigInteger, nullable=False),
    Column("debit_after", BigInteger, nullable=False),
    Column("credit_after", BigInteger, nullable=False),
    Column("debit_held_after", BigInteger),
    Column("credit_held_after", BigInteger),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint("debit <> credit", name="two_accounts"),
    Index("entries_by_debit", "debit", "debit_number", unique=True),
    Index("entries_by_credit", "credit", "credit_number", unique=True),
    info={"append_only": True},
)

chains = Table(
    "chains",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("predecessor", Integer),
    Column("predecessor_digest", LargeBinary),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    info={"append_only": True},
)

batches = Table(
    "batches",
    metadata,
    Column("chain", Integer, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("entry_count", Integer, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    info={"append_only": True},
)

closes = Table(
    "closes",
    metadata,
    Column("business_date", Date, primary_key=True),
    Column("chain", Integer, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False),
    info={"append_only": True},
)

_CHANGING = ("balance_minor", "floor_minor", "ceiling_minor", "entry_count", "closed")

account_rows = NounRows(Account, accounts)
_entry_rows = Rows(entries)
_batch_rows = Rows(batches)
_batch_columns = tuple(batches.columns.keys())
_account_ids = Rows(accounts)
_PLACED = (*ENTRY_COLUMNS, "chain", "sequence", "position")

_READ = f"select {', '.join(account_rows.names)} from accounts where id = any(%s::uuid[])"  # noqa: S608, of a noun
_LOCK = f"{_READ} order by id for update"
_LOCK_WITH_HELD = (
    f"{_READ} or id = any(array("  # noqa: S608, as above
    "select held_id from accounts where id = any(%s::uuid[]) and held_id is not null))"
    " order by id for update"
)
_STANDING = ("id", "entry_count", "closed")
_MOVING = ("id", "balance_minor", "floor_minor", "ceiling_minor", "entry_count", "closed")
# Under a generic plan the planner expects few rows of `unnest` and walks along them: rows are locked in their order.
_GENERIC_PLANS = "set local plan_cache_mode = force_generic_plan"
UPDATE_UNMOVED = (
    "with moved as (update accounts t set balance_minor = n.balance_minor, floor_minor = n.floor_minor,"
    " ceiling_minor = n.ceiling_minor, entry_count = n.entry_count from unnest(%s::uuid[], %s::bigint[], %s::bigint[],"
    " %s::bigint[], %s::bigint[], %s::boolean[], %s::bigint[])"
    " n (id, balance_minor, floor_minor, ceiling_minor, entry_count, closed, before)"
    " where t.id = n.id and t.entry_count = n.before and t.closed = n.closed returning 1)"
    " select 1 / (count(*) = %s::bigint)::integer from moved"
)
_LOCK_UNMOVED = (
    "select 1 / (count(*) = %s::bigint)::integer from (select id, entry_count, closed from accounts"
    " where id = any(%s::uuid[]) order by id for update) t"
    " join unnest(%s::uuid[], %s::bigint[], %s::boolean[]) n (id, entry_count, closed)"
    " on t.id = n.id and t.entry_count = n.entry_count and t.closed = n.closed"
)
_held: dict[int, UUID | None] = {}
"""Which account holds what is promised out of another, by the number of the other's identifier. That never changes, so
whoever has seen an account once need not have the database look it up again before it locks both: a third of the time.
"""
_MOST_REMEMBERED = 1_000_000
_HEAD = text("select digest from batches where chain = :chain order by sequence desc limit 1")
_HEADS = text("select distinct on (chain) chain, sequence, digest from batches order by chain, sequence desc")


def lock(connection: Connection, ids: Collection[UUID]) -> Sent:
    """Lock these accounts and their held counterparts, in id order (the one lock order); what `put` takes."""
    counterparts = [_held.get(account.int, account) for account in ids]  # itself where it is not remembered
    if not any(held is account for held, account in zip(counterparts, ids, strict=True)):
        every = {*ids, *[held for held in counterparts if held is not None]}
        return send(connection, _LOCK, _account_ids.arrays(("id",), (list(every),)))
    (wanted,) = _account_ids.arrays(("id",), (list(ids),))
    return send(connection, _LOCK_WITH_HELD, (wanted, wanted))


def put(locked: Sent, state: State) -> None:
    """Put locked accounts into the state."""
    if len(_held) > _MOST_REMEMBERED:
        _held.clear()
    accounts = state.of(Account)
    for account in account_rows.nouns(locked.fetchall()):
        number = account.id.int
        accounts[number] = account
        _held[number] = account.held_id


def load(connection: Connection, ids: Collection[UUID], state: State) -> None:
    """`lock` and `put`."""
    put(lock(connection, ids), state)


def ask(connection: Connection, ids: Collection[UUID]) -> Sent:
    """Ask for these accounts, unlocked; what `told` takes."""
    return send(connection, _READ, _account_ids.arrays(("id",), (list(ids),)))


def told(asked: Sent) -> list[Account]:
    """The accounts that were asked for, in no order."""
    return account_rows.nouns(asked.fetchall())


def read(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Account]:
    """These accounts, unlocked."""
    return {account.id: account for account in told(ask(connection, list(ids)))}


def write_accounts(connection: Connection, opened: Sequence[Account], touched: Sequence[Account]) -> None:
    """Insert opened accounts, set what changes of touched ones, which are locked."""
    account_rows.insert(connection, opened)
    account_rows.update(connection, touched, columns=_CHANGING)


def update_unmoved(parcel: Parcel, assumed: Mapping[int, Account], touched: Sequence[Account]) -> None:
    """As `write_accounts`, of accounts that nobody has locked: they are set if all of them are still as `assumed`, by
    number, when the decisions were made, else the transaction fails (`has_moved`). `touched` are in id order.

    An account has moved when it has other entries or was closed; nothing else about it ever changes. Who posts to every
    account that was looked at locks them by updating them, in the order of their ids. Where some were only looked at
    (a held counterpart, one without funds) all are locked first, by the one lock order.
    """
    parcel.add(_GENERIC_PLANS, ())
    if len(touched) < len(assumed):
        ordered = [assumed[number] for number in sorted(assumed)]
        arrays = _account_ids.arrays(_STANDING, by_column(ordered, _STANDING))
        parcel.add(_LOCK_UNMOVED, (str(len(ordered)), arrays[0], *arrays))
    if touched:
        before = [assumed[account.id.int] for account in touched]
        assert all(old.closed == new.closed for old, new in zip(before, touched, strict=True)), "who closes loads rows"
        counts = [old.entry_count for old in before]
        arrays = _account_ids.arrays((*_MOVING, "entry_count"), (*by_column(touched, _MOVING), counts))
        parcel.add(UPDATE_UNMOVED, (*arrays, str(len(touched))))


def append(connection: Connection | Parcel, new: Sequence[Entry], place: tuple[int, int]) -> tuple[str, ...]:
    """Append the entries of batch `place` = (chain, sequence). Their arrays, for the digest."""
    if not new:
        return ()
    arrays = _entry_rows.arrays(ENTRY_COLUMNS, by_column(new, ENTRY_COLUMNS))
    beside = _entry_rows.arrays(_PLACED[-3:], ([place[0]] * len(new), [place[1]] * len(new), range(len(new))))
    _entry_rows.insert_arrays(connection, _PLACED, (*arrays, *beside))
    return arrays


def write_batch(
    connection: Connection | Parcel,
    place: tuple[int, int],
    digest: bytes,
    counts: tuple[int, int],
    recorded_at: datetime,
) -> None:
    """Register batch `place` = (chain, sequence) with its digest and its `counts` = (entries, events)."""
    row = dict(zip(_batch_columns, (*place, digest, *counts, recorded_at), strict=True))
    _batch_rows.insert(connection, [row])


def open_chain(connection: Connection, opened_at: datetime) -> tuple[int, bytes]:
    """Register a new chain after the newest one; its number, and the digest its first batch builds on.

    A race ends in a unique violation: try again.
    """
    newest = connection.execute(text("select max(id) from chains")).scalar()
    head = connection.execute(_HEAD, {"chain": newest}).scalar()
    number = (newest or 0) + 1
    connection.execute(
        chains.insert(), {"id": number, "predecessor": newest, "predecessor_digest": head, "opened_at": opened_at}
    )
    return number, GENESIS if head is None else bytes(head)


def close_day(connection: Connection, business_date: date, closed_at: datetime) -> int:
    """Anchor the head of every chain in the close of `business_date`; how many chains there are.

    Again, after a crash in between: what was anchored stays.
    """
    heads = [dict(row) for row in connection.execute(_HEADS).mappings()]
    for head in heads:
        head |= {"business_date": business_date, "closed_at": closed_at}
    if heads:
        connection.execute(insert(closes).on_conflict_do_nothing(), heads)
    return len(heads)

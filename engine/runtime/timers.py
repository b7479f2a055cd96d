"""Timers: a due row becomes a request. Any process of the institution may fire one; its key makes it count once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Connection, DateTime, Index, Table, Text, Uuid, text

from engine.database.bulk import Rows
from engine.database.pipeline import Parcel
from engine.database.tables import metadata
from engine.vocabulary.decision import Timer, TimerCancelled, TimerFired

timers = Table(
    "timers",
    metadata,
    Column("subject_id", Uuid, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Index("timers_by_due", "due_at"),
)
_rows = Rows(timers)
_DUE = text(
    "select subject_id, name, due_at from timers where due_at <= :now order by due_at, subject_id, name limit :most"
)
_NEXT = text("select min(due_at) from timers")
_SPENT = ("subject_id", "name", "due_at")
_GONE = ("subject_id", "name")


def due(connection: Connection, now: datetime, most: int) -> list[TimerFired]:
    """The timers due by `now`, oldest first, at most `most`."""
    return [
        TimerFired(row.subject_id, row.name, row.due_at) for row in connection.execute(_DUE, {"now": now, "most": most})
    ]


def next_due(connection: Connection) -> datetime | None:
    """When the next timer is due, or None."""
    return connection.execute(_NEXT).scalar()


def write(
    connection: Connection | Parcel, fired: Sequence[TimerFired], changes: Sequence[Timer | TimerCancelled]
) -> None:
    """Remove fired timers, unless moved meanwhile, then apply changes in order: the last word on each (subject, name)
    counts.
    """
    if fired:
        spent = sorted(fired, key=lambda one: (one.subject_id, one.name))
        _rows.delete(connection, spent, key=_SPENT)
    last: dict[tuple[UUID, str], Timer | TimerCancelled] = {(one.subject_id, one.name): one for one in changes}
    if not last:
        return
    places = sorted(last)
    _rows.delete(connection, [last[place] for place in places], key=_GONE)
    _rows.insert(
        connection,
        [
            {"subject_id": timer.subject_id, "name": timer.name, "due_at": timer.due_at}
            for place in places
            if isinstance(timer := last[place], Timer)
        ],
    )

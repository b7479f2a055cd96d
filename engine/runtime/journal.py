"""The journal: every fact of every decision, append-only, written in the transaction of its effect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Column, Connection, DateTime, Index, Integer, SmallInteger, Table, Text, Uuid

from engine.database.bulk import Rows, canonical_json, fields_of
from engine.database.pipeline import Parcel
from engine.database.tables import metadata
from engine.ledger import chain
from engine.vocabulary.events import Event, Noun

events = Table(
    "events",
    metadata,
    Column("chain", Integer, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("request_id", Uuid, nullable=False),
    Column("line", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Index("events_by_subject", "subject_id"),
    info={"append_only": True},
)
_rows = Rows(events)


_PLACED = (*chain.EVENT_COLUMNS, "chain", "sequence", "position")


class Recorded(NamedTuple):
    """One event as it is written, in the order of `chain.EVENT_COLUMNS`.

    `snapshot` is canonical JSON text, kept as text so that its digest never depends on a database's spelling.
    """

    request_id: UUID
    line: int
    kind: str
    subject_kind: str
    subject_id: UUID
    reasons: str
    snapshot: str
    occurred_at: datetime


assert Recorded._fields == chain.EVENT_COLUMNS


def recorded(request_id: UUID, happened: Sequence[Event], occurred_at: datetime) -> list[Recorded]:
    """The events of one decision as rows."""
    return [
        Recorded(
            request_id,
            line,
            type(event).__name__,
            type(event.subject).__name__,
            event.subject.id,
            " ".join(event.reasons),
            canonical_json(_fields_of(event.subject)),
            occurred_at,
        )
        for line, event in enumerate(happened)
    ]


def write(connection: Connection | Parcel, rows: Sequence[Recorded], place: tuple[int, int]) -> tuple[str, ...]:
    """Append the events of batch `place` = (chain, sequence). Their arrays, for the digest."""
    if not rows:
        return ()
    arrays = _rows.arrays(chain.EVENT_COLUMNS, zip(*rows, strict=True))
    beside = _rows.arrays(_PLACED[-3:], ([place[0]] * len(rows), [place[1]] * len(rows), range(len(rows))))
    _rows.insert_arrays(connection, _PLACED, (*arrays, *beside))
    return arrays


def _fields_of(subject: Noun) -> dict[str, Any]:
    return {name: getattr(subject, name) for name in fields_of(type(subject))}

"""The journal: every fact of every decision, append-only, written in the transaction of its effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Connection, DateTime, Index, Integer, SmallInteger, Table, Text, Uuid

from engine.database.bulk import Rows, canonical_json
from engine.database.tables import metadata
from engine.ledger import chain
from engine.ledger.model import Entry
from engine.vocabulary.events import Event

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


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event as it is written.

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
            canonical_json(asdict(event.subject)),  # type: ignore[call-overload]
            occurred_at,
        )
        for line, event in enumerate(happened)
    ]


def write(connection: Connection, rows: Sequence[Recorded], place: tuple[int, int]) -> None:
    """Append the events of batch `place` = (chain, sequence)."""
    if rows:
        number, sequence = place
        _rows.insert(
            connection,
            [{**_mapping(row), "chain": number, "sequence": sequence, "position": at} for at, row in enumerate(rows)],
        )


def digest(previous: bytes, entries: Sequence[Entry], rows: Sequence[Recorded]) -> bytes:
    """The batch's digest over both, as they are about to be written."""
    return chain.digest(
        previous,
        (chain.line_of(chain.ENTRY_COLUMNS, _mapping(entry)) for entry in entries),
        (chain.line_of(chain.EVENT_COLUMNS, _mapping(row)) for row in rows),
    )


def _mapping(row: Recorded | Entry) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}

"""The outbox: durable messages (files, bank transfers), written with the decision and delivered at least once, in no
promised order.

Delivery that fails is tried again with a doubling wait on the world's clock. The receiver knows its own by their
identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, Connection, DateTime, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.bulk import Rows
from engine.database.pipeline import Parcel
from engine.database.tables import metadata
from engine.vocabulary.decision import Message
from engine.vocabulary.files import Outgoing

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Index("outbox_by_due", "due_at"),
)
_rows = Rows(outbox)
_DUE = text(
    "select id, recipient, body, attempts from outbox where due_at <= :now order by due_at, id limit :most"
    " for update skip locked"
)
_NEXT = text("select min(due_at) from outbox")

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Queued:
    """A durable message with the identity it was written under."""

    id: UUID
    message: Message


def write(connection: Connection | Parcel, queued: Sequence[Queued], now: datetime) -> None:
    """Queue messages, due at once."""
    if queued:
        _rows.insert(
            connection,
            [
                {
                    "id": one.id,
                    "recipient": one.message.to,
                    "body": one.message.body.as_json(),
                    "attempts": 0,
                    "due_at": now,
                }
                for one in queued
            ],
        )


def deliver(connection: Connection, now: datetime, send: Callable[[Message], bool], most: int = 100) -> int:
    """Deliver what is due, within the caller's transaction; how many were delivered.

    What another process is delivering is skipped.
    """
    delivered = 0
    for row in connection.execute(_DUE, {"now": now, "most": most}).all():
        if send(Message(row.recipient, Outgoing.from_json(row.body), durable=True)):
            connection.execute(text("delete from outbox where id = :id"), {"id": row.id})
            delivered += 1
        else:
            # Bounded before it is doubled: a recipient that is away for days would overflow a timedelta.
            wait = min(FIRST_WAIT * 2 ** min(row.attempts, 12), LONGEST_WAIT)
            connection.execute(
                text("update outbox set attempts = attempts + 1, due_at = :due_at where id = :id"),
                {"id": row.id, "due_at": now + wait},
            )
    return delivered


def next_due(connection: Connection) -> datetime | None:
    """When the next delivery is due, or None."""
    return connection.execute(_NEXT).scalar()

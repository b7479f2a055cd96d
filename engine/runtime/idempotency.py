"""Idempotency keys: one row a request, in the same transaction as its effect, with the answer once there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Connection, DateTime, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.bulk import Rows
from engine.database.tables import metadata
from engine.vocabulary.decision import Answer

requests = Table(
    "requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("code", Text),
    Column("answer", JSONB),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Column("answered_at", DateTime(timezone=True)),
)
_rows = Rows(requests)
_KNOWN = text("select id, fingerprint, answer from requests where id = any(:ids)")


@dataclass(frozen=True, slots=True)
class Known:
    """A key that has been seen: its fingerprint, and the answer unless it is still open."""

    fingerprint: bytes
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A key to be recorded."""

    key: UUID
    stage: str
    kind: str
    fingerprint: bytes
    first_seen_at: datetime
    answer: Answer | None


def known(connection: Connection, keys: Sequence[UUID]) -> dict[UUID, Known]:
    """Which of these keys have been seen."""
    found = connection.execute(_KNOWN, {"ids": list(keys)})
    return {row.id: Known(bytes(row.fingerprint), answer_of(row.answer)) for row in found}


def write(connection: Connection, seen: Sequence[Seen], answered: Mapping[UUID, Answer], at: datetime) -> None:
    """Record new keys, in key order (two writers with the same keys wait, not deadlock), and answers to keys recorded
    before.
    """
    if seen:
        ordered = sorted(seen, key=lambda one: one.key)
        _rows.insert(
            connection,
            [
                {
                    "id": one.key,
                    "stage": one.stage,
                    "kind": one.kind,
                    "fingerprint": one.fingerprint,
                    "code": None if one.answer is None else one.answer.code,
                    "answer": None if one.answer is None else answer_json(one.answer),
                    "first_seen_at": one.first_seen_at,
                    "answered_at": None if one.answer is None else at,
                }
                for one in ordered
            ],
        )
    if answered:
        _rows.update(
            connection,
            [
                {"id": key, "code": answer.code, "answer": answer_json(answer), "answered_at": at}
                for key, answer in sorted(answered.items())
            ],
            key=("id",),
            columns=("code", "answer", "answered_at"),
        )


def answer_json(answer: Answer) -> dict[str, object]:
    """An answer as it is stored."""
    return {"code": answer.code, "reasons": list(answer.reasons), "facts": dict(answer.facts)}


def answer_of(stored: Mapping[str, object] | None) -> Answer | None:
    """A stored answer, or None while it is open."""
    if stored is None:
        return None
    code, reasons, facts = stored["code"], stored["reasons"], stored["facts"]
    assert isinstance(code, str) and isinstance(reasons, Iterable) and isinstance(facts, Mapping)
    return Answer(code, tuple(map(str, reasons)), facts)

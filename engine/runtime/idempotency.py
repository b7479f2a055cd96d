"""Idempotency keys: one row a request, in the same transaction as its effect, with the answer once there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Column, Connection, DateTime, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.bulk import Rows, canonical_json
from engine.database.pipeline import Parcel, Sent
from engine.database.tables import metadata
from engine.runtime.stage import Submission
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


class Known(NamedTuple):
    """A key that has been seen: its fingerprint, and the answer unless it is still open."""

    fingerprint: bytes
    answer: Answer | None


class Seen(NamedTuple):
    """A key to be recorded: a row, in the order of the columns named like this."""

    id: UUID
    stage: str
    kind: str
    fingerprint: bytes
    code: str | None
    answer: str | None
    first_seen_at: datetime
    answered_at: datetime | None

    @classmethod
    def of(cls, asked: Submission, fingerprint: bytes, answer: Answer | None, at: datetime) -> Seen:
        """A submission's key, with the answer given `at` that time (None: still open)."""
        stage, kind = asked.stage.name, type(asked.request).__name__
        if answer is None:
            return cls(asked.key, stage, kind, fingerprint, None, None, asked.now, None)
        return cls(asked.key, stage, kind, fingerprint, answer.code, text_of(answer), asked.now, at)


def ask(connection: Connection, keys: Sequence[UUID]) -> Sent:
    """Ask which of these keys have been seen; what `told` takes."""
    return _rows.select(connection, keys, columns=("id", "fingerprint", "answer"))


def told(asked: Sent) -> dict[UUID, Known]:
    """The keys that have been seen."""
    return {key: Known(bytes(printed), answer_of(answer)) for key, printed, answer in asked.fetchall()}


def known(connection: Connection, keys: Sequence[UUID]) -> dict[UUID, Known]:
    """Which of these keys have been seen."""
    return told(ask(connection, keys))


def write(connection: Connection | Parcel, seen: Sequence[Seen], answered: Mapping[UUID, Answer], at: datetime) -> None:
    """Record new keys, in key order (two writers with the same keys wait, not deadlock), and answers to keys recorded
    before.
    """
    if seen:
        ordered = sorted(seen, key=_number)
        _rows.insert_columns(connection, Seen._fields, zip(*ordered, strict=True))
    if answered:
        _rows.update(
            connection,
            [
                {"id": key, "code": answer.code, "answer": text_of(answer), "answered_at": at}
                for key, answer in sorted(answered.items())
            ],
            key=("id",),
            columns=("code", "answer", "answered_at"),
        )


def _number(seen: Seen) -> int:
    return seen.id.int


def text_of(answer: Answer) -> str:
    """An answer as the text that is stored."""
    return canonical_json(answer_json(answer)) if answer.facts else _plain_text(answer.code, answer.reasons)


@lru_cache(1024)
def _plain_text(code: str, reasons: tuple[str, ...]) -> str:
    """Without facts there are few answers, given again and again."""
    return canonical_json(answer_json(Answer(code, reasons)))


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

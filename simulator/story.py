"""One purchase told step by step: what each institution recorded of it, and the money that moved, in order of time.

Institutions know the same purchase by different names: a payment, an exchange, an authorization, an item. They are
found by the reference that travels, the network's, and by the names that go with it in each book.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from engine.ledger.chart import CHART

_NAMED: Final = text(
    "select distinct subject_id from events where snapshot like any(cast(:patterns as text[]))"
    " and subject_kind <> 'Account'"
)
_SINCE: Final = text(
    "select subject_id from events where occurred_at >= :since and subject_kind <> 'Account'"
    " union select subject_id from entries where occurred_at >= :since and subject_id is not null"
)
_EVENTS: Final = text(
    "select request_id, line, kind, subject_id, reasons, occurred_at from events where subject_id = any(:ids)"
    " and occurred_at >= :since order by occurred_at, request_id, line"
)
_POSTINGS: Final = text(
    "select e.request_id, e.line, e.kind, e.amount_minor, d.code as debit, c.code as credit, e.occurred_at"
    " from entries e join accounts d on d.id = e.debit join accounts c on c.id = e.credit"
    " where e.subject_id = any(:ids) and e.occurred_at >= :since order by e.occurred_at, e.request_id, e.line"
)
_EVER: Final = datetime.min.replace(tzinfo=UTC)
_ORDER: Final = {
    kind: place
    for place, kinds in enumerate(
        (
            ("PaymentRequested",),
            ("RequestForwarded",),
            ("HoldPlaced", "RefundApproved", "AuthorizationDeclined"),
            ("ResponsePassedOn", "RequestRefused"),
            ("PaymentApproved", "PaymentCaptured", "PaymentDeclined"),
        )
    )
    for kind in kinds
}
"""Within one instant: as the message travels."""


@dataclass(frozen=True, slots=True)
class Posted:
    """Money that moved in a step: names of the chart, minor units."""

    debit: str
    credit: str
    amount_minor: int
    kind: str


@dataclass(frozen=True, slots=True)
class Step:
    """One decision about the purchase: when, whose, what happened, what moved."""

    at: datetime
    institution: str
    what: tuple[str, ...]
    postings: tuple[Posted, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "at": self.at.isoformat(),
            "institution": self.institution,
            "what": list(self.what),
            "postings": [
                {"debit": one.debit, "credit": one.credit, "amount_minor": one.amount_minor, "kind": one.kind}
                for one in self.postings
            ],
        }


def told(books: Mapping[str, Engine], reference: str) -> list[Step]:
    """Everything that the institutions did about one network reference, in order of time."""
    steps: list[Step] = []
    for name, engine in books.items():
        with engine.connect() as connection:
            steps += _steps(connection, name, _subjects(connection, reference))
    return _in_order(steps)


def everything(books: Mapping[str, Engine], since: datetime) -> list[Step]:
    """Everything that the institutions did from `since` on, in order of time: for a world of one purchase."""
    steps: list[Step] = []
    for name, engine in books.items():
        with engine.connect() as connection:
            steps += _steps(connection, name, list(connection.execute(_SINCE, {"since": since}).scalars()), since)
    return _in_order(steps)


def _in_order(steps: Iterable[Step]) -> list[Step]:
    return sorted(steps, key=lambda step: (step.at, min(map(_place, step.what))))


def _place(what: str) -> int:
    return _ORDER.get(what.partition(":")[0], len(_ORDER))


def _subjects(connection: Connection, reference: str) -> list[UUID]:
    """The nouns that carry the reference, and those that carry the identifiers of these."""
    first = _named(connection, [reference])
    return sorted({*first, *_named(connection, map(str, first))})


def _named(connection: Connection, names: Iterable[str]) -> list[UUID]:
    patterns = [f"%{name}%" for name in names]
    return [row.subject_id for row in connection.execute(_NAMED, {"patterns": patterns})] if patterns else []


def _steps(connection: Connection, institution: str, ids: list[UUID], since: datetime = _EVER) -> list[Step]:
    happened: dict[UUID, tuple[datetime, list[str], list[Posted]]] = {}
    for row in connection.execute(_EVENTS, {"ids": ids, "since": since}):
        _, what, _ = happened.setdefault(row.request_id, (row.occurred_at, [], []))
        what.append(f"{row.kind}: {row.reasons}" if row.reasons else row.kind)
    for row in connection.execute(_POSTINGS, {"ids": ids, "since": since}):
        _, _, moved = happened.setdefault(row.request_id, (row.occurred_at, [row.kind], []))
        moved.append(Posted(CHART[row.debit].name, CHART[row.credit].name, row.amount_minor, row.kind))
    return [Step(at, institution, tuple(what), tuple(moved)) for at, what, moved in happened.values()]

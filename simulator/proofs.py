"""What is proven when the world was played: every book by itself, positions from both sides, the auditor's model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from api.audit import audit
from api.system import Seat, System
from simulator.observed import Seats
from simulator.playing import Record

_SET_ASIDE: Final = text("select stage, error from set_aside order by id")
_REFUSED_FILES: Final = text("select name, reason from files where state = 'refused' order by name")
_UNFINISHED: Final = text("select job, business_date from job_runs where finished_at is null order by job")

NOTHING_LEFT: Final = "no request failed, no file was refused, every job ended"


@dataclass(frozen=True, slots=True)
class Proven:
    """One proof: nothing found is proven; what was found are sentences that say where."""

    name: str
    findings: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def prove_books(system: System, seats: Seats) -> list[Proven]:
    """The audit of the installation, and that nothing of any institution was left lying."""
    audited = audit(system, [seat.institution for seat in seats.values()])
    proven = [Proven(f"{verdict.institution}: {verdict.proof}", verdict.findings) for verdict in audited]
    return proven + [Proven(f"{name}: {NOTHING_LEFT}", tuple(_left(seat))) for name, seat in sorted(seats.items())]


def prove_world(record: Record, answers: Iterable[str], books: Iterable[str]) -> list[Proven]:
    """What no institution can prove. `answers` and `books` are the auditor's findings."""
    return [
        Proven("the terminals: every conversation came to its end", tuple(_unended(record))),
        Proven("the auditor: every answer is the one that was due", tuple(answers)),
        Proven("the auditor: wallets, payouts, positions and interest are as reckoned", tuple(books)),
    ]


def _left(seat: Seat) -> Iterator[str]:
    with seat.processor.engine.connect() as connection:
        for row in connection.execute(_SET_ASIDE):
            yield f"a request of {row.stage} was set aside: {row.error}"
        for row in connection.execute(_REFUSED_FILES):
            yield f"the file {row.name} was refused: {row.reason}"
        for row in connection.execute(_UNFINISHED):
            yield f"the job {row.job} of {row.business_date} has not ended"


def _unended(record: Record) -> Iterator[str]:
    for planned in record.day.payments:
        if planned.key not in record.receipts:
            yield f"payment {planned.key} at {planned.terminal_id} has no receipt"

"""Files that have arrived: read whole or refused whole, and each takes effect once.

Hard cases: the same file again (nothing happens), another file under a used identity (refused), one that cannot be
read (refused, known by its content), a crash half-way (read again: the requests' keys let each take effect once),
the books out of reach (left where it is, for the next run).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from engine.runtime.batch import KEY_REUSED, UNAVAILABLE
from engine.runtime.files import digest_of, register
from engine.runtime.jobs import JobContext
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.responses import ResponseCode

Read = Callable[[Path], tuple[FileTotals, Sequence[Any]]]
"""What a file says of itself, and the requests that it comes to. `FormatError` refuses it whole."""

_NOT_TAKEN = frozenset({KEY_REUSED, ResponseCode.SYSTEM_MALFUNCTION.value})
log = structlog.get_logger()


def take_in(context: JobContext, kind: str, read: Read) -> int:
    """Decide the requests of every file of a kind that waits in `in`; how many requests there were in files that
    were new.

    Raises `BezantError` when the books cannot be reached; what is left waits for the next run.
    """
    return sum(_take_one(context, kind, path, read) for path in context.files.arrived(kind))


def _take_one(context: JobContext, kind: str, path: Path, read: Read) -> int:
    try:
        totals, requests = read(path)
        if totals.recipient_id != context.institution.member_id:
            raise FormatError("recipient", "is another member")
        if totals.kind != kind:
            raise FormatError("kind", f"is {totals.kind}, the name says {kind}")
        state = _register(context, totals, path, "reading")
    except FormatError as fault:
        _refuse(context, kind, path, fault)
        return 0
    if state != "done":
        answers = [answer for answer in context.execute(requests) if answer is not None]
        if any(answer.code == UNAVAILABLE for answer in answers):
            raise BezantError(
                f"{path.name} was not taken in: the books cannot be reached; the next run goes on with it"
            )
        if not_taken := sum(answer.code in _NOT_TAKEN for answer in answers):
            log.warning(
                "requests of a file not taken", institution=context.institution.name, file=path.name, count=not_taken
            )
        _register(context, totals, path, "done")
    context.files.move(path, "done")
    return 0 if state == "done" else len(requests)


def _refuse(context: JobContext, kind: str, path: Path, fault: FormatError) -> None:
    # What a refused file says of itself cannot be relied upon: it is known by its name and content.
    identity = FileTotals(
        file_id=f"refused:{path.name}:{digest_of(path).hex()[:16]}",
        kind=kind,
        sender_id="",
        recipient_id=context.institution.member_id,
        business_date=context.business_date,
        record_count=0,
        amount_total_minor=0,
    )
    _register(context, identity, path, "refused", str(fault))
    context.files.move(path, "refused")
    log.warning("file refused", institution=context.institution.name, file=path.name, reason=str(fault))


def _register(context: JobContext, totals: FileTotals, path: Path, state: str, reason: str | None = None) -> str:
    with context.engine.begin() as connection:
        return register(connection, totals, path, "in", state=state, at=context.now, reason=reason)

"""Files that have arrived: read whole or refused whole, and each takes effect once.

Hard cases: the same file again (nothing happens), another file under a used identity (refused), one that cannot be
read (refused, known by its content), a crash half-way (read again: the requests' keys let each take effect once),
the books out of reach (left where it is, for the next run).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from engine.runtime.batch import KEY_REUSED, UNAVAILABLE
from engine.runtime.files import digest_of, register
from engine.runtime.jobs import JobContext
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.responses import ResponseCode

Read = Callable[[Path], tuple[FileTotals, Iterable[Any]]]
"""What a file says of itself, and the requests that it comes to, taken once and one by one. `FormatError` refuses it
whole."""

AT_ONCE = 10_000
"""Requests of a file that are in memory at once."""
_NOT_TAKEN = frozenset({KEY_REUSED, ResponseCode.SYSTEM_MALFUNCTION.value})
log = structlog.get_logger()


Refused = Callable[[Path, FormatError], None]
"""Told of a file that is refused, before it is put away; after a crash it is told again."""


def _unheard(_path: Path, _fault: FormatError) -> None:
    """Nobody is told."""


def take_in(context: JobContext, kind: str, read: Read, refused: Refused = _unheard) -> int:
    """Decide the requests of every file of a kind that waits in `in`; how many requests there were in files that
    were new. `refused` hears of those that are not taken.

    Raises `BezantError` when the books cannot be reached; what is left waits for the next run.
    """
    return sum(_take_one(context, kind, path, read, refused) for path in context.files.arrived(kind))


def _take_one(context: JobContext, kind: str, path: Path, read: Read, refused: Refused) -> int:
    try:
        totals, requests = read(path)
        if totals.recipient_id != context.institution.member_id:
            raise FormatError("recipient", "is another member")
        if totals.kind != kind:
            raise FormatError("kind", f"is {totals.kind}, the name says {kind}")
        state = _register(context, totals, path, "reading")
    except FormatError as fault:
        refused(path, fault)
        _refuse(context, kind, path, fault)
        return 0
    count = 0
    if state != "done":
        not_taken, waiting = 0, iter(requests)
        while part := list(islice(waiting, AT_ONCE)):
            codes = [answer.code for answer in context.execute(part) if answer is not None]
            if UNAVAILABLE in codes:
                raise BezantError(
                    f"{path.name} was not taken in: the books cannot be reached; the next run goes on with it"
                )
            not_taken += sum(code in _NOT_TAKEN for code in codes)
            count += len(part)
            context.watch(count, max(count, totals.record_count))
        if not_taken:
            log.warning(
                "requests of a file not taken", institution=context.institution.name, file=path.name, count=not_taken
            )
        _register(context, totals, path, "done")
    context.files.move(path, "done")
    return count


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

"""The day's close: at 09:30 the heads of all chains are anchored, for the day that ended at midnight."""

from __future__ import annotations

from engine.ledger.store import close_day
from engine.runtime.jobs import Job, JobContext, Step


def _anchor(context: JobContext) -> int:
    with context.engine.begin() as connection:
        return close_day(connection, context.business_date, context.now)


DAY_CLOSE = Job(name="day-close", at="09:30", steps=(Step("anchor", _anchor),), day_offset=-1)

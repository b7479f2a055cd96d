"""A scheduler in a process of its own: `python -m tests.engine.runtime.scheduling INSTITUTION FOLDER DEATH`.

It lives through a week, six hours at a time, and dies as if by kill -9 in its step number DEATH (0: never): after what
the step does has been committed, before that the step is done has been noted. The database's URL comes on the standard
input.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.database.connections import Database
from engine.database.institutions import find_institution
from engine.runtime.files import Files
from engine.runtime.jobs import Job, JobContext, Scheduler, Step
from tests.conftest import ROLE_SECRET
from tests.engine.runtime import purse
from tests.engine.runtime.purse import Pay
from tests.world import HandClock, processor_of

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
TURN = timedelta(hours=6)


def scheduler_of(database: Database, institution: str, folder: Path, done: Callable[[], None]) -> Scheduler:
    """Two jobs of two steps each, every day; each step pays bob one unit of ann's. `done` hears of each step's end."""

    def step(name: str) -> Step:
        def pay(context: JobContext) -> int:
            answers = context.execute([Pay(f"{name} {context.business_date}", "ann", "bob", 1)])
            done()
            return len(answers)

        return Step(name.partition(" ")[2], pay)

    jobs = [
        Job(name, at, (step(f"{name} first"), step(f"{name} second")))
        for name, at in (("morning", "08:00"), ("evening", "20:00"))
    ]
    processor = processor_of(database, find_institution(database, institution), [purse.STAGE], HandClock(START))
    return Scheduler(
        jobs,
        engine=processor.engine,
        outside=processor.outside,
        execute=processor.execute,
        files=Files(folder, institution),
        since=START,
    )


def main(institution: str, folder: Path, death: int) -> None:
    """Live through the week, or die."""
    steps_left = death

    def done() -> None:
        nonlocal steps_left
        steps_left -= 1
        if steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    database = Database(sys.stdin.readline().strip(), ROLE_SECRET)
    scheduler = scheduler_of(database, institution, folder, done)
    for turn in range(WEEK // TURN):
        scheduler.run_due(START + turn * TURN)
    database.dispose()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))

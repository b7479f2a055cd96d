"""Jobs: declared once with a schedule and a business date; once per institution and business date; resumable;
catching up.

A job is a list of steps, each idempotent: it submits requests whose keys make a second run change nothing, or acts on
files that know their own identity. The run's row is locked while it runs: another process stands back, and if this
one dies the lock goes with it and the next scheduler resumes at the first step not finished. APScheduler's triggers
say when a job is due, in the institution's time zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import Column, Connection, Date, DateTime, Engine, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.bulk import canonical_json
from engine.database.institutions import Institution
from engine.database.tables import metadata
from engine.runtime.files import Files
from engine.runtime.stage import Outside
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError

job_runs = Table(
    "job_runs",
    metadata,
    Column("job", Text, primary_key=True),
    Column("business_date", Date, primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("steps_done", Integer, nullable=False),
    Column("counts", JSONB, nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)

_LAST = text("select max(due_at) from job_runs where job = :job")
_PLAN = text(
    "insert into job_runs (job, business_date, due_at, steps_done, counts)"
    " values (:job, :business_date, :due_at, 0, '{}') on conflict do nothing"
)
_OPEN = text(
    "select job, business_date from job_runs where finished_at is null and due_at <= :now order by due_at, job"
)
_NOTED_ONE = text("select finished_at from job_runs where job = :job and business_date = :business_date")
_HISTORY = text("select job, business_date, counts, finished_at from job_runs order by due_at desc, job limit :most")
_CLAIM = text(
    "select steps_done, counts from job_runs"
    " where job = :job and business_date = :business_date and finished_at is null for update skip locked"
)
_NOTE = text(
    "update job_runs set steps_done = :steps_done, counts = cast(:counts as jsonb),"
    " started_at = coalesce(started_at, :at), finished_at = :finished_at"
    " where job = :job and business_date = :business_date"
)

log = structlog.get_logger()


Watch = Callable[[int, int], object]
"""Told how many things of how many a long step has done."""


def _unwatched(_done: int, _total: int) -> None:
    """Nobody looks."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a step works with. `execute` decides requests at once; `engine` is for reads, the file register, and what is
    written set by set. `watch` is told how far a long step is.
    """

    institution: Institution
    business_date: date
    now: datetime
    engine: Engine
    execute: Callable[[Iterable[Any]], Sequence[Answer | None]]
    files: Files
    outside: Outside
    watch: Watch = _unwatched


@dataclass(frozen=True, slots=True)
class Step:
    """One idempotent step; `run` says how many things it did."""

    name: str
    run: Callable[[JobContext], int]


@dataclass(frozen=True, slots=True)
class Job:
    """Due each day at `at` ("22:00", local time).

    Its business date is the local date plus `day_offset` (-1 just after midnight).
    """

    name: str
    at: str
    steps: tuple[Step, ...]
    day_offset: int = 0

    def fires_after(self, after: datetime, zone: ZoneInfo) -> datetime:
        """The first instant after `after` at which this job is due."""
        hour, minute = self.at.split(":")
        # By the clock on the wall: with a time zone the trigger skips a day after the clocks have been put forward.
        wall = after.astimezone(zone).replace(tzinfo=UTC)
        fire: datetime | None = CronTrigger(hour=hour, minute=minute, timezone=UTC).get_next_fire_time(
            wall, wall + timedelta(microseconds=1)
        )
        assert fire is not None, "a daily trigger always fires again"
        return fire.replace(tzinfo=zone)


@dataclass(frozen=True, slots=True)
class JobRun:
    """A finished run, with what each step counted."""

    job: str
    business_date: date
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class NotedRun:
    """A run as it is noted: what its finished steps counted, and when the last one finished."""

    job: str
    business_date: date
    counts: dict[str, int]
    finished_at: datetime | None


class Scheduler:
    """Plans and runs the jobs of one institution. Several may run against one database."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        engine: Engine,
        outside: Outside,
        execute: Callable[[Iterable[Any]], Sequence[Answer | None]],
        files: Files,
        since: datetime,
    ) -> None:
        self.jobs = tuple(jobs)
        self._by_name = {job.name: job for job in jobs}
        self._engine = engine
        self._outside = outside
        self._execute = execute
        self._files = files
        self._since = since
        self._zone = ZoneInfo(outside.institution.time_zone)

    def next_due(self) -> datetime | None:
        """When the next run that is not yet planned is due."""
        with self._engine.connect() as connection:
            return min((job.fires_after(self._last(connection, job), self._zone) for job in self.jobs), default=None)

    def run_due(self, now: datetime) -> list[JobRun]:
        """Run everything due by `now`, oldest first, missed days included; what was finished.

        Jobs build on one another, so a run that fails or that another process holds also holds back those after it.
        """
        self._plan(now)
        finished = []
        with self._engine.connect() as connection:
            waiting = connection.execute(_OPEN, {"now": now}).all()
            connection.rollback()
        for name, business_date in waiting:
            run = self._run(self._by_name[name], business_date, now)
            if run is None:
                break
            finished.append(run)
        return finished

    def run(self, name: str, business_date: date, now: datetime, watch: Watch = _unwatched) -> JobRun:
        """Run one job for one business date, as a person asks for it, who may `watch` its long steps.

        Raises `BezantError` when there is no such job, when it is not due yet, was finished before, builds on a run
        that is not finished, or is held by another process.
        """
        institution = self._outside.institution.name
        job = self._by_name.get(name)
        if job is None:
            raise BezantError(f"{institution} has no job {name!r}; it has {', '.join(self._by_name)}.")
        what = f"The job {name} of {institution} for {business_date}"
        self._plan(now)
        with self._engine.connect() as connection:
            noted = connection.execute(_NOTED_ONE, {"job": name, "business_date": business_date}).first()
            first = connection.execute(_OPEN, {"now": now}).first()
        if noted is None:
            raise BezantError(f"{what} is not due.")
        if noted.finished_at is not None:
            raise BezantError(f"{what} was finished before: each business date is run once.")
        if first is not None and first != (name, business_date):
            raise BezantError(f"{what} builds on {first.job} for {first.business_date}, which must be run first.")
        finished = self._run(job, business_date, now, watch)
        if finished is None:
            raise BezantError(f"{what} is being run by another process.")
        return finished

    def due_after(self, now: datetime) -> list[tuple[Job, datetime]]:
        """Each job, and when it is due next."""
        return [(job, job.fires_after(now, self._zone)) for job in self.jobs]

    def history(self, most: int) -> list[NotedRun]:
        """The last runs, newest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(_HISTORY, {"most": most}).all()
        return [NotedRun(row.job, row.business_date, dict(row.counts), row.finished_at) for row in rows]

    def _last(self, connection: Connection, job: Job) -> datetime:
        last: datetime | None = connection.execute(_LAST, {"job": job.name}).scalar()
        return last or self._since

    def _plan(self, now: datetime) -> None:
        with self._engine.begin() as connection:
            for job in self.jobs:
                due_at = job.fires_after(self._last(connection, job), self._zone)
                while due_at <= now:
                    business_date = due_at.astimezone(self._zone).date() + timedelta(days=job.day_offset)
                    connection.execute(_PLAN, {"job": job.name, "business_date": business_date, "due_at": due_at})
                    due_at = job.fires_after(due_at, self._zone)

    def _run(self, job: Job, business_date: date, now: datetime, watch: Watch = _unwatched) -> JobRun | None:
        place = {"job": job.name, "business_date": business_date}
        context = JobContext(
            self._outside.institution,
            business_date,
            now,
            self._engine,
            self._execute,
            self._files,
            self._outside,
            watch,
        )
        with self._engine.connect() as connection:
            row = connection.execute(_CLAIM, place).first()
            while row is not None:
                counts: dict[str, int] = dict(row.counts)
                done: int = row.steps_done
                step = job.steps[done]
                counts[step.name] = step.run(context)
                last = done + 1 == len(job.steps)
                connection.execute(
                    _NOTE,
                    place
                    | {"steps_done": done + 1, "counts": canonical_json(counts), "at": now}
                    | {"finished_at": now if last else None},
                )
                connection.commit()
                if last:
                    log.info(
                        "job finished", institution=context.institution.name, job=job.name, date=str(business_date)
                    )
                    return JobRun(job.name, business_date, counts)
                row = connection.execute(_CLAIM, place).first()
        return None

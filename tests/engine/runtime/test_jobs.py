"""Jobs on a real database: once per business date, resumed, caught up, in order, by any number of schedulers."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from engine.database.connections import Database
from engine.database.institutions import Institution
from engine.processor import Processor
from engine.runtime.files import Files
from engine.runtime.jobs import Job, JobContext, Scheduler, Step
from engine.vocabulary.errors import BezantError
from tests.engine.runtime import purse, scheduling
from tests.engine.runtime.purse import OpenPurse, Pay
from tests.world import HandClock, open_institution_for_tests, processor_of

_numbers = count(1)
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Bank:
    """An institution with purses, and jobs over them."""

    def __init__(self, database: Database, folder: Path, time_zone: str = "UTC") -> None:
        number = next(_numbers)
        self.institution: Institution = open_institution_for_tests(
            database, f"jobs{number}", f"80{number}", "issuer", time_zone
        )
        with database.owner().begin() as connection:
            connection.exec_driver_sql(f"set local search_path to {self.institution.schema_name}")
            purse.metadata.create_all(connection)
            connection.exec_driver_sql(
                f"grant select, insert, update, delete on moves to {self.institution.login_role}"
            )
        self.clock = HandClock(START)
        self.database = database
        self.folder = folder
        self.processor: Processor = processor_of(database, self.institution, [purse.STAGE], self.clock)
        self.processor.execute([OpenPurse("ann", 1000), OpenPurse("bob", 0)])

    def scheduler(self, *jobs: Job, since: datetime = START) -> Scheduler:
        """A scheduler of its own, with a processor of its own, as another process would have."""
        processor = processor_of(self.database, self.institution, [purse.STAGE], self.clock)
        return Scheduler(
            jobs,
            engine=processor.engine,
            outside=processor.outside,
            execute=processor.execute,
            files=Files(self.folder, self.institution.name),
            since=since,
        )

    def balance(self, owner: str) -> object:
        """A purse's balance."""
        with self.processor.engine.connect() as connection:
            statement = text("select balance_minor from accounts where id = :id")
            return connection.execute(statement, {"id": purse.purse(owner)}).scalar()


@pytest.fixture
def bank(database: Database, tmp_path: Path) -> Bank:
    """A fresh bank in UTC."""
    return Bank(database, tmp_path)


def paying(name: str = "allowance", at: str = "22:00", day_offset: int = 0) -> Job:
    """A job that pays ann's allowance to bob, one unit a business date."""

    def pay(context: JobContext) -> int:
        return len(context.execute([Pay(f"{name} {context.business_date}", "ann", "bob", 1)]))

    return Job(name, at, (Step("pay", pay),), day_offset)


def test_a_job_runs_once_for_each_business_date_and_catches_up(bank: Bank) -> None:
    scheduler = bank.scheduler(paying())
    assert scheduler.run_due(START) == []
    assert scheduler.next_due() == datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
    runs = scheduler.run_due(START + 3 * DAY)
    assert [run.business_date for run in runs] == [date(2026, 3, day) for day in (2, 3, 4)]
    assert scheduler.run_due(START + 3 * DAY) == [] and bank.balance("bob") == 3
    assert scheduler.next_due() == datetime(2026, 3, 5, 22, 0, tzinfo=UTC)


def test_the_business_date_is_the_institutions_not_the_clocks(database: Database, tmp_path: Path) -> None:
    bank = Bank(database, tmp_path, "America/New_York")
    evening, night = paying("evening", "23:00"), paying("night", "00:30", day_offset=-1)
    runs = bank.scheduler(evening, night).run_due(datetime(2026, 3, 3, 12, 0, tzinfo=UTC))
    assert [(run.job, run.business_date) for run in runs] == [
        ("evening", date(2026, 3, 2)),
        ("night", date(2026, 3, 2)),
    ]
    assert evening.fires_after(START, ZoneInfo("America/New_York")) == datetime(2026, 3, 3, 4, 0, tzinfo=UTC)


def test_two_schedulers_over_a_week_run_each_job_once(bank: Bank) -> None:
    jobs = (paying("morning", "08:00"), paying("evening", "20:00"))
    now = START
    for hour in range(0, 24 * 7, 6):
        now = START + timedelta(hours=hour)
        threads = [threading.Thread(target=bank.scheduler(*jobs).run_due, args=(now,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    bank.scheduler(*jobs).run_due(now)
    with bank.processor.engine.connect() as connection:
        rows = connection.execute(
            text("select job, count(*) as runs, count(finished_at) as done from job_runs group by job")
        )
        assert {row.job: (row.runs, row.done) for row in rows} == {"morning": (7, 7), "evening": (7, 7)}
        assert connection.execute(text("select count(*) from entries where kind = 'pay'")).scalar() == 15
    assert bank.balance("bob") == 14


def test_a_run_that_fails_resumes_at_its_step_and_holds_back_those_after_it(bank: Bank) -> None:
    done: list[str] = []
    broken = True

    def first(context: JobContext) -> int:
        done.append("first")
        return 1

    def second(context: JobContext) -> int:
        if broken:
            raise RuntimeError("the second step broke")
        done.append("second")
        return 2

    two_steps = Job("two-steps", "20:00", (Step("first", first), Step("second", second)))
    scheduler = bank.scheduler(two_steps, paying("later", "21:00"))
    with pytest.raises(RuntimeError):
        scheduler.run_due(START + DAY)
    assert done == ["first"] and bank.balance("bob") == 0
    broken = False
    runs = bank.scheduler(two_steps, paying("later", "21:00")).run_due(START + DAY)
    assert [(run.job, run.counts) for run in runs] == [("two-steps", {"first": 1, "second": 2}), ("later", {"pay": 1})]
    assert done == ["first", "second"] and bank.balance("bob") == 1


def test_a_run_that_another_scheduler_holds_is_left_to_it(bank: Bank) -> None:
    seen: list[list[object]] = []
    other = bank.scheduler()

    def look(context: JobContext) -> int:
        seen.append(list(other_of_same_jobs.run_due(context.now)))
        return 0

    looking = Job("looking", "20:00", (Step("look", look),))
    other_of_same_jobs = bank.scheduler(looking, paying("later", "21:00"))
    runs = bank.scheduler(looking, paying("later", "21:00")).run_due(START + DAY)
    assert seen == [[]] and [run.job for run in runs] == ["looking", "later"]
    assert other.next_due() is None


def test_a_person_cannot_run_a_job_before_those_it_builds_on(bank: Bank) -> None:
    scheduler = bank.scheduler(paying("first", "20:00"), paying("second", "21:00"))
    date = START.date()
    with pytest.raises(BezantError, match="builds on first for 2026-03-02, which must be run first"):
        scheduler.run("second", date, START + DAY)
    assert bank.balance("bob") == 0
    assert [scheduler.run(name, date, START + DAY).job for name in ("first", "second")] == ["first", "second"]


def test_two_schedulers_that_die_in_their_steps_run_each_job_once(bank: Bank, database_url: str) -> None:
    """Two processes live through one week and die again and again; whoever lives or comes back goes on."""
    name, folder = bank.institution.name, bank.folder

    def lives(deaths: Sequence[int]) -> list[int]:
        """One after the other; each dies in its step of that number, if it comes to that. How they ended."""
        return [
            subprocess.run(
                [sys.executable, "-m", "tests.engine.runtime.scheduling", name, str(folder), str(death)],
                input=database_url + "\n",
                text=True,
                check=False,
                cwd=Path(__file__).parents[3],
            ).returncode
            for death in deaths
        ]

    with ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(lives, ([1, 2, 5, 0], [2, 3, 4, 0])))
    assert {*ended[0], *ended[1]} == {-signal.SIGKILL, 0} and sum(ended[0] + ended[1]) <= -4 * signal.SIGKILL
    scheduler = scheduling.scheduler_of(bank.database, name, folder, lambda: None)
    scheduler.run_due(scheduling.START + scheduling.WEEK)
    runs = scheduler.history(100)
    assert Counter(run.job for run in runs) == {"morning": 7, "evening": 7}
    assert len({(run.job, run.business_date) for run in runs}) == 14
    assert all(run.finished_at is not None and run.counts == {"first": 1, "second": 1} for run in runs)
    assert bank.balance("bob") == 28


@pytest.mark.parametrize("at", ["00:30", "02:30", "23:00"])
def test_no_day_is_left_out_or_doubled_when_the_clocks_are_changed(at: str) -> None:
    zone, job = ZoneInfo("America/New_York"), Job("night", at, ())
    for first in (date(2028, 3, 9), date(2028, 11, 2)):
        after, fires = datetime(first.year, first.month, first.day, 12, tzinfo=UTC), []
        for _ in range(7):
            after = job.fires_after(after, zone).astimezone(UTC)
            fires.append(after.astimezone(zone).date())
        assert fires == [fires[0] + timedelta(days=number) for number in range(7)]

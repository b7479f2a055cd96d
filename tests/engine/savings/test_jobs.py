"""The jobs of savings killed in the middle, run twice, by two schedulers at once: the same books as undisturbed."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from random import Random
from subprocess import PIPE, Popen
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from engine.database.connections import Database
from engine.savings import overnight, posting
from engine.savings.products import Frequency
from tests.engine.savings.bank import Bank, assert_as_defined

DAY = timedelta(days=1)
START = date(2026, 3, 29)
END = START + 5 * DAY
SAVERS = 7


class Killed(Exception):
    """The process is gone."""


def opened(database: Database, name: str, folder: Path) -> tuple[Bank, list[UUID]]:
    bank = Bank(database, name, folder, START)
    bank.offer("saver", compounding=Frequency.DAILY, withholding_bps=1_000)
    return bank, [bank.save(f"@saver{number}", "saver", 100_000 * (number + 1)) for number in range(SAVERS)]


def books(bank: Bank, ids: list[UUID]) -> list[tuple[Any, int]]:
    return [(bank.account(one).accrued, bank.balance(one)) for one in ids]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks a night."""
    monkeypatch.setattr(posting, "POSTING_CHUNK", 2)
    monkeypatch.setattr(overnight.accrue_day, "__defaults__", (3,))


def test_a_night_that_is_killed_between_any_two_chunks_goes_on_where_it_stopped(
    database: Database, tmp_path: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, theirs = opened(database, "undisturbed", tmp_path)
    undisturbed.nights(END)
    bank, ids = opened(database, "killed", tmp_path)
    bank.until(bank.at(END))
    chance = Random(9)
    real = overnight.Night.__post_init__

    def dies(_done: int, _total: int) -> None:
        if chance.random() < 0.4:
            raise Killed

    def watched(night: overnight.Night) -> None:
        real(night)
        night.watch = dies

    monkeypatch.setattr(overnight.Night, "__post_init__", watched)
    kills = 0
    while kills < 1_000:
        try:
            bank.another_scheduler().run_due(bank.clock.now())
            break
        except Killed:
            kills += 1
    assert 10 < kills < 1_000
    assert books(bank, ids) == books(undisturbed, theirs)
    assert_as_defined(bank, ids)
    assert not bank.findings()


@pytest.mark.slow
def test_a_process_that_is_killed_at_any_moment_leaves_a_night_that_the_next_goes_on_with(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    undisturbed, theirs = opened(database, "whole", tmp_path)
    undisturbed.nights(END)
    bank, ids = opened(database, "shot", tmp_path)
    words = (database_url, "shot", str(tmp_path), START.isoformat(), END.isoformat())
    for chunks in (1, 2, 3, 5, 4):
        process = Popen([sys.executable, "-m", "tests.engine.savings.night_process", *words], stdout=PIPE)
        assert process.stdout is not None
        with process.stdout as said:
            assert all(said.readline() for _ in range(chunks)), "it has not ended before"
            process.kill()
        assert process.wait() < 0
    bank.nights(END)
    assert books(bank, ids) == books(undisturbed, theirs)
    assert_as_defined(bank, ids)
    assert not bank.findings()


def test_two_schedulers_at_once_do_a_night_once(database: Database, tmp_path: Path, small_chunks: None) -> None:
    bank, ids = opened(database, "both", tmp_path)
    bank.until(bank.at(END))
    with ThreadPoolExecutor(2) as threads:
        while any(threads.map(lambda _: bank.another_scheduler().run_due(bank.clock.now()), range(2))):
            pass
    assert_as_defined(bank, ids)
    with bank.processor.engine.connect() as connection:
        runs = connection.execute(text("select count(*) from job_runs where finished_at is not null")).scalar_one()
        posted = connection.execute(text("select count(*) from events where kind = 'InterestPosted'")).scalar_one()
    assert (runs, posted) == (2 * (END - START).days, SAVERS), "March was posted once for each"
    assert not bank.findings()


def test_the_work_itself_done_twice_at_once_changes_nothing(
    database: Database, tmp_path: Path, small_chunks: None
) -> None:
    """As if the lock on the run were not there."""
    bank, ids = opened(database, "twice", tmp_path)
    bank.nights(date(2026, 3, 31))
    bank.until(bank.at(date(2026, 4, 1)))
    day, now = date(2026, 3, 31), bank.clock.now()

    def night(work: Any) -> int:
        made = overnight.Night(bank.processor.engine, bank.book, day, now, lambda _done, _total: None)
        return int(work(made))

    for work in (overnight.accrue_day, overnight.post_day):
        with ThreadPoolExecutor(2) as threads:
            done = list(threads.map(night, [work] * 2))
        assert sum(done) == SAVERS
    bank.nights(date(2026, 4, 2))
    assert_as_defined(bank, ids)
    assert not bank.findings()

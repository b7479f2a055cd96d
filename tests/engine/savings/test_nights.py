"""The nights of savings on a real database: accrual and posting by the scheduler, proven at the end."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from engine.database.connections import Database
from engine.ledger.chart import INTEREST_ACCRUED, INTEREST_EXPENSE
from tests.engine.savings.bank import Bank, assert_as_defined


def test_a_night_counts_what_was_there_at_the_end_of_the_day(database: Database, tmp_path: Path) -> None:
    bank = Bank(database, "night", tmp_path, date(2026, 3, 2))
    bank.offer("saver")
    ada, bob = bank.save("@ada", "saver", 100_000), bank.save("@bob", "saver", 100_000)
    assert bank.move(ada, 100_000) == "moved"  # on the 2nd: counts for the 2nd
    bank.until(bank.at(date(2026, 3, 3), 0, 10))
    assert bank.move(ada, 100_000) == "moved"  # before the night's job, on the 3rd: does not
    accrual, posting = bank.nights(date(2026, 3, 3))
    assert (accrual.job, accrual.business_date, accrual.counts) == (
        "interest-accrual",
        date(2026, 3, 2),
        {"round up": 0, "correct": 0, "accrue": 2, "book": 1},
    )
    assert posting.counts == {"post": 0}
    assert [bank.account(one).earned_micro for one in (ada, bob)] == [20_000_000, 10_000_000]
    assert bank.own(INTEREST_EXPENSE) == bank.own(INTEREST_ACCRUED) == 30
    bank.nights(date(2026, 3, 4))
    assert [bank.account(one).earned_micro for one in (ada, bob)] == [50_000_000, 20_000_000]
    assert_as_defined(bank, (ada, bob))
    assert not bank.findings()


def test_nights_that_were_missed_are_made_up_for_and_a_month_is_paid_for_its_own_days(
    database: Database, tmp_path: Path
) -> None:
    bank = Bank(database, "outage", tmp_path, date(2026, 3, 30))
    bank.offer("saver")
    ids = [bank.save(handle, "saver", 100_000) for handle in ("@ada", "@bob")]
    runs = bank.nights(date(2026, 4, 2))  # three nights at once, the end of March in the middle
    assert [(run.job, run.business_date.isoformat()) for run in runs] == [
        (job, f"2026-0{day}") for day in ("3-30", "3-31", "4-01") for job in ("interest-accrual", "interest-posting")
    ]
    assert runs[3].counts == {"post": 2}
    # April begins with March's interest in the account, although it was paid on the 2nd.
    assert [(bank.account(one).paid_minor, bank.account(one).earned_micro) for one in ids] == [(20, 30_002_000)] * 2
    assert (bank.own(INTEREST_EXPENSE), bank.own(INTEREST_ACCRUED)) == (60, 20)
    assert_as_defined(bank, ids)
    assert not bank.findings()
    assert bank.nights(date(2026, 4, 2)) == []


def test_a_day_that_no_run_has_counted_is_counted_and_posted_by_the_next(database: Database, tmp_path: Path) -> None:
    bank = Bank(database, "behind", tmp_path, date(2026, 3, 30))
    bank.offer("saver")
    saved = bank.save("@ada", "saver", 100_000)
    bank.until(bank.at(date(2026, 4, 3)))
    late = bank.another_scheduler(since=bank.at(date(2026, 4, 2)))  # knows of no run before
    late.run_due(bank.clock.now())
    account = bank.account(saved)
    assert (account.accrued_through, account.paid_minor) == (date(2026, 4, 2), 20)
    assert_as_defined(bank, [saved])
    assert not bank.findings()

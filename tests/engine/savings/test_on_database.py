"""Savings on a real database: nights of accrual by the scheduler, a missed night, a month's end, proven at the end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from engine.accounts.model import CustomerState, OpenCustomer
from engine.accounts.store import read_by_handle
from engine.database.connections import Database
from engine.ledger import store as ledger
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.book import Book
from engine.ledger.chart import INTEREST_ACCRUED, INTEREST_EXPENSE
from engine.runtime.files import Files
from engine.runtime.jobs import JobRun, Scheduler
from engine.savings.audit import SAVINGS_PROOFS
from engine.savings.model import AccrueInterest, CloseCustomer, MoveSavings, OpenSavings, PostInterest, SavingsAccount
from engine.savings.store import read_savings
from engine.wallet import wallet_jobs, wallet_stages
from tests.engine.people import accounts_stage, codes, customer_id
from tests.world import HandClock, open_institution_for_tests, processor_of

DAY = timedelta(days=1)


class Bank:
    """A bank where Ada and Bob save, each 1,000.00 at 3.65 %: 10 minor units a day each."""

    def __init__(self, database: Database, name: str, folder: Path, opened_at: datetime) -> None:
        self.institution = open_institution_for_tests(database, name, name, "issuer")
        self.book = Book(name, "UTC")
        self.clock = HandClock(opened_at)
        stages = (accounts_stage(self.book), *wallet_stages(self.institution))
        self.processor = processor_of(database, self.institution, stages, self.clock)
        self.scheduler = Scheduler(
            wallet_jobs(self.institution),
            engine=self.processor.engine,
            outside=self.processor.outside,
            execute=self.processor.execute,
            files=Files(folder, name),
            since=opened_at,
        )
        self.ids = [self._saver(handle) for handle in ("@ada", "@bob")]

    def _saver(self, handle: str) -> UUID:
        identity = customer_id(handle, self.book)
        joined = OpenCustomer(handle=handle, name=handle, opening_deposit_minor=500_000)
        save = OpenSavings(reference="1", customer_id=identity, rate_bps=365, opening_minor=100_000)
        _, opened = self.processor.execute([joined, save])
        assert opened is not None and opened.code == "opened", opened
        return UUID(str(opened.facts["savings_id"]))

    def nights(self, until: datetime) -> list[JobRun]:
        self.clock.move(until - self.clock.now())
        return self.scheduler.run_due(until)

    def move(self, reference: str, amount_minor: int) -> None:
        request = MoveSavings(
            reference=reference,
            customer_id=customer_id("@ada", self.book),
            savings_id=self.ids[0],
            amount_minor=amount_minor,
        )
        assert codes(self.processor.execute([request])) == ["moved"]

    def savings(self) -> list[SavingsAccount]:
        with self.processor.engine.connect() as connection:
            every = {
                one.id: one
                for one in read_savings(connection, [customer_id(handle, self.book) for handle in ("@ada", "@bob")])
            }
        return [every[identity] for identity in self.ids]

    def own(self, code: int) -> int:
        account = self.book.account(code, "USD")
        with self.processor.engine.connect() as connection:
            return ledger.read(connection, [account])[account].balance_minor

    def findings(self) -> list[str]:
        with self.processor.engine.connect() as connection:
            return [one for proof in (*LEDGER_PROOFS, *SAVINGS_PROOFS) for one in proof.find(connection)]


def at(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_a_night_counts_what_was_there_at_the_end_of_the_day(database: Database, tmp_path: Path) -> None:
    bank = Bank(database, "night", tmp_path, at(2, 12))
    bank.move("late", 100_000)  # on the 2nd: counts for the 2nd
    bank.clock.move(at(3, 0, 10) - bank.clock.now())
    bank.move("after midnight", 100_000)  # before the night's job, on the 3rd: does not
    (accrual, posting) = bank.nights(at(3, 1))
    assert (accrual.job, accrual.business_date, accrual.counts) == (
        "interest-accrual",
        date(2026, 3, 2),
        {"accrue": 2, "book": 1},
    )
    assert posting.counts == {"pay": 0}
    assert [one.earned_micro for one in bank.savings()] == [20_000_000, 10_000_000]
    assert bank.own(INTEREST_EXPENSE) == bank.own(INTEREST_ACCRUED) == 30
    again = bank.processor.execute([AccrueInterest(savings_id=bank.ids[0], business_date=date(2026, 3, 2))])
    assert codes(again) == ["accrued"]
    assert [one.earned_micro for one in bank.savings()] == [20_000_000, 10_000_000]
    bank.nights(at(4, 1))
    assert [one.earned_micro for one in bank.savings()] == [50_000_000, 20_000_000]
    assert not bank.findings()


def test_nights_that_were_missed_are_made_up_for_and_a_month_is_paid_for_its_own_days(
    database: Database, tmp_path: Path
) -> None:
    bank = Bank(database, "outage", tmp_path, at(30, 12))
    runs = bank.nights(at(2, 12, month=4))  # three nights at once, the end of March in the middle
    assert [(run.job, run.business_date.isoformat()) for run in runs] == [
        ("interest-accrual", "2026-03-30"),
        ("interest-posting", "2026-03-30"),
        ("interest-accrual", "2026-03-31"),
        ("interest-posting", "2026-03-31"),
        ("interest-accrual", "2026-04-01"),
        ("interest-posting", "2026-04-01"),
    ]
    assert runs[3].counts == {"pay": 2}
    # April begins with March's interest in the account, although it was paid on the 2nd.
    assert [(one.paid_minor, one.earned_micro) for one in bank.savings()] == [(20, 30_002_000)] * 2
    assert (bank.own(INTEREST_EXPENSE), bank.own(INTEREST_ACCRUED)) == (60, 20)
    assert not bank.findings()
    assert bank.nights(at(2, 13, month=4)) == []


def test_a_customer_with_savings_is_not_closed_not_even_when_they_are_opened_in_the_same_batch(
    database: Database, tmp_path: Path
) -> None:
    bank = Bank(database, "closing", tmp_path, at(2, 12))
    carol, dora = customer_id("@carol", bank.book), customer_id("@dora", bank.book)
    requests = [
        OpenCustomer(handle="@carol", name="Carol", opening_deposit_minor=700),
        OpenSavings(reference="1", customer_id=carol, rate_bps=0, opening_minor=700),
        CloseCustomer(customer_id=carol, reference="1"),
        OpenCustomer(handle="@dora", name="Dora"),
        CloseCustomer(customer_id=dora, reference="1"),
        OpenSavings(reference="1", customer_id=dora, rate_bps=0, opening_minor=0),
    ]
    assert codes(bank.processor.execute(requests)) == [
        "opened",
        "opened",
        "savings_not_empty",
        "opened",
        "closed",
        "account_closed",
    ]
    again = CloseCustomer(customer_id=carol, reference="2")
    assert codes(bank.processor.execute([again])) == ["savings_not_empty"], "loaded from the rows"
    with bank.processor.engine.connect() as connection:
        states = {one.handle: one.state for one in read_by_handle(connection, ["@carol", "@dora"])}
    assert states == {"@carol": CustomerState.ACTIVE, "@dora": CustomerState.CLOSED}


def test_nights_in_one_batch_are_nights_one_by_one(database: Database, tmp_path: Path) -> None:
    bank = Bank(database, "one_batch", tmp_path, at(30, 12))
    bank.clock.move(3 * DAY)
    requests = [
        request
        for identity in bank.ids
        for request in (
            AccrueInterest(savings_id=identity, business_date=date(2026, 3, 30)),
            AccrueInterest(savings_id=identity, business_date=date(2026, 3, 31)),
            PostInterest(savings_id=identity, period_end=date(2026, 3, 31)),
            AccrueInterest(savings_id=identity, business_date=date(2026, 4, 1)),
        )
    ]
    assert codes(bank.processor.execute(requests)) == ["accrued", "accrued", "paid", "accrued"] * 2
    assert [(one.paid_minor, one.earned_micro) for one in bank.savings()] == [(20, 30_002_000)] * 2


def test_an_account_that_fell_behind_is_brought_up_to_date_by_the_next_night(
    database: Database, tmp_path: Path
) -> None:
    bank = Bank(database, "behind", tmp_path, at(2, 12))
    with bank.processor.engine.begin() as connection:
        connection.execute(
            text("update savings_accounts set accrued_through = '2026-03-01', opened_on = '2026-02-20' where id = :id"),
            {"id": bank.ids[0]},
        )
    bank.clock.move(3 * DAY)
    accrued = bank.processor.execute(
        [AccrueInterest(savings_id=bank.ids[1], business_date=date(2026, 3, day)) for day in (2, 3)]
    )
    assert codes(accrued) == ["accrued", "accrued"]
    bank.nights(at(5, 13))
    assert [one.accrued_through for one in bank.savings()] == [date(2026, 3, 4)] * 2
    assert [one.earned_micro for one in bank.savings()] == [30_000_000] * 2
    assert not bank.findings()


def test_the_audit_names_what_the_ledger_does_not_show(database: Database, tmp_path: Path) -> None:
    bank = Bank(database, "planted", tmp_path, at(2, 12))
    bank.nights(at(3, 1))
    assert not bank.findings()
    with bank.processor.engine.begin() as connection:
        connection.execute(
            text("update savings_accounts set earned_micro = earned_micro + 1, paid_minor = 3 where id = :id"),
            {"id": bank.ids[0]},
        )
    assert bank.findings() == [
        f"savings account {bank.ids[0]}: 3 of interest paid, its entries say 0",
        "accrual book USD: 20000000 millionths, its accounts earned 20000001",
        "interest accrued in USD: balance 20, booked 20 less paid 3",
    ]

"""A bank whose people save, on a real database: its processor, its clock, its nights, and what they must come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from engine.accounts.model import OpenCustomer
from engine.database.connections import Database
from engine.ledger import store as ledger
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.book import Book
from engine.runtime.files import Files
from engine.runtime.jobs import JobRun, Scheduler
from engine.savings.accrual import Accrued
from engine.savings.audit import SAVINGS_PROOFS
from engine.savings.interest import course
from engine.savings.model import MoveSavings, OpenProduct, OpenSavings, SavingsAccount
from engine.savings.store import read_account, read_histories, read_products, read_rates
from engine.vocabulary.decision import Answer
from engine.wallet import wallet_jobs, wallet_stages
from issuer.bank import issuer_stages
from tests.engine.people import codes, customer_id
from tests.world import HandClock, open_institution_for_tests, processor_of

DAY = timedelta(days=1)
RICH = 10**9


class Bank:
    """A bank with its clock at noon of a day."""

    def __init__(self, database: Database, name: str, folder: Path, opened_on: date, time_zone: str = "UTC") -> None:
        self.institution = open_institution_for_tests(database, name, name, "issuer", time_zone)
        self.zone = ZoneInfo(time_zone)
        self.book = Book(name, time_zone)
        self.clock = HandClock(self.at(opened_on))
        stages = (*issuer_stages(self.institution), *wallet_stages(self.institution))
        self.processor = processor_of(database, self.institution, stages, self.clock)
        self.folder = folder
        self.opened_at = self.clock.now()
        self.scheduler = self.another_scheduler()
        self._references = 0

    def another_scheduler(self, since: datetime | None = None) -> Scheduler:
        """As another process of the bank has one."""
        return Scheduler(
            wallet_jobs(self.institution),
            engine=self.processor.engine,
            outside=self.processor.outside,
            execute=self.processor.execute,
            files=Files(self.folder, self.institution.name),
            since=since or self.opened_at,
        )

    def at(self, day: date, hour: int = 12, minute: int = 0) -> datetime:
        """A local time, as an instant."""
        return datetime.combine(day, time(hour, minute), self.zone).astimezone(UTC)

    def until(self, instant: datetime) -> None:
        """The clock moves; nothing runs."""
        self.clock.move(max(instant - self.clock.now(), timedelta(0)))

    def nights(self, until: date) -> list[JobRun]:
        """The clock moves to noon of a day, and everything that is due runs."""
        self.until(self.at(until))
        return self.scheduler.run_due(self.clock.now())

    def ask(self, *requests: Any) -> list[Answer]:
        """Answers, all given at once."""
        answers = self.processor.execute(requests)
        return [answer for answer in answers if answer is not None]

    def refused(self, request: Any) -> str:
        """The answer's code, or the reason for a refusal."""
        return codes(self.ask(request))[0]

    def offer(self, name: str, **terms: Any) -> None:
        """A product, at 3.65 % from long ago if nothing else is said."""
        rates: dict[str, Any] = {"effective_on": date(2020, 1, 1), "tiers": ((0, 365),)}
        (answer,) = self.ask(OpenProduct(reference=name, name=name, **(rates | terms)))
        assert answer.code == "opened", answer

    def save(self, handle: str, product: str, opening_minor: int = 0) -> UUID:
        """A customer, rich, with a savings account."""
        joined = OpenCustomer(handle=handle, name=handle, opening_deposit_minor=RICH)
        wanted = OpenSavings(
            reference="1", customer_id=self.customer(handle), product=product, opening_minor=opening_minor
        )
        _, answer = self.ask(joined, wanted)
        assert answer.code == "opened", answer
        return UUID(str(answer.facts["savings_id"]))

    def customer(self, handle: str) -> UUID:
        """A customer's identifier."""
        return customer_id(handle, self.book)

    def move(self, savings_id: UUID, amount_minor: int, on: date | None = None) -> str:
        """Move money of whoever's account it is; the code or the reason."""
        self._references += 1
        return self.refused(
            MoveSavings(
                reference=str(self._references),
                customer_id=self.account(savings_id).customer_id,
                savings_id=savings_id,
                amount_minor=amount_minor,
                effective_on=on,
            )
        )

    def account(self, savings_id: UUID) -> SavingsAccount:
        """The row."""
        with self.processor.engine.connect() as connection:
            found = read_account(connection, savings_id)
        assert found is not None
        return found

    def balance(self, savings_id: UUID) -> int:
        """What the ledger says."""
        return self.own_balance(self.account(savings_id).account_id)

    def own(self, code: int) -> int:
        """The balance of one of the bank's own accounts."""
        return self.own_balance(self.book.account(code, "USD"))

    def own_balance(self, account_id: UUID) -> int:
        """The balance of a ledger account."""
        with self.processor.engine.connect() as connection:
            return ledger.read(connection, [account_id])[account_id].balance_minor

    def defined(self, savings_id: UUID) -> tuple[Accrued, int]:
        """What the definition says of an account's movements: where it stands, and its balance."""
        account = self.account(savings_id)
        with self.processor.engine.connect() as connection:
            (product,) = read_products(connection, [account.product_id])
            versions = tuple(read_rates(connection, [product.id]))
            (history,) = read_histories(connection, [account])
        end = course(
            product,
            versions,
            account.opened_on,
            history.movements,
            account.accrued_through,
            posted_through=account.posted_through,
        )
        later = sum(minor for on, minor in history.movements.items() if on > account.accrued_through)
        return end.accrued, end.balance_minor + later

    def findings(self) -> list[str]:
        """What the audit finds."""
        with self.processor.engine.connect() as connection:
            return [one for proof in (*LEDGER_PROOFS, *SAVINGS_PROOFS) for one in proof.find(connection)]


def assert_as_defined(bank: Bank, ids: Iterable[UUID]) -> None:
    """Every account stands where the definition says, to the last part of a millionth."""
    for savings_id in ids:
        defined, balance = bank.defined(savings_id)
        found = bank.account(savings_id).accrued
        for field in fields(Accrued):
            assert getattr(found, field.name) == getattr(defined, field.name), (field.name, bank.account(savings_id))
        assert bank.balance(savings_id) == balance

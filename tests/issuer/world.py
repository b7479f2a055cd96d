"""An issuing bank on a real database, with people, cards, an HSM, folders for files and its jobs run by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from engine.accounts.model import OpenCustomer
from engine.crypto.des import encrypt_ecb
from engine.crypto.keys import TEST_MASTER_KEY, zone_key_of_test_world
from engine.crypto.pin_blocks import encode_format_0
from engine.database.connections import Database
from engine.ledger import store as ledger
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.book import Book
from engine.ledger.chart import CUSTOMER_HELD
from engine.runtime.files import Files
from engine.runtime.jobs import JobRun, Scheduler
from engine.vocabulary.decision import Answer
from engine.vocabulary.files import FileTotals
from engine.vocabulary.identifiers import Pan, Secret, network_reference
from engine.vocabulary.messages import AuthorizationRequest, OriginalData, Presentment, ReversalAdvice
from engine.vocabulary.money import Money
from gateways.clearing.files import ClearingFiles
from gateways.settlement_files import SettlementFiles
from issuer.bank import ISSUER_PROOFS, issuer_jobs, issuer_stages, pin_zone
from issuer.cards.model import IssueCard
from issuer.cards.numbers import SERVICE_CODE, Track2, card_number
from tests.issuer.chips import chip_tags, icc_data
from tests.issuer.purse import PRESENTMENT, REQUEST, REVERSAL
from tests.world import OPENED_AT, HandClock, open_institution_for_tests, processor_of

PIN = "4711"
EXPIRY = "2812"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A person with a card."""

    customer_id: UUID
    account_id: UUID
    card_id: UUID
    pan: Pan


class Bank:
    """One issuer, its processor and scheduler."""

    def __init__(self, database: Database, folder: Path, number: int, time_zone: str = "UTC") -> None:
        name = f"bank{number}"
        self.institution = open_institution_for_tests(database, name, str(100_000 + number), "issuer", time_zone)
        self.book = Book(name, time_zone)
        self.clock = HandClock(OPENED_AT)
        self.processor = processor_of(database, self.institution, issuer_stages(self.institution), self.clock)
        self.files = Files(folder, name)
        self.clearing, self.settlement = ClearingFiles(), SettlementFiles()
        self.scheduler = self.new_scheduler(self.processor)
        self.zone_key = zone_key_of_test_world(TEST_MASTER_KEY, pin_zone(name))
        self._numbers = count(1)

    def new_scheduler(self, processor: Any) -> Scheduler:
        return Scheduler(
            issuer_jobs("900000", "900001", self.clearing, self.settlement),
            engine=processor.engine,
            outside=processor.outside,
            execute=processor.execute,
            files=self.files,
            # After the morning's jobs, which would be those of a day before the bank was there.
            since=OPENED_AT + timedelta(hours=4),
        )

    # --- people ---

    def open(self, handle: str, minor: int = 10_000, sequence: int = 1) -> Holder:
        """A customer with money and a card."""
        opened = self.told(OpenCustomer(handle=handle, name=handle.title(), opening_deposit_minor=minor))
        customer_id, account_id = UUID(str(opened.facts["customer_id"])), UUID(str(opened.facts["account_id"]))
        pan = card_number("40000100", sequence)
        order = IssueCard(
            customer_id=customer_id,
            account_id=account_id,
            pan=pan,
            expiry=EXPIRY,
            issued_at=self.clock.now(),
            pin=Secret(PIN),
        )
        issued = self.told(order)
        assert issued.code == "issued", issued
        return Holder(
            customer_id=customer_id, account_id=account_id, card_id=UUID(str(issued.facts["card_id"])), pan=pan
        )

    # --- messages ---

    def told(self, request: Any) -> Answer:
        (answer,) = self.processor.execute([request])
        assert answer is not None
        return answer

    def request(self, holder: Holder, minor: int, **changes: Any) -> AuthorizationRequest:
        """A new request of this card, as the network would send it."""
        stan = f"{next(self._numbers):06d}"
        at = self.clock.now()
        made = replace(
            REQUEST,
            pan=holder.pan,
            expiry=EXPIRY,
            amount=Money(minor, "USD"),
            stan=stan,
            transmitted_at=at,
            network_reference=network_reference(REQUEST.acquirer_id, REQUEST.terminal_id, stan, at),
            pos_entry_mode="801",
        )
        return replace(made, **changes)

    def reversal(self, of: AuthorizationRequest, new_total: int | None = None) -> ReversalAdvice:
        return replace(
            REVERSAL,
            pan=of.pan,
            amount=of.amount,
            stan=f"{next(self._numbers):06d}",
            transmitted_at=self.clock.now(),
            original=OriginalData(
                message_type="0100", stan=of.stan, transmitted_at=of.transmitted_at, acquirer_id=of.acquirer_id
            ),
            network_reference=of.network_reference,
            replacement_amount=None if new_total is None else Money(new_total, "USD"),
        )

    def stripe(self, holder: Holder, cvv: str | None = None, service_code: str = SERVICE_CODE) -> Secret:
        right = self.processor.outside.hsm.make_cvv(holder.pan, EXPIRY, service_code)
        track = Track2(pan=holder.pan, expiry=EXPIRY, service_code=SERVICE_CODE, cvv=cvv or right)
        return Secret(track.text)

    def cvv2(self, holder: Holder) -> str:
        return self.processor.outside.hsm.make_cvv(holder.pan, EXPIRY, "000")

    def pin_block(self, holder: Holder, pin: str = PIN, key: bytes | None = None) -> Secret:
        block = encrypt_ecb(key or self.zone_key, encode_format_0(pin, holder.pan.clear))
        return Secret(block.hex().upper())

    def icc_data(self, holder: Holder, counter: int, minor: int, **changes: Any) -> bytes:
        """DE 55 of the holder's chip."""
        return icc_data(chip_tags(self.institution.name, holder.pan, counter, minor, **changes))

    # --- files ---

    def presentment(
        self, number: int, of: AuthorizationRequest, minor: int | None = None, **changes: Any
    ) -> Presentment:
        made = replace(
            PRESENTMENT,
            arn=f"1200001606200000000{number:04d}",
            network_reference=of.network_reference,
            pan=of.pan,
            amount=of.amount if minor is None else Money(minor, "USD"),
            transacted_at=of.transmitted_at,
            business_date=self.today(),
        )
        return replace(made, **changes)

    def receive(self, presentments: Sequence[Presentment], file_id: str = "F1", name: str | None = None) -> Path:
        """Put a clearing file into `in`."""
        path = self.files.folder("in") / (name or f"clearing-{file_id}")
        totals = FileTotals(
            file_id=file_id,
            kind="clearing",
            sender_id="900000",
            recipient_id=self.institution.member_id,
            business_date=self.today(),
            record_count=len(presentments),
            amount_total_minor=sum(item.amount.amount_minor for item in presentments),
        )
        self.clearing.write(path, totals, presentments)
        return path

    # --- time ---

    def today(self) -> Any:
        return self.book.business_date(self.clock.now())

    def run_at(self, hour: int, minute: int = 0, days: int = 0) -> dict[str, JobRun]:
        """Move to a local time of day, `days` from today, and run what is due; the last run of each job."""
        local = self.clock.now().astimezone(ZoneInfo(self.institution.time_zone))
        at = local.replace(hour=hour, minute=minute, second=0, microsecond=0) + timedelta(days=days)
        self.clock.move(at - local)
        return {run.job: run for run in self.scheduler.run_due(self.clock.now())}

    # --- rows ---

    def connection(self) -> Connection:
        return self.processor.engine.connect()

    def balances(self, holder: Holder) -> tuple[int, int]:
        """Available and held."""
        held_id = self.book.account(CUSTOMER_HELD, "USD", holder.customer_id)
        with self.connection() as connection:
            accounts = ledger.read(connection, [holder.account_id, held_id])
        return accounts[holder.account_id].balance_minor, accounts[held_id].balance_minor

    def own(self, code: int) -> int:
        identifier = self.book.account(code, "USD")
        with self.connection() as connection:
            return ledger.read(connection, [identifier])[identifier].balance_minor

    def count(self, table: str) -> int:
        with self.connection() as connection:
            return int(connection.execute(text(f"select count(*) from {table}")).scalar_one())

    def findings(self) -> list[str]:
        """What every proof of the book finds."""
        with self.connection() as connection:
            return [finding for proof in (*LEDGER_PROOFS, *ISSUER_PROOFS) for finding in proof.find(connection)]

    def history(self) -> list[tuple[object, ...]]:
        """Events and entries in order, without what names the institution or the batch."""
        with self.connection() as connection:
            events = connection.execute(
                text("select kind, subject_kind, reasons from events order by chain, sequence, position")
            ).all()
            entries = connection.execute(
                text(
                    "select kind, amount_minor, debit_after, credit_after, debit_held_after, credit_held_after, forced"
                    " from entries order by chain, sequence, position"
                )
            ).all()
        return [tuple(row) for row in (*events, *entries)]

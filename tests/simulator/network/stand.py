"""A network and its settlement bank on a real database, their files in folders, their clock set by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import text

from engine.database.connections import Database
from engine.database.institutions import Institution
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.book import Book
from engine.ledger.chart import BANK_DEPOSIT, MEMBER_POSITION
from engine.processor import Processor
from engine.runtime.files import Files, hand_over
from engine.runtime.jobs import JobContext, JobRun, Scheduler
from engine.vocabulary.decision import Message
from engine.vocabulary.files import FileTotals, Outgoing
from engine.vocabulary.identifiers import Pan, luhn_complete
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money
from gateways.clearing.files import ClearingFiles
from gateways.settlement_files import SettlementFiles
from simulator.network.members.model import AdmitMember, OpenAccountRange, id_of_member
from simulator.network.network import NETWORK_PROOFS, network_jobs, network_stages
from simulator.settlement_bank.bank import SETTLEMENT_BANK_PROOFS, settlement_bank_jobs, settlement_bank_stages
from simulator.settlement_bank.model import OpenDeposit, id_of_deposit
from tests.world import HandClock, hsm_of, open_institution_for_tests

DAY = date(2026, 3, 2)
MORNING = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
BANK, NORTHBANK, ACQUIRER = "100001", "100002", "200001"
NAMES = {BANK: "bank", NORTHBANK: "northbank", ACQUIRER: "acquirer"}
RANGES = {"40000100": BANK, "51000200": NORTHBANK}

_numbers = count(1)


class Exchange:
    """What `engine.ports.Network` is to one institution: messages are kept, files handed over."""

    def __init__(self, files: Files, recipients: dict[str, Files]) -> None:
        self.sent: list[Message] = []
        self._files = files
        self._recipients = recipients

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def deliver(self, message: Message) -> bool:
        assert isinstance(message.body, Outgoing)
        return hand_over(self._files, self._recipients[message.to], message.body)


class Seat:
    """One institution: processor, jobs, files."""

    def __init__(self, institution: Institution, processor: Processor, scheduler: Scheduler, files: Files) -> None:
        self.institution = institution
        self.processor = processor
        self.scheduler = scheduler
        self.files = files
        self.book = Book(institution.name, institution.time_zone)

    def run_unnoted(self, name: str, business_date: date) -> None:
        """Do everything that a job does, and crash before it is noted."""
        job = next(job for job in self.scheduler.jobs if job.name == name)
        context = JobContext(
            self.institution,
            business_date,
            self.processor.clock.now(),
            self.processor.engine,
            self.processor.execute,
            self.files,
            self.processor.outside,
        )
        for step in job.steps:
            step.run(context)

    def balance(self, code: int, owner: object) -> int:
        with self.processor.engine.connect() as connection:
            found = connection.execute(
                text("select balance_minor from accounts where code = :code and owner_id = :owner and asset = 'USD'"),
                {"code": code, "owner": owner},
            )
            return int(found.scalar_one())

    def own_balance(self, code: int) -> int:
        with self.processor.engine.connect() as connection:
            found = connection.execute(
                text("select balance_minor from accounts where code = :code and asset = 'USD'"), {"code": code}
            )
            return int(found.scalar_one())


class Stand:
    """Members' folders hold what they are sent; what they send is put into the network's and the bank's folders."""

    def __init__(self, database: Database, root: Path) -> None:
        number = next(_numbers)
        self.clock = HandClock(MORNING)
        self.reachable = {BANK, NORTHBANK, ACQUIRER}
        self.database = database
        network = open_institution_for_tests(database, f"simnet{number}", f"90{number:04d}", "network")
        bank = open_institution_for_tests(database, f"settlement{number}", f"91{number:04d}", "settlement_bank")
        self.network_id, self.bank_id = network.member_id, bank.member_id
        self.folders = {
            member_id: Files(root, name)
            for member_id, name in {**NAMES, self.network_id: network.name, self.bank_id: bank.name}.items()
        }
        self.network = self._seat(network)
        self.bank = self._seat(bank)

    def _seat(self, institution: Institution) -> Seat:
        if institution.role == "network":
            stages = network_stages(institution, self.reachable.__contains__)
            jobs = network_jobs(self.bank_id, ClearingFiles(), SettlementFiles())
        else:
            stages = settlement_bank_stages(institution)
            jobs = settlement_bank_jobs(self.network_id, SettlementFiles())
        files = self.folders[institution.member_id]
        engine = self.database.institution(institution.name)
        processor = Processor(
            institution=institution,
            stages=stages,
            engine=engine,
            hsm=hsm_of(institution.name),
            clock=self.clock,
            network=Exchange(files, self.folders),
        )
        scheduler = Scheduler(
            jobs,
            engine=engine,
            outside=processor.outside,
            execute=processor.execute,
            files=files,
            since=MORNING,
        )
        return Seat(institution, processor, scheduler, files)

    def open(self, deposits: dict[str, int] | None = None) -> None:
        """Members, ranges, deposits."""
        members = [AdmitMember(member_id, name) for member_id, name in NAMES.items()]
        ranges = [OpenAccountRange(prefix, member_id) for prefix, member_id in RANGES.items()]
        answers = self.network.processor.execute([*members, *ranges])
        assert [answer.code for answer in answers if answer] == ["admitted"] * 3 + ["opened"] * 2
        amounts = dict.fromkeys((*NAMES, self.network_id, "MSHOP"), 0) | (deposits or {})
        opened = self.bank.processor.execute([OpenDeposit(*deposit) for deposit in amounts.items()])
        assert {answer.code for answer in opened if answer} == {"opened"}

    def play_until(self, at: datetime, *seats: Seat) -> list[JobRun]:
        """Run every job due until `at`, in order of time: network and bank, or these."""
        runs: list[JobRun] = []
        while self.clock.now() < at:
            self.clock.move(min(timedelta(minutes=30), at - self.clock.now()))
            for seat in seats or (self.network, self.bank):
                runs += seat.scheduler.run_due(self.clock.now())
                seat.processor.tick()
        return runs

    def position(self, member_id: str) -> int:
        return self.network.balance(MEMBER_POSITION, id_of_member(self.network.book, member_id))

    def deposit(self, reference: str) -> int:
        return self.bank.balance(BANK_DEPOSIT, id_of_deposit(self.bank.book, reference, "USD"))

    def arrived(self, member_id: str, kind: str) -> list[Path]:
        return self.folders[member_id].arrived(kind)

    def clear(self, items: Sequence[Presentment], name: str = "clearing-2026-03-02-200001.ipm", on: date = DAY) -> Path:
        """A clearing file of the acquirer arrives at the network."""
        totals = FileTotals(
            file_id=f"{ACQUIRER}-{name}",
            kind="clearing",
            sender_id=ACQUIRER,
            recipient_id=self.network_id,
            business_date=on,
            record_count=len(items),
            amount_total_minor=sum(item.amount.amount_minor for item in items),
        )
        path = self.network.files.folder("in") / name
        ClearingFiles().write(path, totals, [replace(item, business_date=on) for item in items])
        return path

    def findings(self) -> list[str]:
        """What any proof says against network or bank."""
        found = []
        for seat, proofs in ((self.network, NETWORK_PROOFS), (self.bank, SETTLEMENT_BANK_PROOFS)):
            with seat.processor.engine.connect() as connection:
                for proof in (*LEDGER_PROOFS, *proofs):
                    found += [f"{proof.name}: {finding}" for finding in proof.find(connection)]
        return found


def card(prefix: str, number: int) -> Pan:
    """A card of an account range."""
    return Pan(luhn_complete(f"{prefix}{number:07d}"))


def item(number: int, amount_minor: int, *, prefix: str = "40000100", refund: bool = False) -> Presentment:
    """A presentment of the acquirer."""
    return Presentment(
        arn=luhn_complete(f"72000016061{number:011d}"),
        network_reference=f"S{number:014d}",
        acquirer_id=ACQUIRER,
        pan=card(prefix, number),
        processing_code="200000" if refund else "000000",
        amount=Money(amount_minor, "USD"),
        transacted_at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
        authorized_on=DAY,
        approval_code="A1B2C3",
        pos_entry_mode="510101510001",
        mcc="5411",
        terminal_id="TERM0001",
        merchant_id="MERCHANT0000001",
        merchant_name="CORNER SHOP LISBON PT",
        business_date=DAY,
    )

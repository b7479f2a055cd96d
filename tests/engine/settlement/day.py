"""A day of an acquirer with real files; the network and the settlement bank are played by the test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import text

from engine.acquirer import ACQUIRER_PROOFS, acquirer_jobs
from engine.clearing.interchange import interchange, network_fee
from engine.database.connections import Database
from engine.ledger.audit import LEDGER_PROOFS
from engine.ports import ClearingFormat
from engine.runtime.files import Files
from engine.runtime.jobs import JobRun, Scheduler
from engine.vocabulary.clearing import FileReject, MessageReject
from engine.vocabulary.files import FileTotals
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import REFUND, AuthorizationRequest, Presentment
from engine.vocabulary.money import Money, round_half_even
from engine.vocabulary.settlement import BankStatement, PayoutInstructions, SettlementReport, StatementLine
from gateways.clearing.files import ClearingFiles
from gateways.settlement_files import SettlementFiles
from tests.engine.acquiring import Acquirer, approval, purchase

_numbers = count(1)
DAY = date(2026, 3, 2)
NETWORK, BANK = "900000", "900001"
CREDIT_CARD = Pan("5100020000000008")


class Day:
    """An acquirer with files; the network and the settlement bank are played by the test."""

    def __init__(self, database: Database, folder: Path) -> None:
        number = next(_numbers)
        self.member_id = f"2000{number:02d}"
        self.acquirer = Acquirer(database, f"day{number}", self.member_id)
        self.files = Files(folder, self.acquirer.institution.name)
        self.statements = 0
        self.closing_minor = 0

    def scheduler(self, clearing_format: ClearingFormat | None = None) -> Scheduler:
        """As a process would have it, resumed from the rows."""
        processor = self.acquirer.processor
        institution = self.acquirer.institution
        return Scheduler(
            acquirer_jobs(institution, NETWORK, BANK, clearing_format or ClearingFiles(), SettlementFiles()),
            engine=processor.engine,
            outside=processor.outside,
            execute=processor.execute,
            files=self.files,
            since=datetime(2026, 3, 2, 10, 0, tzinfo=UTC),
        )

    def until(self, hour: int, minute: int = 0, day: int = 2) -> list[JobRun]:
        """Everything due by then, at that time."""
        at = datetime(2026, 3, day, hour, minute, tzinfo=UTC)
        self.acquirer.clock.move(at - self.acquirer.clock.now())
        return self.scheduler().run_due(at)

    def take(self, amount_minor: int, **changes: Any) -> AuthorizationRequest:
        """One approved payment."""
        amount = Money(amount_minor, "USD")
        request = purchase(acquirer_id=self.member_id, amount=amount, **changes)
        self.acquirer.processor.execute([request, approval(request)])
        return request

    def presentments(self) -> list[Presentment]:
        """What the network reads."""
        _, items = ClearingFiles().read(self.files.folder("out") / f"clearing-{DAY}-{self.member_id}.ipm", Presentment)
        return list(items)

    def reject(self, items: Iterable[Presentment]) -> None:
        """The network's file of items that do not count."""
        rejects = [
            MessageReject(
                arn=item.arn,
                amount=item.amount,
                acquirer_id=item.acquirer_id,
                reason="account_range_unknown",
                business_date=DAY,
            )
            for item in items
        ]
        self._answer("rejected", rejects, DAY)

    def refuse(self, name: str) -> None:
        """The network's word that it has not taken a file."""
        totals = FileTotals(
            file_id=f"refusal-{name}",
            kind="refusal",
            sender_id=NETWORK,
            recipient_id=self.member_id,
            business_date=DAY,
            record_count=1,
            amount_total_minor=0,
        )
        told = FileReject(name=name, sender_id=self.member_id, reason="record 3 DE 4: is cut off", business_date=DAY)
        ClearingFiles().write(self.files.folder("in") / f"refusal-{name}", totals, [told])

    def states(self) -> dict[str, str]:
        """What has become of the clearing files that were sent."""
        with self.acquirer.processor.engine.connect() as connection:
            rows = connection.execute(
                text("select name, state from files where direction = 'out' and kind = 'clearing'")
            )
            return {row.name: row.state for row in rows}

    def confirm(self, items: Iterable[Presentment], on: date = DAY) -> list[Presentment]:
        """The network's file with what each item costs, settled on a date."""
        confirmed = [
            replace(item, interchange=str(interchange(item)), network_fee=str(network_fee(item))) for item in items
        ]
        self._answer("confirmed", confirmed, on)
        return confirmed

    def _answer(self, kind: str, items: Sequence[Presentment | MessageReject], on: date) -> None:
        totals = FileTotals(
            file_id=f"{kind}-{self.member_id}-{on}",
            kind=kind,
            sender_id=NETWORK,
            recipient_id=self.member_id,
            business_date=on,
            record_count=len(items),
            amount_total_minor=sum(item.amount.amount_minor for item in items),
        )
        dated = [replace(item, business_date=on) for item in items]
        ClearingFiles().write(self.files.folder("in") / f"{kind}-{on}-{self.member_id}.ipm", totals, dated)

    def report(self, items: Iterable[Presentment], **changes: Any) -> SettlementReport:
        """The network's report of these items."""
        every = list(items)
        sold = [item.amount.amount_minor for item in every if item.processing_code[:2] != REFUND]
        refunded = [item.amount.amount_minor for item in every if item.processing_code[:2] == REFUND]
        costs = [[-interchange(item) for item in every], [-network_fee(item) for item in every]]
        exact = [sum(each, Decimal(0)) for each in costs]
        booked = [round_half_even(each) for each in exact]
        report = SettlementReport(
            report_id=f"R-{DAY}-{self.member_id}",
            business_date=DAY,
            network_id=NETWORK,
            member_id=self.member_id,
            asset="USD",
            purchases_count=len(sold),
            purchases_minor=sum(sold),
            credits_count=len(refunded),
            credits_minor=-sum(refunded),
            interchange_exact=f"{exact[0]:.6f}",
            interchange_booked_minor=booked[0],
            network_fee_exact=f"{exact[1]:.6f}",
            network_fee_booked_minor=booked[1],
            rounding_minor=sum(booked) - sum(round_half_even(cost) for each in costs for cost in each),
            net_position_minor=sum(sold) - sum(refunded) + sum(booked),
        )
        report = replace(report, **changes)
        SettlementFiles().write(self.files.folder("in") / report.file_name, report)
        return report

    def state(self, *lines: StatementLine, **changes: Any) -> BankStatement:
        """A statement of the settlement bank."""
        self.statements += 1
        closing = self.closing_minor + sum(line.amount_minor for line in lines)
        statement = BankStatement(
            statement_id=f"S-{self.member_id}-{self.statements}",
            number=self.statements,
            business_date=DAY,
            bank_id=BANK,
            depositor_id=self.member_id,
            asset="USD",
            opening_minor=self.closing_minor,
            closing_minor=closing,
            lines=lines,
        )
        statement = replace(statement, **changes)
        self.closing_minor = statement.closing_minor
        SettlementFiles().write(self.files.folder("in") / statement.file_name, statement)
        return statement

    def instructions(self) -> PayoutInstructions:
        """What the bank is asked to pay."""
        name = f"payouts-{DAY}-{self.member_id}-USD.txt"
        return SettlementFiles().read(self.files.folder("out") / name, PayoutInstructions)

    def balances(self) -> dict[int, int]:
        """Balances by chart code, zeros left out."""
        with self.acquirer.processor.engine.connect() as connection:
            rows = connection.execute(text("select code, sum(balance_minor) from accounts group by code"))
            return {code: int(balance) for code, balance in rows if balance}

    def findings(self, planted: str | None = None) -> list[str]:
        """What the proofs find, after a statement that is rolled back."""
        proofs = (*LEDGER_PROOFS, *ACQUIRER_PROOFS)
        with self.acquirer.processor.engine.connect() as connection:
            if planted is not None:
                connection.execute(text(planted))
            return [f"{proof.name}: {found}" for proof in proofs for found in proof.find(connection)]

    def reasons(self) -> list[str]:
        """The disagreements kept."""
        with self.acquirer.processor.engine.connect() as connection:
            breaks = "select reason from acquirer_breaks order by business_date, id"
            return list(connection.execute(text(breaks)).scalars())

    def through_clearing(self) -> list[Presentment]:
        """To the end of the evening, everything confirmed."""
        self.until(22)
        items = self.confirm(self.presentments())
        self.until(23)
        return items


def line(reference: str, amount_minor: int, kind: str = "settlement") -> StatementLine:
    return StatementLine(reference=reference, kind=kind, amount_minor=amount_minor, counterpart=NETWORK)

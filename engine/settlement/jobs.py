"""The morning after: reports and statements into the books, then merchants are paid."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from engine.clearing.jobs import decided, send_file
from engine.ports import SettlementFormat
from engine.runtime.inbox import take_in
from engine.runtime.jobs import JobContext, Step
from engine.settlement import store
from engine.settlement.model import BookReport, BookStatement, PayMerchant
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.settlement import BankStatement, PayoutInstructions, SettlementReport


def settlement_steps(
    network_member_id: str, settlement_bank_id: str, settlement_format: SettlementFormat
) -> tuple[Step, ...]:
    """Steps of the job `settlement`: the network's reports, then the bank's statements, late ones included."""

    def read_report(path: Path) -> tuple[FileTotals, list[BookReport]]:
        report = settlement_format.read(path, SettlementReport)
        if report.network_id != network_member_id:
            raise FormatError("network_id", "is not the network")
        return report.totals, [BookReport(report=report)]

    def read_statement(path: Path) -> tuple[FileTotals, list[BookStatement]]:
        statement = settlement_format.read(path, BankStatement)
        if statement.bank_id != settlement_bank_id:
            raise FormatError("bank_id", "is not the settlement bank")
        return statement.totals, [BookStatement(statement=statement)]

    return (
        Step("reports", lambda context: take_in(context, SettlementReport.KIND, read_report)),
        Step("statements", lambda context: take_in(context, BankStatement.KIND, read_statement)),
    )


def payout_steps(settlement_bank_id: str, settlement_format: SettlementFormat) -> tuple[Step, ...]:
    """Steps of the job `payouts`: decide each merchant's payout, then write and send the instructions of the date."""

    def pay(context: JobContext) -> int:
        on = context.business_date
        with context.engine.connect() as connection:
            merchants = store.merchants_to_pay(connection, on)
        return decided(context, (PayMerchant(merchant=merchant, business_date=on) for merchant in merchants))

    def send(context: JobContext) -> int:
        with context.engine.connect() as connection:
            documents = store.payout_instructions(
                connection, context.business_date, context.institution.member_id, settlement_bank_id
            )
        for document in documents:
            fill = partial(_write, settlement_format, document)
            send_file(context, document.file_name, document.totals, fill)
        return sum(len(document.lines) for document in documents)

    return (Step("pay", pay), Step("send", send))


def _write(settlement_format: SettlementFormat, document: PayoutInstructions, path: Path) -> None:
    settlement_format.write(path, document)

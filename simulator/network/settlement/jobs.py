"""The settlement of a day: nets, reports to members, the instruction to the settlement bank; next day its statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from engine.ports import SettlementFormat
from engine.runtime.inbox import take_in
from engine.runtime.jobs import Job, JobContext, Step
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.settlement import BankStatement, InstructionLine, SettlementDocument, SettlementInstruction
from simulator.network.settlement.model import BookMovement, NetPosition
from simulator.network.settlement.store import read_cycles, read_positions
from simulator.sending import decided, send


def settlement_jobs(settlement_format: SettlementFormat, settlement_bank_id: str) -> tuple[Job, ...]:
    """`settlement` at 23:30 of the clearing date; `statement` at 07:00 of the next day."""
    return (
        Job(
            name="settlement",
            at="23:30",
            steps=(
                Step("net", _net),
                Step("reports", partial(_report, settlement_format)),
                Step("instructions", partial(_instruct, settlement_format, settlement_bank_id)),
            ),
        ),
        Job(
            name="statement",
            at="07:00",
            steps=(Step("movements", partial(_book, settlement_format, settlement_bank_id)),),
            day_offset=-1,
        ),
    )


def _net(context: JobContext) -> int:
    with context.engine.connect() as connection:
        cycles = read_cycles(connection, context.institution.member_id, context.business_date)
    return decided(context, cycles)


def _report(settlement_format: SettlementFormat, context: JobContext) -> int:
    positions = _positions(context)
    for position in positions:
        _send(settlement_format, context, position.report(context.institution.member_id))
    return len(positions)


def _instruct(settlement_format: SettlementFormat, bank_id: str, context: JobContext) -> int:
    network_id, day = context.institution.member_id, context.business_date
    sent = 0
    for asset, positions in groupby(sorted(_positions(context), key=_asset), key=_asset):
        lines = tuple(
            InstructionLine(member_id=one.member_id, reference=one.report_id, net_minor=one.net_position_minor)
            for one in positions
            if one.net_position_minor
        )
        instruction = SettlementInstruction(
            instruction_id=f"{network_id}-{day}-{asset}",
            business_date=day,
            network_id=network_id,
            bank_id=bank_id,
            asset=asset,
            lines=lines,
        )
        _send(settlement_format, context, instruction)
        sent += 1
    return sent


def _book(settlement_format: SettlementFormat, bank_id: str, context: JobContext) -> int:
    def read(path: Path) -> tuple[FileTotals, Sequence[BookMovement]]:
        statement = settlement_format.read(path, BankStatement)
        if statement.bank_id != bank_id:
            raise FormatError("bank_id", "is not the settlement bank")
        return statement.totals, _movements(statement)

    return take_in(context, BankStatement.KIND, read)


def _movements(statement: BankStatement) -> list[BookMovement]:
    return [
        BookMovement(
            statement_id=statement.statement_id,
            line=number,
            business_date=statement.business_date,
            kind=line.kind,
            reference=line.reference,
            member_id=line.counterpart,
            asset=statement.asset,
            amount_minor=line.amount_minor,
        )
        for number, line in enumerate(statement.lines, start=1)
    ]


def _positions(context: JobContext) -> list[NetPosition]:
    with context.engine.connect() as connection:
        return read_positions(connection, context.business_date)


def _asset(position: NetPosition) -> str:
    return position.asset


def _send(settlement_format: SettlementFormat, context: JobContext, document: SettlementDocument) -> None:
    send(context, document.totals, document.file_name, partial(settlement_format.write, document=document))

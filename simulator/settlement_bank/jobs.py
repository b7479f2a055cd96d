"""The settlement bank's morning: members' positions at six, merchants' payouts at nine, a statement after each.

Hard cases: a file that does not hold, or of a stranger (refused whole), one that comes again (nothing happens), one
that comes late (the next run), a crash anywhere (each step finds what it did).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from engine.ports import SettlementFormat
from engine.runtime.inbox import take_in
from engine.runtime.jobs import Job, JobContext, Step
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.settlement import PayoutInstructions, SettlementInstruction
from simulator.sending import decided, send
from simulator.settlement_bank.decide import PAYOUT, SETTLEMENT
from simulator.settlement_bank.model import DrawStatement, PayOut, SettleMember
from simulator.settlement_bank.store import has_deposit, read_moved, read_statements

Read = Callable[[JobContext, Path], tuple[FileTotals, Sequence[Any]]]


def bank_jobs(network_member_id: str, settlement_format: SettlementFormat) -> tuple[Job, ...]:
    """`settlement` at 06:00 and `payouts` at 09:00, both of the business date before. Positions are instructed by the
    network alone, payouts by whom the bank keeps a deposit for.
    """
    settle = partial(_settlements, network_member_id, settlement_format)
    pay_out = partial(_payouts, settlement_format)
    return (
        Job(
            name="settlement",
            at="06:00",
            steps=(
                Step("positions", partial(_take_in, SettlementInstruction.KIND, settle)),
                *_statements(settlement_format, SETTLEMENT),
            ),
            day_offset=-1,
        ),
        Job(
            name="payouts",
            at="09:00",
            steps=(
                Step("payouts", partial(_take_in, PayoutInstructions.KIND, pay_out)),
                *_statements(settlement_format, PAYOUT),
            ),
            day_offset=-1,
        ),
    )


def _statements(settlement_format: SettlementFormat, occasion: str) -> tuple[Step, Step]:
    return (
        Step("statements", partial(_draw, occasion)),
        Step("files", partial(_send, settlement_format, occasion)),
    )


def _take_in(kind: str, read: Read, context: JobContext) -> int:
    return take_in(context, kind, partial(read, context))


def _settlements(
    network_member_id: str, settlement_format: SettlementFormat, context: JobContext, path: Path
) -> tuple[FileTotals, list[SettleMember]]:
    instruction = settlement_format.read(path, SettlementInstruction)
    if instruction.network_id != network_member_id:
        raise FormatError("network_id", "is not the network")
    # Who pays goes first: the network's deposit receives before it pays.
    lines = sorted(instruction.lines, key=lambda line: (line.net_minor > 0, line.reference))
    return instruction.totals, [
        SettleMember(
            reference=line.reference,
            network_id=instruction.network_id,
            member_id=line.member_id,
            business_date=context.business_date,
            asset=instruction.asset,
            net_minor=line.net_minor,
        )
        for line in lines
    ]


def _payouts(settlement_format: SettlementFormat, context: JobContext, path: Path) -> tuple[FileTotals, list[PayOut]]:
    instructions = settlement_format.read(path, PayoutInstructions)
    with context.engine.connect() as connection:
        known = has_deposit(connection, instructions.acquirer_id, instructions.asset)
    if not known:
        raise FormatError("acquirer_id", "has no deposit of this asset here")
    return instructions.totals, [
        PayOut(
            payout_id=line.payout_id,
            acquirer_id=instructions.acquirer_id,
            deposit_reference=line.deposit_reference,
            business_date=context.business_date,
            asset=instructions.asset,
            amount_minor=line.amount_minor,
        )
        for line in instructions.lines
    ]


def _draw(occasion: str, context: JobContext) -> int:
    """A statement for both sides of a settlement, and for who has paid others. Merchants are told by their acquirer."""
    with context.engine.connect() as connection:
        moved = read_moved(connection, context.business_date, occasion, payees=occasion == SETTLEMENT)
    return decided(context, [DrawStatement(*deposit, context.business_date, occasion) for deposit in moved])


def _send(settlement_format: SettlementFormat, occasion: str, context: JobContext) -> int:
    with context.engine.connect() as connection:
        drawn = read_statements(connection, context.business_date, occasion)
    for statement in drawn:
        document = statement.document(context.institution.member_id)
        send(context, document.totals, document.file_name, partial(settlement_format.write, document=document))
    return len(drawn)

"""The clearing of a day: acquirers' files in, priced items out to both sides.

Hard cases: a file that does not hold (refused whole, nothing of it counts); one that comes again (changes nothing); a
file late for its day (taken in by the next run, under that day's date); a crash anywhere (each step finds what it did).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engine.ports import ClearingFormat
from engine.runtime.inbox import take_in
from engine.runtime.jobs import Job, JobContext, Step
from engine.vault.store import reveal
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from simulator.network.clearing.model import AcceptItem, Item, ItemState
from simulator.network.clearing.store import Side, by_member, read_day
from simulator.network.members.store import read_names
from simulator.sending import send

CLEARING, CONFIRMED, REJECTED = "clearing", "confirmed", "rejected"
"""Kinds of file: items to an issuer or from an acquirer; the same, priced, back to the acquirer; those that do not
count, back to the acquirer."""


def clearing_job(clearing_format: ClearingFormat) -> Job:
    """Due at 22:30 of the clearing date."""
    return Job(
        name="clearing",
        at="22:30",
        steps=(
            Step("items", partial(_take_in, clearing_format)),
            Step("files", partial(_send_out, clearing_format)),
        ),
    )


def _take_in(clearing_format: ClearingFormat, context: JobContext) -> int:
    with context.engine.connect() as connection:
        members = read_names(connection)

    def read(path: Path) -> tuple[FileTotals, Sequence[AcceptItem]]:
        totals, presentments = clearing_format.read(path)
        if totals.sender_id not in members:
            raise FormatError("sender", "is not a member")
        if any(one.acquirer_id != totals.sender_id for one in presentments):
            raise FormatError("acquirer", "is not the sender, in one item at least")
        return totals, [AcceptItem(one, totals.file_id, context.business_date) for one in presentments]

    return take_in(context, CLEARING, read)


def _send_out(clearing_format: ClearingFormat, context: JobContext) -> int:
    with context.engine.connect() as connection:
        day = read_day(connection, context.business_date)
    accepted = [item for item in day if item.state is ItemState.ACCEPTED]
    rejected = [item for item in day if item.state is ItemState.REJECTED]
    files: list[tuple[str, Side, list[Item]]] = [
        (CLEARING, "issuer_id", accepted),
        (CONFIRMED, "acquirer_id", accepted),
        (REJECTED, "acquirer_id", rejected),
    ]
    sent = 0
    for kind, side, items in files:
        for member_id, own in by_member(items, side).items():
            _send_one(clearing_format, context, kind, member_id, own)
            sent += 1
    return sent


def _send_one(
    clearing_format: ClearingFormat, context: JobContext, kind: str, member_id: str, items: Sequence[Item]
) -> None:
    network_id = context.institution.member_id
    totals = FileTotals(
        file_id=f"{network_id}-{kind}-{member_id}-{context.business_date}",
        kind=kind,
        sender_id=network_id,
        recipient_id=member_id,
        business_date=context.business_date,
        record_count=len(items),
        amount_total_minor=sum(item.amount_minor for item in items),
    )
    with context.outside.read() as connection:
        pans = reveal(connection, context.outside.hsm, {item.card_token for item in items})
    presentments = [item.presentment(pans[item.card_token]) for item in items]
    name = f"{kind}-{context.business_date}-{member_id}.ipm"
    send(context, totals, name, lambda path: clearing_format.write(path, totals, presentments))

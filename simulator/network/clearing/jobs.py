"""The clearing of a day: acquirers' files in, priced items out to both sides.

Hard cases: a file that does not hold (refused whole, nothing of it counts, its sender is told); one that comes again
(changes nothing); a file late for its day (taken in by the next run, under that day's date); a crash anywhere (each
step finds what it did).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from engine.ports import ClearingFormat
from engine.runtime.files import digest_of
from engine.runtime.inbox import take_in
from engine.runtime.jobs import Job, JobContext, Step
from engine.vault.store import reveal
from engine.vocabulary.clearing import FileReject
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.messages import Presentment
from simulator.network.clearing.model import AcceptItem, Item, ItemState
from simulator.network.clearing.store import Side, by_member, read_day
from simulator.network.members.store import read_names
from simulator.sending import send

CLEARING, CONFIRMED, REJECTED, REFUSAL = "clearing", "confirmed", "rejected", "refusal"
"""Kinds of file: items to an issuer or from an acquirer; the same, priced, back to the acquirer; those that do not
count, back to the acquirer; word of a whole file that does not."""
PAGE = 1_000
"""Items whose card numbers are revealed at once."""


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

    def check(totals: FileTotals, item: Presentment) -> None:
        if item.acquirer_id != totals.sender_id:
            raise FormatError(f"item {item.arn} acquirer", "is not the sender")

    def read(path: Path) -> tuple[FileTotals, Iterable[AcceptItem]]:
        totals, presentments = clearing_format.read(path, Presentment, check)
        if totals.sender_id not in members:
            raise FormatError("sender", "is not a member")
        return totals, (AcceptItem(one, totals.file_id, context.business_date) for one in presentments)

    def refused(path: Path, fault: FormatError) -> None:
        # What a refused file says of itself cannot be relied upon: its name says whose it is.
        sender_id = path.stem.rsplit("-", 1)[-1]
        if sender_id in members:
            _send_back(clearing_format, context, path, sender_id, str(fault))

    return take_in(context, CLEARING, read, refused)


def _send_back(clearing_format: ClearingFormat, context: JobContext, path: Path, sender_id: str, reason: str) -> None:
    """Tell a member that a file of its has not been taken, by the file's name."""
    network_id, digest = context.institution.member_id, digest_of(path).hex()[:8]
    totals = FileTotals(
        file_id=f"{network_id}-{REFUSAL}-{path.name}-{digest}",
        kind=REFUSAL,
        sender_id=network_id,
        recipient_id=sender_id,
        business_date=context.business_date,
        record_count=1,
        amount_total_minor=0,
    )
    told = FileReject(name=path.name, sender_id=sender_id, reason=reason, business_date=context.business_date)
    send(
        context, totals, f"{REFUSAL}-{digest}-{path.name}", lambda target: clearing_format.write(target, totals, [told])
    )


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
    name = f"{kind}-{context.business_date}-{member_id}.ipm"
    records = (item.reject for item in items) if kind == REJECTED else _presentments(context, items)
    send(context, totals, name, lambda path: clearing_format.write(path, totals, records))


def _presentments(context: JobContext, items: Sequence[Item]) -> Iterator[Presentment]:
    """The items as both sides are told of them, card numbers revealed a page at a time."""
    for start in range(0, len(items), PAGE):
        page = items[start : start + PAGE]
        with context.outside.read() as connection:
            pans = reveal(connection, context.outside.hsm, {item.card_token for item in page})
        for item in page:
            yield item.presentment(pans[item.card_token])

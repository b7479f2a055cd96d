"""The cut-off, and what comes back: payments into a clearing file, confirmed items into the books."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from engine.clearing import store
from engine.clearing.model import ConfirmItem, PresentPayment, RejectItem, SendFile
from engine.ports import ClearingFormat
from engine.runtime.batch import UNAVAILABLE
from engine.runtime.files import mark_sent, register, sent_in_state
from engine.runtime.inbox import take_in
from engine.runtime.jobs import JobContext, Step
from engine.vocabulary.clearing import FileReject, MessageReject
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.files import FileTotals, Outgoing
from engine.vocabulary.messages import Presentment

CLEARING = "clearing"
CONFIRMED = "confirmed"
REJECTED = "rejected"
REFUSAL = "refusal"
"""Kinds of file: to the network, and back from it with what each item costs, with those that do not count, or with word
of a whole file that does not."""
SENT, REFUSED, REPLACED = "sent", "refused", "replaced"
"""What has become of a file of ours."""
AGAIN = "-again"
"""In the name of a file that is written once more, from the books, because the first was refused."""

log = structlog.get_logger()


def clearing_steps(network_member_id: str, clearing_format: ClearingFormat) -> tuple[Step, ...]:
    """The steps of the job `clearing`: present what is captured, then write and send the file of the date."""

    def present(context: JobContext) -> int:
        with context.engine.connect() as connection:
            captured = store.to_present(connection)
        return decided(
            context, (PresentPayment(payment_id=one, business_date=context.business_date) for one in captured)
        )

    def send(context: JobContext) -> int:
        return _send_items(context, context.business_date, network_member_id, clearing_format)

    return (Step("present", present), Step("send", send))


def confirmation_steps(network_member_id: str, clearing_format: ClearingFormat) -> tuple[Step, ...]:
    """The steps that take in the network's `confirmed-*`, `rejected-*` and `refusal-*` files, late ones included.

    A file that was refused is written again from the books and sent, once; twice refused, a person has to look.
    """

    def from_network(totals: FileTotals) -> None:
        if totals.sender_id != network_member_id:
            raise FormatError("sender", "is not the network")

    def priced(totals: FileTotals, item: Presentment) -> None:
        for what, amount in (("interchange", item.interchange), ("network fee", item.network_fee)):
            if amount is None:
                raise FormatError(f"item {item.arn} {what}", "is missing")

    def confirmed(path: Path) -> tuple[FileTotals, Iterable[ConfirmItem]]:
        totals, items = clearing_format.read(path, Presentment, priced)
        from_network(totals)
        return totals, (
            ConfirmItem(
                arn=item.arn,
                interchange=item.interchange or "",
                network_fee=item.network_fee or "",
                rate=item.rate,
                downgrades=item.downgrades,
                business_date=item.business_date,
            )
            for item in items
        )

    def rejected(path: Path) -> tuple[FileTotals, Iterable[RejectItem]]:
        totals, rejects = clearing_format.read(path, MessageReject)
        from_network(totals)
        return totals, (RejectItem(arn=one.arn, business_date=one.business_date) for one in rejects)

    def refused(context: JobContext, path: Path) -> tuple[FileTotals, Iterable[Any]]:
        totals, refusals = clearing_format.read(path, FileReject)
        from_network(totals)
        with context.engine.begin() as connection:
            for one in refusals:
                if mark_sent(connection, CLEARING, one.name, before=SENT, state=REFUSED, reason=one.reason):
                    institution = context.institution.name
                    log.warning("the network refused a file", institution=institution, file=one.name, why=one.reason)
        return totals, ()

    def again(context: JobContext) -> int:
        sent = 0
        with context.engine.connect() as connection:
            waiting = sent_in_state(connection, CLEARING, REFUSED)
        for name, on in waiting:
            if AGAIN in name:
                log.error("a file was refused twice: look into it", institution=context.institution.name, file=name)
                continue
            sent += _send_items(context, on, network_member_id, clearing_format, AGAIN)
            with context.engine.begin() as connection:
                mark_sent(connection, CLEARING, name, before=REFUSED, state=REPLACED)
        return sent

    return (
        Step("confirm", lambda context: take_in(context, CONFIRMED, confirmed)),
        Step("reject", lambda context: take_in(context, REJECTED, rejected)),
        Step("refusals", lambda context: take_in(context, REFUSAL, partial(refused, context))),
        Step("again", again),
    )


def _send_items(
    context: JobContext, on: date, network_member_id: str, clearing_format: ClearingFormat, attempt: str = ""
) -> int:
    """Write and send the file of a clearing date; how many items are in it. Without items there is none."""
    member_id = context.institution.member_id
    with context.engine.connect() as connection:
        count, amount_minor = store.totals_on(connection, on)
        if count == 0:
            return 0
        totals = FileTotals(
            file_id=f"{member_id}-{CLEARING}-{on:%Y%m%d}{attempt}",
            kind=CLEARING,
            sender_id=member_id,
            recipient_id=network_member_id,
            business_date=on,
            record_count=count,
            amount_total_minor=amount_minor,
        )
        items = store.presentments_on(connection, context.outside.hsm, on)
        name = f"{CLEARING}-{on}{attempt}-{member_id}.ipm"
        send_file(context, name, totals, lambda path: clearing_format.write(path, totals, items))
    return count


def send_file(context: JobContext, name: str, totals: FileTotals, fill: Callable[[Path], None]) -> None:
    """Have `fill` write the file, register it, and queue it for its recipient. Again after a crash, it is the same
    file.
    """
    path = context.files.write(name, fill)
    with context.engine.begin() as connection:
        register(connection, totals, path, "out", state="sent", at=context.now)
    if not decided(context, [SendFile(recipient_id=totals.recipient_id, file=Outgoing(name, totals.kind))]):
        raise BezantError(f"{context.institution.name}: {name} was written but not queued for {totals.recipient_id}")


def decided(context: JobContext, requests: Iterable[Any]) -> int:
    """Decide these; how many were not refused. `BezantError` when the books are out of reach: the step is run again."""
    codes = [answer.code for answer in context.execute(requests) if answer is not None]
    if UNAVAILABLE in codes:
        raise BezantError(f"{context.institution.name}: the books cannot be reached; the job goes on when they can")
    return sum(code in ("presented", "paid", "queued") for code in codes)

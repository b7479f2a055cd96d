"""The cut-off, and what comes back: payments into a clearing file, confirmed items into the books."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from engine.clearing import store
from engine.clearing.model import ConfirmItem, PresentPayment, RejectItem, SendFile
from engine.ports import ClearingFormat
from engine.runtime.batch import UNAVAILABLE
from engine.runtime.files import register
from engine.runtime.inbox import take_in
from engine.runtime.jobs import JobContext, Step
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.files import FileTotals, Outgoing
from engine.vocabulary.messages import Presentment

CLEARING = "clearing"
CONFIRMED = "confirmed"
REJECTED = "rejected"
"""Kinds of file: to the network, and back from it with what each item costs, or with those that do not count."""


def clearing_steps(network_member_id: str, clearing_format: ClearingFormat) -> tuple[Step, ...]:
    """The steps of the job `clearing`: present what is captured, then write and send the file of the date."""

    def present(context: JobContext) -> int:
        with context.engine.connect() as connection:
            captured = store.to_present(connection)
        return decided(
            context, (PresentPayment(payment_id=one, business_date=context.business_date) for one in captured)
        )

    def send(context: JobContext) -> int:
        on = context.business_date
        with context.engine.connect() as connection:
            count, amount_minor = store.totals_on(connection, on)
            if count == 0:
                return 0
            name = f"{CLEARING}-{on}-{context.institution.member_id}.ipm"
            totals = FileTotals(
                file_id=f"{context.institution.member_id}-{CLEARING}-{on:%Y%m%d}",
                kind=CLEARING,
                sender_id=context.institution.member_id,
                recipient_id=network_member_id,
                business_date=on,
                record_count=count,
                amount_total_minor=amount_minor,
            )
            items = store.presentments_on(connection, context.outside.hsm, on)
            send_file(context, name, totals, lambda path: clearing_format.write(path, totals, items))
        return count

    return (Step("present", present), Step("send", send))


def confirmation_steps(network_member_id: str, clearing_format: ClearingFormat) -> tuple[Step, ...]:
    """The steps that take in the network's `confirmed-*` and `rejected-*` files, late ones included."""

    def from_network(path: Path) -> tuple[FileTotals, list[Presentment]]:
        totals, items = clearing_format.read(path)
        if totals.sender_id != network_member_id:
            raise FormatError("sender", "is not the network")
        return totals, items

    def confirmed(path: Path) -> tuple[FileTotals, list[ConfirmItem]]:
        totals, items = from_network(path)
        return totals, [
            ConfirmItem(
                arn=item.arn,
                interchange=_computed(item.arn, "interchange", item.interchange),
                network_fee=_computed(item.arn, "network fee", item.network_fee),
                business_date=item.business_date,
            )
            for item in items
        ]

    def rejected(path: Path) -> tuple[FileTotals, list[RejectItem]]:
        totals, items = from_network(path)
        return totals, [RejectItem(arn=item.arn, business_date=item.business_date) for item in items]

    return (
        Step("confirm", lambda context: take_in(context, CONFIRMED, confirmed)),
        Step("reject", lambda context: take_in(context, REJECTED, rejected)),
    )


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


def _computed(arn: str, what: str, amount: str | None) -> str:
    if amount is None:
        raise FormatError(f"item {arn} {what}", "is missing")
    return amount

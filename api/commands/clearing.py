"""`bezant clearing`: prove a clearing file, look into it, and write it in another shape."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from engine.vocabulary.clearing import Chargeback, ClearingRecord, PresentmentReversal, amount_of
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.messages import Presentment
from gateways.clearing.files import ClearingFiles, FileShape, scan, shape_of

commands = typer.Typer(
    name="clearing",
    help="Prove clearing files, look into them, and write them in another shape.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(help="A clearing file, in any of the shapes of simnet.")]
WORDS = {
    "Presentment": "presentments",
    "PresentmentReversal": "presentments taken back",
    "Chargeback": "chargebacks",
    "FeeCollection": "fees",
    "MessageReject": "items rejected",
    "FileReject": "files rejected",
}


@commands.command("verify")
def verify(
    file: File, output: Annotated[Literal["table", "json"], typer.Option(help="How to show it.")] = "table"
) -> None:
    """Read a whole file, prove its numbers and totals, and say what it holds."""
    from api.commands.bars import waiting

    shape = _shape(file)
    counts: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    with waiting() as bars:
        task = bars.add_task("reading", total=None)
        totals, records = _proven(file, counts, amounts, bars, task)
    found: dict[str, str | int] = {
        "shape": str(shape),
        "file_id": totals.file_id,
        "kind": totals.kind,
        "sender": totals.sender_id,
        "recipient": totals.recipient_id,
        "business_date": str(totals.business_date),
        "records": records,
        "total_minor": totals.amount_total_minor,
        **{f"amount_minor_{asset}": amount for asset, amount in sorted(amounts.items())},
        **{WORDS[kind]: count for kind, count in sorted(counts.items())},
    }
    if output == "json":
        typer.echo(json.dumps(found))
        return
    table = Table(title=f"{file.name}: every record and total holds", show_header=False)
    for name, value in found.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else value)
    Console(highlight=False).print(table)


@commands.command("show")
def show(
    file: File,
    first: Annotated[int, typer.Option(help="The number of the first record to show, from 1.", min=1)] = 1,
    most: Annotated[int, typer.Option(help="How many records to show.", min=1)] = 20,
) -> None:
    """Show records of a file; card numbers are masked."""
    table = Table(title=file.name)
    for heading in ("", "record", "reference", "card", "amount", "merchant", "rate", "what better ones would need"):
        table.add_column(heading, overflow="fold")
    try:
        records = (one for one in scan(file) if not isinstance(one, FileTotals))
        for number, record in enumerate(islice(records, first - 1, first - 1 + most), first):
            table.add_row(str(number), *_row(record))
    except FormatError as fault:
        raise BezantError(f"{file} is not a clearing file that holds: {fault}.") from None
    Console(highlight=False).print(table)


@commands.command("convert")
def convert(
    source: File,
    target: Annotated[Path, typer.Argument(help="Where to write it; readable by its owner only.")],
    layout: Annotated[Literal["ipm", "fixed"], typer.Option(help="IPM-like records, or lines of 168.")] = "ipm",
    charset: Annotated[Literal["ascii", "ebcdic"], typer.Option(help="ASCII, or EBCDIC code page 500.")] = "ascii",
    blocked: Annotated[bool, typer.Option("--blocked", help="IPM-like: in blocks of 1014 bytes.")] = False,
) -> None:
    """Prove a file and write the same records in another shape."""
    from api.commands.bars import waiting

    if blocked and layout == "fixed":
        raise BezantError("Only IPM-like files are written in blocks: leave out --blocked or --layout fixed.")
    if target.exists():
        raise BezantError(f"{target} exists already: name another file.")
    _shape(source)
    draft = target.with_name(target.name + ".part")
    with waiting() as bars:
        task = bars.add_task("reading", total=None)
        totals, _ = _proven(source, Counter(), Counter(), bars, task)
        task = bars.add_task("writing", total=totals.record_count)

        def records() -> Iterator[ClearingRecord]:
            for one in scan(source):
                if not isinstance(one, FileTotals):
                    bars.advance(task)
                    yield one

        draft.touch(mode=0o600)
        try:
            ClearingFiles(FileShape(layout, charset, blocked)).write(draft, totals, records())
        except FormatError as fault:
            raise BezantError(f"{source} cannot be written in this shape: {fault}.") from None
        else:
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    Console(highlight=False).print(f"{target}: {totals.record_count:,} records")


def _shape(file: Path) -> FileShape:
    try:
        with file.open("rb") as reading:
            return shape_of(reading)
    except FormatError as fault:
        raise BezantError(f"{file} is no clearing file: {fault}.") from None


def _proven(
    file: Path, counts: Counter[str], amounts: Counter[str], bars: Progress, task: TaskID
) -> tuple[FileTotals, int]:
    """The totals of a file that holds, and how many records it has; what it has is counted by kind and asset."""
    totals, records = None, 0
    try:
        for one in scan(file):
            if isinstance(one, FileTotals):
                totals = one
                continue
            records += 1
            counts[type(one).__name__] += 1
            if (amount := amount_of(one)) is not None:
                amounts[amount.asset] += amount.amount_minor
            bars.advance(task)
    except FormatError as fault:
        raise BezantError(f"{file} is not a clearing file that holds: {fault}.") from None
    assert totals is not None, "a file without a trailer does not hold"
    return totals, records


def _row(record: ClearingRecord) -> tuple[str, ...]:
    amount = amount_of(record)
    money = "" if amount is None else str(amount)
    if isinstance(record, Presentment | PresentmentReversal | Chargeback):
        item = record if isinstance(record, Presentment) else record.presentment
        merchant, rate, needed = " ".join(item.merchant_name.split()), item.rate or "", item.downgrades or ""
        return type(record).__name__, item.arn, str(item.pan), money, merchant, rate, needed
    return type(record).__name__, *_reference_and_words(record, money)


def _reference_and_words(record: ClearingRecord, money: str) -> tuple[str, ...]:
    values = {name: str(getattr(record, name)) for name in ("arn", "fee_id", "name") if hasattr(record, name)}
    words = str(getattr(record, "reason", None) or getattr(record, "text", ""))
    return next(iter(values.values())), "", money, words, "", ""

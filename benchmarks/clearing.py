"""`bezant bench clearing`: clearing files, against the open IPM parser cardutil on the same records, in turns.

Rows `ipm_write` and `ipm_read` are records a second, from presentments to a file and back; our reading proves the whole
file first and then gives its records, which is reading it twice. `memory` is the most that a process has had in memory
after a file of 1,000,000 records was written and read, beside one of 20,000: a ratio of 1 is flat.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

from cardutil.mciipm import IpmReader, IpmWriter

from benchmarks.shape import Result, Row, versions
from engine.vocabulary.files import FileTotals
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money
from gateways.clearing.files import ClearingFiles

ROUNDS: Final = 5
RECORDS: Final = 2_000
FEW: Final = 20_000
MANY: Final = 1_000_000

DAY: Final = date(2026, 3, 2)
ITEM: Final = Presentment(
    arn="22000016061000000000018",
    network_reference="S00000000000001",
    acquirer_id="200001",
    pan=Pan("4000010012345670"),
    processing_code="000000",
    amount=Money(12_345, "USD"),
    transacted_at=datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC),
    authorized_on=DAY,
    approval_code="A1B2C3",
    pos_entry_mode="510901C99394",
    mcc="5411",
    terminal_id="TERM0001",
    merchant_id="MERCHANT0000001",
    merchant_name=f"{'CORNER SHOP':25}{'SPRINGFIELD':13}US",
    business_date=DAY,
    interchange="49.000000",
    network_fee="10.000000",
    rate="DEVD-READ",
)


def run(say: Callable[[str], object]) -> Result:
    """Measure. `say` is told how far it is."""
    with TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        items, messages = list(_items(RECORDS)), _messages(ours)
        calls: tuple[Callable[[], None], ...] = (
            lambda: _write(ours, RECORDS, items),
            lambda: _write_theirs(theirs, messages),
            lambda: _read(ours, RECORDS),
            lambda: _read_theirs(ours),
        )
        seconds: list[list[float]] = [[] for _ in calls]
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}: {RECORDS:,} records written and read by either side")
            for call, taken in zip(calls, seconds, strict=True):
                began = perf_counter()
                call()
                taken.append(perf_counter() - began)
        assert theirs.stat().st_size == ours.stat().st_size, "both sides write the same bytes, in another order of PDS"
    rates = [round(RECORDS / median(taken)) for taken in seconds]
    rows = (
        Row("ipm_write", rates[0], rates[1], "cardutil", "records/s"),
        Row("ipm_read", rates[2], rates[3], "cardutil", "records/s"),
        Row("memory", _memory(MANY, say), _memory(FEW, say), f"the same with {FEW:,} records", "KiB"),
    )
    settings = {"rounds": ROUNDS, "records": RECORDS, "few": FEW, "many": MANY}
    return Result("clearing", versions(cardutil=version("cardutil")), settings, rows)


def _items(count: int) -> Iterator[Presentment]:
    for number in range(count):
        yield replace(ITEM, arn=f"{number:023d}", network_reference=f"S{number:014d}")


def _write(path: Path, count: int, items: Iterable[Presentment] | None = None) -> None:
    totals = FileTotals(
        file_id="200001-1",
        kind="clearing",
        sender_id="200001",
        recipient_id="900000",
        business_date=DAY,
        record_count=count,
        amount_total_minor=count * ITEM.amount.amount_minor,
    )
    ClearingFiles().write(path, totals, _items(count) if items is None else items)


def _read(path: Path, count: int) -> None:
    _, records = ClearingFiles().read(path, Presentment)
    assert sum(1 for _ in records) == count


def _messages(path: Path) -> list[dict[str, Any]]:
    """Our records as the peer has them."""
    _write(path, RECORDS)
    with path.open("rb") as file:
        return list(IpmReader(file))


def _write_theirs(path: Path, messages: list[dict[str, Any]]) -> None:
    with path.open("wb") as file, IpmWriter(file) as writer:
        for message in messages:
            writer.write(dict(message))


def _read_theirs(path: Path) -> None:
    with path.open("rb") as file:
        assert sum(1 for _ in IpmReader(file)) == RECORDS + 2


def _memory(count: int, say: Callable[[str], object]) -> int:
    """The most memory of a process of its own that writes and reads so many records, in KiB."""
    say(f"memory: {count:,} records written and read")
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "benchmarks.clearing", str(count), folder], check=True)
        return int(Path(folder, "memory").read_text())


def _measure_alone(count: int, folder: Path) -> None:
    _write(folder / "many", count)
    _read(folder / "many", count)
    (folder / "memory").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


if __name__ == "__main__":
    _measure_alone(int(sys.argv[1]), Path(sys.argv[2]))

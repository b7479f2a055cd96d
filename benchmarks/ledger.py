"""`ledger`: transfers through the whole shell, against pgbench on the same server, in turns.

Each transfer is a request with its own idempotency key, decided under locks, posted, digested and committed durably.
The requests come from the processor's own process, in a closed loop: so many in flight, no think time. Answers are
heard in the writer's thread, which submits the next request; one request at a time goes through the event loop, as in
a host. pgbench runs its own workload, which is TPC-B like: three updates, one read, one insert and a commit a
transaction. Every figure is the median of rounds in which all take their turn, so that a busy machine disturbs both
sides of a ratio.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from os import cpu_count, getloadavg
from pathlib import Path
from statistics import median

from sqlalchemy import URL, Connection, text

from api.clock import machine_now
from api.settings import Settings, load_settings
from api.system import MEMBERS, System, opened
from benchmarks.curve import Point, drawn
from benchmarks.filling import fill
from benchmarks.load import Load, serving
from benchmarks.shape import Result, Row, versions
from engine.database.server import program
from engine.ledger.audit import LEDGER_PROOFS
from engine.processor import Processor
from engine.vocabulary.errors import BezantError

EMPTY, FULL, APART = "bank", "northbank", "southbank"
"""The institution whose book has its accounts' opening deposits only, the one with millions of entries, and the one
for writers that the others' work must not disturb: a writer remembers its accounts, and another writer on the same ones
would have it measured while it learns them again.
"""
ACCOUNTS = 100_000
DEPOSITS = 30
"""To each account of the full book: three million entries, and as many keys."""
OPENING_MINOR = 1_000_000
ROUNDS = 5
SECONDS = 4.0
SCALE = 10
CONNECTIONS = 8
TPC_B = f"pgbench -c {CONNECTIONS} -M prepared, TPC-B, scale {SCALE}"
EACH = (30, 1_000)
"""In flight at each writer, where one stands beside another. With few a writer waits for its disk, and a second one
uses that time; with many one writer and its backend keep two processors busy, and there is little left to use.
"""
WARM_IN_FLIGHT, WARM_SECONDS = 1_000, 8.0
"""Before the first round: what is measured is a writer that has met its accounts."""
LADDER = (1, 3, 10, 30, 100, 300, 1_000, 3_000)
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")

Say = Callable[[str], None]


def run(say: Say) -> Result:
    """Measure, on a server of its own in a folder that is gone afterwards. Raises `BezantError` for unproven books."""
    with tempfile.TemporaryDirectory(prefix="bezant-bench-") as folder:
        settings = load_settings().model_copy(update={"database_url": None, "data_folder": Path(folder)})
        with opened(settings) as system:
            return asyncio.run(_measured(system, settings, say))


async def _measured(system: System, settings: Settings, say: Say) -> Result:
    members = tuple(member for member in MEMBERS if member.name in (EMPTY, FULL, APART))
    system.set_up(members, machine_now())
    empty, full, apart = (system.institution(name) for name in (EMPTY, FULL, APART))
    say(f"opening {ACCOUNTS:,} accounts four times, with {ACCOUNTS:,} and once {ACCOUNTS * DEPOSITS:,} entries")
    fill(system, empty, accounts=ACCOUNTS, deposits=1, deposit_minor=OPENING_MINOR)
    fill(system, full, accounts=ACCOUNTS, deposits=DEPOSITS, deposit_minor=OPENING_MINOR)
    fill(system, apart, accounts=2 * ACCOUNTS, deposits=1, deposit_minor=OPENING_MINOR)
    url = system.database.owner().url
    _pgbench(url, "-i", "-q", "-s", str(SCALE))
    found: defaultdict[str, list[int]] = defaultdict(list)
    begun_under = getloadavg()[0]
    with (
        serving(system, empty) as processor,
        serving(system, full) as loaded,
        serving(system, apart, by_loop=True) as alone,
        _Beside(settings, url, 1, ACCOUNTS // 2) as left,
        _Beside(settings, url, ACCOUNTS // 2 + 1, ACCOUNTS) as right,
    ):
        say("warming up")
        for place, warmed in enumerate((processor, loaded)):
            await Load(warmed, 1, ACCOUNTS, f"warm {place}").run(WARM_IN_FLIGHT, WARM_SECONDS)
        for beside in (left, right):
            beside.begin(WARM_IN_FLIGHT, "warm")
            await beside.rate()
        for number in range(1, ROUNDS + 1):
            for name, figure in (await _round(number, url, (processor, loaded, alone), (left, right))).items():
                found[name].append(figure)
                say(f"round {number}: {name} {figure:,}")
        curve = [await _point(processor, in_flight) for in_flight in LADDER]
    say("proving the books")
    for institution in (empty, full, apart):
        with system.database.institution(institution.name).connect() as connection:
            _prove(connection)
            shown = {name: str(connection.execute(text(f"show {name}")).scalar_one()) for name in _SHOWN}
    figures = {name: int(median(values)) for name, values in found.items()}
    return Result(
        name="ledger",
        versions=versions(postgresql=shown.pop("server_version")),
        settings={
            "accounts": ACCOUNTS,
            "rounds": ROUNDS,
            "seconds_per_figure": int(SECONDS),
            "processors": cpu_count() or 0,
            "load_before": str(round(begun_under, 1)),
            "figure": "median of rounds",
            **shown,
        },
        rows=tuple(
            Row(name, figures[ours], figures[peer], peers_name, unit)
            for name, ours, peer, peers_name, unit in (
                ("concurrent_100", "random_100", "tpc_b_8", TPC_B, "a second"),
                ("concurrent_1000", "random_1000", "tpc_b_8", TPC_B, "a second"),
                ("hot_account", "hot_1000", "random_1000", "random accounts, 1,000 in flight", "a second"),
                ("single_latency", "single_us", "tpc_b_1_us", "pgbench -c 1", "microseconds, less is better"),
                ("two_writers", "two_processes_30", "one_process_30", "one writer, each 30 in flight", "a second"),
                ("two_busy_writers", "two_processes_1000", "one_process_1000", "one, each 1,000 in flight", "a second"),
                ("preloaded_3m", "full_1000", "random_1000", "a book of few entries", "a second"),
            )
        ),
        picture=drawn("Latency against load, transfers through the door", curve),
    )


async def _round(
    number: int, url: URL, processors: tuple[Processor, Processor, Processor], beside: tuple[_Beside, _Beside]
) -> dict[str, int]:
    load, full = (Load(one, 1, ACCOUNTS, f"round {number} {place}") for place, one in enumerate(processors[:2]))
    alone = Load(processors[2], ACCOUNTS + 1, 2 * ACCOUNTS, f"round {number} alone")
    left, right = beside
    seconds = str(int(SECONDS))
    figures = {"tpc_b_8": int(_pgbench(url, "-n", "-c", str(CONNECTIONS), "-j", "2", "-M", "prepared", "-T", seconds))}
    figures["random_100"] = (await load.run(100, SECONDS)).rate
    figures["random_1000"] = (await load.run(1_000, SECONDS)).rate
    figures["hot_1000"] = (await load.run(1_000, SECONDS, hot=True)).rate
    figures["full_1000"] = (await full.run(1_000, SECONDS)).rate
    figures["tpc_b_1_us"] = int(1e6 / _pgbench(url, "-n", "-c", "1", "-M", "prepared", "-T", seconds))
    figures["single_us"] = (await alone.run(1, SECONDS)).mean_us
    for in_flight in EACH:
        left.begin(in_flight, f"alone {number} {in_flight}")
        figures[f"one_process_{in_flight}"] = await left.rate()
        for one in beside:
            one.begin(in_flight, f"both {number} {in_flight}")
        figures[f"two_processes_{in_flight}"] = await left.rate() + await right.rate()
    return figures


async def _point(processor: Processor, in_flight: int) -> Point:
    heard = await Load(processor, 1, ACCOUNTS, f"ladder {in_flight}").run(in_flight, SECONDS / 2)
    return Point(in_flight, heard.rate, heard.median_us / 1e3, heard.slowest_us / 1e3)


class _Beside:
    """A writer in a process of its own, with its own load on its own accounts."""

    def __init__(self, settings: Settings, url: URL, first: int, last: int) -> None:
        self._environment = {
            "BEZANT_DATABASE_URL": url.render_as_string(hide_password=False),
            "BEZANT_DATA_FOLDER": str(settings.data_folder),
        }
        self._arguments = (APART, str(first), str(last), str(SECONDS))

    def __enter__(self) -> _Beside:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd=Path(__file__).parents[1],
        )
        self._line()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("\n", timeout=60)

    def begin(self, in_flight: int, name: str) -> None:
        """Have it run once; the name keeps its references apart."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{in_flight} {name}\n")
        self._process.stdin.flush()

    async def rate(self) -> int:
        """What came of the run."""
        return int(await asyncio.to_thread(self._line))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BezantError("A writer beside this process has ended before it was told to.")
        return line


def _pgbench(url: URL, *arguments: str) -> float:
    """Run pgbench; the transactions a second that it reports, 0 when it reports none."""
    place = ["-h", str(url.host), "-p", str(url.port), "-U", str(url.username), str(url.database)]
    ran = subprocess.run(
        [program("pgbench"), *arguments, *place],
        capture_output=True,
        text=True,
        check=False,
        env={"PGPASSWORD": str(url.password), "LC_ALL": "C"},
    )
    if ran.returncode:
        raise BezantError(f"pgbench failed: {ran.stderr.strip().splitlines()[-1]}")
    found = _TPS.search(ran.stdout)
    return float(found[1]) if found else 0.0


def _prove(connection: Connection) -> None:
    for proof in LEDGER_PROOFS:
        for finding in proof.find(connection):
            raise BezantError(f"The books are not proven after the run ({proof.name}): {finding}.")

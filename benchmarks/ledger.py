"""`ledger`: transfers between random wallets through the whole shell, against pgbench on the same server.

Each transfer is a request with its own idempotency key, decided under locks, posted, journalled and committed durably.
The requests come from one process, the processor's own, in a closed loop: so many in flight, no think time. pgbench
runs its own workload, which is TPC-B like: three updates, one read, one insert and a commit a transaction.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from os import cpu_count
from pathlib import Path
from random import Random
from statistics import median
from threading import Thread
from time import perf_counter
from uuid import UUID

from sqlalchemy import URL, Connection, text

from api.clock import WorldClock, machine_now
from api.hosts import SWITCH_INTERVAL_S
from api.settings import load_settings
from api.system import MEMBERS, OUR_BANK, System, opened
from benchmarks.shape import Result, Row, versions
from engine.accounts.model import OpenCustomer
from engine.database.server import program
from engine.ledger.audit import LEDGER_PROOFS
from engine.processor import Processor
from engine.transfers.audit import TRANSFER_PROOFS
from engine.transfers.model import SendMoney
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError

ACCOUNTS = 10_000
OPENING_MINOR = 1_000_000
LARGEST_MINOR = 100
IN_FLIGHT = (100, 1_000)
ROUNDS = 3
SECONDS = 5
SCALE = 10
CONNECTIONS = 8
PEER = f"pgbench -c {CONNECTIONS} -M prepared, scale {SCALE}"
_TPS = re.compile(r"^tps = ([0-9]+)", re.MULTILINE)

Say = Callable[[str], None]


def run(say: Say) -> Result:
    """Measure, on a server of its own in a folder that is gone afterwards. Raises `BezantError` for unproven books."""
    with tempfile.TemporaryDirectory(prefix="bezant-bench-") as folder:
        settings = load_settings().model_copy(update={"database_url": None, "data_folder": Path(folder)})
        with opened(settings) as system:
            return asyncio.run(_measured(system, say))


async def _measured(system: System, say: Say) -> Result:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    say(f"opening {ACCOUNTS} wallets, filling pgbench's tables")
    system.set_up(tuple(member for member in MEMBERS if member.name == OUR_BANK), machine_now())
    bank = system.institution(OUR_BANK)
    seat = system.seat(
        bank,
        clock=WorldClock(system.database.institution(bank.name)),
        hand_over=asyncio.get_running_loop().call_soon_threadsafe,
    )
    load = Load(seat.processor)
    url = system.database.owner().url
    _pgbench(url, "-i", "-q", "-s", str(SCALE))
    writer = Thread(target=seat.processor.serve)
    writer.start()
    ours: dict[int, list[int]] = {in_flight: [] for in_flight in IN_FLIGHT}
    peer: list[int] = []
    try:
        for number in range(1, ROUNDS + 1):
            for in_flight in IN_FLIGHT:
                ours[in_flight].append(await load.round(in_flight))
                say(f"round {number}: {ours[in_flight][-1]} transfers a second, {in_flight} in flight")
            peer.append(_pgbench(url, "-n", "-c", str(CONNECTIONS), "-j", "2", "-M", "prepared", "-T", str(SECONDS)))
            say(f"round {number}: {peer[-1]} transactions a second by pgbench")
    finally:
        seat.processor.stop()
        writer.join()
    with seat.processor.engine.connect() as connection:
        say("proving the books")
        _prove(connection)
        shown = {name: str(connection.execute(text(f"show {name}")).scalar_one()) for name in _SHOWN}
    return Result(
        name="ledger",
        versions=versions(postgresql=shown.pop("server_version")),
        settings={
            "accounts": ACCOUNTS,
            "rounds": ROUNDS,
            "seconds_per_round": SECONDS,
            "processors": cpu_count() or 0,
            "figure": "median of rounds",
            **shown,
        },
        rows=tuple(
            Row(f"transfers, {in_flight} in flight", int(median(figures)), int(median(peer)), PEER, "per second")
            for in_flight, figures in ours.items()
        ),
    )


_SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


class Load:
    """People who send each other small amounts, chosen by chance from one seed."""

    def __init__(self, processor: Processor) -> None:
        """Opens the wallets."""
        self._processor = processor
        self._random = Random(ACCOUNTS)
        self._sent = 0
        self._handles = [f"@w{number:05d}" for number in range(ACCOUNTS)]
        answers = processor.execute(
            OpenCustomer(handle=handle, name=handle, opening_deposit_minor=OPENING_MINOR) for handle in self._handles
        )
        self._ids = [UUID(str(answer.facts["customer_id"])) for answer in answers if answer is not None]

    async def round(self, in_flight: int) -> int:
        """Transfers a second over `SECONDS`, with so many in flight all the time."""
        finished = asyncio.Event()
        begun_at = perf_counter()
        done = open_ = 0

        def heard(answer: Answer) -> None:
            nonlocal done, open_
            assert answer.code == "sent", answer
            open_ -= 1
            if perf_counter() - begun_at < SECONDS:
                done += 1
                send()
            elif open_ == 0:
                finished.set()

        def send() -> None:
            nonlocal open_
            open_ += 1
            self._processor.submit(self._next(), heard)

        for _ in range(in_flight):
            send()
        await finished.wait()
        return done // SECONDS

    def _next(self) -> SendMoney:
        sender, receiver = self._random.sample(range(ACCOUNTS), 2)
        self._sent += 1
        return SendMoney(
            reference=str(self._sent),
            sender_id=self._ids[sender],
            handle=self._handles[receiver],
            amount_minor=self._random.randint(1, LARGEST_MINOR),
            asset="USD",
        )


def _pgbench(url: URL, *arguments: str) -> int:
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
    return int(found[1]) if found else 0


def _prove(connection: Connection) -> None:
    for proof in (*LEDGER_PROOFS, *TRANSFER_PROOFS):
        for finding in proof.find(connection):
            raise BezantError(f"The books are not proven after the run ({proof.name}): {finding}.")

"""`authorization`: what an issuing bank answers in a second, over TCP, against pgbench on the same server, in turns.

The bank is a host in a process of its own, with durable commits; the network that asks it, this process, runs on the
same cores. `issuer_chip_pin` verifies a chip's cryptogram and an online PIN and answers the chip, `issuer_ecommerce`
has nothing to verify; `batching_gain` is the first against the same code with batches of one. Every figure is the
median of rounds in which all take their turn.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections import defaultdict
from os import cpu_count, getloadavg
from pathlib import Path
from statistics import median
from time import perf_counter

from sqlalchemy import URL

from api.clock import MachineClock, machine_now
from api.settings import Settings, load_settings
from api.system import MEMBERS, System, opened
from benchmarks.issuing import BANK, Asking, Network, issuing, open_cards
from benchmarks.ledger import CONNECTIONS, SCALE, TPC_B, Say
from benchmarks.ledger import _pgbench as pgbench
from benchmarks.shape import Result, Row, versions
from engine.ledger.audit import LEDGER_PROOFS
from engine.vocabulary.errors import BezantError
from gateways.iso8583.codec import decode
from gateways.iso8583.messages import from_fields
from gateways.iso8583.specifications import SIMNET
from issuer.audit import ISSUER_PROOFS
from issuer.authorization.verification import prepare
from issuer.bank import pin_zone

CARDS = 1_000
IN_FLIGHT = 300
ROUNDS = 3
SECONDS = 3
REQUESTS = 8_000
"""Of one figure."""
ALONE = 600
"""Of one figure with batches of one."""
LARGEST_BATCH = 1_000
SAMPLE = 500


def run(say: Say) -> Result:
    """Measure, on a server of its own in a folder that is gone afterwards. Raises `BezantError` for unproven books."""
    with tempfile.TemporaryDirectory(prefix="bezant-bench-") as folder:
        settings = load_settings().model_copy(update={"database_url": None, "data_folder": Path(folder)})
        with opened(settings) as system:
            return asyncio.run(_measured(system, settings, say))


async def _measured(system: System, settings: Settings, say: Say) -> Result:
    system.set_up(tuple(member for member in MEMBERS if member.name == BANK), machine_now())
    say(f"opening {CARDS:,} cards")
    cards = open_cards(system, CARDS)
    url = system.database.owner().url
    pgbench(url, "-i", "-q", "-s", str(SCALE))
    found: defaultdict[str, list[int]] = defaultdict(list)
    begun_under = getloadavg()[0]
    for number in range(ROUNDS + 1):
        figures = await _round(system, settings, url, Asking(system, cards, f"round {number}"))
        if number:  # the first warms up
            for name, figure in figures.items():
                found[name].append(figure)
            say(f"round {number}: " + ", ".join(f"{name} {figure:,}" for name, figure in figures.items()))
    spent = _where_the_time_goes(system, Asking(system, cards, "sample"))
    say("where the time goes: " + ", ".join(f"{name} {figure}" for name, figure in spent.items()))
    _prove(system)
    figures = {name: int(median(values)) for name, values in found.items()}
    return Result(
        name="authorization",
        versions=versions(),
        settings={
            "cards": CARDS,
            "rounds": ROUNDS,
            "in_flight": IN_FLIGHT,
            "processors": cpu_count() or 0,
            "load_before": str(round(begun_under, 1)),
            "figure": "median of rounds",
            **spent,
        },
        rows=(
            Row("issuer_chip_pin", figures["chip_pin"], figures["tpc_b"], TPC_B, "a second"),
            Row("issuer_ecommerce", figures["ecommerce"], figures["tpc_b"], TPC_B, "a second"),
            Row("batching_gain", figures["chip_pin"], figures["batches_of_one"], "batches of one", "a second"),
            Row("half_load_p99", figures["p99_us"], figures["p50_us"], "its p50", "microseconds, less is better"),
        ),
    )


async def _round(system: System, settings: Settings, url: URL, asking: Asking) -> dict[str, int]:
    database_url = url.render_as_string(hide_password=False)
    seconds = str(SECONDS)
    figures = {"tpc_b": int(pgbench(url, "-n", "-c", str(CONNECTIONS), "-j", "2", "-M", "prepared", "-T", seconds))}
    port = _free_port()
    network = Network(port)
    await network.start()
    try:
        with issuing(settings, database_url, port, LARGEST_BATCH):
            await network.signed_on()
            await network.ask(asking.ecommerce(SAMPLE), IN_FLIGHT)
            figures["chip_pin"] = int((await network.ask(asking.chip_and_pin(REQUESTS), IN_FLIGHT)).rate)
            figures["ecommerce"] = int((await network.ask(asking.ecommerce(REQUESTS), IN_FLIGHT)).rate)
            # Half of them in flight is not half the load, but what a closed loop can say of it.
            waits = await network.ask(asking.chip_and_pin(REQUESTS // 2), IN_FLIGHT // 10)
            figures["p50_us"], figures["p99_us"] = waits.at(50), waits.at(99)
    finally:
        await network.close()
    port = _free_port()
    network = Network(port)
    await network.start()
    try:
        with issuing(settings, database_url, port, 1):
            await network.signed_on()
            figures["batches_of_one"] = int((await network.ask(asking.chip_and_pin(ALONE), IN_FLIGHT)).rate)
    finally:
        await network.close()
    return figures


def _where_the_time_goes(system: System, asking: Asking) -> dict[str, int]:
    """Microseconds of one authorization by chip and PIN in a batch of many: reading the message, the HSM's verdicts,
    and the rest (locks, rules, writes, commit)."""
    seat = system.seat(system.institution(BANK), clock=MachineClock())
    frames = asking.chip_and_pin(2 * SAMPLE)
    now = machine_now()
    began = perf_counter()
    requests = [from_fields(decode(frame, SIMNET), now=now) for frame in frames]
    codec = perf_counter() - began
    seat.processor.execute(requests[:SAMPLE])
    began = perf_counter()
    prepare(pin_zone(BANK), seat.processor.outside, requests[SAMPLE:])  # type: ignore[arg-type]
    crypto = perf_counter() - began
    began = perf_counter()
    seat.processor.execute(requests[SAMPLE:])
    whole = perf_counter() - began
    return {
        "codec_us": int(codec / len(frames) * 1e6),
        "crypto_us": int(crypto / SAMPLE * 1e6),
        "decide_and_sql_us": int((whole - crypto) / SAMPLE * 1e6),
    }


def _prove(system: System) -> None:
    with system.database.institution(BANK).connect() as connection:
        for proof in (*LEDGER_PROOFS, *ISSUER_PROOFS):
            for finding in proof.find(connection):
                raise BezantError(f"The books are not proven after the run ({proof.name}): {finding}.")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

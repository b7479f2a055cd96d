"""How fast a link is: 0800 in, 0810 out, over loopback, pipelined, one server process.

Ours is the acquirer's host for terminals as it stands: frames cut, messages decoded and checked, answered, encoded.
The peer is the least that asyncio can do with the same frames: a protocol that cuts them and writes each back, one
write a frame. One and the same client asks both, in turns.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any, Final
from uuid import UUID

from benchmarks.shape import Row
from engine.vocabulary.decision import Answer
from gateways.iso8583.codec import encode
from gateways.iso8583.framing import TWO_BYTES
from gateways.iso8583.specifications import TERMINAL
from gateways.iso8583.wires import Wires
from gateways.pos import PosHost

ROUNDS: Final = 5
ASKED: Final = 30_000
"""Messages of one round."""
IN_FLIGHT: Final = 128
ALONE: Final = 2_000
"""Messages of one round that travel alone, for what a link adds to one message."""

PEER: Final = "a bare asyncio protocol, same frames, one write each"

_ECHO: Final = {"t": "0800", "7": "0302093000", "11": "000001", "41": "TERM0001", "70": "301"}


@dataclass(frozen=True, slots=True)
class _Round:
    """Messages a second, and how long each waited for its reply, in microseconds, in order."""

    rate: float
    waits_us: list[float]


def rows(say: Callable[[str], object]) -> tuple[Row, ...]:
    """`link_echo` in messages a second, then latencies in microseconds (less is better): of a message alone, and of
    one of `IN_FLIGHT`."""
    frame = TWO_BYTES.framed(encode(_ECHO, TERMINAL))
    found: dict[str, tuple[list[_Round], list[_Round]]] = {"ours": ([], []), "peer": ([], [])}
    with _served(_serve_ours) as ours, _served(_serve_bare) as bare:
        for turn in range(ROUNDS + 1):
            for name, port in (("ours", ours), ("peer", bare)):
                piped, alone = _asked(port, frame, ASKED, IN_FLIGHT), _asked(port, frame, ALONE, 1)
                # The first turn warms up.
                if turn:
                    found[name][0].append(piped)
                    found[name][1].append(alone)
                    say(f"link echo, round {turn}, {name}: {piped.rate:,.0f}/s")
    rates = {name: round(statistics.median(one.rate for one in found[name][0])) for name in found}
    latencies = [
        Row(
            f"link_{what}_{label}",
            round(_quantile(found["ours"][kind], share)),
            round(_quantile(found["peer"][kind], share)),
            PEER,
            "microseconds",
        )
        for kind, what in ((1, "alone"), (0, "pipelined"))
        for label, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
    ]
    return (Row("link_echo", rates["ours"], rates["peer"], PEER, "messages/s"), *latencies)


def _quantile(rounds: list[_Round], share: float) -> float:
    waits = sorted(wait for one in rounds for wait in one.waits_us)
    return waits[min(len(waits) - 1, int(share * len(waits)))]


def _asked(port: int, frame: bytes, count: int, in_flight: int) -> _Round:
    """Ask `count` times on one connection, `in_flight` at once. Replies come in order, each as long as the first."""
    waits: list[float] = []
    sent: deque[float] = deque()
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        line.sendall(frame * in_flight)
        sent.extend([began] * in_flight)
        left, rest, length = count - in_flight, b"", 0
        while sent:
            rest += line.recv(1 << 18)
            length = length or 2 + int.from_bytes(rest[:2], "big")
            came, over = divmod(len(rest), length)
            rest = rest[-over:] if over else b""
            now = time.perf_counter()
            waits.extend((now - sent.popleft()) * 1e6 for _ in range(came))
            if more := min(came, left):
                line.sendall(frame * more)
                sent.extend([now] * more)
                left -= more
        return _Round(count / (time.perf_counter() - began), waits)


@contextmanager
def _served(serve: Callable[[Connection], None]) -> Iterator[int]:
    """A server in a process of its own; its port."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("stop")
        process.join()


def _serve_ours(orders: Connection) -> None:
    async def serve() -> None:
        host = PosHost(_NoDoor(), acquirer_id="200001", host="127.0.0.1", port=0, clock=_MachineClock(), wires=Wires())
        await host.start()
        orders.send(host.listener.address[1])
        await asyncio.get_running_loop().run_in_executor(None, orders.recv)
        await host.close()

    asyncio.run(serve())


def _serve_bare(orders: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Bare, "127.0.0.1", 0)
        orders.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, orders.recv)
        server.close()

    asyncio.run(serve())


class _Bare(asyncio.Protocol):
    """The peer: cuts frames and writes each back."""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, chunk: bytes) -> None:
        stream, start = self._rest + chunk, 0
        while len(stream) - start >= 2:
            end = start + 2 + int.from_bytes(stream[start : start + 2], "big")
            if end > len(stream):
                break
            self._transport.write(stream[start:end])
            start = end
        self._rest = stream[start:]


class _MachineClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, at: datetime) -> None:
        await asyncio.sleep(max(0.0, (at - self.now()).total_seconds()))


class _NoDoor:
    """An 0800 asks for no decision."""

    def submit(self, request: Any, reply: Callable[[Answer], None] | None = None) -> UUID:
        raise AssertionError("an echo is answered by the link")

"""Dials links, plain or by TLS: `dial` makes one, `Dialler` keeps one up."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from engine.ports import Clock
from gateways.iso8583.links import DEFAULT_LINE, Line, Link, OnLink, PeerUnreachable, words_of
from gateways.iso8583.listening import HANDSHAKE_S
from gateways.iso8583.wires import Address, Wires

log = structlog.get_logger(__name__)


async def dial(
    host: str,
    port: int,
    on_link: OnLink,
    *,
    clock: Clock,
    wires: Wires,
    name: str = "",
    line: Line = DEFAULT_LINE,
    tls: ssl.SSLContext | None = None,
) -> Link:
    """Connect. `name` is what the peer is called in logs; with `tls` its certificate must name `host`. Raises
    `PeerUnreachable`, a sentence for people."""
    loop = asyncio.get_running_loop()
    fault: OSError | None = None
    wires.activity.began()
    try:
        for family, kind, protocol, _, remote in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                connected = await _connect(socket.socket(family, kind, protocol), (str(remote[0]), port), wires)
                return await _spoken(connected, host, lambda: Link(on_link, clock, wires, name, line), tls, wires)
            except OSError as error:
                fault = error
    except OSError as error:
        fault = error
    finally:
        wires.settle()
        wires.activity.ended()
    assert fault is not None, "an address resolves to nothing only with an error"
    if isinstance(fault, ssl.SSLError):
        raise PeerUnreachable(f"no trusted line to {host} port {port} ({words_of(fault)})") from None
    raise PeerUnreachable(f"nobody answers at {host} port {port} ({words_of(fault)}): is it running?") from None


async def _spoken(
    connected: socket.socket, host: str, link: Callable[[], Link], tls: ssl.SSLContext | None, wires: Wires
) -> Link:
    """A link on a connected socket, once TLS stands, if it shall."""
    local, remote = connected.getsockname()[:2], connected.getpeername()[:2]
    try:
        _, made = await asyncio.get_running_loop().create_connection(
            link,
            sock=connected,
            ssl=tls,
            server_hostname=None if tls is None else host,
            ssl_handshake_timeout=None if tls is None else HANDSHAKE_S,
        )
    except BaseException:
        connected.close()
        wires.lose(local, remote)
        wires.lose(remote, local)
        raise
    return made


async def _connect(unconnected: socket.socket, remote: Address, wires: Wires) -> socket.socket:
    unconnected.setblocking(False)
    local: Address | None = None
    try:
        if wires.is_ours(remote):
            # Bound first, so that the other side knows whose frames it counts before any can arrive.
            unconnected.bind((remote[0], 0))
            local = unconnected.getsockname()[:2]
            wires.expect(local, remote)
        await asyncio.get_running_loop().sock_connect(unconnected, remote)
    except BaseException:
        unconnected.close()
        if local is not None:
            wires.lose(local, remote)
            wires.lose(remote, local)
        raise
    return unconnected


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before dialling again: `first`, then twice as long each time, at most `longest`."""

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(seconds=60)


class Dialler:
    """Keeps one link up: dials, and dials again when it is lost, less and less often while nobody there talks to us."""

    def __init__(
        self,
        host: str,
        port: int,
        on_link: OnLink,
        *,
        clock: Clock,
        wires: Wires,
        name: str = "",
        line: Line = DEFAULT_LINE,
        tls: ssl.SSLContext | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.link: Link | None = None
        self._dial = partial(dial, host, port, on_link, clock=clock, wires=wires, name=name, line=line, tls=tls)
        self._clock = clock
        self._wires = wires
        self._backoff = backoff or Backoff()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        assert self._task is None, "a dialler starts once"
        self._task = asyncio.get_running_loop().create_task(self._keep_up())
        self._wires.settle()

    async def close(self) -> None:
        """Close the link and dial no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.link is not None:
            self.link.close()
            await asyncio.sleep(0)
            self.link.abort()
            await self.link.closed()

    async def _keep_up(self) -> None:
        wait = self._backoff.first
        while True:
            try:
                self.link = await self._dial()
            except PeerUnreachable as error:
                log.info("peer unreachable", reason=str(error))
            else:
                await self.link.closed()
                if self.link.counters.frames_in:
                    # It talked to us: this is a new outage, not the old one.
                    wait = self._backoff.first
            await self._clock.sleep_until(self._clock.now() + wait)
            wait = min(2 * wait, self._backoff.longest)

"""TCP links that carry frames: `Link` is one connection, `Listener` accepts them, `dial` makes one, `Dialler` keeps
one up.

A link knows frames, not messages. What it carries goes to a `Conversation`. Trouble stays as small as it is: a
malformed message is counted and the next one read; only broken framing closes the connection, for nobody knows where
the next message would begin; a peer that does not read is cut off, so that it cannot fill our memory; a frame for a
closed link is lost, as on any wire, and its sender's timer notices.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from engine.ports import Clock
from engine.vocabulary.errors import BezantError, FormatError
from gateways.iso8583.framing import HEADER_BYTES, MAX_FRAME_BYTES, FrameReader, framed
from gateways.iso8583.wires import Address, End, Wires

log = structlog.get_logger(__name__)

MAX_BACKLOG_BYTES = 8 * 1024 * 1024
"""Bytes waiting to be written to a peer that does not read, before it is cut off."""


CLOSED_HERE = "closed on this side"
"""Why a link is gone that its owner had no more use for."""


class Conversation(Protocol):
    """What a link talks to. Both methods are called on the event loop, must not block, and may send and close."""

    def on_frame(self, frame: bytes) -> None:
        """One whole frame has arrived. A `FormatError` from here is counted and logged, and the link goes on."""
        ...

    def on_lost(self, reason: str) -> None:
        """The connection is gone; called once. `reason` is for people."""
        ...


OnLink = Callable[["Link"], Conversation]
"""Called with each new link, ready to send; returns what it shall talk to."""


class CannotListen(BezantError):
    """The address cannot be listened on."""


class PortBusy(CannotListen):
    """Another program listens there."""


class PeerUnreachable(BezantError):
    """Nobody answers at an address."""


@dataclass(slots=True)
class Counters:
    """What a link has seen. Bytes include length headers. `malformed` counts frames, `last_seen` is the world's
    time."""

    last_seen: datetime
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    malformed: int = 0


class Link(asyncio.Protocol):
    """One connection. Made by `Listener` and `dial`, never directly."""

    def __init__(
        self, on_link: OnLink, clock: Clock, wires: Wires, name: str = "", max_frame_bytes: int = MAX_FRAME_BYTES
    ) -> None:
        self.peer = name
        self.counters = Counters(last_seen=clock.now())
        self._on_link = on_link
        self._clock = clock
        self._wires = wires
        self._reader = FrameReader(max_frame_bytes)
        self._max_frame_bytes = max_frame_bytes
        self._reason: str | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._transport: asyncio.Transport
        self._conversation: Conversation
        self._ends: tuple[Address, Address]
        self._end: End
        self._far_end: End | None

    @property
    def outside(self) -> bool:
        """Whether the peer is another program, whose work nobody here counts."""
        return self._far_end is None

    def send(self, frame: bytes) -> bool:
        """Write one frame (without header), at once and whole. False: the link is closed and the frame lost.

        Does not wait: what the peer has not taken queues here, and beyond `MAX_BACKLOG_BYTES` the peer is cut off.
        Who sends in bulk awaits `drained` in between.
        """
        assert len(frame) <= self._max_frame_bytes, "a frame must fit the link's maximum"
        if self._transport.is_closing():
            return False
        if self._far_end is not None:
            self._far_end.sent()
        self.counters.frames_out += 1
        self.counters.bytes_out += HEADER_BYTES + len(frame)
        self._transport.write(framed(frame))
        if self._transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self.abort(f"it has not read the last {MAX_BACKLOG_BYTES} bytes")
        return True

    async def drained(self) -> None:
        """Return when the peer has taken most of what was sent, or the link is closed."""
        await self._writable.wait()

    def close(self, reason: str = CLOSED_HERE) -> None:
        """Close after what was sent. Nothing more is received."""
        if not self._transport.is_closing():
            self._part(reason)
            self._transport.close()

    def abort(self, reason: str = "cut on this side") -> None:
        """Close at once; what was not yet written is lost."""
        self._part(reason)
        self._transport.abort()

    async def closed(self) -> None:
        """Return when the connection is gone."""
        await self._gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        local, remote = transport.get_extra_info("sockname")[:2], transport.get_extra_info("peername")[:2]
        self.peer = self.peer or f"{remote[0]}:{remote[1]}"
        self._ends = (local, remote)
        self._end, self._far_end = self._wires.claim(local, remote)
        self._conversation = self._on_link(self)
        self._end.delivered()

    def data_received(self, chunk: bytes) -> None:
        """Called by asyncio."""
        self.counters.bytes_in += len(chunk)
        self.counters.last_seen = self._clock.now()
        try:
            for frame in self._reader.feed(chunk):
                self._handle(frame)
                if self._transport.is_closing():
                    return
        except FormatError as fault:
            self.counters.malformed += 1
            self.close(str(fault))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self._part("closed by the other side" if error is None else f"the connection broke ({_words(error)})")
        assert self._reason is not None
        reason = self._reason
        # What we meant to do is no news.
        (log.debug if reason == CLOSED_HERE else log.info)("link lost", peer=self.peer, reason=reason)
        self._writable.set()
        self._gone.set()
        self._wires.settle()
        self._conversation.on_lost(reason)
        self._wires.lose(*self._ends)

    def pause_writing(self) -> None:
        """Called by asyncio: the peer reads more slowly than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._writable.set()

    def _part(self, reason: str) -> None:
        """The connection is about to end. Where both ends are ours, that is under way to each until it has noticed."""
        if self._reason is None:
            self._reason = reason
            if self._far_end is not None:
                self._end.sent()
                self._far_end.sent()

    def _handle(self, frame: bytes) -> None:
        self.counters.frames_in += 1
        try:
            self._conversation.on_frame(frame)
        except FormatError as fault:
            self.counters.malformed += 1
            log.warning(
                "malformed message", peer=self.peer, element=fault.element, reason=fault.reason, at=fault.offset
            )
        except Exception as bug:
            # It must be seen, and must not take the other messages of this link with it.
            context = {"message": f"a message from {self.peer} was not handled", "exception": bug, "protocol": self}
            asyncio.get_running_loop().call_exception_handler(context)
        finally:
            self._end.delivered()


class Listener:
    """Accepts links at an address. Port 0 takes a free one; `address` says which."""

    def __init__(
        self,
        host: str,
        port: int,
        on_link: OnLink,
        *,
        clock: Clock,
        wires: Wires,
        max_frame_bytes: int = MAX_FRAME_BYTES,
        setting: str = "--port",
    ) -> None:
        """`setting` is the option or variable that chooses the port, for the sentence that says that it is busy."""
        self.address: Address = (host, port)
        self.links: set[Link] = set()
        self._on_link = on_link
        self._clock = clock
        self._wires = wires
        self._max_frame_bytes = max_frame_bytes
        self._setting = setting
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `PortBusy` or `CannotListen`, each a sentence for people."""
        host, port = self.address
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accepted, host, port, start_serving=False, backlog=1024)
            self.address = self._server.sockets[0].getsockname()[:2]
            self._wires.listen(self.address)
            await self._server.start_serving()
        except OSError as error:
            await self.close()
            if error.errno == errno.EADDRINUSE:
                raise PortBusy(
                    f"port {port} on {host} is busy: stop the other program or choose another port with {self._setting}"
                ) from None
            raise CannotListen(f"cannot listen on {host} port {port}: {_words(error)}") from None

    async def close(self) -> None:
        """Accept no more and close every link."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._wires.unlisten(self.address)
        links = list(self.links)
        for link in links:
            link.close("the listener was stopped")
        # A peer that does not read would keep its link open for ever.
        await asyncio.sleep(0)
        for link in links:
            link.abort()
            await link.closed()

    def _accepted(self) -> Link:
        return Link(self._took, self._clock, self._wires, max_frame_bytes=self._max_frame_bytes)

    def _took(self, link: Link) -> Conversation:
        self.links.add(link)
        if self._server is None:
            # Accepted by the system just before the listener was closed.
            link.close("the listener was stopped")
        return _Kept(self._on_link(link), lambda: self.links.discard(link))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A conversation whose owner wants to know when it is over."""

    conversation: Conversation
    over: Callable[[], None]

    def on_frame(self, frame: bytes) -> None:
        self.conversation.on_frame(frame)

    def on_lost(self, reason: str) -> None:
        self.over()
        self.conversation.on_lost(reason)


async def dial(
    host: str,
    port: int,
    on_link: OnLink,
    *,
    clock: Clock,
    wires: Wires,
    name: str = "",
    max_frame_bytes: int = MAX_FRAME_BYTES,
) -> Link:
    """Connect. `name` is what the peer is called in logs. Raises `PeerUnreachable`, a sentence for people."""
    loop = asyncio.get_running_loop()
    fault: OSError | None = None
    wires.activity.began()
    try:
        for family, kind, protocol, _, remote in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                connected = await _connect(socket.socket(family, kind, protocol), (str(remote[0]), port), wires)
            except OSError as error:
                fault = error
                continue
            _, link = await loop.create_connection(
                lambda: Link(on_link, clock, wires, name, max_frame_bytes), sock=connected
            )
            return link
    except OSError as error:
        fault = error
    finally:
        wires.settle()
        wires.activity.ended()
    assert fault is not None, "an address resolves to nothing only with an error"
    raise PeerUnreachable(f"nobody answers at {host} port {port} ({_words(fault)}): is it running?") from None


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
        backoff: Backoff | None = None,
    ) -> None:
        self.link: Link | None = None
        self._dial = partial(dial, host, port, on_link, clock=clock, wires=wires, name=name)
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


def _words(error: Exception) -> str:
    """The system's words for its error, without addresses or numbers."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror).lower()
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if isinstance(number, int) and number > 0 else type(error).__name__

"""One TCP connection that carries frames. `listening` accepts them, `dialling` makes them and keeps them up.

A link knows frames, not messages. What it carries goes to a `Conversation`. Trouble stays as small as it is: a
malformed message is counted and the next one read; only broken framing closes the connection, for nobody knows where
the next message would begin; a frame for a closed link is lost, as on any wire, and its sender's timer notices.

One slow peer holds up nobody. What it does not read queues here up to a limit; meanwhile nothing more is read from it,
so it cannot ask for ever more; after `stalled` without reading a byte, or over the limit, it is cut off. So is who
begins a frame and does not end it, and who says nothing for too long. Peers within this process are not watched: they
are ours, and the simulated world's time must not move for them.

All frames of one read are handled in one turn of the loop, and what is sent in a turn leaves in one write.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from engine.ports import Clock
from engine.vocabulary.errors import BezantError, FormatError
from gateways.iso8583.alarms import Alarm
from gateways.iso8583.framing import MAX_FRAME_BYTES, TWO_BYTES, FrameReader, Framing
from gateways.iso8583.metrics import totals_of
from gateways.iso8583.wires import Address, End, Wires

log = structlog.get_logger(__name__)

MAX_BACKLOG_BYTES: Final = 8 * 1024 * 1024
"""Bytes waiting to be written to a peer that does not read, before it is cut off."""
PAUSE_AT_BYTES: Final = 1024 * 1024
"""Bytes waiting to be written, above which nothing more is read from that peer."""
_WRITE_AT_BYTES: Final = 64 * 1024
"""What is sent in one turn leaves in pieces of about this size."""

CLOSED_HERE: Final = "closed on this side"
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


@dataclass(frozen=True, slots=True)
class Line:
    """How a link frames its messages, and what it puts up with from a peer that is another program."""

    framing: Framing = TWO_BYTES
    max_frame_bytes: int = MAX_FRAME_BYTES
    idle: timedelta | None = None
    """Silence after which the link is closed; None: never."""
    slow: timedelta | None = timedelta(seconds=30)
    """From the first byte of a frame to its last."""
    stalled: timedelta | None = timedelta(seconds=30)
    """How long a peer may leave `PAUSE_AT_BYTES` unread."""

    @property
    def longest_frame(self) -> int:
        """Bytes of the longest message that may be sent or received."""
        return min(self.max_frame_bytes, self.framing.most)


DEFAULT_LINE: Final = Line()


@dataclass(slots=True)
class Counters:
    """What a link has seen. Bytes include length headers. `malformed` counts frames, `lost` those that could not be
    sent any more, `pauses` how often its peer was too slow; `last_seen` is the world's time."""

    last_seen: datetime
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    malformed: int = 0
    lost: int = 0
    pauses: int = 0


class Link(asyncio.Protocol):
    """One connection. Made by `Listener` and `dial`, never directly."""

    def __init__(self, on_link: OnLink, clock: Clock, wires: Wires, name: str = "", line: Line = DEFAULT_LINE) -> None:
        self.peer = name
        self.place = name
        """Whom this side dials by that name, or the port that the other side came in by."""
        self.counters = Counters(last_seen=clock.now())
        self._on_link = on_link
        self._clock = clock
        self._wires = wires
        self._line = line
        self._framed = line.framing.framed
        self._reader = FrameReader(line.framing, line.max_frame_bytes)
        self._longest = line.longest_frame
        self._reason: str | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._leaving: list[bytes] = []
        self._leaving_bytes = 0
        self._in_turn = False
        self._begun_at: datetime | None = None
        self._patience: dict[str, Alarm] = {}
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
        """Send one frame (without header), whole, at the end of this turn of the loop. False: it is lost, for the link
        is closed or the frame longer than the line can carry.

        Does not wait: what the peer has not taken queues here, and beyond `MAX_BACKLOG_BYTES` the peer is cut off.
        Who sends in bulk awaits `drained` in between.
        """
        if self._reason is not None or self._transport.is_closing():
            self.counters.lost += 1
            return False
        if not 0 < len(frame) <= self._longest:
            log.error("a message does not fit the line", peer=self.peer, bytes=len(frame), most=self._longest)
            self.counters.lost += 1
            return False
        if self._far_end is not None:
            self._far_end.sent()
        framed = self._framed(frame)
        self.counters.frames_out += 1
        self.counters.bytes_out += len(framed)
        self._leaving.append(framed)
        self._leaving_bytes += len(framed)
        if self._leaving_bytes >= _WRITE_AT_BYTES:
            self._write()
        elif not self._in_turn and len(self._leaving) == 1:
            asyncio.get_running_loop().call_soon(self._write)
        return True

    async def drained(self) -> None:
        """Return when the peer has taken most of what was sent, or the link is closed."""
        self._write()
        await self._writable.wait()

    def close(self, reason: str = CLOSED_HERE) -> None:
        """Close after what was sent. Nothing more is received."""
        if not self._transport.is_closing():
            self._write()
            self._part(reason)
            self._transport.close()

    def abort(self, reason: str = "cut on this side") -> None:
        """Close at once; what was not yet written is lost."""
        self._part(reason)
        self._leaving.clear()
        self._transport.abort()

    async def closed(self) -> None:
        """Return when the connection is gone."""
        await self._gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=PAUSE_AT_BYTES)
        local, remote = transport.get_extra_info("sockname")[:2], transport.get_extra_info("peername")[:2]
        self.peer = self.peer or f"{remote[0]}:{remote[1]}"
        self.place = self.place or f"port {local[1]}"
        self._ends = (local, remote)
        self._end, self._far_end = self._wires.claim(local, remote)
        self._wires.links.add(self)
        self._conversation = self._on_link(self)
        self._end.delivered()
        self._watch_idle()

    def data_received(self, chunk: bytes) -> None:
        """Called by asyncio."""
        counters = self.counters
        counters.bytes_in += len(chunk)
        counters.last_seen = self._clock.now()
        before = counters.frames_in
        self._in_turn = True
        try:
            for frame in self._reader.feed(chunk):
                self._handle(frame)
                if self._reason is not None:
                    return
        except FormatError as fault:
            counters.malformed += 1
            self.close(str(fault))
        finally:
            self._in_turn = False
            self._write()
        if not self._reader.partial:
            self._begun_at = None
        elif self._begun_at is None or counters.frames_in > before:
            self._begun_at = counters.last_seen
            self._watch_frame()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self._part("closed by the other side" if error is None else f"the connection broke ({words_of(error)})")
        assert self._reason is not None
        reason = self._reason
        # What we meant to do is no news.
        (log.debug if reason == CLOSED_HERE else log.info)("link lost", peer=self.peer, reason=reason)
        for alarm in self._patience.values():
            alarm.cancel()
        self._patience.clear()
        self._leaving.clear()
        self._writable.set()
        self._gone.set()
        self._wires.links.discard(self)
        sums = self._wires.gone.setdefault(self.place, {})
        for name, count in totals_of(self.counters).items():
            sums[name] = sums.get(name, 0) + count
        self._wires.settle()
        self._conversation.on_lost(reason)
        self._wires.lose(*self._ends)

    def pause_writing(self) -> None:
        """Called by asyncio: the peer reads more slowly than we write."""
        self._writable.clear()
        self.counters.pauses += 1
        if self.outside:
            self._transport.pause_reading()
            self._be_patient("stalled", self._line.stalled, self._look_stalled)

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._writable.set()
        if self.outside and not self._transport.is_closing():
            self._transport.resume_reading()

    def _write(self) -> None:
        """Hand over to the system what was sent in this turn."""
        if not self._leaving:
            return
        framed = self._leaving[0] if len(self._leaving) == 1 else b"".join(self._leaving)
        self._leaving.clear()
        self._leaving_bytes = 0
        self._transport.write(framed)
        if self._transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self.abort(f"it has not read the last {MAX_BACKLOG_BYTES} bytes")

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

    def _be_patient(
        self, what: str, limit: timedelta | None, look: Callable[[], None], since: datetime | None = None
    ) -> None:
        """Look at a peer of another program when `limit` has passed, one alarm for each thing to look at."""
        if limit is not None and self.outside and what not in self._patience and not self._gone.is_set():

            def ring() -> None:
                del self._patience[what]
                look()

            at = (since or self._clock.now()) + limit
            self._patience[what] = Alarm(self._clock, at, ring, self._wires)

    def _watch_idle(self) -> None:
        self._be_patient("idle", self._line.idle, self._look_idle, self.counters.last_seen)

    def _look_idle(self) -> None:
        assert self._line.idle is not None
        if self._clock.now() - self.counters.last_seen < self._line.idle:
            self._watch_idle()
        else:
            self.close(f"it said nothing for {self._line.idle.total_seconds():g} seconds")

    def _watch_frame(self) -> None:
        self._be_patient("slow", self._line.slow, self._look_frame, self._begun_at)

    def _look_frame(self) -> None:
        assert self._line.slow is not None
        if self._begun_at is None:
            return
        if self._clock.now() - self._begun_at < self._line.slow:
            self._watch_frame()
        else:
            self.close(f"it began a message and did not end it in {self._line.slow.total_seconds():g} seconds")

    def _look_stalled(self) -> None:
        assert self._line.stalled is not None
        if not self._writable.is_set():
            self.abort(f"it did not read what was sent for {self._line.stalled.total_seconds():g} seconds")


def words_of(error: Exception) -> str:
    """The system's words for its error, without addresses or numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or 'handshake failed').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return str(error.strerror).lower()
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if isinstance(number, int) and number > 0 else type(error).__name__

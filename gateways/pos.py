"""Where terminals call: a listener that turns their ISO 8583 messages into requests to the acquirer, and answers into
messages.

0100/0101, 0220/0221 and 0400/0401/0420/0421 are decided on; 0800 is answered (echo); what is malformed is answered
with DE 39 = 30, or, when not even MTI and DE 11 can be read, the connection is closed. Other messages of the link go
on.
"""

from __future__ import annotations

import ssl
from datetime import timedelta

from engine.ports import Clock, Door
from engine.vocabulary.errors import FormatError
from engine.vocabulary.messages import (
    AuthorizationRequest,
    CompletionAdvice,
    NetworkManagementRequest,
    OfflineSaleAdvice,
    ReversalAdvice,
)
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, codec_of
from gateways.iso8583.framing import TWO_BYTES, Framing
from gateways.iso8583.hosting import serve_request
from gateways.iso8583.links import Line, Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.messages import from_fields
from gateways.iso8583.replies import refuse_malformed, reply_to
from gateways.iso8583.specifications import TERMINAL, Specification
from gateways.iso8583.wires import Wires


class PosHost:
    """The acquirer's end of its terminals' links, at one place and in one dialect."""

    def __init__(
        self,
        door: Door,
        *,
        acquirer_id: str,
        host: str,
        port: int,
        clock: Clock,
        wires: Wires,
        specification: Specification = TERMINAL,
        framing: Framing = TWO_BYTES,
        idle: timedelta | None = None,
        tls: ssl.SSLContext | None = None,
        setting: str = "--pos-port",
    ) -> None:
        """`port` 0 takes a free one; `listener.address` says which, once started. A terminal that says nothing for as
        long as `idle` is hung up on; None waits for ever."""
        line = Line(framing, idle=idle)
        self.listener = Listener(host, port, self._met, clock=clock, wires=wires, line=line, tls=tls, setting=setting)
        self._specification = specification
        self._door = door
        self._acquirer_id = acquirer_id
        self._clock = clock

    async def start(self) -> None:
        """Listen. Raises `PortBusy`."""
        await self.listener.start()

    async def close(self) -> None:
        """Stop listening and close every link."""
        await self.listener.close()

    def _met(self, link: Link) -> _Terminal:
        return _Terminal(link, self._specification, self._door, self._acquirer_id, self._clock)


class _Terminal:
    """One terminal's (or concentrator's) connection."""

    def __init__(self, link: Link, specification: Specification, door: Door, acquirer_id: str, clock: Clock) -> None:
        self._link = link
        self._specification = specification
        self._codec = codec_of(specification)
        self._door = door
        self._acquirer_id = acquirer_id
        self._clock = clock

    def on_frame(self, frame: bytes) -> None:
        """Called by the link."""
        try:
            fields = self._codec.decode(frame)
            request = from_fields(fields, now=self._clock.now(), acquirer_id=self._acquirer_id)
            match request:
                case AuthorizationRequest() | ReversalAdvice() | CompletionAdvice() | OfflineSaleAdvice():
                    if request.acquirer_id != self._acquirer_id:
                        raise FormatError("DE 32", "is another acquirer")
                    serve_request(self._door, request, fields, self._send)
                case NetworkManagementRequest():
                    self._send(reply_to(fields, ResponseCode.APPROVED))
                case _:
                    raise FormatError("MTI", "is not a message that a terminal sends")
        except FormatError:
            refuse_malformed(self._link, frame, self._specification)
            raise

    def on_lost(self, reason: str) -> None:
        """Called by the link. Decisions in flight go on; their answers find nobody, and the terminal asks again."""

    def _send(self, fields: Fields) -> None:
        self._link.send(self._codec.encode(fields))

"""One who asks: a connection over which a tool sends requests and waits for their replies.

For health checks and for a terminal at the command line; hosts hold conversations of their own.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta

from engine.ports import Clock
from engine.vocabulary.errors import FormatError
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.dialling import dial
from gateways.iso8583.links import Link, PeerUnreachable
from gateways.iso8583.matching import PendingReplies
from gateways.iso8583.replies import is_reply
from gateways.iso8583.specifications import Specification
from gateways.iso8583.wires import Wires


class Asker:
    """One connection, of one dialect. Open it, ask, close it."""

    def __init__(
        self,
        host: str,
        port: int,
        specification: Specification,
        *,
        key_elements: tuple[str, ...],
        clock: Clock,
        timeout: timedelta,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`key_elements` match a reply to its request; a reply is waited for as long as `timeout`."""
        self._place = (host, port)
        self._tls = tls
        self._specification = specification
        self._clock = clock
        self._wires = Wires()
        self._pending = PendingReplies(
            clock, self._wires, key_elements=key_elements, timeout=timeout, on_late=lambda reply: None
        )
        self._link: Link | None = None
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Connect. Raises `PeerUnreachable`."""
        self._link = await dial(*self._place, lambda link: self, clock=self._clock, wires=self._wires, tls=self._tls)

    async def ask(self, request: Fields) -> Fields:
        """The reply. Raises `TimeoutError` when none comes in time, `PeerUnreachable` when the other side hangs up."""
        assert self._link is not None, "open it first"
        link = self._link
        asking = asyncio.ensure_future(
            self._pending.ask(request, lambda fields: link.send(encode(fields, self._specification)))
        )
        waiting: set[asyncio.Future[Fields] | asyncio.Future[str]] = {asking, self._lost}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        asking.cancel()
        host, port = self._place
        raise PeerUnreachable(f"{host} port {port} hung up: {self._lost.result()}")

    async def close(self) -> None:
        """Hang up. What is still waited for is not heard."""
        self._pending.forget()
        if self._link is not None:
            self._link.close()
            await self._link.closed()

    def on_frame(self, frame: bytes) -> None:
        """Called by the link."""
        fields = decode(frame, self._specification)
        if not is_reply(fields["t"]):
            raise FormatError("MTI", "is not a reply, and nobody is asked here")
        self._pending.settle(fields)

    def on_lost(self, reason: str) -> None:
        """Called by the link."""
        self._lost.set_result(reason)

"""Accepts links at an address, plain or by TLS, up to a number of them."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from engine.ports import Clock
from gateways.iso8583.links import DEFAULT_LINE, CannotListen, Conversation, Line, Link, OnLink, PortBusy, words_of
from gateways.iso8583.wires import Address, Wires

log = structlog.get_logger(__name__)

MAX_LINKS: Final = 10_000
HANDSHAKE_S: Final = 10
"""A TLS handshake that takes longer is broken off. By the machine's clock: asyncio counts it, there is no link yet."""


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
        line: Line = DEFAULT_LINE,
        max_links: int = MAX_LINKS,
        tls: ssl.SSLContext | None = None,
        setting: str = "--port",
    ) -> None:
        """`setting` is the option or variable that chooses the port, for the sentence that says that it is busy.

        Over `max_links` a connection is closed as soon as it is made, and counted in `refused`.
        """
        self.address: Address = (host, port)
        self.links: set[Link] = set()
        self.refused = 0
        self._on_link = on_link
        self._clock = clock
        self._wires = wires
        self._line = line
        self._max_links = max_links
        self._tls = tls
        self._setting = setting
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `PortBusy` or `CannotListen`, each a sentence for people."""
        host, port = self.address
        loop = asyncio.get_running_loop()
        handshake = None if self._tls is None else HANDSHAKE_S
        try:
            self._server = await loop.create_server(
                self._accepted,
                host,
                port,
                ssl=self._tls,
                ssl_handshake_timeout=handshake,
                start_serving=False,
                backlog=1024,
            )
            self.address = self._server.sockets[0].getsockname()[:2]
            self._wires.listen(self.address)
            await self._server.start_serving()
        except OSError as error:
            await self.close()
            if error.errno == errno.EADDRINUSE:
                raise PortBusy(
                    f"port {port} on {host} is busy: stop the other program or choose another port with {self._setting}"
                ) from None
            raise CannotListen(f"cannot listen on {host} port {port}: {words_of(error)}") from None

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
        return Link(self._took, self._clock, self._wires, line=self._line)

    def _took(self, link: Link) -> Conversation:
        if len(self.links) >= self._max_links:
            self.refused += 1
            log.warning("link refused: there are too many", port=self.address[1], peer=link.peer, most=self._max_links)
            link.close(f"there are {self._max_links} links already")
            return _Refused()
        self.links.add(link)
        if self._server is None:
            # Accepted by the system just before the listener was closed.
            link.close("the listener was stopped")
        return _Kept(self._on_link(link), lambda: self.links.discard(link))


class _Kept:
    """A conversation whose owner wants to know when it is over."""

    __slots__ = ("_conversation", "_over", "on_frame")

    def __init__(self, conversation: Conversation, over: Callable[[], None]) -> None:
        self._conversation = conversation
        self._over = over
        self.on_frame = conversation.on_frame

    def on_lost(self, reason: str) -> None:
        self._over()
        self._conversation.on_lost(reason)


class _Refused:
    """What a link talks to that is one too many: nobody."""

    def on_frame(self, frame: bytes) -> None:
        """Not heard."""

    def on_lost(self, reason: str) -> None:
        """Nobody wants to know."""

"""A member's end of its link to the network: it dials, signs on, echoes, and carries requests and responses both ways.

An issuer hears 0100 and 0420 and answers; an acquirer sends them and hears 0110 and 0430, which are requests to its
own stages (a response is a fact to be decided on, late or not). Not connected or not signed on counts as lost: the
sender's timer notices.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import timedelta

import structlog

from engine.ports import Clock, Door, KeyUsage
from engine.vocabulary.decision import Message
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.messages import (
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    ReversalAdvice,
    ReversalResponse,
)
from gateways.iso8583.codec import Fields
from gateways.iso8583.dialling import Dialler
from gateways.iso8583.hosting import serve_request
from gateways.iso8583.key_exchange import KeyExchange
from gateways.iso8583.links import Link
from gateways.iso8583.messages import from_fields, to_fields
from gateways.iso8583.session import ECHO_AFTER, MemberSession, Session
from gateways.iso8583.specifications import SIMNET
from gateways.iso8583.wires import Wires

log = structlog.get_logger(__name__)


class MemberEnd:
    """One link of one member. Several processes of a member have one each."""

    def __init__(
        self,
        door: Door,
        *,
        member_id: str,
        host: str,
        port: int,
        clock: Clock,
        wires: Wires,
        echo_after: timedelta | None = ECHO_AFTER,
        network_id: str = "",
        keys: KeyExchange | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`network_id` is whom `keys` are shared with."""
        self._door = door
        self._member_id = member_id
        self._clock = clock
        self._wires = wires
        self._echo_after = echo_after
        self._network_id = network_id
        self._keys = keys
        self._session: Session | None = None
        self._dialler = Dialler(host, port, self._met, clock=clock, wires=wires, name="network", tls=tls)

    @property
    def signed_on(self) -> bool:
        """Whether messages get through at present."""
        return self._session is not None and self._session.signed_on

    async def start(self) -> None:
        """Dial, and keep the link up."""
        self._dialler.start()

    async def close(self) -> None:
        """Hang up."""
        await self._dialler.close()

    def send(self, message: Message) -> None:
        """Send a message once. Call on the event loop."""
        if not self.signed_on or not self._session_send(to_fields(message.body)):
            log.info("message lost: not signed on", member=self._member_id, kind=type(message.body).__name__)

    def change_key(self, usage: KeyUsage, done: Callable[[], None], on_refusal: Callable[[str], None]) -> None:
        """Give the network a new key: see `Session.change_key`."""
        if self._session is None or not self._session.signed_on:
            on_refusal("not signed on")
        else:
            self._session.change_key(usage, done, on_refusal)

    def _session_send(self, fields: Fields) -> bool:
        return self._session is not None and self._session.send(fields)

    def _met(self, link: Link) -> MemberSession:
        self._session = session = MemberSession(
            link,
            SIMNET,
            self._on_message,
            clock=self._clock,
            wires=self._wires,
            member_id=self._member_id,
            echo_after=self._echo_after,
            keys=self._keys,
            peer_id=self._network_id,
        )
        return session

    def _on_message(self, session: Session, fields: Fields) -> None:
        message = from_fields(fields, now=self._clock.now())
        match message:
            case AuthorizationRequest() | AuthorizationAdvice() | ReversalAdvice():
                serve_request(self._door, message, fields, session.send)
            case AuthorizationResponse() | AuthorizationAdviceResponse() | ReversalResponse():
                try:
                    self._door.submit(message)
                except BezantError as full:
                    log.warning("response dropped", reason=str(full))
            case _:
                raise FormatError("MTI", "is not a message between the network and its members")

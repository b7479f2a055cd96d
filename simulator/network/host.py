"""The network's end of its members' links: who is signed on, requests to the network's stages, requests on to issuers.

A member speaks for itself: a request names it as acquirer, a response counts only for its own cards. Faults of the
network-issuer wires happen here, in both directions. A message for a member that is not signed on is lost, as on any
wire: the timer that goes with it notices.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from api.roles import Place, listening_tls
from engine.processor import Processor
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
from gateways.iso8583.alarms import Alarm
from gateways.iso8583.codec import Fields
from gateways.iso8583.hosting import serve_request
from gateways.iso8583.links import Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.messages import from_fields, to_fields
from gateways.iso8583.session import NetworkSession, Roster, Session
from gateways.iso8583.specifications import SIMNET
from gateways.iso8583.wires import Address
from simulator.faults import Action, Wire
from simulator.network.members.store import read_names
from simulator.network.switching.model import FromIssuer
from simulator.network.wire import NoFaults, Passing, WireFaults, reference_of

log = structlog.get_logger(__name__)


class NetworkHost:
    """The network's listener. `faults` of its wires to issuers, if any."""

    def __init__(self, place: Place, faults: WireFaults | None = None) -> None:
        assert isinstance(place.door, Processor), "the network's door is its processor"
        self._engine = place.door.engine
        self._door = place.door
        self._clock = place.clock
        self._wires = place.wires
        self._keys = place.keys
        self._faults = faults or NoFaults()
        self._names: dict[str, str] = {}
        self._late: set[Alarm] = set()
        self._roster = Roster(self._is_member)
        self._listener = Listener(
            place.settings.listen_host,
            place.settings.network_port,
            self._met,
            clock=place.clock,
            wires=place.wires,
            tls=listening_tls(place.settings) if place.settings.network_tls else None,
            setting="BEZANT_NETWORK_PORT",
        )

    @property
    def address(self) -> Address:
        """Where it listens, once started."""
        return self._listener.address

    async def start(self) -> None:
        """Listen. Raises `PortBusy`."""
        await self._listener.start()

    async def close(self) -> None:
        """Stop listening, close every link, and forget what was late."""
        for alarm in self._late:
            alarm.cancel()
        self._late.clear()
        await self._listener.close()

    def reachable(self, member_id: str) -> bool:
        """Whether the member is signed on, on any link. Any thread."""
        return bool(self._roster.sessions(member_id))

    def send(self, message: Message) -> None:
        """Send a request on to an issuer, once. Call on the event loop."""
        body: Passing = message.body
        fields = to_fields(body)
        self._meet_fate(message.to, body, fields, partial(self._deliver, message.to, fields))

    def _deliver(self, member_id: str, fields: Fields) -> None:
        session = self._roster.pick(member_id)
        if session is None or not session.send(fields):
            log.info("message lost: not signed on", member=member_id, message_type=fields["t"])

    def _met(self, link: Link) -> NetworkSession:
        return NetworkSession(
            link,
            SIMNET,
            self._on_message,
            clock=self._clock,
            wires=self._wires,
            roster=self._roster,
            keys=self._keys,
        )

    def _on_message(self, session: Session, fields: Fields) -> None:
        message = from_fields(fields, now=self._clock.now())
        match message:
            case AuthorizationRequest() | AuthorizationAdvice() | ReversalAdvice():
                if message.acquirer_id != session.member_id:
                    raise FormatError("DE 32", "is not the member that this link speaks for")
                serve_request(self._door, message, fields, session.send)
            case AuthorizationResponse() | AuthorizationAdviceResponse() | ReversalResponse():
                heard = partial(self._heard, FromIssuer(member_id=session.member_id, response=message))
                self._meet_fate(session.member_id, message, fields, heard)
            case _:
                raise FormatError("MTI", "is not a message between the network and its members")

    def _heard(self, response: FromIssuer) -> None:
        try:
            self._door.submit(response)
        except BezantError as full:
            log.warning("response dropped", reason=str(full))

    def _meet_fate(self, member_id: str, message: Passing, fields: Fields, go_on: Callable[[], None]) -> None:
        """Let a message on an issuer's wire pass, or what the faults say of it."""
        now = self._clock.now()
        name = self._names.get(member_id, member_id)
        fate = self._faults.fate(Wire.ISSUER, reference_of(message), fields["t"], now, name)
        match fate.action:
            case Action.PASS:
                go_on()
            case Action.DOUBLE:
                go_on()
                go_on()
            case Action.DELAY:
                self._later(fate.delay, go_on)
            case Action.LOSE:
                log.info("message lost on the wire", member=member_id, message_type=fields["t"])

    def _later(self, delay: timedelta, go_on: Callable[[], None]) -> None:
        def ring() -> None:
            self._late.discard(alarm)
            go_on()

        alarm = Alarm(self._clock, self._clock.now() + delay, ring, self._wires)
        self._late.add(alarm)

    def _is_member(self, member_id: str) -> bool:
        # Asked at a sign-on only, and of the books only for a member that has not signed on before.
        if member_id not in self._names:
            with self._engine.connect() as connection:
                self._names = read_names(connection)
        return member_id in self._names

"""Network management on a member's link (0800/0810): sign-on, sign-off, echo, key exchange, cutover; and no financial
traffic before sign-on.

DE 70 says what is asked: 001 sign-on, 002 sign-off, 101 and 102 a new key, 201 cutover (DE 15: the settlement date that
begins), 301 echo; DE 33 who asks. The member dials, signs on and echoes
when the line is idle; the network answers, and its `Roster` knows who is signed on, on which links (a member may have
several; it can be reached while one is).

Before sign-on a request is answered with DE 39 = 91: the standard has no code for "not signed on", and to the one who
asked the switch is inoperative, which is what 91 says and what makes it try again later. An advice cannot be refused,
so it gets no answer and stays in its sender's queue. A member that the network does not know is answered 92 (facility
cannot be found for routing).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from engine.ports import Clock, KeyUsage
from engine.vocabulary.errors import FormatError
from engine.vocabulary.messages import NetworkManagementRequest
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.alarms import Alarm
from gateways.iso8583.codec import Fields, codec_of
from gateways.iso8583.key_exchange import KEY_CHANGES, KeyExchange
from gateways.iso8583.links import Link
from gateways.iso8583.matching import MANAGEMENT_KEY, PendingReplies
from gateways.iso8583.messages import from_fields, to_fields
from gateways.iso8583.replies import is_advice, is_reply, refuse_malformed, reply_to
from gateways.iso8583.specifications import Specification
from gateways.iso8583.wires import Wires

log = structlog.get_logger(__name__)

SIGN_ON: Final = "001"
SIGN_OFF: Final = "002"
CUTOVER: Final = "201"
ECHO: Final = "301"

REPLY_TIMEOUT: Final = timedelta(seconds=10)
ECHO_AFTER: Final = timedelta(seconds=60)
_MAX_STAN: Final = 999_999


class Session:
    """What both sides of a member's link share: the state, echoes, and the gate in front of financial traffic."""

    def __init__(
        self,
        link: Link,
        specification: Specification,
        on_message: Callable[[Session, Fields], None],
        *,
        clock: Clock,
        wires: Wires,
        member_id: str = "",
        echo_after: timedelta | None = None,
        on_state: Callable[[Session], None] = lambda session: None,
        keys: KeyExchange | None = None,
        peer_id: str = "",
        on_cutover: Callable[[str], None] = lambda settlement_date: None,
    ) -> None:
        """`on_message` gets each financial message while signed on; a `FormatError` from it is answered as a
        malformed message.

        `echo_after` of silence an echo is sent, and the link closed if nothing answers it; None sends none.
        `on_state` is called after each change of `signed_on`. Without `keys`, which are those shared with
        `peer_id` (the network) or with the member that signs on, none are exchanged. `on_cutover` gets
        DE 15 (MMDD) when the other side begins a new settlement date.
        """
        self.link = link
        self.member_id = member_id
        self.peer_id = peer_id
        self.signed_on = False
        self._specification = specification
        self._codec = codec_of(specification)
        self._on_message = on_message
        self._clock = clock
        self._wires = wires
        self._on_state = on_state
        self._keys = keys
        self._on_cutover = on_cutover
        self._echo_after = echo_after
        self._idle: Alarm | None = None
        self._stan = 0
        self._pending = PendingReplies(
            clock, wires, key_elements=MANAGEMENT_KEY, timeout=REPLY_TIMEOUT, on_late=self._unexpected
        )
        self._watch()

    def send(self, fields: Fields) -> bool:
        """Send a message. False: the link is closed and the message lost. Raises `FormatError` as `encode` does."""
        return self.link.send(self._codec.encode(fields))

    def on_frame(self, frame: bytes) -> None:
        """Called by the link."""
        try:
            fields = self._codec.decode(frame)
            if fields["t"][1] == "8":
                self._on_management(fields)
            elif self.signed_on:
                self._on_message(self, fields)
            else:
                self._refuse(fields)
        except FormatError:
            refuse_malformed(self.link, frame, self._specification)
            raise

    def on_lost(self, reason: str) -> None:
        """Called by the link."""
        self._pending.forget()
        if self._idle is not None:
            self._idle.cancel()
        self._become(signed_on=False)

    def _on_management(self, fields: Fields) -> None:
        if is_reply(fields["t"]):
            self._pending.settle(fields)
            return
        request = from_fields(fields, now=self._clock.now())
        assert isinstance(request, NetworkManagementRequest)
        if request.information_code in KEY_CHANGES and self._keys is not None and self.signed_on:
            self._take_key(fields, self._keys)
        elif request.information_code == CUTOVER and self.signed_on:
            self._cut_over(fields)
        else:
            self.send(reply_to(fields, self._answer(request)))

    def change_key(
        self,
        usage: KeyUsage,
        done: Callable[[], None] = lambda: None,
        on_refusal: Callable[[str], None] = lambda why: None,
    ) -> None:
        """Give the other side a new key; `done` when both hold it. Silence, or the check value of another key, closes
        the link.

        A refusal (the zone master keys differ, say) is logged, told to `on_refusal`, and leaves the old key in use.
        """
        keys = self._keys
        assert keys is not None, "a session without keys exchanges none"

        def proposed(said: Fields) -> None:
            self._request(
                said["70"],
                lambda reply: keys.confirm(self._other, said, reply, done, self.link.close),
                extra=said,
                on_refusal=lambda reply: refused(f"the other side answers DE 39 = {reply.get('39', 'missing')}"),
            )

        def refused(why: str) -> None:
            log.warning("no new key", peer=self.link.peer, usage=usage.value, reason=why)
            on_refusal(why)

        keys.propose(self._other, usage, proposed, refused)

    def cut_over(self, settlement_date: str) -> None:
        """Tell the other side that this settlement date (MMDD) has begun."""
        self._request(CUTOVER, lambda reply: None, extra={"15": settlement_date})

    @property
    def _other(self) -> str:
        """Who is at the other end: the network for a member, the member that signed on for the network."""
        return self.peer_id or self.member_id

    def _take_key(self, fields: Fields, keys: KeyExchange) -> None:
        def reply(response_code: ResponseCode, check_value: str) -> None:
            self.send(reply_to(fields, response_code) | ({"48": check_value} if check_value else {}))

        keys.take(self._other, fields, reply)

    def _cut_over(self, fields: Fields) -> None:
        if "15" not in fields:
            raise FormatError("DE 15", "is missing")
        log.info("cutover", peer=self.link.peer, settlement_date=fields["15"])
        self._on_cutover(fields["15"])
        self.send(reply_to(fields, ResponseCode.APPROVED))

    def _answer(self, request: NetworkManagementRequest) -> ResponseCode:
        """DE 39 for a request of the other side."""
        return ResponseCode.APPROVED if request.information_code == ECHO else ResponseCode.INVALID_TRANSACTION

    def _request(
        self,
        information_code: str,
        on_approval: Callable[[Fields], None],
        *,
        extra: Fields | None = None,
        on_refusal: Callable[[Fields], None] | None = None,
    ) -> None:
        """Ask the other side; its silence closes the link, as does its refusal unless somebody wants to hear of it, and
        whoever dialled dials again. `extra` elements go with the request."""
        self._stan = self._stan % _MAX_STAN + 1
        request = to_fields(
            NetworkManagementRequest(
                stan=f"{self._stan:06d}",
                transmitted_at=self._clock.now().replace(microsecond=0),
                information_code=information_code,
                member_id=self.member_id,
            )
        ) | (extra or {})

        def answered(reply: Fields) -> None:
            if reply.get("39") == ResponseCode.APPROVED:
                on_approval(reply)
            elif on_refusal is not None:
                on_refusal(reply)
            else:
                self.link.close(f"it answered DE 70 {information_code} with DE 39 {reply.get('39', 'missing')}")

        def silent() -> None:
            self.link.close(f"it did not answer DE 70 {information_code} in {REPLY_TIMEOUT.seconds} seconds")

        self._pending.expect(request, answered, silent)
        self.send(request)

    def _refuse(self, fields: Fields) -> None:
        log.warning("financial message before sign-on", peer=self.link.peer, message_type=fields["t"])
        if not is_reply(fields["t"]) and not is_advice(fields["t"]):
            self.send(reply_to(fields, ResponseCode.ISSUER_INOPERATIVE))

    def _become(self, *, signed_on: bool) -> None:
        if self.signed_on != signed_on:
            self.signed_on = signed_on
            log.info("signed on" if signed_on else "signed off", peer=self.link.peer, member=self.member_id)
            self._on_state(self)

    def _unexpected(self, reply: Fields) -> None:
        log.info("network management reply that nobody waits for", peer=self.link.peer, message_type=reply["t"])

    def _watch(self) -> None:
        """Look again when the link will have been silent for long enough."""
        if self._echo_after is not None:
            due = self.link.counters.last_seen + self._echo_after
            self._idle = Alarm(self._clock, due, self._look, self._wires)

    def _look(self) -> None:
        assert self._echo_after is not None
        if self._clock.now() - self.link.counters.last_seen < self._echo_after:
            self._watch()
        else:
            self._request(ECHO, lambda reply: self._watch())


class MemberSession(Session):
    """The member's side: signs on as soon as the link is up."""

    def __init__(
        self,
        link: Link,
        specification: Specification,
        on_message: Callable[[Session, Fields], None],
        *,
        clock: Clock,
        wires: Wires,
        member_id: str,
        echo_after: timedelta | None = ECHO_AFTER,
        on_state: Callable[[Session], None] = lambda session: None,
        keys: KeyExchange | None = None,
        peer_id: str = "",
        on_cutover: Callable[[str], None] = lambda settlement_date: None,
    ) -> None:
        super().__init__(
            link,
            specification,
            on_message,
            clock=clock,
            wires=wires,
            member_id=member_id,
            echo_after=echo_after,
            on_state=on_state,
            keys=keys,
            peer_id=peer_id,
            on_cutover=on_cutover,
        )
        self.sign_on()

    def sign_on(self) -> None:
        """Ask the network to take financial traffic from this link and send it some."""
        self._request(SIGN_ON, lambda reply: self._become(signed_on=True))

    def sign_off(self) -> None:
        """Ask the network to send no more. What is in flight is still answered; the link stays up."""
        self._request(SIGN_OFF, lambda reply: self._become(signed_on=False))


class Roster:
    """Who is signed on to the network, on which links."""

    def __init__(self, members: Callable[[str], bool]) -> None:
        """`members` says whether a member id is one of the network's."""
        self.is_member = members
        self._sessions: dict[str, list[Session]] = {}

    def sessions(self, member_id: str) -> tuple[Session, ...]:
        """The member's links that are signed on, in the order in which they did."""
        return tuple(self._sessions.get(member_id, ()))

    def pick(self, member_id: str) -> Session | None:
        """One of the member's links, each in turn; None when it cannot be reached."""
        sessions = self._sessions.get(member_id)
        if not sessions:
            return None
        sessions.append(sessions.pop(0))
        return sessions[-1]

    def note(self, session: Session) -> None:
        """Follow a session's change of state."""
        sessions = self._sessions.setdefault(session.member_id, [])
        if session.signed_on:
            sessions.append(session)
        else:
            sessions.remove(session)


class NetworkSession(Session):
    """The network's side: answers, and keeps the roster."""

    def __init__(
        self,
        link: Link,
        specification: Specification,
        on_message: Callable[[Session, Fields], None],
        *,
        clock: Clock,
        wires: Wires,
        roster: Roster,
        echo_after: timedelta | None = None,
        on_state: Callable[[Session], None] = lambda session: None,
        keys: KeyExchange | None = None,
    ) -> None:
        def changed(session: Session) -> None:
            roster.note(session)
            on_state(session)

        super().__init__(
            link,
            specification,
            on_message,
            clock=clock,
            wires=wires,
            echo_after=echo_after,
            on_state=changed,
            keys=keys,
        )
        self._roster = roster

    def _answer(self, request: NetworkManagementRequest) -> ResponseCode:
        if request.information_code not in {SIGN_ON, SIGN_OFF}:
            return super()._answer(request)
        if not self._roster.is_member(request.member_id):
            return ResponseCode.ROUTING_UNKNOWN
        if self.signed_on and request.member_id != self.member_id:
            # One link speaks for one member; another's requests would be answered to the wrong one.
            return ResponseCode.INVALID_TRANSACTION
        self.member_id = request.member_id
        self._become(signed_on=request.information_code == SIGN_ON)
        return ResponseCode.APPROVED

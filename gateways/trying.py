"""Trying a host out: messages sent to it as they are, and a counterpart that it may be let loose on.

What is sent need not be a message that we can read: to see what a host makes of a broken one is what a trial is for. A
reply is matched to its request by type and key elements where both can be read; what matches nothing is told as such.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from engine.ports import Clock
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.links import Link
from gateways.iso8583.matching import MANAGEMENT_KEY
from gateways.iso8583.replies import is_reply, reply_to, reply_type
from gateways.iso8583.specifications import Specification

MAX_LINE: Final = 2 * 65_536
"""Digits of the longest message in a file."""


@dataclass(slots=True)
class Sent:
    """A message of a trial, and what came of it. `reply` None: nothing."""

    frame: bytes
    at: datetime
    reply: bytes | None = None
    answered_at: datetime | None = None

    @property
    def waited(self) -> timedelta | None:
        """From sending to the reply."""
        return None if self.answered_at is None else self.answered_at - self.at


class Trial:
    """A conversation that sends messages and keeps what comes back. Hand `on_link` to `dial`."""

    def __init__(
        self, specification: Specification, clock: Clock, key_elements: tuple[str, ...] = MANAGEMENT_KEY
    ) -> None:
        self.sent: list[Sent] = []
        self.unasked: list[bytes] = []
        """What came that answers nothing: late, doubled, or a request of the other side."""
        self.lost: str | None = None
        self._specification = specification
        self._clock = clock
        self._key_elements = key_elements
        self._waiting: dict[tuple[str, ...], Sent] = {}
        self._news = asyncio.Event()
        self._link: Link

    def on_link(self, link: Link) -> Trial:
        """Called by the link."""
        self._link = link
        return self

    @property
    def unanswered(self) -> list[Sent]:
        """What has no reply yet, in order."""
        return [one for one in self.sent if one.reply is None]

    def send(self, frame: bytes) -> None:
        """Send one message as it is. Raises `BezantError` when the line cannot carry it or is closed."""
        one = Sent(frame, self._clock.now())
        key = self._key(frame, asks=True)
        if not self._link.send(frame):
            raise BezantError(
                f"The connection is gone: {self.lost}."
                if self.lost
                else f"A message of {len(frame)} bytes does not fit this line."
            )
        self.sent.append(one)
        if key is not None:
            self._waiting[key] = one

    async def answered(self, until: datetime, most: int = 0) -> None:
        """Return when at most `most` messages have no reply, the connection is gone, or `until` has come."""
        patience = asyncio.ensure_future(self._clock.sleep_until(until))
        try:
            while len(self.unanswered) > most and self.lost is None and not patience.done():
                self._news.clear()
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({patience, news}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        finally:
            patience.cancel()

    def on_frame(self, frame: bytes) -> None:
        """Called by the link."""
        key = self._key(frame, asks=False)
        one = self._waiting.pop(key, None) if key is not None else None
        if one is None:
            # A host that answers what it could not read answers in order.
            unread = [sent for sent in self.unanswered if sent not in self._waiting.values()]
            one = unread[0] if unread and (key is None or is_reply(key[0])) else None
        if one is None:
            self.unasked.append(frame)
        else:
            one.reply, one.answered_at = frame, self._clock.now()
        self._news.set()

    def on_lost(self, reason: str) -> None:
        """Called by the link."""
        self.lost = reason
        self._news.set()

    def _key(self, frame: bytes, *, asks: bool) -> tuple[str, ...] | None:
        """Type of the reply and key elements; None when the message cannot be read or takes no reply."""
        try:
            fields = decode(frame, self._specification)
            kind = reply_type(fields["t"]) if asks else fields["t"]
        except FormatError:
            return None
        return (kind, *(fields.get(element, "") for element in self._key_elements))


class Counterpart:
    """A host that answers each request with one DE 39 and tells what it heard. Hand `met` to a `Listener`."""

    def __init__(
        self,
        specification: Specification,
        response_code: ResponseCode | None,
        heard: Callable[[str, bytes], None],
        answer: Callable[[str, bytes], None],
    ) -> None:
        """`response_code` None answers nothing. `heard` gets peer and message, `answer` peer and reply."""
        self._specification = specification
        self._response_code = response_code
        self._heard = heard
        self._answer = answer

    def met(self, link: Link) -> _Met:
        """Called with each link."""
        return _Met(self, link)

    def on_frame(self, link: Link, frame: bytes) -> None:
        """Hear a message, and answer it when it takes an answer. Network management is always approved."""
        self._heard(link.peer, frame)
        fields: Fields = decode(frame, self._specification)
        if self._response_code is None or is_reply(fields["t"]):
            return
        response_code = ResponseCode.APPROVED if fields["t"][1] == "8" else self._response_code
        reply = encode(reply_to(fields, response_code), self._specification)
        if link.send(reply):
            self._answer(link.peer, reply)


@dataclass(frozen=True, slots=True)
class _Met:
    counterpart: Counterpart
    link: Link

    def on_frame(self, frame: bytes) -> None:
        self.counterpart.on_frame(self.link, frame)

    def on_lost(self, reason: str) -> None:
        """Nothing is waited for."""


def messages_of(lines: Sequence[str], source: str) -> list[bytes]:
    """Messages in hexadecimal, one a line; blanks in a line do not matter, nor do empty lines and what follows a `#`.

    Raises `BezantError` naming the line.
    """
    messages: list[bytes] = []
    for number, line in enumerate(lines, 1):
        digits = "".join(line.partition("#")[0].split())
        try:
            message = bytes.fromhex(digits) if len(digits) <= MAX_LINE else None
        except ValueError:
            message = None
        if message is None:
            raise BezantError(f"{source}, line {number}: this is no message in hexadecimal.")
        if message:
            messages.append(message)
    if not messages:
        raise BezantError(f"{source}: there is no message in it.")
    return messages

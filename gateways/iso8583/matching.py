"""Replies and those who wait for them, for requesters without a database (terminals, tools, network management).

Hard cases: many in flight on one link; replies out of order; a reply after its timeout; a reply twice; a reply to
nothing. The last three are one case here, a reply that nobody waits for, and go to a handler: late replies are normal
on a card network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from engine.ports import Clock
from gateways.iso8583.alarms import Alarm
from gateways.iso8583.codec import Fields
from gateways.iso8583.replies import reply_type
from gateways.iso8583.wires import Wires

TERMINAL_KEY: Final = ("7", "11", "41")
"""What makes a terminal's request its own: when (DE 7), trace number (DE 11, which wraps), and terminal (DE 41)."""

NETWORK_KEY: Final = ("7", "11", "32")
"""The same between members: DE 32 says whose trace number it is."""

MANAGEMENT_KEY: Final = ("7", "11")
"""For network management on one link."""

OnReply = Callable[[Fields], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    on_reply: OnReply
    alarm: Alarm


class PendingReplies:
    """The requests in flight of one requester, by the key that their replies will have: reply type and
    `key_elements`."""

    def __init__(
        self, clock: Clock, wires: Wires, *, key_elements: tuple[str, ...], timeout: timedelta, on_late: OnReply
    ) -> None:
        """`timeout` on `clock`; `on_late` is given each reply that nobody waits for (any more)."""
        self._clock = clock
        self._wires = wires
        self._key_elements = key_elements
        self._timeout = timeout
        self._on_late = on_late
        self._waiting: dict[tuple[str, ...], _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, request: Fields, on_reply: OnReply, on_silence: Callable[[], None]) -> None:
        """Wait for the reply to `request`: one of the two is called, once. Call this before sending.

        Two requests with one key cannot be in flight at once, for their replies could not be told apart; a repeat
        follows silence.
        """
        key = self._key(reply_type(request["t"]), request)
        assert key not in self._waiting, "a request with this key is already in flight"

        def silent() -> None:
            del self._waiting[key]
            on_silence()

        self._waiting[key] = _Waiting(
            on_reply, Alarm(self._clock, self._clock.now() + self._timeout, silent, self._wires)
        )

    async def ask(self, request: Fields, send: Callable[[Fields], object]) -> Fields:
        """Send a request and return its reply. Raises `TimeoutError` on silence."""
        answer: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()

        def settle(outcome: Fields | TimeoutError) -> None:
            if not answer.done():
                answer.set_exception(outcome) if isinstance(outcome, TimeoutError) else answer.set_result(outcome)
                self._wires.settle()

        self.expect(request, settle, lambda: settle(TimeoutError("no reply in time")))
        send(request)
        return await answer

    def settle(self, reply: Fields) -> None:
        """Give a reply to whoever waits for it, else to the late handler."""
        waiting = self._waiting.pop(self._key(reply["t"], reply), None)
        if waiting is None:
            self._on_late(reply)
            return
        waiting.alarm.cancel()
        waiting.on_reply(reply)

    def forget(self) -> None:
        """Wait for nothing any more, and call nobody."""
        for waiting in self._waiting.values():
            waiting.alarm.cancel()
        self._waiting.clear()

    def _key(self, message_type: str, fields: Fields) -> tuple[str, ...]:
        return (message_type, *(fields.get(element, "") for element in self._key_elements))

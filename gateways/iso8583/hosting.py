"""What every host does with a request that came over a link: submit it, and send the response on the same link.

A copy of a request that still waits for its answer is not asked again: the one answer serves both. Only for a while,
for the answer may be another process's to give, and whoever repeats then is to hear it; and only a copy of every
element, for the same key with other contents is a fault that the books must see.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from engine.ports import Clock, Door
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.answers import AnsweredRequest, respond
from gateways.iso8583.codec import Fields
from gateways.iso8583.messages import to_fields
from gateways.iso8583.replies import reply_to, reply_type

log = structlog.get_logger(__name__)


COPY_WITHIN: Final = timedelta(seconds=10)
"""How long after a request a copy of it is taken to wait for the same answer."""

_KEY: Final = ("7", "11", "32", "41")


class InFlight:
    """The requests of one link that wait for their answers."""

    def __init__(self, clock: Clock) -> None:
        self.copies = 0
        self._clock = clock
        self._asked: dict[tuple[str, ...], tuple[datetime, Fields]] = {}

    def is_copy(self, asked: Fields) -> bool:
        """Whether this is a copy (or repeat) of a request that waits; else it waits from now on."""
        now, key = self._clock.now(), _key(asked)
        while self._asked and next(iter(self._asked.values()))[0] + COPY_WITHIN <= now:
            del self._asked[next(iter(self._asked))]
        first = self._asked.get(key)
        if first is None:
            self._asked[key] = (now, asked)
            return False
        if first[1] | {"t": ""} != asked | {"t": ""}:
            return False
        self.copies += 1
        return True

    def answered(self, asked: Fields) -> None:
        """It waits no more."""
        self._asked.pop(_key(asked), None)


def _key(asked: Fields) -> tuple[str, ...]:
    return (reply_type(asked["t"]), *(asked.get(element, "") for element in _KEY))


def serve_request(
    door: Door, request: AnsweredRequest, asked: Fields, send: Callable[[Fields], object], in_flight: InFlight
) -> None:
    """Have the door decide on a request; `send` its response. A door that is full answers 96: try again later. A copy
    of one that is in flight on this link is passed over.

    `asked` are the elements as they came: for what is echoed, and for the answer that needs no decision. Call on the
    event loop.
    """

    if in_flight.is_copy(asked):
        log.info("copy of a request in flight", message_type=asked["t"], stan=request.stan)
        return

    def answered(answer: Answer) -> None:
        in_flight.answered(asked)
        response = respond(request, answer)
        if response is None:
            log.warning("no response: the books cannot be reached", message_type=asked["t"], stan=request.stan)
        else:
            # A response says the processing code of its request (ISO 8583:1987), which nothing decides on the way back.
            echoed = {"3": asked["3"]} if "3" in asked else {}
            send(to_fields(response) | echoed)

    try:
        door.submit(request, answered)
    except BezantError as full:
        in_flight.answered(asked)
        log.warning("request refused", reason=str(full), message_type=asked["t"])
        send(reply_to(asked, ResponseCode.SYSTEM_MALFUNCTION))

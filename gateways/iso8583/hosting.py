"""What every host does with a request that came over a link: submit it, and send the response on the same link."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from engine.ports import Door
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.answers import AnsweredRequest, respond
from gateways.iso8583.codec import Fields
from gateways.iso8583.composites import turned_round
from gateways.iso8583.messages import to_fields
from gateways.iso8583.replies import reply_to

log = structlog.get_logger(__name__)


def serve_request(door: Door, request: AnsweredRequest, asked: Fields, send: Callable[[Fields], object]) -> None:
    """Have the door decide on a request; `send` its response. A door that is full answers 96: try again later.

    `asked` are the elements as they came: for what is echoed, and for the answer that needs no decision. Call on the
    event loop.
    """

    def answered(answer: Answer) -> None:
        response = respond(request, answer)
        if response is None:
            log.warning("no response: the books cannot be reached", message_type=asked["t"], stan=request.stan)
        else:
            # A response says the processing code of its request (ISO 8583:1987), which nothing decides on the way back.
            echoed = {"3": asked["3"]} if "3" in asked else {}
            if "h" in asked:
                echoed["h"] = turned_round(asked["h"])
            send(to_fields(response) | echoed)

    try:
        door.submit(request, answered)
    except BezantError as full:
        log.warning("request refused", reason=str(full), message_type=asked["t"])
        send(reply_to(asked, ResponseCode.SYSTEM_MALFUNCTION))

"""Which message answers which, and the answer that needs no decision: format error, not signed on.

ISO 8583:1987, 4.1: the third digit of the message type is its function (0 request, 1 its response, 2 advice, 3 its
response), the fourth who began it, odd for a repeat. The response of a repeat drops the repeat: 0421 is answered by
0430.
"""

from __future__ import annotations

from typing import Final

from engine.vocabulary.errors import FormatError
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, encode, salvage
from gateways.iso8583.composites import turned_round
from gateways.iso8583.links import Link
from gateways.iso8583.specifications import Specification

ECHOED: Final = ("3", "4", "7", "11", "32", "33", "37", "41", "42", "49", "63", "70", "90")
"""Elements that a reply repeats, so that it can be matched and booked. The card number is not needed for either."""

_REPLY_FUNCTION: Final = {"0": "1", "2": "3"}


def is_reply(message_type: str) -> bool:
    """Whether the message answers another (x1x, x3x)."""
    return message_type[2] in "13"


def is_advice(message_type: str) -> bool:
    """Whether the message tells what has happened (x2x), which cannot be refused."""
    return message_type[2] == "2"


def reply_type(message_type: str) -> str:
    """`0100` -> `0110`, `0101` -> `0110`, `0421` -> `0430`, `0800` -> `0810`. Raises `FormatError` for one that takes
    no reply."""
    function = _REPLY_FUNCTION.get(message_type[2:3])
    origin = message_type[3:4]
    if function is None or origin not in set("012345"):
        raise FormatError("MTI", "is neither a request nor an advice")
    return message_type[:2] + function + str(int(origin) & ~1)


def reply_to(fields: Fields, response_code: ResponseCode) -> Fields:
    """The shortest right answer to a message: its type, DE 39, and what is echoed. Raises `FormatError` as
    `reply_type` does."""
    echoed: Fields = {key: fields[key] for key in ECHOED if key in fields}
    if "h" in fields:
        echoed["h"] = turned_round(fields["h"])
    return {"t": reply_type(fields["t"]), **echoed, "39": response_code.value}


def refuse_malformed(link: Link, frame: bytes, specification: Specification) -> None:
    """What a gateway does with a frame it cannot read, before it passes the `FormatError` on to the link.

    - Enough of a request or advice can be read (message type and DE 11): it is answered with DE 39 = 30.
    - A reply: nothing. Nobody answers replies, and the one who waits has a timer.
    - Neither: the peer speaks something else, and closing the connection is the only answer it can understand.
    """
    fields = salvage(frame, specification)
    message_type = fields.get("t", "")
    if message_type and is_reply(message_type):
        return
    try:
        if "11" not in fields:
            raise FormatError("DE 11", "is missing")
        refusal = reply_to(fields, ResponseCode.FORMAT_ERROR)
    except FormatError as fault:
        link.close(f"it sent a message that cannot be answered ({fault})")
        return
    link.send(encode(refusal, specification))

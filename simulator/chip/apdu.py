"""Commands to a card and its responses (ISO/IEC 7816-4, EMV Book 3, 6): bytes and words for them.

What a T=0 card says between the two (61xx, 6Cxx, GET RESPONSE) is the transport's and not seen here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from engine.vocabulary.errors import FormatError

PLAIN = 0x00
PROPRIETARY = 0x80
SECURE = 0x84
"""Class byte of a proprietary command with secure messaging (EMV Book 2, 9): issuer scripts use it."""
MOST_CONTENT = 255


class Instruction(IntEnum):
    """INS of the commands that cards here know (EMV Book 3, 6.5; issuer scripts from CARD_BLOCK on)."""

    SELECT = 0xA4
    READ_RECORD = 0xB2
    GET_PROCESSING_OPTIONS = 0xA8
    INTERNAL_AUTHENTICATE = 0x88
    GET_CHALLENGE = 0x84
    VERIFY = 0x20
    GENERATE_AC = 0xAE
    EXTERNAL_AUTHENTICATE = 0x82
    GET_DATA = 0xCA
    CARD_BLOCK = 0x16
    APPLICATION_UNBLOCK = 0x18
    APPLICATION_BLOCK = 0x1E
    PIN_CHANGE_UNBLOCK = 0x24
    PUT_DATA = 0xDA


class Status(IntEnum):
    """SW1 SW2. A wrong PIN answers 63Cx, x tries left (`wrong_pin`)."""

    OK = 0x9000
    AUTHENTICATION_FAILED = 0x6300
    SELECTED_BLOCKED = 0x6283
    WRONG_LENGTH = 0x6700
    NOT_SECURE = 0x6982
    METHOD_BLOCKED = 0x6983
    CHALLENGE_GONE = 0x6984
    CONDITIONS_NOT_SATISFIED = 0x6985
    WRONG_SECURE_MESSAGING = 0x6988
    WRONG_CONTENT = 0x6A80
    NOT_SUPPORTED = 0x6A81
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    WRONG_PARAMETERS = 0x6A86
    OBJECT_NOT_FOUND = 0x6A88
    UNKNOWN_INSTRUCTION = 0x6D00
    UNKNOWN_CLASS = 0x6E00
    MUTE = 0x6F00
    """No diagnosis; what a reader reports for a card that does not answer at all."""


@dataclass(frozen=True, slots=True)
class Command:
    """CLA INS P1 P2 [Lc content] [Le]. `expects` says whether Le (00: as much as there is) is sent."""

    cla: int
    ins: int
    p1: int = 0
    p2: int = 0
    content: bytes = field(default=b"", repr=False)
    expects: bool = True

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2 Lc, which secure messaging covers."""
        return bytes((self.cla, self.ins, self.p1, self.p2, len(self.content)))

    def encode(self) -> bytes:
        """The bytes, in the short form (content up to 255 bytes, else `FormatError`)."""
        if len(self.content) > MOST_CONTENT:
            raise FormatError("command APDU", "has at most 255 bytes of content")
        head = bytes((self.cla, self.ins, self.p1, self.p2))
        body = bytes((len(self.content),)) + self.content if self.content else b""
        return head + body + (b"\x00" if self.expects else b"")

    @classmethod
    def decode(cls, apdu: bytes) -> Command:
        """Read a short command. `FormatError` when its lengths do not agree."""
        if len(apdu) < 4:
            raise FormatError("command APDU", "has at least 4 bytes")
        head, body = apdu[:4], apdu[4:]
        if len(body) <= 1:
            return cls(head[0], head[1], head[2], head[3], b"", bool(body))
        length = body[0]
        if length == 0 or len(body) not in (1 + length, 2 + length):
            raise FormatError("command APDU", "has another length than Lc says")
        return cls(head[0], head[1], head[2], head[3], body[1 : 1 + length], len(body) == 2 + length)


@dataclass(frozen=True, slots=True)
class Response:
    """[content] SW1 SW2."""

    status: int
    content: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is 9000."""
        return self.status == Status.OK

    @property
    def tries_left(self) -> int | None:
        """x of 63Cx; None for any other status."""
        return self.status & 0x0F if self.status & 0xFFF0 == 0x63C0 else None

    def encode(self) -> bytes:
        """The bytes."""
        return self.content + self.status.to_bytes(2, "big")

    @classmethod
    def decode(cls, apdu: bytes) -> Response:
        """Read a response of at least 2 bytes (`FormatError`)."""
        if len(apdu) < 2:
            raise FormatError("response APDU", "has at least 2 bytes")
        return cls(int.from_bytes(apdu[-2:], "big"), apdu[:-2])


def wrong_pin(tries_left: int) -> int:
    """The status of a wrong PIN: 63Cx."""
    return 0x63C0 | min(tries_left, 15)

"""Where one message ends and the next begins on a stream of bytes: a length, then the message.

Four lengths are met on real lines, and each may or may not count its own bytes: 2 or 4 bytes big-endian (`2b`, `4b`),
2 or 4 decimal digits in ASCII (`2a`, `4a`); `-inclusive` behind the name says that the length counts itself. A TPDU or
another header belongs to the message and is the specification's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from engine.vocabulary.errors import BezantError, FormatError

MAX_FRAME_BYTES: Final = 8192
"""What a link takes by default. A header may say far more; a real message has less than 3,000."""

_INCLUSIVE: Final = "-inclusive"


@dataclass(frozen=True, slots=True)
class Framing:
    """How a length is written. Lengths in bytes."""

    length_bytes: Literal[2, 4] = 2
    digits: bool = False
    """ASCII decimal digits instead of a big-endian number."""
    inclusive: bool = False
    """The length counts its own bytes."""

    @property
    def name(self) -> str:
        """`2b`, `4a-inclusive`."""
        return f"{self.length_bytes}{'a' if self.digits else 'b'}{_INCLUSIVE if self.inclusive else ''}"

    @property
    def most(self) -> int:
        """The longest message, in bytes, whose length can be written."""
        greatest: int = (10 if self.digits else 256) ** self.length_bytes - 1
        return greatest - self._own

    @property
    def _own(self) -> int:
        return self.length_bytes if self.inclusive else 0

    def framed(self, frame: bytes) -> bytes:
        """The bytes to write for one message of 1 to `most` bytes: its length, then itself."""
        length = len(frame) + self._own
        assert self._own < length <= self.most + self._own, "a frame's length must fit its header"
        if self.digits:
            return b"%0*d" % (self.length_bytes, length) + frame
        return length.to_bytes(self.length_bytes, "big") + frame


TWO_BYTES: Final = Framing()
"""What our own hosts speak."""

FRAMINGS: Final = {
    framing.name: framing
    for framing in (
        Framing(length_bytes, digits, inclusive)
        for length_bytes in (2, 4)
        for digits in (False, True)
        for inclusive in (False, True)
    )
}


def framing_named(name: str) -> Framing:
    """The framing of this name. Raises `BezantError`, a sentence for people."""
    try:
        return FRAMINGS[name]
    except KeyError:
        raise BezantError(f"There is no framing {name!r}; there are: {', '.join(FRAMINGS)}.") from None


class FrameReader:
    """Cuts a stream into frames, however it arrives: in pieces, several at once. Holds at most one frame that is not
    yet whole."""

    __slots__ = ("_framing", "_longest", "_rest")

    def __init__(self, framing: Framing = TWO_BYTES, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._framing = framing
        self._longest = min(max_frame_bytes, framing.most)
        self._rest = b""

    @property
    def partial(self) -> bool:
        """Whether a frame has begun that is not yet whole."""
        return bool(self._rest)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The frames that are whole now, in order.

        Raises `FormatError` after the last good one when a length is no number, 0 or over the maximum: from there on
        nobody knows where a message begins, so the connection is of no more use.
        """
        stream = self._rest + chunk if self._rest else chunk
        header, digits = self._framing.length_bytes, self._framing.digits
        own = header if self._framing.inclusive else 0
        longest, end, start = self._longest, len(stream), 0
        try:
            while (body := start + header) <= end:
                written = stream[start:body]
                if digits:
                    if not written.isdigit():
                        raise FormatError("length header", f"is not {header} digits")
                    length = int(written) - own
                else:
                    length = int.from_bytes(written, "big") - own
                if not 0 < length <= longest:
                    raise FormatError("length header", f"says {max(length, 0)} bytes, not 1 to {longest}")
                if end - body < length:
                    return
                start = body + length
                yield stream[body:start]
        finally:
            self._rest = stream[start:]

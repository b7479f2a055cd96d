"""Where one message ends and the next begins on a stream of bytes: a two-byte big-endian length, not counting itself,
then the message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.vocabulary.errors import FormatError

HEADER_BYTES: Final = 2
MAX_FRAME_BYTES: Final = 8192
"""What a link takes by default. The header could say 65,535; a real message has less than 3,000."""


def framed(frame: bytes) -> bytes:
    """The bytes to write for one message: its length, then itself."""
    assert 0 < len(frame) < 1 << 8 * HEADER_BYTES, "a frame has 1 to 65535 bytes"
    return len(frame).to_bytes(HEADER_BYTES, "big") + frame


class FrameReader:
    """Cuts a stream into frames, however it arrives: in pieces, several at once. Holds at most one frame that is not
    yet whole."""

    __slots__ = ("_buffer", "_max_frame_bytes")

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The frames that are whole now, in order.

        Raises `FormatError` after the last good one when a length is 0 or over the maximum: from there on nobody
        knows where a message begins, so the connection is of no more use.
        """
        self._buffer += chunk
        start = 0
        try:
            while len(self._buffer) - start >= HEADER_BYTES:
                body = start + HEADER_BYTES
                length = int.from_bytes(self._buffer[start:body], "big")
                if not 0 < length <= self._max_frame_bytes:
                    raise FormatError("length header", f"says {length} bytes, not 1 to {self._max_frame_bytes}")
                if len(self._buffer) < body + length:
                    return
                start = body + length
                yield bytes(self._buffer[body:start])
        finally:
            del self._buffer[:start]

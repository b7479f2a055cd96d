"""Bytes to elements and back, strictly.

Between a frame and its `Fields` nothing is lost, so that `encode(decode(frame)) == frame`, with one exception that
the standard invites: a second bitmap that announces no element is accepted, and not written again.

The first messages with a given set of elements are read row by row (`reading.py`); for a set that keeps coming a
decoder, or an encoder, is generated once (`decoders.py`, `encoders.py`). How many are kept is bounded, and only
messages that were right count, so that nobody gains by sending bitmaps that nobody uses: those are read row by row,
as fast as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from gateways.iso8583.decoders import Decoder, make_decoder
from gateways.iso8583.encoders import Encoder, make_encoder
from gateways.iso8583.reading import Fields, read, write
from gateways.iso8583.shapes import Shape, element_name, shapes
from gateways.iso8583.specifications import Specification

__all__ = ["Codec", "Fields", "codec_of", "decode", "element_name", "encode", "salvage"]

GENERATED_AFTER: Final = 4
"""Messages that were right with the same elements. Making a decoder takes as long as reading a hundred messages."""
MAX_GENERATED: Final = 256
"""Decoders, and encoders, of one dialect. A busy host meets a few dozen sets of elements."""
MAX_DIALECTS: Final = 64


def decode(frame: bytes, specification: Specification) -> Fields:
    """The elements of one message.

    Raises `FormatError` naming the element and the byte where it starts, for anything that the dialect does not
    allow: truncation, trailing bytes, lengths beyond the maximum, characters outside the element's class. The message
    never repeats a byte of the frame.
    """
    return codec_of(specification).decode(frame)


def salvage(frame: bytes, specification: Specification) -> Fields:
    """The elements of a malformed message that can be read before the fault, for an answer that says so (DE 39 = 30).
    May be empty.

    An element with a fault of its own is left out; what follows a fault of structure cannot be found.
    """
    return codec_of(specification).salvage(frame)


def encode(fields: Fields, specification: Specification) -> bytes:
    """The message on the wire. `fields` is left as it is.

    Raises `FormatError` naming the element whose value the dialect cannot carry (length, characters, number).
    """
    return codec_of(specification).encode(fields)


class Codec:
    """Decoder and encoder of one dialect, which must not be changed afterwards. Raises `FormatError` for a
    specification that says what no row can (`shapes.shapes`)."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.shapes = shapes(specification)
        self._front = [self.shapes[key] for key in ("h", "t")]
        bitmap = self.shapes["p"]
        self.header_bytes = self._front[0].size
        start = sum(shape.bytes_of(shape.size) for shape in self._front)
        self._one, self._two = slice(start, start + bitmap.size), slice(start, start + 2 * bitmap.size)
        """Where a message's bitmap is, and two."""
        # A bitmap whose first bit is set is followed by another: a first digit of 8 to F, or a first byte from 0x80.
        firsts = bytes(range(0x80, 0x100)) if bitmap.charset is None else bitmap.charset.written("89ABCDEF")
        self._followed = frozenset(bytes([first]) for first in firsts)
        self._decoders: dict[bytes, Decoder] = {}
        self._encoders: dict[tuple[str, ...], Encoder] = {}
        self._met: dict[Hashable, int] = {}
        # What a generated decoder takes for granted: bitmaps at a known place, of one kind, two of them at most.
        self._generates = self.shapes["h"].length_bytes == 0 and bitmap.charset == self.shapes["1"].charset
        self.decode = self._decoding()
        """See `codec.decode`. A function, not a method: a bound one costs what a short element does."""

    def _decoding(self) -> Callable[[bytes], Fields]:
        made, one, two, in_full = self._decoders.get, self._one, self._two, self._decode

        def decode(frame: bytes) -> Fields:
            decoder = made(frame[one])
            if decoder is None:
                decoder = made(frame[two])
            if decoder is not None:
                found = decoder(frame)
                if found is not None:
                    return found
            return in_full(frame)

        return decode

    def _decode(self, frame: bytes) -> Fields:
        """A frame that no decoder was made for, or that is not right."""
        fields, fault = read(frame, self.shapes)
        if fault is not None:
            raise fault
        if self._generates:
            bitmap = frame[self._one]
            if bitmap[:1] in self._followed:
                bitmap = frame[self._two]
            if bitmap not in self._decoders and self._keeps_coming(bitmap, len(self._decoders)):
                elements = self._elements(fields)
                if all(int(shape.key) <= 128 for shape in elements):
                    self._decoders[bitmap] = make_decoder(self._front, len(bitmap), elements)
        return fields

    def salvage(self, frame: bytes) -> Fields:
        """See `codec.salvage`."""
        return read(frame, self.shapes)[0]

    def encode(self, fields: Fields) -> bytes:
        """See `codec.encode`."""
        keys = tuple(fields)
        encoder = self._encoders.get(keys)
        if encoder is not None and (frame := encoder(fields)) is not None:
            return frame
        frame = write(fields, self.shapes)
        if encoder is None and self._keeps_coming(keys, len(self._encoders)):
            self._encoders[keys] = make_encoder(self._front, self._elements(fields), self.shapes)
        return frame

    def _elements(self, fields: Fields) -> list[Shape]:
        return [self.shapes[str(number)] for number in sorted(int(key) for key in fields if key.isdecimal())]

    def _keeps_coming(self, elements: Hashable, made: int) -> bool:
        """Count a message that was right; whether it is time to make code for its like."""
        if made >= MAX_GENERATED:
            return False
        if len(self._met) >= 4 * MAX_GENERATED:
            self._met.clear()
        self._met[elements] = times = self._met.get(elements, 0) + 1
        return times == GENERATED_AFTER


_CODECS: Final[dict[int, Codec]] = {}
"""By the identity of the specification, which the codec keeps alive, so that no other can get the same."""


def codec_of(specification: Specification) -> Codec:
    """The codec of a dialect, made when first asked for. Who has many messages of one dialect keeps it, and saves
    asking."""
    try:
        return _CODECS[id(specification)]
    except KeyError:
        if len(_CODECS) >= MAX_DIALECTS:
            del _CODECS[next(iter(_CODECS))]
        _CODECS[id(specification)] = codec = Codec(specification)
        return codec

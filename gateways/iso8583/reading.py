"""One message read and written element by element, by the rows of its dialect.

This is the codec in full: it knows every fault by name and offset. What `generation.py` makes for the messages that a
dialect meets often does the same at five times the pace, and hands over to this module whatever is not right.

pyiso8583 removes a left pad, else a right one; ours is the one that the row names. What it lets pass is refused here:
signs and blanks in lengths, letters in amounts, small hexadecimal digits, elements that the dialect lacks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from engine.vocabulary.errors import FormatError
from gateways.iso8583.shapes import BITMAP_BYTES, HEX_DIGITS, Shape, element_name
from gateways.iso8583.specifications import CONTENT

Fields = dict[str, str]
"""A message by element: `t` the message type identifier, `2` to `192` the elements present, `h` the header where the
dialect has one. Binary elements, and digits in BCD, are upper-case hexadecimal.

Bitmaps are not in it: they follow from the elements.
"""

_BITMAP: Final = re.compile(r"[0-9A-F]{16}")
_SECOND: Final = 1
_THIRD: Final = 65
"""The elements that announce a further bitmap."""


class _Broken(Exception):
    """The structure is broken: what follows cannot be found."""

    def __init__(self, fault: FormatError) -> None:
        self.fault = fault


def read(frame: bytes, shapes: Mapping[str, Shape]) -> tuple[Fields, FormatError | None]:
    """The elements that are right, and the first fault. An element with a fault of its own is left out."""
    reader = _Reader(frame)
    try:
        for key in ("h", "t"):
            if shapes[key].size:
                reader.element(shapes[key])
        for number in reader.bitmaps(shapes):
            shape = shapes.get(str(number))
            if shape is None:
                raise _Broken(FormatError(f"DE {number}", "is not an element of this dialect", reader.at))
            reader.element(shape)
        if reader.at < len(frame):
            raise _Broken(FormatError("message", "bytes after the last element", reader.at))
    except _Broken as broken:
        reader.fault = reader.fault or broken.fault
    return reader.fields, reader.fault


def write(fields: Mapping[str, str], shapes: Mapping[str, Shape]) -> bytes:
    """The message on the wire. Raises `FormatError` naming the element whose value the dialect cannot carry."""
    numbers = sorted(map(int, filter(_is_number, fields)))
    for key in fields:
        is_header = key in {"h", "t"} and shapes[key].size
        if not is_header and (key not in shapes or key in {"h", "t", "p", "1", "65"}):
            raise FormatError(element_name(key), "is not an element of this dialect")
    parts = []
    for key in ("h", "t"):
        if shapes[key].size:
            if key not in fields:
                raise FormatError(element_name(key), "is missing")
            parts.append(_written(fields[key], shapes[key]))
    parts.extend(bitmaps(numbers, shapes))
    parts.extend(_written(fields[str(number)], shapes[str(number)]) for number in numbers)
    return b"".join(parts)


def bitmaps(numbers: list[int], shapes: Mapping[str, Shape]) -> list[bytes]:
    """The bitmaps on the wire that announce the elements `numbers`: one, two or three of them."""
    announced = set(numbers)
    last = max(announced, default=0)
    if last > 2 * 64:
        announced.add(_THIRD)
    if last > 64:
        announced.add(_SECOND)
    written = []
    for key, first in (("p", 1), ("1", 65), ("1", 129)):
        if first > max(last, 1):
            break
        bits = sum(1 << 63 - bit for bit in range(64) if first + bit in announced)
        text = f"{bits:016X}"
        shape = shapes[key]
        written.append(bytes.fromhex(text) if shape.charset is None else shape.charset.written(text))
    return written


class _Reader:
    """A frame, and how far it is read."""

    __slots__ = ("at", "fault", "fields", "frame")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.at = 0
        self.fields: Fields = {}
        self.fault: FormatError | None = None

    def element(self, shape: Shape) -> None:
        """Take one element into `fields`, or note what is wrong with its content."""
        start = self.at
        count = self._length(shape, start) if shape.length_bytes else shape.size
        size = shape.bytes_of(count)
        content = self._take(size, shape, start)
        reason = None
        if shape.charset is None:
            value = content.hex().upper()
            if shape.in_half_bytes and count & 1:
                value, reason = _without_pad(value, shape)
        else:
            value = shape.charset.characters(content)
            reason = "holds bytes that are no characters" if "\ufffd" in value else None
            if shape.in_nibbles and count & 1:
                reason = "has a length that ends in the middle of a character"
        reason = reason or _content_fault(value, shape)
        if reason is None:
            self.fields[shape.key] = value
        else:
            self.fault = self.fault or FormatError(element_name(shape.key), reason, start)

    def bitmaps(self, shapes: Mapping[str, Shape]) -> list[int]:
        """The numbers of the elements announced, in order."""
        numbers = self._bitmap(shapes["p"], 0)
        if _SECOND in numbers:
            numbers.remove(_SECOND)
            start = self.at
            numbers += self._bitmap(shapes["1"], 64)
            if _THIRD in numbers:
                numbers.remove(_THIRD)
                if not any(key.isdecimal() and int(key) > 128 for key in shapes):
                    reason = "announces a third bitmap, which this dialect lacks"
                    raise _Broken(FormatError("DE 1", reason, start))
                third = self._bitmap(shapes["1"], 128)
                if not third:
                    raise _Broken(FormatError("DE 1", "announces a third bitmap with nothing in it", start))
                numbers += third
        return numbers

    def _bitmap(self, shape: Shape, offset: int) -> list[int]:
        start = self.at
        content = self._take(shape.size, shape, start)
        text = content.hex().upper() if shape.charset is None else shape.charset.characters(content)
        if not _BITMAP.fullmatch(text):
            raise _Broken(FormatError(element_name(shape.key), "is not upper-case hexadecimal", start))
        bits = int(text, 16)
        return [offset + bit + 1 for bit in range(8 * BITMAP_BYTES) if bits >> 63 - bit & 1]

    def _length(self, shape: Shape, start: int) -> int:
        written = self._take(shape.length_bytes, shape, start, "length")
        if shape.length_is_binary:
            count = int.from_bytes(written, "big")
        else:
            digits = written.hex() if shape.length_charset is None else shape.length_charset.characters(written)
            if not (digits.isascii() and digits.isdecimal()):
                raise _Broken(FormatError(element_name(shape.key), "length is not numeric", start))
            count = int(digits)
        if count > shape.size:
            reason = f"is {count} {shape.unit}, larger than the maximum of {shape.size}"
            raise _Broken(FormatError(element_name(shape.key), reason, start))
        return count

    def _take(self, size: int, shape: Shape, start: int, what: str = "value") -> bytes:
        taken = self.frame[self.at : self.at + size]
        if len(taken) < size:
            reason = f"{what} is {len(taken)} bytes, expecting {size}"
            raise _Broken(FormatError(element_name(shape.key), reason, start))
        self.at += size
        return taken


def _is_number(key: str) -> bool:
    return key.isdecimal() and key.isascii()


def _without_pad(value: str, shape: Shape) -> tuple[str, str | None]:
    """The value of an odd number of digits, and what is wrong with its pad."""
    if shape.left_pad:
        return value[1:], None if value[0] == shape.left_pad else "is not padded on the left as the dialect has it"
    if shape.right_pad:
        return value[:-1], None if value[-1] == shape.right_pad else "is not padded on the right as the dialect has it"
    return value, "has an odd number of nibbles, and the dialect no pad"


def _content_fault(value: str, shape: Shape) -> str | None:
    """What is wrong with the characters, in words that do not repeat them. A row without `content` allows what its
    encoding does."""
    if shape.content is None or CONTENT[shape.content].fullmatch(value):
        return None
    return f"holds characters outside its class ({shape.content})"


def _written(value: str, shape: Shape) -> bytes:
    """Length and value of one element on the wire."""
    name = element_name(shape.key)
    if not isinstance(value, str):
        raise FormatError(name, "is not text")
    if (reason := _content_fault(value, shape)) is not None:
        raise FormatError(name, reason)
    if shape.charset is None:
        if shape.content == "z":
            # The separator of a track has no digit of its own: it is D on such a wire (ISO/IEC 7813).
            value = value.replace("=", "D")
        if value.strip(HEX_DIGITS):
            raise FormatError(name, "is not upper-case hexadecimal")
        if shape.in_nibbles and len(value) & 1:
            if not shape.left_pad + shape.right_pad:
                raise FormatError(name, "has an odd number of nibbles, and the dialect no pad")
            content = bytes.fromhex(shape.left_pad + value + shape.right_pad)
        elif len(value) & 1:
            raise FormatError(name, "has an odd number of hexadecimal digits")
        else:
            content = bytes.fromhex(value)
    else:
        try:
            content = shape.charset.written(value)
        except UnicodeEncodeError:
            raise FormatError(name, "holds characters that its encoding lacks") from None
    count = shape.count_of(len(value))
    if not shape.length_bytes:
        if count != shape.size:
            raise FormatError(name, f"is {count} {shape.unit}, expecting {shape.size}")
        return content
    if count > shape.size:
        raise FormatError(name, f"is {count} {shape.unit}, larger than the maximum of {shape.size}")
    return _length(count, shape) + content


def _length(count: int, shape: Shape) -> bytes:
    width = shape.length_bytes
    try:
        if shape.length_is_binary:
            return count.to_bytes(width, "big")
        digits = f"{count:0{width}d}" if shape.length_charset else f"{count:0{2 * width}d}"
        written = shape.length_charset.written(digits) if shape.length_charset else bytes.fromhex(digits)
        if len(written) == width:
            return written
    except (OverflowError, ValueError):
        pass
    raise FormatError(element_name(shape.key), f"has a length that does not fit {width} bytes")

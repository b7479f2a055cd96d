"""BER-TLV as EMV uses it: data objects of tag, length and value, nested where the tag says so.

One implementation for the chip data of DE 55, for what a card answers, and for scripts. Sources: EMV 4.3 Book 3,
annex B (coding of tags and lengths); ISO/IEC 8825-1.

Strict, so that what is read is written back to the same bytes: a length in more bytes than it needs, the indefinite
length, filling zeros between data objects, and a tag number that begins with zeros are refused. Tags that nobody here
knows are kept as they are; so is the order, and a tag that is there twice (a directory has several `61`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from engine.vocabulary.errors import FormatError

DataObjects = list[tuple[str, "bytes | DataObjects"]]
"""Data objects in order: tag in upper-case hexadecimal (`"9F26"`), and its value: bytes, or data objects where the tag
is of a constructed one (bit 6 of its first byte). `dict()` makes a lookup of it where no tag comes twice."""

MAX_TAG_BYTES: Final = 4
MAX_DEPTH: Final = 8
"""Of templates in templates. Cards need four."""

_MULTIPLE: Final = 0x1F
"""All of these bits of a first byte: the tag goes on."""
_CONSTRUCTED: Final = 0x20

_ONE: Final[Sequence[str]] = [
    "" if first & _MULTIPLE == _MULTIPLE or first & _CONSTRUCTED or first == 0 else f"{first:02X}"
    for first in range(256)
]
"""Tags of one byte and a primitive value, by that byte."""
_TWO: Final[Sequence[Sequence[str]]] = [
    [f"{first:02X}{second:02X}" for second in range(0x80)]
    if first & _MULTIPLE == _MULTIPLE and not first & _CONSTRUCTED
    else []
    for first in range(256)
]
"""Tags of two bytes and a primitive value, by both."""
_TAGS: Final = {
    **{tag: bytes.fromhex(tag) for tag in _ONE if tag},
    **{tag: bytes.fromhex(tag) for row in _TWO for tag in row},
}


def decode(source: bytes, place: str = "DE 55") -> DataObjects:
    """All data objects of `source`, which may be none.

    Raises `FormatError` with the tag (`"DE 55 tag 9F26"`) and its offset in `source` for whatever is not whole data
    objects to the last byte, at every level. `place` is the element's name in it; no byte of a value ever is.
    """
    return _decode(source, 0, len(source), place, 0)


def encode(objects: Iterable[tuple[str, bytes | DataObjects]], place: str = "DE 55") -> bytes:
    """The bytes of data objects, in the order given (a lookup's `items()` will do), lengths in as few bytes as they
    need.

    Raises `FormatError` for what is not a tag, and for a value of the wrong kind for its tag.
    """
    parts: list[bytes] = []
    for tag, value in objects:
        written = _TAGS.get(tag)
        if written is None:
            written = _written_tag(tag, place)
        constructed = written[0] & _CONSTRUCTED
        if isinstance(value, bytes):
            if constructed:
                raise FormatError(f"{place} tag {tag}", "is of data objects, not of a plain value")
        elif constructed:
            value = encode(value, place)  # noqa: PLW2901, the content in bytes
        else:
            raise FormatError(f"{place} tag {tag}", "is of a plain value, not of data objects")
        length = len(value)
        parts.append(written)
        parts.append(_LENGTHS[length] if length < 0x80 else _long_length(length))
        parts.append(value)
    return b"".join(parts)


def leaves(objects: DataObjects, place: str = "DE 55") -> dict[str, bytes]:
    """The plain values at all levels, by tag. Raises `FormatError` for a tag that is there twice, for nobody can say
    which is meant."""
    found: dict[str, bytes] = {}
    for tag, value in objects:
        inner = {tag: value} if isinstance(value, bytes) else leaves(value, place)
        for key in inner:
            if key in found:
                raise FormatError(f"{place} tag {key}", "is there twice")
        found.update(inner)
    return found


def is_constructed(tag: str) -> bool:
    """Whether the tag's value is data objects. `tag` is hexadecimal."""
    return bool(int(tag[:2], 16) & _CONSTRUCTED)


_LENGTHS: Final = [bytes([length]) for length in range(0x80)]


def _decode(source: bytes, start: int, end: int, place: str, depth: int) -> DataObjects:
    objects: DataObjects = []
    at = start
    try:
        while at < end:
            begins = at
            first = source[at]
            at += 1
            if tag := _ONE[first]:
                nested = False
            elif (row := _TWO[first]) and (second := source[at]) < 0x80:
                tag, nested = row[second], False
                at += 1
            else:
                tag = _read_tag(source, begins, end, place)
                nested = is_constructed(tag)
                at = begins + len(tag) // 2
            length = source[at]
            at += 1
            if length >= 0x80:
                length, at = _read_length(source, at, f"{place} tag {tag}", begins)
            value = at
            at += length
            if at > end:
                raise FormatError(f"{place} tag {tag}", "is longer than what is left", begins)
            if not nested:
                objects.append((tag, source[value:at]))
            elif depth == MAX_DEPTH:
                raise FormatError(f"{place} tag {tag}", f"is nested more than {MAX_DEPTH} deep", begins)
            else:
                objects.append((tag, _decode(source, value, at, place, depth + 1)))
    except IndexError:
        raise FormatError(place, "ends in the middle of a data object", begins) from None
    return objects


def _read_tag(source: bytes, start: int, end: int, place: str) -> str:
    """A tag that is not one of the two tables. `IndexError` when the source ends in it."""
    first = source[start]
    at = start + 1
    if first == 0:
        raise FormatError(place, "has a zero where a tag is due", start)
    if first & _MULTIPLE == _MULTIPLE:
        if source[at] == 0x80:
            raise FormatError(place, "has a tag whose number begins with zeros", start)
        while source[at] & 0x80:
            at += 1
            if at - start >= MAX_TAG_BYTES:
                raise FormatError(place, f"has a tag of more than {MAX_TAG_BYTES} bytes", start)
        at += 1
    if at > end:
        raise FormatError(place, "ends in the middle of a tag", start)
    return source[start:at].hex().upper()


def _read_length(source: bytes, at: int, place: str, begins: int) -> tuple[int, int]:
    """A length of more than one byte, whose first is the one before `at`; and where the value begins."""
    count = source[at - 1] & 0x7F
    if count == 0:
        raise FormatError(place, "has an indefinite length", begins)
    if count > 3:
        raise FormatError(place, "has a length of more than three bytes", begins)
    length = int.from_bytes(source[at : at + count], "big")
    if length < 0x80 or length >> 8 * (count - 1) == 0:
        raise FormatError(place, "has a length in more bytes than it needs", begins)
    return length, at + count


def _written_tag(tag: str, place: str) -> bytes:
    try:
        written = bytes.fromhex(tag)
        if tag == _read_tag(written + b"\x00", 0, len(written), place):
            return written
    except (ValueError, IndexError):
        pass
    raise FormatError(f"{place} tag", "is not a tag in upper-case hexadecimal") from None


def _long_length(length: int) -> bytes:
    count = (length.bit_length() + 7) // 8
    assert count <= 3, "a value has less than 16 MB"
    return bytes([0x80 | count]) + length.to_bytes(count, "big")

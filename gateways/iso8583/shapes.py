"""One row of a specification, checked and typed: how an element is written on the wire.

What a row may say is documented in `specifications.py`; a row that says something else is refused here, when a
dialect is first used, and not in the middle of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.vocabulary.errors import FormatError
from gateways.iso8583.charsets import Charset, charset
from gateways.iso8583.specifications import CONTENT, Specification

BITMAP_BYTES: Final = 8
HEX_DIGITS: Final = "0123456789ABCDEF"


@dataclass(frozen=True, slots=True)
class Shape:
    """How one element is written."""

    key: str
    charset: Charset | None
    """None: the value is hexadecimal here and half as many bytes on the wire (binary, BCD)."""
    size: int
    """The length, or the greatest one where it varies; counted as `in_nibbles` says."""
    length_bytes: int
    """Width of the length before a value of varying length; 0 for a fixed one."""
    length_charset: Charset | None
    """None: the length is BCD digits, or a number when `length_is_binary`."""
    length_is_binary: bool
    in_nibbles: bool
    left_pad: str
    right_pad: str
    content: str | None

    @property
    def is_hex(self) -> bool:
        """Whether the value is hexadecimal digits, two a byte."""
        return self.charset is None

    @property
    def in_half_bytes(self) -> bool:
        """Whether lengths count hexadecimal digits, so that an odd number of them takes a pad."""
        return self.in_nibbles and self.is_hex

    @property
    def longest_value(self) -> int:
        """In characters of the value."""
        if self.is_hex:
            return self.size if self.in_nibbles else 2 * self.size
        return self.size // 2 if self.in_nibbles else self.size

    def count_of(self, characters: int) -> int:
        """The length, as the wire counts it, of a value of so many characters."""
        if self.is_hex:
            return characters if self.in_nibbles else characters // 2
        return 2 * characters if self.in_nibbles else characters

    def bytes_of(self, count: int) -> int:
        """The bytes that a value takes whose length on the wire is `count`."""
        return (count + 1) // 2 if self.in_nibbles else count

    @property
    def unit(self) -> str:
        """What lengths count, for messages to people."""
        return "nibbles" if self.in_nibbles else "bytes"


def element_name(key: str) -> str:
    """`"4"` -> `"DE 4"`, `"t"` -> `"MTI"`: an element as messages to people name it."""
    return {"h": "header", "t": "MTI", "p": "bitmap"}.get(key, f"DE {key}")


def shapes(specification: Specification) -> dict[str, Shape]:
    """The shape of every row. Raises `FormatError` naming the row (`"specification DE 4"`) and what is wrong with
    it."""
    found = {key: _shape(key, row) for key, row in specification.items()}
    for key in ("h", "t", "p", "1"):
        if key not in found:
            raise FormatError("specification", f"has no row {key!r}")
    for key in ("t", "p", "1"):
        if found[key].length_bytes:
            raise FormatError(f"specification {element_name(key)}", "has a fixed length: len_type is 0")
    for key in found:
        if key not in {"h", "t", "p"} and not (key.isdecimal() and key.isascii() and str(int(key)) == key):
            raise FormatError("specification", f"has a row {key!r:.12}, which is not an element's number")
        if key.isdecimal() and not 1 <= int(key) <= 192:
            raise FormatError("specification", "has an element beyond 192")
    return found


def _shape(key: str, row: Mapping[str, Any]) -> Shape:
    place = f"specification {element_name(key)}"

    def whole(name: str) -> int:
        value = row.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise FormatError(place, f"needs {name}, a number of 0 or more")
        return value

    def named(name: str) -> Charset | None:
        written = row.get(name)
        if written in ("b", "bcd") and (name, written) != ("data_enc", "bcd"):
            return None
        try:
            return charset(str(written))
        except LookupError:
            raise FormatError(place, f"has a {name} that is not an encoding of one byte a character") from None

    content, count = row.get("content"), row.get("len_count", "bytes")
    if content is not None and content not in CONTENT:
        raise FormatError(place, f"has a content that is none of {', '.join(CONTENT)}")
    if count not in ("bytes", "nibbles"):
        raise FormatError(place, "has a len_count that is neither bytes nor nibbles")
    pads = {name: str(row.get(name, ""))[:1].upper() for name in ("left_pad", "right_pad")}
    if any(pad not in HEX_DIGITS for pad in pads.values()):
        raise FormatError(place, "has a pad that is not one hexadecimal digit")
    size, encoding = whole("max_len"), named("data_enc")
    if key == "t":
        # pyiso8583 reads a type of four digits whatever max_len says; 0 is ours, for a message inside an element.
        size = min(size, 4 if encoding else 2)
    elif key in {"p", "1"}:
        size = 2 * BITMAP_BYTES if encoding else BITMAP_BYTES
    return Shape(
        key=key,
        charset=encoding,
        size=size,
        length_bytes=whole("len_type"),
        length_charset=named("len_enc"),
        length_is_binary=row.get("len_enc") == "b",
        in_nibbles=count == "nibbles" and key not in {"t", "p", "1"},
        left_pad=pads["left_pad"],
        right_pad="" if pads["left_pad"] else pads["right_pad"],
        content=content,
    )

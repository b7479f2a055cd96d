"""How bytes are read as characters: ASCII, Latin-1 and the EBCDIC code pages.

A charset here is one byte a character, so that a position in the frame is a position in its text. Python lacks IBM's
code page 1047 (which z/OS uses): it is code page 37 with three pairs changed over, and registered by this module under
`cp1047`.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cache
from typing import Final

_ALL_BYTES: Final = bytes(range(256))
NO_CHARACTER: Final = "\ufffe"
"""Stands in a table for a byte that is no character."""
_CHANGED_OVER: Final = ((0x5F, 0xB0), (0xBA, 0xAD), (0xBB, 0xBD))
"""Code page 1047 against 37: `^` and the not sign, `[` and Y acute, `]` and the diaeresis."""


@dataclass(frozen=True, slots=True)
class Charset:
    """One byte a character. `table` has the 256 characters by byte; U+FFFE stands for a byte that is none."""

    name: str
    table: str
    is_latin: bool
    """Whether each byte is one character of Latin-1, in some order: ASCII's digits are the only digits then."""
    _to_latin: bytes
    _from_latin: bytes

    def characters(self, source: bytes) -> str:
        """The text of any bytes, as long as they are, with U+FFFD for a byte that is no character."""
        if self.is_latin:
            return source.translate(self._to_latin).decode("latin-1")
        return codecs.charmap_decode(source, "replace", self.table)[0]

    def written(self, text: str) -> bytes:
        """The bytes of a text, one each. Raises `UnicodeEncodeError` for characters that are not of this charset."""
        if self.is_latin:
            return text.encode("latin-1").translate(self._from_latin)
        return codecs.charmap_encode(text, "strict", codecs.charmap_build(self.table))[0]


@cache
def charset(name: str) -> Charset:
    """The charset by Python's name of the encoding. Raises `LookupError` for one that does not exist, or is not one
    byte a character."""
    table = "".join(_character(name, byte) for byte in _ALL_BYTES)
    if "0" not in table:
        raise LookupError(name)
    is_latin = sorted(table) == [chr(byte) for byte in _ALL_BYTES]
    to_latin = table.encode("latin-1") if is_latin else b""
    return Charset(name, table, is_latin, to_latin, bytes(map(to_latin.index, _ALL_BYTES)) if is_latin else b"")


def _character(name: str, byte: int) -> str:
    text = bytes([byte]).decode(name, "replace")
    return NO_CHARACTER if len(text) != 1 or text == "\ufffd" else text


def _code_page_1047() -> str:
    table = list(_ALL_BYTES.decode("cp037"))
    for one, other in _CHANGED_OVER:
        table[one], table[other] = table[other], table[one]
    return "".join(table)


_TABLE_1047: Final = _code_page_1047()
_BYTES_1047: Final = codecs.charmap_build(_TABLE_1047)


def _find_1047(name: str) -> codecs.CodecInfo | None:
    if name not in {"cp1047", "ibm1047"}:
        return None
    return codecs.CodecInfo(
        name="cp1047",
        encode=lambda text, errors="strict": codecs.charmap_encode(text, errors, _BYTES_1047),
        decode=lambda source, errors="strict": codecs.charmap_decode(bytes(source), errors, _TABLE_1047),
    )


codecs.register(_find_1047)

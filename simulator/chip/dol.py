"""Data object lists (EMV Book 3, 5.4): which data objects the other side wants, and how many bytes of each.

A list is tags and lengths; what answers it is the values alone, one after another, each cut or filled to its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.vocabulary.errors import FormatError

_RIGHT_FILLED_WITH_F = frozenset({"5A", "57"})
"""Compressed numeric (cn) objects: left justified, filled with F."""
_NUMERIC = frozenset(
    {"9F02", "9F03", "9F1A", "5F2A", "9A", "9C", "5F25", "5F24", "5F34", "9F35", "9F15", "5F36", "9F21"}
)
"""Numeric (n) objects: right justified, so that they lose or gain bytes on the left."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entry: a tag (upper case hexadecimal) and how many bytes of it."""

    tag: str
    length: int


def encode_dol(entries: Iterable[tuple[str, int]]) -> bytes:
    """The list as a card stores it."""
    return b"".join(bytes.fromhex(tag) + bytes((length,)) for tag, length in entries)


def decode_dol(content: bytes) -> tuple[Wanted, ...]:
    """The entries. `FormatError` when the list ends within one."""
    entries: list[Wanted] = []
    place = 0
    while place < len(content):
        end = place + 1
        if content[place] & 0x1F == 0x1F:
            while end < len(content) and content[end] & 0x80:
                end += 1
            end += 1
        if end >= len(content):
            raise FormatError("data object list", "ends within an entry")
        entries.append(Wanted(content[place:end].hex().upper(), content[end]))
        place = end + 1
    return tuple(entries)


def length_of(dol: bytes) -> int:
    """How many bytes answer this list."""
    return sum(entry.length for entry in decode_dol(dol))


def fill(dol: bytes, objects: Mapping[str, bytes]) -> bytes:
    """The values that answer a list: what is not there is zeros, what has another length is cut or filled (5.4)."""
    return b"".join(_fitted(entry, objects.get(entry.tag)) for entry in decode_dol(dol))


def take_apart(dol: bytes, content: bytes) -> dict[str, bytes]:
    """The objects in an answer to a list. `FormatError` when it has another length."""
    if len(content) != length_of(dol):
        raise FormatError("data object list", "is answered with another length")
    objects: dict[str, bytes] = {}
    place = 0
    for entry in decode_dol(dol):
        objects[entry.tag] = content[place : place + entry.length]
        place += entry.length
    return objects


def _fitted(entry: Wanted, content: bytes | None) -> bytes:
    length = entry.length
    if content is None:
        return bytes(length)
    if entry.tag in _NUMERIC:
        return content[-length:].rjust(length, b"\x00") if length else b""
    fill_byte = b"\xff" if entry.tag in _RIGHT_FILLED_WITH_F else b"\x00"
    return content[:length].ljust(length, fill_byte)

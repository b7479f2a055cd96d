"""A trace of what terminal and chip said to each other, for people: APDUs with their objects by name, secrets masked.

Masked: card numbers and tracks, names, PIN blocks. What is long (certificates, signatures) is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.vocabulary import tlv
from engine.vocabulary.emv_tags import EMV_TAGS
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import mask_pan
from simulator.chip.apdu import Command, Instruction, Response, Status

_SECRET: Final = frozenset({"57", "56", "9F1F", "9F20", "9F6B", "5F20", "9F0B"})
_CARD_NUMBER: Final = "5A"
_SHOWN_BYTES: Final = 24
_PIN_COMMANDS: Final = frozenset({Instruction.VERIFY, Instruction.PIN_CHANGE_UNBLOCK})
_NAMES: Final = {one.value: one.name.replace("_", " ") for one in Instruction}
_STATUSES: Final = {one.value: one.name.lower().replace("_", " ") for one in Status}


def trace_lines(command: Command, response: Response) -> Iterator[str]:
    """The lines of one exchange: the command, its answer's status, and the objects in it."""
    name = _NAMES.get(command.ins, "unknown command")
    content = _cut(command.content) if command.ins not in _PIN_COMMANDS else "*" * 8 if command.content else ""
    yield f"> {name}  {command.header.hex().upper()} {content}".rstrip()
    status = (
        f"{response.tries_left} tries left" if response.tries_left is not None else _STATUSES.get(response.status, "")
    )
    yield f"< {response.status:04X} {status}".rstrip()
    if not response.content:
        return
    try:
        objects = tlv.decode(response.content, "the card")
    except FormatError:
        # A challenge is no TLV; what else is none may hold anything.
        yield f"    {len(response.content)} bytes"
        return
    yield from _shown(objects, "    ")


def _shown(objects: tlv.DataObjects, indent: str) -> Iterator[str]:
    for tag, value in objects:
        head = f"{indent}{tag} {EMV_TAGS.get(tag, '')}".rstrip()
        if not isinstance(value, bytes):
            yield head
            yield from _shown(value, indent + "  ")
        elif tag == _CARD_NUMBER:
            yield f"{head}: {mask_pan(value.hex().upper().rstrip('F'))}"
        else:
            yield f"{head}: {'*' * 8 if tag in _SECRET else _cut(value)}"


def _cut(value: bytes) -> str:
    shown = value[:_SHOWN_BYTES].hex().upper()
    return shown if len(value) <= _SHOWN_BYTES else f"{shown}... ({len(value)} bytes)"

"""A dump of a message for people: one line per element with the standard's name, sub-elements spelt out, secrets
masked.

Masked unless asked otherwise: card numbers to first six and last four; tracks, PIN block and CVV2 whole, and so the
chip's data objects that hold any of these, a name or a PIN. What cannot be taken apart, or has a tag that EMV does not
know, may hold any of these and is masked whole as well.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from engine.vocabulary import tlv
from engine.vocabulary.emv_tags import EMV_TAGS, SENSITIVE_TAGS
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import mask_pan
from gateways.iso8583.codec import Fields, decode
from gateways.iso8583.composites import ADDRESS, CARD_VERIFICATION_VALUE, PRIVATE_NAMES, split, split_tagged
from gateways.iso8583.specifications import Specification, dialect_named

MESSAGE_CLASSES: Final = {
    "1": "authorization",
    "2": "financial",
    "3": "file action",
    "4": "reversal",
    "5": "reconciliation",
    "6": "administrative",
    "7": "fee collection",
    "8": "network management",
}
MESSAGE_FUNCTIONS: Final = {
    "0": "request",
    "1": "request response",
    "2": "advice",
    "3": "advice response",
    "4": "notification",
}
TRANSACTION_TYPES: Final = {
    "00": "purchase", "01": "cash", "02": "debit adjustment", "09": "purchase with cash back", "20": "refund",
    "21": "deposit", "22": "credit adjustment", "30": "balance inquiry", "40": "transfer",
}  # fmt: skip
ENTRY_MODES: Final = {
    "00": "unknown", "01": "manual", "02": "magnetic stripe", "03": "bar code", "05": "chip", "07": "contactless chip",
    "10": "credential on file", "80": "magnetic stripe, chip failed", "81": "electronic commerce",
    "90": "magnetic stripe, whole track", "91": "contactless magnetic stripe",
}  # fmt: skip
MANAGEMENT_CODES: Final = {"001": "sign-on", "002": "sign-off", "301": "echo"}
MEANINGS: Final = {"3.1": TRANSACTION_TYPES, "22.1": ENTRY_MODES, "70": MANAGEMENT_CODES}
"""Words for the codes that a reader meets most, by element or sub-element."""

_CARD_NUMBERS: Final = frozenset({"2", "34", "102", "103"})
_TRACKS: Final = frozenset({"35", "36", "45"})
_WHOLE: Final = frozenset({"52"})
_FREE_TEXT: Final = frozenset({*map(str, range(44, 49)), *map(str, range(56, 64)), *map(str, range(104, 128)), "72"})
_LOOKS_LIKE_A_CARD: Final = re.compile(r"[0-9]{12,19}")


@dataclass(frozen=True, slots=True)
class Line:
    """One element (`"4"`) or sub-element (`"3.1"`) of a dump. `value` is what may be shown."""

    element: str
    name: str
    value: str


def describe(message: bytes | Fields, specification: Specification, masked: bool = True) -> list[Line]:
    """The lines of a dump, in order of elements. A frame that cannot be decoded raises `FormatError`, as `decode`
    does."""
    fields = decode(message, specification) if isinstance(message, bytes) else message
    lines: list[Line] = []
    for key in sorted(fields, key=lambda key: int(key) if key.isdecimal() else -(key == "h")):
        value = fields[key]
        row = specification.get(key, {})
        name = str(row.get("desc", ""))
        if key == "t":
            lines.append(Line("MTI", name, _explained(value, _message_type(value))))
        elif key == "h":
            lines.append(Line("header", name, value))
        elif "tagged" in row:
            lines.extend(_private(key, name, value, row["tagged"], masked))
        elif row.get("tlv"):
            lines.extend(_chip(key, name, value, masked))
        else:
            lines.append(Line(key, name, _explained(_shown(key, value, masked), MEANINGS.get(key, {}).get(value))))
            for number, (part, content) in enumerate(split(key, value, row), start=1):
                element = f"{key}.{number}"
                lines.append(Line(element, part, _explained(content.rstrip(), MEANINGS.get(element, {}).get(content))))
    return lines


def describe_hex(text: str, dialect: str | Specification = "terminal", masked: bool = True) -> list[Line]:
    """The dump of a frame given as hexadecimal (blanks allowed, with or without its two-byte length header).

    Raises `FormatError` for what is not hexadecimal, of a dialect that is not there, or not a message.
    """
    specification = dialect_named(dialect) if isinstance(dialect, str) else dialect
    try:
        frame = bytes.fromhex(text)
    except ValueError:
        raise FormatError("message", "is not hexadecimal: two characters 0-9 A-F for each byte") from None
    if int.from_bytes(frame[:2], "big") == len(frame) - 2:
        frame = frame[2:]
    return describe(frame, specification, masked)


def render_json(lines: list[Line]) -> str:
    """The dump for machines: an array of objects with `element`, `name` and `value`."""
    return json.dumps([{"element": line.element, "name": line.name, "value": line.value} for line in lines], indent=1)


def render_text(lines: list[Line]) -> str:
    """The dump as plain text, one line each, in columns."""
    return "\n".join(f"{line.element:<6} {line.name:<48} {line.value}".rstrip() for line in lines)


def render_table(lines: list[Line]) -> Table:
    """The dump in columns and colours."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for style in ("bold cyan", "dim", ""):
        table.add_column(style=style, overflow="fold")
    for line in lines:
        indent = "  " if "." in line.element else ""
        table.add_row(Text(indent + line.element), Text(indent + line.name), Text(line.value))
    return table


def _explained(value: str, meaning: str | None) -> str:
    return value if meaning is None else f"{value} ({meaning})"


def _message_type(mti: str) -> str | None:
    """`"0421"` -> `"reversal advice, repeat"`."""
    kind, function = MESSAGE_CLASSES.get(mti[1:2]), MESSAGE_FUNCTIONS.get(mti[2:3])
    if kind is None or function is None:
        return None
    return f"{kind} {function}" + (", repeat" if mti[3] in "135" else "")


def _shown(key: str, value: str, masked: bool) -> str:
    if not masked:
        return value
    if key in _CARD_NUMBERS:
        return _masked_number(value)
    if key in _TRACKS or key in _WHOLE:
        return _hidden(value)
    if key in _FREE_TEXT:
        # Nobody should put a card number there; those who do should not find it in a log of ours.
        return _LOOKS_LIKE_A_CARD.sub(lambda found: _masked_number(found[0]), value)
    return value


def _masked_number(value: str) -> str:
    return mask_pan(value) if len(value) >= 12 else "*" * len(value)


def _hidden(value: str) -> str:
    return f"*** ({len(value)} characters)"


def _private(key: str, name: str, value: str, digits: tuple[int, int], masked: bool) -> list[Line]:
    """An element of numbered sub-elements by these; whole, and hidden, when it is not made of them."""
    try:
        parts = split_tagged(value, digits, key)
    except FormatError:
        return [Line(key, name, _hidden(value) if masked else value)]
    lines = [Line(key, name, f"{len(parts)} sub-element{'' if len(parts) == 1 else 's'}")]
    for number, content in parts.items():
        hide = masked and number in (ADDRESS, CARD_VERIFICATION_VALUE)
        shown = "***" if hide else _shown("48", content, masked)
        lines.append(Line(f"{key}.{number}", PRIVATE_NAMES.get(number, "Private"), shown))
    return lines


def _chip(key: str, name: str, value: str, masked: bool) -> list[Line]:
    """DE 55 by data objects; whole, and hidden, when it is not made of them."""
    try:
        objects = tlv.decode(bytes.fromhex(value), f"DE {key}")
    except ValueError:
        return [Line(key, name, _hidden(value) if masked else value)]
    lines = _data_objects(key, objects, masked)
    return [Line(key, name, f"{len(lines)} data object{'' if len(lines) == 1 else 's'}"), *lines]


def _data_objects(place: str, objects: tlv.DataObjects, masked: bool) -> list[Line]:
    lines: list[Line] = []
    for tag, value in objects:
        element, name = f"{place}.{tag}", EMV_TAGS.get(tag, "Unknown")
        if not isinstance(value, bytes):
            lines += [Line(element, name, ""), *_data_objects(element, value, masked)]
            continue
        shown = value.hex().upper()
        if masked and tag == "5A":
            shown = _masked_number(shown.rstrip("F"))
        elif masked and (tag in SENSITIVE_TAGS or tag not in EMV_TAGS):
            shown = _hidden(shown)
        lines.append(Line(element, name, shown))
    return lines

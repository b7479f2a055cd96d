"""Bytes to elements and back, strictly. The one home of pyiso8583.

Between a frame and its `Fields` nothing is lost, so that `encode(decode(frame)) == frame`, with one exception that
the standard invites: a second bitmap that announces no element is accepted, and not written again. What pyiso8583
lets pass is refused here: signs and blanks in lengths, letters in amounts, lower-case hexadecimal, a third bitmap,
elements that the dialect lacks.
"""

from __future__ import annotations

import re
from typing import Final

import iso8583

from engine.vocabulary.errors import FormatError
from gateways.iso8583.specifications import CONTENT, Specification

Fields = dict[str, str]
"""A message by element: `t` the message type identifier, `2` to `128` the elements present. Binary elements are
upper-case hexadecimal.

Bitmaps are not in it: they follow from the elements.
"""

_BITMAP: Final = re.compile(r"[0-9A-F]{16}")


def decode(frame: bytes, specification: Specification) -> Fields:
    """The elements of one message.

    Raises `FormatError` naming the element and the byte where it starts, for anything that the dialect does not
    allow: truncation, trailing bytes, lengths beyond the maximum, characters outside the element's class. The message
    never repeats a byte of the frame.
    """
    fields, fault = _read(frame, specification)
    if fault is not None:
        raise fault
    return fields


def salvage(frame: bytes, specification: Specification) -> Fields:
    """The elements of a malformed message that can be read before the fault, for an answer that says so (DE 39 = 30).
    May be empty.

    An element with a fault of its own is left out; what follows a fault of structure cannot be found.
    """
    return _read(frame, specification)[0]


def encode(fields: Fields, specification: Specification) -> bytes:
    """The message on the wire. `fields` is left as it is.

    Raises `FormatError` naming the element whose value the dialect cannot carry (length, characters, number).
    """
    for key, value in fields.items():
        if key not in specification or key in {"1", "65", "p"}:
            raise FormatError(element_name(key), "is not an element of this dialect")
        if (reason := _content_fault(key, value, specification)) is not None:
            raise FormatError(element_name(key), reason)
    try:
        frame, _ = iso8583.encode(dict(fields), specification)
    except iso8583.EncodeError as error:
        raise FormatError(element_name(error.field), _reason(error.msg)) from None
    return bytes(frame)


def element_name(key: str) -> str:
    """`"4"` -> `"DE 4"`, `"t"` -> `"MTI"`: an element as messages to people name it."""
    return {"h": "header", "t": "MTI", "p": "bitmap"}.get(key, f"DE {key}")


def _read(frame: bytes, specification: Specification) -> tuple[Fields, FormatError | None]:
    """The elements that are right, and the first fault."""
    broken: tuple[str, str] | None = None
    try:
        fields, raw = iso8583.decode(frame, specification)
    except iso8583.DecodeError as error:
        fields, raw = dict(error.doc_dec), error.doc_enc
        if error.msg == "Extra data after last field":
            broken = ("message", "bytes after the last element")
        else:
            broken = (element_name(error.field), _reason(error.msg))
            del fields[error.field], raw[error.field]
    except KeyError as missing:
        # pyiso8583 looks an announced element up only when it gets there, and does not hand over what it had read.
        return {}, FormatError(element_name(str(missing.args[0])), "is not an element of this dialect")
    fault: FormatError | None = None
    offset = 0
    for key, parts in raw.items():
        length, content = parts["len"], parts["data"]
        reason = _length_fault(key, length, specification) or _bitmap_fault(key, fields[key])
        reason = reason or _content_fault(key, fields[key], specification)
        if reason is not None:
            del fields[key]
            fault = fault or FormatError(element_name(key), reason, offset)
        offset += len(length) + len(content)
    if broken is not None and fault is None:
        fault = FormatError(*broken, offset)
    for bitmap in ("p", "1"):
        fields.pop(bitmap, None)
    return fields, fault


def _length_fault(key: str, length: bytes, specification: Specification) -> str | None:
    """Python reads `-1`, ` 7` and `1_0` as numbers; the standard does not."""
    if specification[key]["len_enc"] in {"b", "bcd"} or not length:
        return None
    digits = length.decode(specification[key]["len_enc"])
    return None if digits.isascii() and digits.isdigit() else "length is not numeric"


def _bitmap_fault(key: str, bitmap: str) -> str | None:
    """Python reads hexadecimal with blanks and small letters in it, and pyiso8583 reads a third bitmap."""
    if key not in {"p", "1"} or _BITMAP.fullmatch(bitmap):
        return None
    third = len(bitmap) > 16
    return "announces a third bitmap, which this version lacks" if third else "is not upper-case hexadecimal"


def _content_fault(key: str, value: str, specification: Specification) -> str | None:
    """What is wrong with the characters, in words that do not repeat them. A dialect without `content` allows what
    its encoding does."""
    kind = specification[key].get("content")
    if kind is None or CONTENT[kind].fullmatch(value):
        return None
    return f"holds characters outside its class ({kind})"


def _reason(message: str) -> str:
    """pyiso8583's words, which hold lengths and no content, in the middle of a sentence."""
    return message[:1].lower() + message[1:]

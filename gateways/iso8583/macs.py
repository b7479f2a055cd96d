"""The message authentication code: DE 64, or DE 128 where an element beyond 64 is there (ISO 8583:1987, 4.4.27).

It is the last element, over the bytes on the wire from the message type to the byte before it, bitmap included; a
header is not under it, because hops change headers. The key is behind the HSM's door, so whoever calls brings `mac`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.vocabulary.errors import FormatError
from gateways.iso8583.codec import Fields, codec_of
from gateways.iso8583.shapes import Shape, element_name
from gateways.iso8583.specifications import Specification

MAC_ELEMENTS: Final = ("64", "128")


def mac_element(fields: Fields) -> str:
    """Which of the two a message of these elements has."""
    return "128" if any(key.isdecimal() and 64 < int(key) < 128 for key in fields) else "64"


def encode_with_mac(fields: Fields, specification: Specification, mac: Callable[[bytes], bytes]) -> bytes:
    """The message on the wire, its last element the code that `mac` makes of the bytes before it: at most 8 bytes, a
    shorter one filled with zeros on the right. Raises `FormatError` as `encode` does."""
    key = mac_element(fields)
    codec = codec_of(specification)
    shape = _shape(codec.shapes.get(key), key)
    blank = codec.encode({**_without_macs(fields), key: "0" * shape.longest_value})
    body = blank[: -shape.size]
    code = mac(body[codec.header_bytes :])
    assert 0 < len(code) <= 8, "a code has 1 to 8 bytes"
    filled = code.ljust(8, b"\x00")
    return body + (filled if shape.charset is None else shape.charset.written(filled.hex().upper()))


def mac_of(frame: bytes, fields: Fields, specification: Specification) -> tuple[bytes, bytes]:
    """The bytes that the code of a decoded message is over, and the code (8 bytes), for the HSM to compare.

    Raises `FormatError` where the message has none, or has DE 64 with elements behind it.
    """
    key = mac_element(fields)
    if key not in fields:
        raise FormatError(element_name(key), "is missing: the message has no authentication code")
    codec = codec_of(specification)
    shape = _shape(codec.shapes.get(key), key)
    return frame[codec.header_bytes : -shape.size], bytes.fromhex(fields[key])


def _shape(shape: Shape | None, key: str) -> Shape:
    if shape is None or shape.length_bytes or shape.size != (8 if shape.charset is None else 16):
        raise FormatError(element_name(key), "is not eight bytes in this dialect")
    return shape


def _without_macs(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if key not in MAC_ELEMENTS}

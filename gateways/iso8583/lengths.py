"""Lengths of elements looked up instead of worked out, both ways: just those that a dialect allows are there.

A lookup is strict and quick at once: a sign, a blank, a letter or a length beyond the maximum is not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from gateways.iso8583.shapes import Shape

_LISTED: Final = 1000
"""Longer values than this, in characters, have their lengths worked out when asked for."""


class _WorkedOut(dict[Any, Any]):
    """Lengths of an element too long to list them: worked out when asked for."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self._answer = answer

    def __missing__(self, key: Any) -> Any:
        return self._answer(key)


@cache
def totals(shape: Shape, offset: int, in_text: bool) -> dict[Any, Any]:
    """`offset` and the bytes that length and value take together, by the length as it is written: as text (packed
    digits too: their bytes' numbers as characters), or as bytes, a single one as a number. With whether the number of
    digits is odd where the element has a pad. `KeyError` for a length that is not allowed."""
    listed = prefixes(shape)
    is_packed = shape.length_charset is None
    if isinstance(listed, _WorkedOut):

        def worked_out(key: Any) -> Any:
            written = key.encode("latin-1") if is_packed and in_text else key
            return _total(shape, _counted(shape, written), offset)

        return _WorkedOut(worked_out)
    found = {}
    for characters, prefix in listed.items():
        written: Any = bytes.fromhex(prefix) if shape.length_charset is None else prefix
        if isinstance(written, bytes):
            written = written.decode("latin-1") if in_text else written[0] if len(written) == 1 else written
        found[written] = _total(shape, shape.count_of(characters), offset)
    return found


def _total(shape: Shape, count: int, offset: int) -> Any:
    total = offset + shape.length_bytes + shape.bytes_of(count)
    return (total, count & 1) if shape.in_half_bytes and shape.left_pad + shape.right_pad else total


def _counted(shape: Shape, key: Any) -> int:
    """The length that is written so. Raises `KeyError` for what is none."""
    if len(key) != shape.length_bytes:
        raise KeyError(key)
    if shape.length_is_binary:
        count = int.from_bytes(key, "big")
    else:
        digits = key.hex() if isinstance(key, bytes) else key
        if not (digits.isascii() and digits.isdecimal()):
            raise KeyError(key)
        count = int(digits)
    if count > shape.size or (
        count & 1 and shape.in_nibbles and not (shape.is_hex and shape.left_pad + shape.right_pad)
    ):
        raise KeyError(key)
    return count


@cache
def prefixes(shape: Shape) -> dict[int, str]:
    """The length as it is written (digits, or hexadecimal for BCD and binary), by the value's characters. `KeyError`
    for a value that is too long, or an odd one without a pad."""
    if shape.longest_value > _LISTED:
        return _WorkedOut(lambda characters: _prefix(shape, characters))
    found = {}
    for characters in range(shape.longest_value + 1):
        try:
            found[characters] = _prefix(shape, characters)
        except KeyError:
            continue
    return found


def _prefix(shape: Shape, characters: int) -> str:
    is_odd = characters & 1 and shape.is_hex
    if characters > shape.longest_value or (is_odd and not (shape.in_nibbles and shape.left_pad + shape.right_pad)):
        raise KeyError(characters)
    count, width = shape.count_of(characters), shape.length_bytes
    digits = 2 * width if shape.length_charset is None else width
    text = f"{count:0{digits}X}" if shape.length_is_binary else f"{count:0{digits}d}"
    if len(text) != digits:
        raise KeyError(characters)
    return text

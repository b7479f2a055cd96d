"""Classes of characters as tables, for generated code: what `translate` makes all zeros is allowed.

One pass over the bytes of a whole region checks all its characters, in every charset and in packed digits.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from gateways.iso8583.charsets import NO_CHARACTER, Charset, charset
from gateways.iso8583.shapes import HEX_DIGITS, Shape
from gateways.iso8583.specifications import CONTENT

ASCII: Final = charset("ascii")
_DIGITS: Final = frozenset(("", *"0123456789"))
DIGITS_ONLY: Final = b""
"""Stands for the table of the ten digits in ASCII, which `isdigit` needs no table for."""
_EACH: Final = ("n", "a", "an", "ns", "ans", "z", "b")
"""Classes that allow a set of characters in any order."""
ONE_BY_ONE: Final = {content: f"CONTENT_{number}({{value}})" for number, content in enumerate(CONTENT)}


@cache
def table_of(content: str, charset: Charset | None) -> bytes | None:
    """A table for `translate` that makes a `0` of every byte which the class allows and no digit of the others; None
    where all are allowed. `any` is what the charset can say."""
    if charset is None:
        digits = set(filter(CONTENT[content].fullmatch, HEX_DIGITS))
        allowed = [set(f"{byte:02X}") <= digits for byte in range(256)]
    elif content == "any":
        allowed = [character != NO_CHARACTER for character in charset.table]
    else:
        members = HEX_DIGITS if content == "b" else "".join(filter(CONTENT[content].fullmatch, charset.table))
        allowed = [character in members for character in charset.table]
    if all(allowed):
        return None
    if allowed == [chr(byte) in "0123456789" for byte in range(256)] and charset is not None:
        return DIGITS_ONLY
    return bytes(ord("0") if is_allowed else ord("x") for is_allowed in allowed)


def checks_of(shape: Shape) -> tuple[str, str]:
    """The class whose characters are checked together with the neighbours', and the check that the element needs
    alone (with `{value}` for the value's name)."""
    content = shape.content
    if content is None:
        return ("" if shape.charset is None else "any"), ""
    if shape.charset is None:
        # Hexadecimal is in most classes whatever the digits are.
        if content == "n" and shape.left_pad + shape.right_pad in _DIGITS:
            return "n", ""
        return "", "" if content in {"b", "an", "ans"} else ONE_BY_ONE[content]
    if content == "an":
        return "ans", "({value}.isalnum() or " + ONE_BY_ONE["an"] + ")"
    if content == "b":
        return "b", "not len({value}) & 1"
    return (content, "") if content in _EACH else ("", ONE_BY_ONE[content])

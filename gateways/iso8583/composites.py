"""Elements made of smaller ones: DE 3, 22, 43, 54, 90, 95, and our use of DE 48. Layouts are data; two functions read
them.

Sources: ISO 8583:1987 for DE 3, 22, 54, 90, 95 and the online DE 43 (which we read as name, city and country, as
processors do); ISO 8583:1993 for the twelve positions of DE 22 in clearing. DE 48 is private to each network: simnet
puts sub-elements in it, each two digits of number, two of length, and the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from engine.vocabulary.errors import FormatError

Layout = tuple[tuple[str, int], ...]
"""Sub-elements in order: name and width in characters."""

ORIGINAL_DATA: Final[Layout] = (
    ("Original message type", 4),
    ("Original system trace audit number", 6),
    ("Original transmission date and time", 10),
    ("Original acquiring institution", 11),
    ("Original forwarding institution", 11),
)
REPLACEMENT_AMOUNTS: Final[Layout] = (
    ("Actual amount, transaction", 12),
    ("Actual amount, settlement", 12),
    ("Actual amount, transaction fee", 9),
    ("Actual amount, settlement fee", 9),
)
ADDITIONAL_AMOUNT: Final[Layout] = (
    ("Account type", 2),
    ("Amount type", 2),
    ("Currency code", 3),
    ("Credit or debit", 1),
    ("Amount", 12),
)
LAYOUTS: Final[Mapping[tuple[str, int], Layout]] = {
    ("3", 6): (("Transaction type", 2), ("From account", 2), ("To account", 2)),
    ("22", 3): (("PAN entry mode", 2), ("PIN entry capability", 1)),
    ("22", 12): (
        ("Card data input capability", 1),
        ("Cardholder authentication capability", 1),
        ("Card capture capability", 1),
        ("Operating environment", 1),
        ("Cardholder presence", 1),
        ("Card presence", 1),
        ("Card data input mode", 1),
        ("Cardholder authentication method", 1),
        ("Cardholder authentication entity", 1),
        ("Card data output capability", 1),
        ("Terminal output capability", 1),
        ("PIN capture capability", 1),
    ),
    ("43", 40): (("Name", 25), ("City", 13), ("Country", 2)),
    ("90", 42): ORIGINAL_DATA,
    ("95", 42): REPLACEMENT_AMOUNTS,
    **{("54", 20 * times): ADDITIONAL_AMOUNT * times for times in range(1, 7)},
}
"""The layout of an element, by its number and its whole length (DE 22 has two; DE 54 repeats)."""

STORED_CREDENTIAL: Final = "22"
PARTIAL_APPROVAL_SUPPORT: Final = "61"
ADDRESS: Final = "82"
ADDRESS_VERDICT: Final = "83"
CVV2_VERDICT: Final = "87"
CARD_VERIFICATION_VALUE: Final = "92"
"""Sub-elements of DE 48: who asks with stored credentials (C or M), whether the terminal takes less than it asked for
(1), the billing address and the CVV2 that a cardholder gave, and the issuer's word on these two. Simnet's own."""

SIMNET_DIGITS: Final = (2, 2)
"""Digits of number and of length in DE 48."""

TPDU_DIGITS: Final = 10

PRIVATE_NAMES: Final[Mapping[str, str]] = {
    STORED_CREDENTIAL: "Stored credential, who asks",
    PARTIAL_APPROVAL_SUPPORT: "Partial approval supported",
    ADDRESS: "Billing address",
    ADDRESS_VERDICT: "Address verification result",
    CVV2_VERDICT: "Card verification value 2 result",
    CARD_VERIFICATION_VALUE: "Card verification value 2",
}


def split(element: str, value: str, row: Mapping[str, Any] | None = None) -> tuple[tuple[str, str], ...]:
    """The sub-elements of a value in order, as (name, value); empty for an element or a length that has no layout.

    A row of the dialect may bring a layout of its own (`parts`, as often as the value holds it).
    """
    layout: Layout = LAYOUTS.get((element, len(value)), ())
    if row is not None and "parts" in row:
        own: Layout = tuple((str(name), int(width)) for name, width in row["parts"])
        times, rest = divmod(len(value), sum(width for _, width in own) or 1)
        layout = () if rest else own * times
    parts, start = [], 0
    for name, width in layout:
        parts.append((name, value[start : start + width]))
        start += width
    return tuple(parts)


def split_private(value: str) -> Mapping[str, str]:
    """DE 48 as simnet writes it: sub-element number -> value. Raises `FormatError` where it is not a row of whole
    sub-elements."""
    return split_tagged(value, SIMNET_DIGITS)


def split_tagged(value: str, digits: tuple[int, int], element: str = "48") -> dict[str, str]:
    """A row of numbered sub-elements: number -> value. `digits` are those of a number and of a length: 2 and 2 in
    simnet's DE 48, 4 and 3 of the private data subelements (PDS) of clearing files.

    Raises `FormatError` where it is not a row of whole sub-elements, each there once.
    """
    of_number, of_length = digits
    of_both, whole = of_number + of_length, len(value)
    found: dict[str, str] = {}
    start = 0
    while start < whole:
        body = start + of_both
        number, length = _beginning(value[start:body], of_number, of_length)
        if length < 0:
            reason = f"is not a row of sub-elements with numbers of {of_number} and lengths of {of_length} digits"
            raise FormatError(f"DE {element}", reason)
        start = body + length
        if start > whole:
            raise FormatError(f"DE {element}", f"sub-element {number} is longer than what is left of the element")
        if number in found:
            raise FormatError(f"DE {element}", f"sub-element {number} is there twice")
        found[number] = value[body:start]
    return found


@lru_cache(maxsize=4096)
def _beginning(text: str, of_number: int, of_length: int) -> tuple[str, int]:
    """Number and length before a sub-element; a length of -1 where it is none. Few of them keep coming."""
    if len(text) < of_number + of_length or not (text.isascii() and text.isdecimal()):
        return "", -1
    return text[:of_number], int(text[of_number:])


def turned_round(header: str) -> str:
    """The header of a reply, in hexadecimal: of a TPDU (five bytes: identifier, destination, originator) the two
    addresses change places; another header is repeated as it is."""
    return header[:2] + header[6:] + header[2:6] if len(header) == TPDU_DIGITS else header


def join_private(parts: Mapping[str, str]) -> str:
    """The reverse of `split_private`, in the order given."""
    return "".join(f"{number}{len(value):02d}{value}" for number, value in parts.items())

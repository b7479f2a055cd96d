"""Address verification (AVS): what an absent cardholder gives as billing address, against what the bank knows. Pure.

Compared are the postcode and the digits of the street line, blanks and letters left out: "12 High Street" is 12. The
answer is advice to the merchant, who decides what it is worth; it declines nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from engine.vocabulary.events import Event

POSTCODE_WIDTH: Final = 9
"""Characters of the postcode at the beginning of DE 48 sub-element 82, filled with blanks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingAddress:
    """Of a customer (whose `id` it has) what is compared."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    postcode: str
    street_digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingAddressSet(Event):
    """The bank knows where the customer lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBillingAddress:
    """Say where a customer lives. Answered "set", or "refused": customer_unknown, postcode_malformed."""

    customer_id: UUID
    postcode: str
    street: str
    reference: str


def comparable(postcode: str, street: str) -> tuple[str, str]:
    """Postcode without blanks in capitals, and the digits of the street line."""
    return "".join(postcode.split()).upper(), "".join(filter(str.isdigit, street))


def verdict(given: str, known: BillingAddress | None) -> str:
    """Y both match, Z the postcode only, A the street only, N neither, U nothing is known. `given` is laid out as DE 48
    sub-element 82."""
    if known is None:
        return "U"
    postcode, digits = comparable(given[:POSTCODE_WIDTH], given[POSTCODE_WIDTH:])
    same = (postcode == known.postcode, digits == known.street_digits)
    return {(True, True): "Y", (True, False): "Z", (False, True): "A", (False, False): "N"}[same]

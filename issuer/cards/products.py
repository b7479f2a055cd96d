"""Card products: what kinds of card a bank issues, each from an account range of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event

RANGE_LENGTH = 8
"""Digits of an account range (ISO/IEC 7812-1:2017, issuer identification number)."""
NUMBER_LENGTHS = range(13, 20)
"""Digits of a card number: room for four or more of the cardholder's own, and the check digit."""
LONGEST_VALIDITY_MONTHS = 120


class Funding(StrEnum):
    """Whose money it is."""

    CREDIT = "credit"
    DEBIT = "debit"
    PREPAID = "prepaid"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardProduct:
    """A kind of card. `regulated`: its interchange is capped by law."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ("name", "account_range")

    id: UUID
    name: str
    account_range: str
    number_length: int
    region: str
    """ISO 3166-1 alpha-2, where it is issued."""
    funding: Funding
    regulated: bool
    validity_months: int
    opened_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductOpened(Event):
    """Cards of this product may be ordered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProduct:
    """Open a product. Answered "opened" with the fact product_id, or "refused": product_malformed,
    account_range_malformed, number_length_malformed, region_malformed, validity_malformed, product_taken,
    account_range_taken."""

    name: str
    account_range: str
    region: str
    funding: Funding
    regulated: bool
    number_length: int = 16
    validity_months: int = 48
    reference: str = ""
    """The asker's own: what was refused may be asked for again under another."""


def expiry_after(months: int, on: date) -> str:
    """The month (YYMM) so many months after this date's."""
    total = on.year * 12 + on.month - 1 + months
    return f"{total // 12 % 100:02d}{total % 12 + 1:02d}"


def wrong_with(request: OpenProduct) -> str | None:
    """What is malformed about a product, if anything."""
    if not request.name or len(request.name) > 40 or not request.name.replace("_", "").replace("-", "").isalnum():
        return "product_malformed"
    digits = request.account_range
    if not (len(digits) == RANGE_LENGTH and digits.isascii() and digits.isdecimal()):
        return "account_range_malformed"
    if request.number_length not in NUMBER_LENGTHS:
        return "number_length_malformed"
    if not (len(request.region) == 2 and request.region.isascii() and request.region.isupper()):
        return "region_malformed"
    if not 1 <= request.validity_months <= LONGEST_VALIDITY_MONTHS:
        return "validity_malformed"
    return None

"""Money: an integer of minor units with its asset beside it. No float, no implicit conversion, rounding always said.

Assets are ISO 4217 currencies (numeric code and number of minor digits as the standard gives them) and, later, others.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

BPS = 10_000
"""Basis points in one: 1 bps is 1/10,000."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What an account holds. `numeric` is the ISO 4217 numeric code (DE 49), `exponent` its number of minor digits."""

    code: str
    numeric: str
    exponent: int


ASSETS: dict[str, Asset] = {
    asset.code: asset
    for asset in (
        Asset("USD", "840", 2),
        Asset("EUR", "978", 2),
        Asset("GBP", "826", 2),
        Asset("JPY", "392", 0),
        Asset("KWD", "414", 3),
    )
}
ASSET_BY_NUMERIC: dict[str, Asset] = {asset.numeric: asset for asset in ASSETS.values()}


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of one asset, in minor units (cents of USD). Adding two assets is a bug and asserts."""

    amount_minor: int
    asset: str

    def __add__(self, other: Money) -> Money:
        assert self.asset == other.asset, "amounts of two assets cannot be added"
        return Money(self.amount_minor + other.amount_minor, self.asset)

    def __sub__(self, other: Money) -> Money:
        assert self.asset == other.asset, "amounts of two assets cannot be subtracted"
        return Money(self.amount_minor - other.amount_minor, self.asset)

    def __str__(self) -> str:
        return format_minor(self.amount_minor, self.asset)


def format_minor(amount_minor: int, asset: str) -> str:
    """`1234, "USD"` -> `"12.34 USD"`. Exact: digits are moved, nothing is divided."""
    exponent = ASSETS[asset].exponent
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor)).rjust(exponent + 1, "0")
    whole = f"{int(digits[: len(digits) - exponent]):,}"
    return f"{sign}{whole}.{digits[len(digits) - exponent :]} {asset}" if exponent else f"{sign}{whole} {asset}"


def parse_amount(text: str, asset: str = "USD") -> Money:
    """`"12.34"` -> `Money(1234, "USD")`.

    Refuses (ValueError) more digits than the asset has, signs and anything not a number.
    """
    whole, point, fraction = text.partition(".")
    exponent = ASSETS[asset].exponent
    if not whole.isdecimal() or (point and not fraction.isdecimal()) or len(fraction) > exponent:
        raise ValueError(f"an amount of {asset} looks like 12{'.' + '3' * exponent if exponent else ''}")
    return Money(int(whole + fraction.ljust(exponent, "0")), asset)


def share_bps(amount_minor: int, rate_bps: int) -> int:
    """`rate_bps` basis points of `amount_minor`, in minor units, rounded half to even."""
    return round_half_even(Decimal(amount_minor) * rate_bps / BPS)


def round_half_even(value: Decimal) -> int:
    """`value` to a whole number, halves to the even neighbour (the rule of the house unless a stage states another)."""
    return int(value.to_integral_value(rounding=ROUND_HALF_EVEN))

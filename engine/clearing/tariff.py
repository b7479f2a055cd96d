"""Simnet's tariff: what an item costs, as data. `interchange.py` is the rule that reads it.

The rates are simnet's own. They are shaped like public schedules (cheaper for everyday spending, debit and cards that
were read; capped by law for some; a flat share within a region that caps) and copy none. All amounts are minor units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

SIX_DECIMALS: Final = Decimal("0.000001")


class Business(StrEnum):
    """Kinds of business that rates differ by."""

    EVERYDAY = "everyday"
    """Groceries, fuel, public transport."""
    RESTAURANT = "restaurant"
    TRAVEL = "travel"
    GENERAL = "general"


class Funding(StrEnum):
    """Whose money a card spends."""

    DEBIT = "debit"
    CREDIT = "credit"


class Pair(StrEnum):
    """Where the card was issued and where it was used."""

    DOMESTIC = "domestic"
    """One country."""
    REGIONAL = "regional"
    """Two countries of one region."""
    INTERREGIONAL = "interregional"


@dataclass(frozen=True, slots=True)
class Product:
    """What the account range of a card says of it, as in the tables that networks publish to acquirers."""

    funding: Funding
    country: str
    """ISO 3166-1 alpha-2."""
    is_regulated: bool = False
    """Its domestic debit interchange is capped by law."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`bps` basis points of the amount and `fixed` minor units."""

    bps: Decimal
    fixed: Decimal

    def of(self, amount_minor: int) -> Decimal:
        """Minor units with six decimals, exact."""
        exact = (self.bps * amount_minor).scaleb(-4) + self.fixed
        rounded = exact.quantize(SIX_DECIMALS)
        assert rounded == exact, "a rate has at most two decimals, so six hold its result"
        return rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One rate, and what an item must have to get it. What is None or False asks nothing."""

    code: str
    rate: Rate
    is_read: bool = False
    """The card was read: stripe, chip, contactless."""
    is_authorized: bool = False
    """Approval code (DE 38) and network reference (DE 63) of the authorization were carried through."""
    within_days: int | None = None
    """Days from the transaction to the clearing date, at most."""
    least_minor: int | None = None
    most_minor: int | None = None


def _rate(bps: str, fixed: int) -> Rate:
    return Rate(Decimal(bps), Decimal(fixed))


PRODUCTS: Final[Mapping[str, Product]] = {
    "40000100": Product(Funding.DEBIT, "US"),
    "40000300": Product(Funding.DEBIT, "US", is_regulated=True),
    "51000200": Product(Funding.CREDIT, "US"),
    "40000400": Product(Funding.DEBIT, "PT"),
    "51000400": Product(Funding.CREDIT, "PT"),
}
"""By account range, eight digits."""
OTHER_PRODUCT: Final = Product(Funding.DEBIT, "US")

REGIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("US", "CA"), "north_america"),
    **dict.fromkeys(("AT", "BE", "DE", "ES", "FI", "FR", "GR", "IE", "IT", "NL", "PT"), "europe"),
    **dict.fromkeys(("JP", "AU"), "asia_pacific"),
    **dict.fromkeys(("KW", "AE"), "middle_east"),
}

EVERYDAY_MCCS: Final = frozenset({"4111", "4112", "4131", "5411", "5422", "5462", "5499", "5541", "5542"})
RESTAURANT_MCCS: Final = frozenset({"5811", "5812", "5813", "5814"})
TRAVEL_MCCS: Final = frozenset({"4411", "4511", "4722", "7011", "7512", "7513"})
"""ISO 18245, beside 3000 to 3999: airlines, car rental and hotels by name."""

REGULATED_CAP: Final = _rate("5", 22)
"""0.21 and 0.01 for the prevention of fraud, and 0.05 % (12 CFR 235)."""

NETWORK_FEE: Final = Rate(Decimal("8.5"), Decimal("1.5"))
"""What the acquirer pays the network for every item, whichever way its money goes."""

READ, REMOTE, STANDARD, SMALL, LARGE = "READ", "REMOTE", "STANDARD", "SMALL", "LARGE"

# Domestic: the rate when the card was read, and when it was not.
_DOMESTIC: Final[Mapping[tuple[Business, Funding], tuple[Rate, Rate]]] = {
    (Business.EVERYDAY, Funding.DEBIT): (_rate("45", 4), _rate("95", 6)),
    (Business.EVERYDAY, Funding.CREDIT): (_rate("110", 5), _rate("155", 10)),
    (Business.RESTAURANT, Funding.DEBIT): (_rate("105", 4), _rate("140", 10)),
    (Business.RESTAURANT, Funding.CREDIT): (_rate("152.5", 4), _rate("185", 10)),
    (Business.TRAVEL, Funding.DEBIT): (_rate("130", 5), _rate("165", 10)),
    (Business.TRAVEL, Funding.CREDIT): (_rate("175", 5), _rate("212.5", 10)),
    (Business.GENERAL, Funding.DEBIT): (_rate("115", 5), _rate("160", 10)),
    (Business.GENERAL, Funding.CREDIT): (_rate("158.25", 5), _rate("195", 10)),
}
_STANDARD: Final[Mapping[Funding, Rate]] = {Funding.DEBIT: _rate("195", 15), Funding.CREDIT: _rate("295", 15)}
_SMALL_TICKETS: Final = _rate("100", 0)
_LARGE_TICKETS: Final = _rate("97.5", 5)
_REGIONAL: Final[Mapping[Funding, Rate]] = {Funding.DEBIT: _rate("20", 0), Funding.CREDIT: _rate("30", 0)}
_INTERREGIONAL: Final[Mapping[Funding, tuple[Rate, Rate]]] = {
    Funding.DEBIT: (_rate("115", 5), _rate("160", 10)),
    Funding.CREDIT: (_rate("165", 5), _rate("198", 10)),
}

Schedule = tuple[Program, ...]
"""Programs from the best to the one that every item gets."""


def _schedules() -> Iterator[tuple[tuple[Pair, Business, Funding], Schedule]]:
    for (business, funding), (read, remote) in _DOMESTIC.items():
        name = f"{business[:2]}{funding[0]}".upper()
        programs = []
        if business is Business.EVERYDAY and funding is Funding.DEBIT:
            programs.append(
                Program(
                    code=f"D{name}-{SMALL}",
                    rate=_SMALL_TICKETS,
                    is_read=True,
                    is_authorized=True,
                    within_days=2,
                    most_minor=500,
                )
            )
        if business is Business.GENERAL and funding is Funding.CREDIT:
            programs.append(
                Program(
                    code=f"D{name}-{LARGE}",
                    rate=_LARGE_TICKETS,
                    is_read=True,
                    is_authorized=True,
                    within_days=2,
                    least_minor=250_000,
                )
            )
        programs += _usual(f"D{name}", read, remote, _STANDARD[funding])
        yield (Pair.DOMESTIC, business, funding), tuple(programs)
        rate = _REGIONAL[funding]
        yield (Pair.REGIONAL, business, funding), (Program(code=f"R{funding[0].upper()}-{STANDARD}", rate=rate),)
        usual = _usual(f"I{funding[0].upper()}", *_INTERREGIONAL[funding], _STANDARD[funding])
        yield (Pair.INTERREGIONAL, business, funding), tuple(usual)


def _usual(name: str, read: Rate, remote: Rate, standard: Rate) -> list[Program]:
    return [
        Program(code=f"{name}-{READ}", rate=read, is_read=True, is_authorized=True, within_days=2),
        Program(code=f"{name}-{REMOTE}", rate=remote, is_authorized=True, within_days=7),
        Program(code=f"{name}-{STANDARD}", rate=standard),
    ]


SCHEDULES: Final[Mapping[tuple[Pair, Business, Funding], Schedule]] = dict(_schedules())

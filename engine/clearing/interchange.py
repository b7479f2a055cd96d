"""Interchange and the network's fee: THE pure rule, applied once by the network, which tells both sides.

A rate is basis points of the amount plus a fixed part in minor units, by kind of business, by how the card was read,
and by whether it is a debit or a credit card. Results are minor units with six decimals, exact: an integer amount
times basis points with at most two decimals never needs a seventh. Each item is rounded half to even to whole minor
units when it is booked; what that leaves over, against the exact sum rounded once, is the rounding leg, booked in
aggregate.

The rates are simnet's own. They are shaped like public schedules (cheaper for everyday spending, debit and cards that
were present) and copy none.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.vocabulary.messages import REFUND, Presentment

SIX_DECIMALS = Decimal("0.000001")


class Business(StrEnum):
    """Kinds of business that rates differ by."""

    EVERYDAY = "everyday"
    """Groceries, fuel, public transport."""
    RESTAURANT = "restaurant"
    TRAVEL = "travel"
    GENERAL = "general"


class Funding(StrEnum):
    """Whose money a card spends. It follows the account range, as in the tables that networks publish to acquirers."""

    DEBIT = "debit"
    CREDIT = "credit"


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


CREDIT_RANGES = ("510002",)
"""Account ranges of credit cards; all others are debit."""

EVERYDAY_MCCS = frozenset({"4111", "4112", "4131", "5411", "5422", "5462", "5499", "5541", "5542"})
RESTAURANT_MCCS = frozenset({"5811", "5812", "5813", "5814"})
TRAVEL_MCCS = frozenset({"4411", "4511", "4722", "7011", "7512", "7513"})
"""ISO 18245, beside 3000 to 3999: airlines, car rental and hotels by name."""

PRESENT_READS = frozenset("25CM")
"""Position 7 of DE 22 in clearing: stripe, chip, contactless. Everything else was keyed or remote."""

# (business, funding): rate when the card was read, rate when it was not.
RATES: dict[tuple[Business, Funding], tuple[Rate, Rate]] = {
    (Business.EVERYDAY, Funding.DEBIT): (Rate(Decimal("45"), Decimal(4)), Rate(Decimal("95"), Decimal(6))),
    (Business.EVERYDAY, Funding.CREDIT): (Rate(Decimal("110"), Decimal(5)), Rate(Decimal("155"), Decimal(10))),
    (Business.RESTAURANT, Funding.DEBIT): (Rate(Decimal("105"), Decimal(4)), Rate(Decimal("140"), Decimal(10))),
    (Business.RESTAURANT, Funding.CREDIT): (Rate(Decimal("152.5"), Decimal(4)), Rate(Decimal("185"), Decimal(10))),
    (Business.TRAVEL, Funding.DEBIT): (Rate(Decimal("130"), Decimal(5)), Rate(Decimal("165"), Decimal(10))),
    (Business.TRAVEL, Funding.CREDIT): (Rate(Decimal("175"), Decimal(5)), Rate(Decimal("212.5"), Decimal(10))),
    (Business.GENERAL, Funding.DEBIT): (Rate(Decimal("115"), Decimal(5)), Rate(Decimal("160"), Decimal(10))),
    (Business.GENERAL, Funding.CREDIT): (Rate(Decimal("158.25"), Decimal(5)), Rate(Decimal("195"), Decimal(10))),
}

NETWORK_FEE = Rate(Decimal("8.5"), Decimal("1.5"))
"""What the acquirer pays the network for every item, whichever way its money goes."""


def interchange(presentment: Presentment) -> Decimal:
    """What the acquirer owes the issuer for the item, in minor units with six decimals.

    Positive: the issuer receives it (purchases, cash). A refund gives back what a purchase of that amount would cost:
    negative.
    """
    read, not_read = RATES[business_of(presentment.mcc), funding_of(presentment.pan.clear)]
    rate = read if presentment.pos_entry_mode[6:7] in PRESENT_READS else not_read
    amount = rate.of(presentment.amount.amount_minor)
    return -amount if presentment.processing_code[:2] == REFUND else amount


def network_fee(presentment: Presentment) -> Decimal:
    """What the acquirer owes the network for the item, in minor units with six decimals. Never negative: a refund is
    work too.
    """
    return NETWORK_FEE.of(presentment.amount.amount_minor)


def business_of(mcc: str) -> Business:
    """The kind of business of a merchant category code (ISO 18245)."""
    if mcc in EVERYDAY_MCCS:
        return Business.EVERYDAY
    if mcc in RESTAURANT_MCCS:
        return Business.RESTAURANT
    if mcc in TRAVEL_MCCS or "3000" <= mcc <= "3999":
        return Business.TRAVEL
    return Business.GENERAL


def funding_of(pan: str) -> Funding:
    """Debit or credit, by the account range that a clear card number lies in."""
    return Funding.CREDIT if pan.startswith(CREDIT_RANGES) else Funding.DEBIT

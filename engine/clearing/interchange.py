"""Interchange and the network's fee: THE pure rule, applied once by the network, which tells both sides.

Card, place and kind of business choose a schedule of programs (`tariff.py`), from the best to the one that every item
gets. An item gets the first program that it has everything for, and is told of each better one what it would have
needed. Results are minor units with six decimals, exact: an integer amount times basis points with at most two decimals
never needs a seventh. Each item is rounded half to even to whole minor units when it is booked; what that leaves over,
against the exact sum rounded once, is the rounding leg, booked in aggregate.

Hard cases: a refund (gives back what a purchase of that amount would cost; nobody authorizes it in time, so neither is
asked), a place that nobody knows (interregional, and told), a capped card whose program costs less than the cap, an
item dated after its clearing date (not late).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from engine.clearing.tariff import (
    EVERYDAY_MCCS,
    NETWORK_FEE,
    OTHER_PRODUCT,
    PRODUCTS,
    REGIONS,
    REGULATED_CAP,
    RESTAURANT_MCCS,
    SCHEDULES,
    TRAVEL_MCCS,
    Business,
    Funding,
    Pair,
    Product,
    Program,
)
from engine.vocabulary.messages import REFUND, Presentment

PRESENT_READS = frozenset("25CM")
"""Position 7 of DE 22 in clearing: stripe, chip, contactless. Everything else was keyed or remote."""

CARD_NOT_READ = "card_not_read"
NOT_AUTHORIZED = "authorization_not_carried"
LATE = "presented_after_{days}_days"
TOO_SMALL = "amount_below_{minor}"
TOO_LARGE = "amount_above_{minor}"
COUNTRY_UNKNOWN = "country_unknown"
CAPPED = "+CAP"
"""Behind the code of a program whose rate the law caps."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What an item costs, and why."""

    interchange: Decimal
    """Minor units with six decimals. Positive: the issuer receives it (purchases, cash)."""
    rate: str
    """The program that the item got."""
    downgrades: tuple[tuple[str, tuple[str, ...]], ...]
    """Each better program, the best first, and what the item would have needed for it."""

    @property
    def reasons(self) -> str | None:
        """The downgrades as one line, `DGED-READ card_not_read, ...; ...`; None where the item got the best."""
        return "; ".join(f"{code} {', '.join(missing)}" for code, missing in self.downgrades) or None


def price(presentment: Presentment, cleared_on: date) -> Priced:
    """What the acquirer owes the issuer for an item that is taken in on a clearing date.

    A refund gives back what a purchase of that amount would cost: negative.
    """
    product = product_of(presentment.pan.clear)
    pair = pair_of(product.country, country_of(presentment))
    amount_minor = presentment.amount.amount_minor
    is_refund = presentment.processing_code[:2] == REFUND
    downgrades: list[tuple[str, tuple[str, ...]]] = []
    if pair is None:
        downgrades.append((Pair.DOMESTIC.upper(), (COUNTRY_UNKNOWN,)))
        pair = Pair.INTERREGIONAL
    for program in SCHEDULES[pair, business_of(presentment.mcc), product.funding]:
        missing = tuple(_missing(program, presentment, cleared_on, is_refund=is_refund))
        if not missing:
            break
        downgrades.append((program.code, missing))
    else:
        raise AssertionError("the last program of a schedule asks nothing")
    cost, code = program.rate.of(amount_minor), program.code
    if pair is Pair.DOMESTIC and product.is_regulated and product.funding is Funding.DEBIT:
        cap = REGULATED_CAP.of(amount_minor)
        if cap < cost:
            cost, code = cap, code + CAPPED
    return Priced(-cost if is_refund else cost, code, tuple(downgrades))


def interchange(presentment: Presentment) -> Decimal:
    """`price` of an item in time for its own file's date, the amount alone."""
    return price(presentment, presentment.business_date).interchange


def network_fee(presentment: Presentment) -> Decimal:
    """What the acquirer owes the network for the item, in minor units with six decimals. Never negative: a refund is
    work too.
    """
    return NETWORK_FEE.of(presentment.amount.amount_minor)


def _missing(program: Program, item: Presentment, cleared_on: date, *, is_refund: bool) -> Iterator[str]:
    amount_minor = item.amount.amount_minor
    if program.is_read and item.pos_entry_mode[6:7] not in PRESENT_READS:
        yield CARD_NOT_READ
    if not is_refund:
        if program.is_authorized and not (item.approval_code and item.network_reference):
            yield NOT_AUTHORIZED
        days = program.within_days
        if days is not None and (cleared_on - item.transacted_at.date()).days > days:
            yield LATE.format(days=days)
    if program.least_minor is not None and amount_minor < program.least_minor:
        yield TOO_SMALL.format(minor=program.least_minor)
    if program.most_minor is not None and amount_minor > program.most_minor:
        yield TOO_LARGE.format(minor=program.most_minor)


def business_of(mcc: str) -> Business:
    """The kind of business of a merchant category code (ISO 18245)."""
    if mcc in EVERYDAY_MCCS:
        return Business.EVERYDAY
    if mcc in RESTAURANT_MCCS:
        return Business.RESTAURANT
    if mcc in TRAVEL_MCCS or "3000" <= mcc <= "3999":
        return Business.TRAVEL
    return Business.GENERAL


def product_of(pan: str) -> Product:
    """What the account range of a clear card number says of it."""
    return PRODUCTS.get(pan[:8], OTHER_PRODUCT)


def country_of(presentment: Presentment) -> str | None:
    """Where the card was used: the last two of the 40 positions of DE 43 (name 25, city 13, country 2)."""
    name = presentment.merchant_name
    return name[38:] if len(name) == 40 and name[38:] in REGIONS else None


def pair_of(issued_in: str, used_in: str | None) -> Pair | None:
    """Two countries as a pair; None where one of them is not known."""
    if used_in is None or issued_in not in REGIONS:
        return None
    if issued_in == used_in:
        return Pair.DOMESTIC
    return Pair.REGIONAL if REGIONS[issued_in] == REGIONS[used_in] else Pair.INTERREGIONAL

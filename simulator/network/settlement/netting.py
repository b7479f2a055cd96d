"""Netting: what the items of a day come to for each member. Pure.

Interchange and fee are rounded once for each member, half to even, of the exact sum over its items; so a member
computes the same from its own items. What all roundings together leave is the network's, and less than a cent a member.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.vocabulary.money import round_half_even


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTotals:
    """What one acquirer has presented to one issuer, in minor units: counts and amounts without sign, `interchange` (to
    the issuer) and `network_fee` (to the network) exact, and the sums of both when each item is rounded by itself.
    """

    acquirer_id: str
    issuer_id: str
    purchases_count: int
    purchases_minor: int
    credits_count: int
    credits_minor: int
    interchange: Decimal
    interchange_items_minor: int
    network_fee: Decimal
    network_fee_items_minor: int

    @property
    def interchange_booked_minor(self) -> int:
        """The pair's interchange, rounded once."""
        return round_half_even(self.interchange)


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """What a day comes to for one member, signed from its side. `pairs_minor` is its interchange when each pair is
    rounded by itself: what the book moves between positions before the roundings.
    """

    member_id: str
    purchases_count: int
    purchases_minor: int
    credits_count: int
    credits_minor: int
    interchange: Decimal
    interchange_booked_minor: int
    pairs_minor: int
    network_fee: Decimal
    network_fee_booked_minor: int
    rounding_minor: int

    @property
    def net_position_minor(self) -> int:
        """Positive: the member receives it."""
        amounts = self.purchases_minor + self.credits_minor
        return amounts + self.interchange_booked_minor + self.network_fee_booked_minor


def net(members: Sequence[str], pairs: Sequence[PairTotals]) -> tuple[Net, ...]:
    """A net for each member, in the order given, those without items included."""
    return tuple(_net(member_id, pairs) for member_id in members)


def _net(member_id: str, pairs: Sequence[PairTotals]) -> Net:
    sides = [(1, pair) for pair in pairs if pair.acquirer_id == member_id]
    presented = [pair for _, pair in sides]
    sides += [(-1, pair) for pair in pairs if pair.issuer_id == member_id]
    interchange = _exact(-side * pair.interchange for side, pair in sides)
    fee = _exact(-pair.network_fee for pair in presented)
    booked, fee_booked = round_half_even(interchange), round_half_even(fee)
    items = sum(-side * pair.interchange_items_minor for side, pair in sides)
    items -= sum(pair.network_fee_items_minor for pair in presented)
    return Net(
        member_id=member_id,
        purchases_count=sum(pair.purchases_count for _, pair in sides),
        purchases_minor=sum(side * pair.purchases_minor for side, pair in sides),
        credits_count=sum(pair.credits_count for _, pair in sides),
        credits_minor=sum(-side * pair.credits_minor for side, pair in sides),
        interchange=interchange,
        interchange_booked_minor=booked,
        pairs_minor=sum(-side * pair.interchange_booked_minor for side, pair in sides),
        network_fee=fee,
        network_fee_booked_minor=fee_booked,
        rounding_minor=booked + fee_booked - items,
    )


def _exact(amounts: Iterable[Decimal]) -> Decimal:
    # Zero has a sign in Decimal; added to plain zero it loses it.
    return sum(amounts, Decimal(0)) + Decimal(0)

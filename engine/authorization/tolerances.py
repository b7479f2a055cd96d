"""How far a final amount may go over what was authorized, by the kind of business.

A completion tells what has happened (ISO 8583: an advice), so it is never refused for funds. But an acquirer that let
a terminal capture any amount would invite disputes it must lose, so it refuses by its own rule what goes beyond the
table: DE 39 = 61, reason `over_tolerance`.
"""

from __future__ import annotations

from engine.vocabulary.money import share_bps

TIPPING_BPS = 2_000
"""Where tips are added on paper after the card was read: a fifth."""
PREAUTHORIZATION_BPS = 1_500
"""Where the final bill is not known yet: hotels, rentals, fuel."""

FUEL_MCCS = frozenset({"5542"})
"""Pumps without a cashier: asked for the most that they give, or for one unit of money to see that the card is good."""

FUEL_MOST_MINOR = 17_500
"""A tank, in minor units: what a pump that has only asked about the card may capture."""

TIPPING_MCCS = frozenset({"4121", "5811", "5812", "5813", "5814", "7230", "7297", "7298"})
"""ISO 18245: taxis, caterers, restaurants, bars, fast food, hairdressers, massage, spas."""


def largest_final_minor(authorized_minor: int, mcc: str | None, is_preauthorization: bool) -> int:
    """The largest final amount of a payment, in minor units, the tolerance rounded half to even.

    Pumps: what they give at most, whatever was asked for. Tipping trades: a fifth over. Other pre-authorizations: 15 %
    over. Other purchases: what was authorized.
    """
    if mcc in FUEL_MCCS and is_preauthorization:
        return max(authorized_minor, FUEL_MOST_MINOR)
    if mcc in TIPPING_MCCS:
        return authorized_minor + share_bps(authorized_minor, TIPPING_BPS)
    if is_preauthorization:
        return authorized_minor + share_bps(authorized_minor, PREAUTHORIZATION_BPS)
    return authorized_minor

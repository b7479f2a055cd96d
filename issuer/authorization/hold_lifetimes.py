"""How long a hold lives, as a table: the first line that fits counts.

Modelled on what card networks publish for their authorization validity; the figures are our network's own. What is
presented after the expiry is posted all the same; the lifetime only says how long money waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.vocabulary.messages import AuthorizationRequest

CARD_PRESENT_ENTRY_MODES = frozenset({"02", "05", "07", "80", "90", "91", "95"})
"""First two digits of DE 22: stripe, chip, contactless chip, fallback to stripe, whole stripe, contactless stripe,
chip of doubtful CVV."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLifetime:
    """One line: merchant categories (ranges of DE 18, inclusive; none: all), conditions (None: either), and how
    long."""

    what: str
    lifetime: timedelta
    mcc_ranges: tuple[tuple[str, str], ...] = ()
    preauthorization: bool | None = None
    card_present: bool | None = None

    def fits(self, request: AuthorizationRequest) -> bool:
        """Whether this line is about such a request."""
        present = request.pos_entry_mode[:2] in CARD_PRESENT_ENTRY_MODES
        return (
            (not self.mcc_ranges or any(first <= request.mcc <= last for first, last in self.mcc_ranges))
            and self.preauthorization in (None, request.is_preauthorization)
            and self.card_present in (None, present)
        )


FUEL = (("5542", "5542"),)
LODGING = (("3501", "3999"), ("7011", "7011"))
CRUISE = (("4411", "4411"),)
VEHICLE_RENTAL = (("3351", "3500"), ("7512", "7513"))

HOLD_LIFETIMES: tuple[HoldLifetime, ...] = (
    HoldLifetime(what="automated fuel", mcc_ranges=FUEL, lifetime=timedelta(hours=2)),
    HoldLifetime(
        what="a stay, a cruise, a rental, estimated",
        mcc_ranges=LODGING + CRUISE + VEHICLE_RENTAL,
        preauthorization=True,
        lifetime=timedelta(days=30),
    ),
    HoldLifetime(what="any other estimate", preauthorization=True, lifetime=timedelta(days=7)),
    HoldLifetime(what="a purchase with the card present", card_present=True, lifetime=timedelta(days=3)),
    HoldLifetime(what="everything else", lifetime=timedelta(days=7)),
)


def expires_at(request: AuthorizationRequest, now: datetime) -> datetime:
    """When a hold for this request, placed at `now`, is due for release."""
    return now + next(line.lifetime for line in HOLD_LIFETIMES if line.fits(request))

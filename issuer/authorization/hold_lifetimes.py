"""How long a hold lives, as a table: the first line that fits counts.

Modelled on what card networks publish for their authorization validity: it depends on the network, the merchant's
category, whether the card was there, whether the amount was an estimate, and who asked. The figures are our network's
own; `simnet` is the one network there is. What is presented after the expiry is posted all the same; the lifetime
only says how long money waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.vocabulary.messages import AuthorizationRequest
from issuer.authorization.entry import CARD_PRESENT


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLifetime:
    """One line: merchant categories (ranges of DE 18, inclusive; none: all), conditions (None: either), and how
    long."""

    what: str
    lifetime: timedelta
    network: str | None = None
    mcc_ranges: tuple[tuple[str, str], ...] = ()
    preauthorization: bool | None = None
    card_present: bool | None = None
    merchant_initiated: bool | None = None

    def fits(self, request: AuthorizationRequest, network: str) -> bool:
        """Whether this line is about such a request."""
        present = request.pos_entry_mode[:2] in CARD_PRESENT
        return (
            self.network in (None, network)
            and (not self.mcc_ranges or any(first <= request.mcc <= last for first, last in self.mcc_ranges))
            and self.preauthorization in (None, request.is_preauthorization)
            and self.card_present in (None, present)
            and self.merchant_initiated in (None, request.is_merchant_initiated)
        )


FUEL = (("5542", "5542"),)
LODGING = (("3501", "3999"), ("7011", "7011"))
CRUISE = (("4411", "4411"),)
VEHICLE_RENTAL = (("3351", "3500"), ("7512", "7513"))

HOLD_LIFETIMES: tuple[HoldLifetime, ...] = (
    HoldLifetime(what="automated fuel", mcc_ranges=FUEL, lifetime=timedelta(hours=2)),
    HoldLifetime(
        what="a stay, a cruise, a rental, estimated",
        network="simnet",
        mcc_ranges=LODGING + CRUISE + VEHICLE_RENTAL,
        preauthorization=True,
        lifetime=timedelta(days=30),
    ),
    HoldLifetime(what="any other estimate", preauthorization=True, lifetime=timedelta(days=7)),
    HoldLifetime(what="asked by the merchant", merchant_initiated=True, lifetime=timedelta(days=5)),
    HoldLifetime(what="a purchase with the card present", card_present=True, lifetime=timedelta(days=3)),
    HoldLifetime(what="everything else", lifetime=timedelta(days=7)),
)


def expires_at(request: AuthorizationRequest, now: datetime, network: str = "simnet") -> datetime:
    """When a hold for this request, which came through `network`, placed at `now`, is due for release."""
    return now + next(line.lifetime for line in HOLD_LIFETIMES if line.fits(request, network))

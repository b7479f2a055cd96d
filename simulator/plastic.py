"""Cards as their holders have them: what personalisation put on the stripe and on the back, and the PIN in the head.

Issuers keep none of this but the PVV. Only the simulated world holds plastic, and only in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.ports import Hsm
from engine.vocabulary.identifiers import Pan, Secret
from simulator.population import SERVICE_CODE, CardPlan

CVV2_SERVICE_CODE = "000"
"""What a CVV2 is computed with, in place of the stripe's service code."""
PVKI = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plastic:
    """One card in one pocket. `expiry` is YYMM."""

    pan: Pan
    expiry: str
    pin: str = field(repr=False)
    pvv: str = field(repr=False)
    cvv: str = field(repr=False)
    cvv2: str = field(repr=False)

    @property
    def track2(self) -> Secret:
        """Track 2 (ISO/IEC 7813): PAN, expiry, service code, then PVKI, PVV and CVV as discretionary digits."""
        return Secret(f"{self.pan.clear}={self.expiry}{SERVICE_CODE}{PVKI}{self.pvv}{self.cvv}")

    def counterfeit(self) -> Plastic:
        """A copy by somebody who did not know the CVVs."""
        return replace(self, cvv=_next(self.cvv), cvv2=_next(self.cvv2))


def personalise(hsm: Hsm, card: CardPlan) -> Plastic:
    """The plastic of a planned card, made at its issuer's HSM."""
    return Plastic(
        pan=card.pan,
        expiry=card.expiry,
        pin=card.pin,
        pvv=hsm.make_pvv(card.pan, card.pin, PVKI),
        cvv=hsm.make_cvv(card.pan, card.expiry, SERVICE_CODE),
        cvv2=hsm.make_cvv(card.pan, card.expiry, CVV2_SERVICE_CODE),
    )


def other_pin(pin: str) -> str:
    """A PIN that is not this one."""
    return _next(pin)


def _next(digits: str) -> str:
    return f"{(int(digits) + 1) % 10 ** len(digits):0{len(digits)}d}"

"""How a card may come in, as tables: what the first two digits of DE 22 mean to the issuer, when the stripe of a chip
card is taken, and up to where a tap needs no PIN.

The figures are our network's own. A stripe is easily copied and a chip is not, so who has a chip card is asked for the
chip; what is let through besides is written here, line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.vocabulary.messages import BALANCE_INQUIRY, PURCHASE, REFUND
from engine.vocabulary.money import Money
from issuer.cards.numbers import CHIP_SERVICE_CODES

CHIP: Final = frozenset({"05", "07"})
"""Inserted, tapped: DE 55 is there, and track 2 is the chip's copy, with the iCVV in it."""
TAPPED: Final = "07"
INSERTED: Final = "05"
CARD_PRESENT: Final = frozenset({"02", "05", "07", "80", "90", "91", "95"})
"""Stripe, chip, contactless chip, fallback to stripe, whole stripe, contactless stripe, chip of doubtful CVV."""
STRIPE: Final = frozenset({"02", "80", "90"})
"""Swiped: 80 says that the chip was tried before and did not answer (fallback)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeRule:
    """A case in which the stripe of a chip card is taken: entry modes, transaction types (DE 3), merchant categories
    (DE 18; none: all)."""

    what: str
    entry_modes: frozenset[str]
    transaction_types: frozenset[str]
    mccs: frozenset[str] = frozenset()

    def fits(self, entry_mode: str, transaction_type: str, mcc: str) -> bool:
        """Whether this line is about such a request."""
        return (
            entry_mode in self.entry_modes
            and transaction_type in self.transaction_types
            and (not self.mccs or mcc in self.mccs)
        )


STRIPE_RULES: Final = (
    StripeRule(
        what="the chip does not answer: a purchase, never cash",
        entry_modes=frozenset({"80"}),
        transaction_types=frozenset({PURCHASE, REFUND, BALANCE_INQUIRY}),
    ),
    StripeRule(
        what="taxis, whose terminals have no chip reader as yet",
        entry_modes=frozenset({"02", "90"}),
        transaction_types=frozenset({PURCHASE, REFUND}),
        mccs=frozenset({"4121"}),
    ),
)

FREE_TAP_MINOR: Final[Mapping[str, int]] = {"USD": 5_000, "EUR": 5_000, "GBP": 10_000, "JPY": 10_000, "KWD": 15_000}
"""Up to here (minor units, by currency) a tap needs no verification of the cardholder."""


def refuses_stripe(service_code: str, entry_mode: str, transaction_type: str, mcc: str) -> bool:
    """Whether the stripe was read of a card that has a chip, where no line of `STRIPE_RULES` lets it. `entry_mode` is
    the first two digits of DE 22."""
    return (
        entry_mode in STRIPE
        and service_code[:1] in CHIP_SERVICE_CODES
        and not any(rule.fits(entry_mode, transaction_type, mcc) for rule in STRIPE_RULES)
    )


def is_free_tap(amount: Money) -> bool:
    """Whether a tap of this amount needs no verification of the cardholder."""
    return amount.amount_minor <= FREE_TAP_MINOR[amount.asset]

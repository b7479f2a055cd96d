"""Which state of a card may follow which, who may move it there, and with which reasons: one table.

Lost, stolen and closed are for good, but for a card that was lost and turns out to be stolen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from issuer.cards.model import CardState, StateReason


class Mover(StrEnum):
    """Who moves a card."""

    CARDHOLDER = "cardholder"
    BANK = "bank"


FINAL_STATES = frozenset({CardState.LOST, CardState.STOLEN, CardState.CLOSED})

Reasons = Mapping[Mover, frozenset[StateReason]]


def _by(*, cardholder: tuple[StateReason, ...] = (), bank: tuple[StateReason, ...] = ()) -> Reasons:
    return {Mover.CARDHOLDER: frozenset(cardholder), Mover.BANK: frozenset(bank)}


_LOST = _by(
    cardholder=(StateReason.REPORTED_LOST, StateReason.NEVER_ARRIVED),
    bank=(StateReason.REPORTED_LOST, StateReason.NEVER_ARRIVED, StateReason.UNDELIVERABLE),
)
_STOLEN = _by(cardholder=(StateReason.REPORTED_STOLEN,), bank=(StateReason.REPORTED_STOLEN,))
_CLOSED = _by(
    cardholder=(StateReason.NO_LONGER_WANTED,),
    bank=(
        StateReason.NO_LONGER_WANTED,
        StateReason.ACCOUNT_CLOSED,
        StateReason.HOLDER_DECEASED,
        StateReason.FRAUD_SUSPECTED,
        StateReason.UNDELIVERABLE,
    ),
)
_BLOCKED = _by(bank=(StateReason.FRAUD_SUSPECTED, StateReason.LEGAL_ORDER, StateReason.HOLDER_DECEASED))
_ENDS = {CardState.LOST: _LOST, CardState.STOLEN: _STOLEN, CardState.CLOSED: _CLOSED}

MOVES: Mapping[CardState, Mapping[CardState, Reasons]] = {
    # To active by `ActivateCard` only, which looks at where the plastic is.
    CardState.ORDERED: {**_ENDS},
    CardState.ACTIVE: {
        CardState.FROZEN: _by(cardholder=(StateReason.FROZEN,)),
        CardState.BLOCKED: _BLOCKED,
        **_ENDS,
    },
    CardState.FROZEN: {
        CardState.ACTIVE: _by(cardholder=(StateReason.UNFROZEN,), bank=(StateReason.UNFROZEN,)),
        CardState.BLOCKED: _BLOCKED,
        **_ENDS,
    },
    # What the bank has blocked its holder cannot open, but can report and give up. The bank says whether what it
    # unblocks goes back to being frozen.
    CardState.BLOCKED: {
        CardState.ACTIVE: _by(bank=(StateReason.UNBLOCKED,)),
        CardState.FROZEN: _by(bank=(StateReason.UNBLOCKED,)),
        **_ENDS,
    },
    CardState.LOST: {CardState.STOLEN: _STOLEN},
    CardState.STOLEN: {},
    CardState.CLOSED: {},
}

REPORTS: Mapping[str, tuple[CardState, StateReason]] = {
    "lost": (CardState.LOST, StateReason.REPORTED_LOST),
    "stolen": (CardState.STOLEN, StateReason.REPORTED_STOLEN),
    "never_arrived": (CardState.LOST, StateReason.NEVER_ARRIVED),
}
"""What a holder may report of a card, and where it goes then."""


def refusal(now: CardState, new: CardState, mover: Mover, reason: StateReason) -> str | None:
    """Why this mover may not move a card so, or None."""
    allowed = MOVES[now].get(new)
    if allowed is None:
        return "card_state_final" if now in FINAL_STATES else "move_not_allowed"
    if not allowed[mover]:
        return "move_not_allowed"
    return None if reason in allowed[mover] else "reason_not_allowed"

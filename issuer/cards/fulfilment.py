"""How a physical card gets to its holder: a state machine of its own, beside the card's.

    ordered -> personalised -> shipped -> delivered
       |            |            |  ^         |
    cancelled   destroyed     returned <------+
                                 |
                             destroyed

A card that came back is sent again, or destroyed. It says nothing about what the card may do; but who activates a card
has it in hand, so it has been shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event


class FulfilmentState(StrEnum):
    """Where the plastic is."""

    ORDERED = "ordered"
    PERSONALISED = "personalised"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    DESTROYED = "destroyed"


FOLLOWING: Mapping[FulfilmentState, frozenset[FulfilmentState]] = {
    FulfilmentState.ORDERED: frozenset({FulfilmentState.PERSONALISED, FulfilmentState.CANCELLED}),
    FulfilmentState.PERSONALISED: frozenset({FulfilmentState.SHIPPED, FulfilmentState.DESTROYED}),
    FulfilmentState.SHIPPED: frozenset({FulfilmentState.DELIVERED, FulfilmentState.RETURNED}),
    FulfilmentState.DELIVERED: frozenset({FulfilmentState.RETURNED}),
    FulfilmentState.RETURNED: frozenset({FulfilmentState.SHIPPED, FulfilmentState.DESTROYED}),
    FulfilmentState.CANCELLED: frozenset(),
    FulfilmentState.DESTROYED: frozenset(),
}
IN_HAND = frozenset({FulfilmentState.SHIPPED, FulfilmentState.DELIVERED})
"""Where plastic is that its holder may have; posts seldom say when they deliver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """The plastic of a card and sequence number, on its way."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    card_id: UUID
    sequence_number: str
    state: FulfilmentState
    ordered_on: date
    changed_on: date
    shipments: int
    """How often it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FulfilmentOrdered(Event):
    """Plastic is to be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FulfilmentMoved(Event):
    """Plastic was made, sent, delivered, returned, cancelled or destroyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveFulfilment:
    """The bureau or the post says where the plastic is.

    Answered "changed", also when it is there already, or "refused": fulfilment_unknown, move_not_allowed,
    card_state_final (no plastic is made or sent for a card that is lost, stolen or closed).
    """

    card_id: UUID
    sequence_number: str
    new_state: FulfilmentState
    reference: str = ""

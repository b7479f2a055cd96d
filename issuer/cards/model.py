"""Cards: the noun, its facts, and the requests that make and block one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import Pan, Secret
from engine.vocabulary.keys import KeyRule

PIN_TRIES = 3
"""Wrong PINs in a row after which the PIN is no longer looked at."""


class CardState(StrEnum):
    """Blocked may be undone; lost, stolen and closed are for good."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    LOST = "lost"
    STOLEN = "stolen"
    CLOSED = "closed"


FINAL_STATES = frozenset({CardState.LOST, CardState.STOLEN, CardState.CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card. Its number is in the vault under `card_token`; `account_id` is the ledger account that it spends from.

    `expiry` (YYMM) is its last month. `pvki` and `pvv` are what the issuer keeps of the PIN; None for a card without
    one.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ("card_token",)

    id: UUID
    card_token: UUID
    first_six: str
    last_four: str
    customer_id: UUID
    account_id: UUID
    expiry: str
    state: CardState
    pvki: str | None
    pvv: str | None
    pin_tries_left: int
    issued_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CardIssued(Event):
    """A card exists and may be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStateChanged(Event):
    """A card was blocked, unblocked, reported lost or stolen, or closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCard:
    """Issue a customer's card number `sequence` (1, 2, ...), spending from `account_id`, the customer's wallet.

    Answered "issued" with the facts card_id and card_token, or "refused": customer_unknown, customer_not_active,
    account_not_theirs, card_number_malformed, expiry_malformed, pin_malformed, card_number_taken.
    """

    customer_id: UUID
    account_id: UUID
    pan: Pan
    expiry: str
    """YYMM."""
    issued_at: datetime
    """When it was ordered, UTC."""
    sequence: int = 1
    pin: Secret | None = None
    """4 to 12 digits. In memory only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalisedCard:
    """`IssueCard` after the HSM was asked: the number is in the vault, the PIN has become a PVV."""

    request: IssueCard
    card_token: UUID
    pvki: str | None
    pvv: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCard:
    """Change a card's state: block or unblock it, report it lost or stolen, close it.

    `reference` is the asker's own, so that the same change may be asked for again later. Answered "changed", or
    "refused": card_unknown, card_state_final.
    """

    card_id: UUID
    new_state: CardState
    reference: str = ""


# The card number is no part of a key: a key is a plain hash, and card numbers can be guessed.
KEYS: Mapping[type, KeyRule] = {
    IssueCard: KeyRule("card", ("customer_id", "sequence"), ("pan", "account_id", "expiry")),
    BlockCard: KeyRule("card_state", ("card_id", "new_state", "reference"), ()),
}

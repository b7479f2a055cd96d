"""Authorizations: the noun, its facts, the one request of its own, and what the network's messages become before
they are decided.

The life of one: approved (money held) -> cleared, reversed or expired; or declined. A tombstone stands for a request
that was reversed before it came. Whatever its state, what is presented later is posted. An approval of nothing (an
account verification, an inquiry) stays approved, and a refund that is approved holds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary import keys
from engine.vocabulary.decision import Json
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import network_reference
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.messages import AuthorizationAdvice, AuthorizationRequest, OriginalData, ReversalAdvice
from issuer.authorization.chip import ChipReport

ENDPOINT_TIMEOUT = "endpoint_timeout"
"""The timer of an authorization that waits for the operator's endpoint."""
CHIP_FACT = "chip"
"""The fact of an answer to a chip that its cryptogram and script are made of, after commit."""


class AuthorizationState(StrEnum):
    """Where an authorization stands. Only an approved or a pending one can have money held."""

    PENDING = "pending"
    """Money is held, and the operator's endpoint is asked."""
    APPROVED = "approved"
    POSTED = "posted"
    """Approved by a single message: the money has moved, and waits for its clearing."""
    JOINED = "joined"
    """An increment: what it added is held, reversed and presented with its original."""
    DECLINED = "declined"
    REVERSED = "reversed"
    EXPIRED = "expired"
    CLEARED = "cleared"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """One request of the network and what became of it.

    `requested_minor` was asked for; `amount_minor` is approved at present (0 when declined; less after a partial
    reversal, more after an increment); `held_left_minor` of it is still held; `presented_minor` has come in clearing,
    of the same direction (purchase or refund). `considered` is what it was decided on: `facts` (facts.py), and where
    risk rules were asked, `scored`. `counted_on` is the cardholder's date that it counts for in the card's limits.
    `base_id` is the authorization that an increment adds to.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ("network_reference",)

    id: UUID
    network_reference: str
    card_id: UUID | None
    account_id: UUID | None
    held_id: UUID | None
    transaction_type: str
    """First two digits of DE 3."""
    requested_minor: int
    amount_minor: int
    held_left_minor: int
    presented_minor: int
    asset: str
    state: AuthorizationState
    response_code: str
    approval_code: str | None
    reasons: tuple[str, ...]
    preauthorization: bool
    mcc: str
    acquirer_id: str
    merchant_id: str
    merchant_name: str
    terminal_id: str
    pos_entry_mode: str
    transacted_at: datetime
    authorized_on: date
    expires_at: datetime | None
    is_financial: bool = False
    stan: str = ""
    base_id: UUID | None = None
    counted_on: date | None = None
    considered: Mapping[str, Json]

    @property
    def transmitted_at(self) -> datetime:
        """DE 7 of the request, with which it can be answered later."""
        return self.transacted_at


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlaced(Event):
    """Approved, and the amount is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundApproved(Event):
    """Approved; nothing is held, the money comes with the presentment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleMessagePosted(Event):
    """Approved, and the money has moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardConfirmed(Event):
    """Approved, and nothing was to be held: the card was asked about, or the balance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationIncreased(Event):
    """An increment was approved: more is held for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementJoined(Event):
    """Approved, as part of an earlier authorization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalAmountAdvised(Event):
    """The final amount is known before clearing: so much is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInBooked(Event):
    """The network has approved in our place, and we hold what it promised; `reasons` are those to decline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInNoted(Event):
    """The network has declined in our place, or approved what is decided already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationDeclined(Event):
    """Declined, for all the reasons given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinTriesChanged(Event):
    """A wrong PIN cost the card a try, or a right one gave them back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipCounterMoved(Event):
    """A genuine cryptogram has shown how far the card's chip has counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationReversed(Event):
    """All of it is off; what was held is released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationReduced(Event):
    """A partial reversal: less is approved, and less is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalRemembered(Event):
    """A reversal came before its request, which will be declined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalWithoutEffect(Event):
    """A reversal could not take anything back: of a cleared authorization, of another card, in another currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExpired(Event):
    """What was left of a hold was released because its time was up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationPresented(Event):
    """A presentment came for this authorization."""


class PinCheck(StrEnum):
    """What is known of the PIN block when the rules are asked."""

    ABSENT = "absent"
    CORRECT = "correct"
    WRONG = "wrong"
    UNREADABLE = "unreadable"
    """No PIN block of this card under the zone's key, or a card that has no PIN: says nothing about the cardholder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipCheck:
    """What the chip says, and whether the chip of this plastic (sequence number, 2 digits) is who says it."""

    chip: ChipReport
    sequence_number: str
    is_genuine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRequest:
    """An authorization request with the HSM's verdicts. `cvv` (track), `cvv2` and `chip` (DE 55) are None where the
    request has none, and so is `address` (Y, Z, A, N, U); `malformed` names the tag for which DE 55 could not be
    read."""

    request: AuthorizationRequest
    card_token: UUID
    cvv: bool | None
    cvv2: bool | None
    pin: PinCheck
    chip: ChipCheck | None = None
    malformed: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenisedAdvice:
    """An advice with its card's token."""

    request: AuthorizationAdvice
    card_token: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenisedReversal:
    """A reversal with its card's token."""

    request: ReversalAdvice
    card_token: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseExpiredHold:
    """Release what is left of this hold, if it is still due. Asked by the job `hold-expiry` of a business date.

    Answered "released" with the fact released_minor, or "not_due".
    """

    authorization_id: UUID
    business_date: date


KEYS: Mapping[type, KeyRule] = {
    AuthorizationRequest: keys.KEYS[AuthorizationRequest],
    AuthorizationAdvice: keys.KEYS[AuthorizationAdvice],
    ReversalAdvice: keys.KEYS[ReversalAdvice],
    ReleaseExpiredHold: KeyRule("hold_expiry", ("authorization_id", "business_date"), ()),
}


def reference_of(request: AuthorizationRequest | AuthorizationAdvice | ReversalAdvice) -> str:
    """The network's reference (DE 63), or, on a link without a network, the same derived from what request and
    reversal share."""
    if request.network_reference is not None:
        return request.network_reference
    if isinstance(request, ReversalAdvice):
        return original_reference(request.original, request.terminal_id)
    return network_reference(request.acquirer_id, request.terminal_id, request.stan, request.transmitted_at)


def original_reference(original: OriginalData, terminal_id: str) -> str:
    """The network's reference of the request that DE 90 names."""
    return network_reference(original.acquirer_id, terminal_id, original.stan, original.transmitted_at)

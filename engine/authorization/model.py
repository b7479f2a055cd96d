"""The life of a payment as the acquirer sees it, from the terminal's request until clearing presents it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import derive_id


class PaymentState(StrEnum):
    """Where a payment stands.

    - `pending`: asked of the network, not answered.
    - `approved`: a pre-authorization that waits for its completion.
    - `confirmed`: approved, and there is nothing to capture: an account verification, a balance inquiry.
    - `joined`: an increment that was approved; its pre-authorization has grown by it.
    - `captured`: to be presented at the next cut-off.
    - `declined`: refused by us, the network or the issuer.
    - `timed_out`: nobody answered in time; the terminal was told 91 and the network that it is off.
    - `reversed`: taken back as a whole before clearing, perhaps before its request was seen.
    - `presented`: in a clearing file; from now on only a refund gives the money back.
    """

    PENDING = "pending"
    APPROVED = "approved"
    CONFIRMED = "confirmed"
    JOINED = "joined"
    CAPTURED = "captured"
    DECLINED = "declined"
    TIMED_OUT = "timed_out"
    REVERSED = "reversed"
    PRESENTED = "presented"


class ReversalState(StrEnum):
    """Whether the network has been told that a payment is off, or is less, and whether it said that it heard (0430)."""

    NONE = "none"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment. Amounts are minor units of `asset`.

    `requested_minor` is DE 4 of the request, `amount_minor` what stands authorized (0 before approval),
    `captured_minor` what will be or was presented. (acquirer_id, terminal_id, stan, transmitted_at) is the request's
    key, the same at every hop. The `reversal_*` fields are those of the 0420 under way, so that each repeat says the
    same.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    acquirer_id: str
    terminal_id: str
    merchant_id: str
    merchant: UUID
    stan: str
    transmitted_at: datetime
    transacted_at: datetime
    rrn: str
    card_token: UUID
    first_six: str
    last_four: str
    expiry: str | None
    processing_code: str
    mcc: str | None
    pos_entry_mode: str | None
    is_preauthorization: bool
    is_completed: bool = False
    requested_minor: int
    amount_minor: int = 0
    captured_minor: int = 0
    asset: str
    state: PaymentState
    response_code: str | None = None
    approval_code: str | None = None
    network_reference: str | None = None
    reasons: tuple[str, ...] = ()
    reversal_state: ReversalState = ReversalState.NONE
    reversal_attempts: int = 0
    reversal_stan: str | None = None
    reversal_transmitted_at: datetime | None = None
    reversal_reason: str | None = None
    is_financial: bool = False
    base_id: UUID | None = None
    """The pre-authorization that an increment adds to."""

    @property
    def message_type(self) -> str:
        """The MTI of its request."""
        return "0200" if self.is_financial else "0100"

    @property
    def masked_pan(self) -> str:
        """First six and last four digits, stars between."""
        return f"{self.first_six}******{self.last_four}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequested(Event):
    """A payment was asked of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentApproved(Event):
    """A pre-authorization holds until it is completed or reversed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCaptured(Event):
    """A payment's amount is final and will be presented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentConfirmed(Event):
    """Approved, and there is nothing to capture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentIncreased(Event):
    """A pre-authorization has grown by an increment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementJoined(Event):
    """An increment was approved, and is part of its pre-authorization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDeclined(Event):
    """A payment was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTimedOut(Event):
    """No answer came that could be used: the terminal is told 91, the network that it is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReversed(Event):
    """A payment was taken back as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReduced(Event):
    """A payment was taken back in part: its amounts are the new total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalPrecededRequest(Event):
    """A reversal came before its request, which will be declined when it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalRepeated(Event):
    """The network has not acknowledged a reversal: it is told again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalAcknowledged(Event):
    """The network has heard of the reversal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateResponseIgnored(Event):
    """An answer came after the payment had been given up or taken back. It changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableResponseIgnored(Event):
    """An answer approved what had not been asked for. It counts as none."""


def id_of_payment(institution: str, acquirer_id: str, terminal_id: str, stan: str, transmitted_at: datetime) -> UUID:
    """The payment's identifier, from what its request, its response and the original data (DE 90) of its reversal all
    carry.
    """
    at = transmitted_at.astimezone(UTC)
    return derive_id(f"{institution}/payment", acquirer_id, terminal_id, stan, at.isoformat(), on=at.date())


def retrieval_reference(stan: str, transmitted_at: datetime) -> str:
    """DE 37 as acquirers usually form it: YDDDHH (last digit of the year, day of the year, hour, UTC), then the STAN.
    12 digits.
    """
    at = transmitted_at.astimezone(UTC)
    return f"{at.year % 10}{at:%j%H}{stan}"

"""Money between people: nouns, facts and requests.

Money is sent at once, from wallet to wallet. A request for money waits for its payer's answer, seven days at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event
from engine.vocabulary.keys import KeyRule

REQUEST_LIVES = timedelta(days=7)
"""How long a request for money may be answered."""
EXPIRY = "money_request_expiry"
"""The timer of an open request."""
LARGEST_TRANSFER_MINOR = 10**12
"""Ten thousand million of a currency with cents: more is a slip of the hand."""
LONGEST_NOTE = 140

REFUSALS: Mapping[str, str] = {
    "unknown_customer": "There is no such customer.",
    "unknown_request": "There is no such request for money.",
    "unknown_handle": "Nobody has this handle.",
    "not_yours": "This request is somebody else's to answer.",
    "expired": "This request was not answered in time.",
    "already_answered": "This request has been answered already.",
    "same_person": "Sender and receiver are the same person.",
    "amount_not_positive": "The amount must be more than nothing.",
    "amount_too_large": "The amount is larger than any transfer may be.",
    "note_malformed": "A note has at most 140 characters, none of them control characters.",
    "wrong_asset": "One of the two wallets holds another currency.",
    "account_closed": "The account is closed.",
    "account_frozen": "The account is frozen.",
    "handle_closed": "Whoever has this handle has closed the account.",
    "insufficient_funds": "There is not enough money in the wallet.",
    "limit_exceeded": "The wallet that it would go to may not hold that much.",
    "not_possible": "The books do not allow this transfer.",
}
"""Why something is refused, for machines and for people, in order of precedence."""


class RequestState(StrEnum):
    """The life of a request for money; all but open are final."""

    OPEN = "open"
    PAID = "paid"
    DECLINED = "declined"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Money that went from one wallet to another. `request_id` names the request that it pays, if any."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    sender_id: UUID
    receiver_id: UUID
    amount_minor: int
    asset: str
    note: str
    request_id: UUID | None
    business_date: date
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRequest:
    """Somebody asks somebody for money. From `expires_at` on it cannot be paid, whether or not its timer has fired."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    requester_id: UUID
    payer_id: UUID
    amount_minor: int
    asset: str
    note: str
    state: RequestState
    requested_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneySent(Event):
    """Money is in the receiver's wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRequested(Event):
    """A request waits for its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRequestPaid(Event):
    """The payer has paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRequestDeclined(Event):
    """The payer has said no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRequestExpired(Event):
    """Nobody answered in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMoney:
    """Send money to a handle. `reference` is the sender's own: the same again is the same transfer.

    Answered "sent" with the fact transfer_id, or "refused" with reasons out of `REFUSALS`.
    """

    reference: str
    sender_id: UUID
    handle: str
    amount_minor: int
    asset: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMoney:
    """Ask a handle for money. Answered "requested" with the facts request_id and expires_at, or "refused"."""

    reference: str
    requester_id: UUID
    payer_handle: str
    amount_minor: int
    asset: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest:
    """Pay or decline a request for money. `reference` is the payer's own: who lacked funds may try again under another.

    Answered "paid" with the fact transfer_id, "declined", or "refused".
    """

    reference: str
    request_id: UUID
    payer_id: UUID
    accept: bool


KEYS: Mapping[type, KeyRule] = {
    SendMoney: KeyRule("send_money", ("sender_id", "reference"), ("handle", "amount_minor", "asset", "note")),
    RequestMoney: KeyRule(
        "request_money", ("requester_id", "reference"), ("payer_handle", "amount_minor", "asset", "note")
    ),
    AnswerRequest: KeyRule("answer_request", ("request_id", "payer_id", "reference"), ("accept",)),
}

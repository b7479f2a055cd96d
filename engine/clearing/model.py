"""What a captured payment becomes in clearing: an item with a reference of its own, its fees, and the payout it was
paid in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event
from engine.vocabulary.files import Outgoing
from engine.vocabulary.identifiers import derive_id
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.messages import REFUND


class ItemState(StrEnum):
    """What the network has said of an item.

    - `presented`: nothing yet;
    - `confirmed`: what it costs, and on which date it settles;
    - `rejected`: that it does not count; the merchant is owed nothing for it;
    - `uncollected`: the same, after the merchant was paid: it stays in the network receivable, for a person to settle;
      `rejected` after all when the payout comes back.
    """

    PRESENTED = "presented"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNCOLLECTED = "uncollected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingItem:
    """One item of a clearing file, presented once and for ever known by its `arn`. Amounts are minor units of `asset`.

    `business_date` is the clearing date of our file, `settled_on` the network's, which takes in a late file later.

    `interchange` and `network_fee` are what the network computed, in minor units with six decimals as text, signed
    from the acquirer's debt; `*_minor` the same as booked, each rounded half to even. `payout_id` is the payout that
    paid the item.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ("arn",)

    id: UUID
    arn: str
    payment_id: UUID
    merchant: UUID
    account_id: UUID
    processing_code: str
    amount_minor: int
    discount_minor: int
    asset: str
    business_date: date
    state: ItemState
    interchange: str | None
    interchange_minor: int
    network_fee: str | None
    network_fee_minor: int
    payout_id: UUID | None
    settled_on: date | None = None
    rate: str | None = None
    """The program of the network's tariff that it got, and in `downgrades` what better ones would have needed."""
    downgrades: str | None = None

    @property
    def is_refund(self) -> bool:
        """Whether the money goes back to the cardholder."""
        return self.processing_code[:2] == REFUND

    @property
    def due_to_merchant_minor(self) -> int:
        """What the item adds to what the merchant is owed; negative for a refund."""
        if self.state is ItemState.REJECTED:
            return 0
        return -self.amount_minor if self.is_refund else self.amount_minor - self.discount_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentPayment:
    """Present a captured payment in the file of `business_date`. Answered "presented" or "refused" with reasons."""

    payment_id: UUID
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmItem:
    """What the network says an item costs, which it settles on `business_date`. Answered "confirmed" or "refused"."""

    arn: str
    interchange: str
    network_fee: str
    business_date: date
    rate: str | None = None
    downgrades: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectItem:
    """The network does not take an item. Answered "rejected", "uncollected", or "refused" with reasons."""

    arn: str
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFile:
    """Hand a file that lies ready in `out` to another member, at least once. Answered "queued"."""

    recipient_id: str
    file: Outgoing


KEYS: Mapping[type, KeyRule] = {
    # By date as well: a presentment that was set aside is tried again at the next cut-off. That a payment is
    # presented once is held by its state and by the identifier of its item.
    PresentPayment: KeyRule("present_payment", ("payment_id", "business_date"), ()),
    ConfirmItem: KeyRule("confirm_item", ("arn",), ("interchange", "network_fee")),
    RejectItem: KeyRule("reject_item", ("arn",), ()),
    SendFile: KeyRule("send_file", ("file.name", "recipient_id"), ()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPresented(Event):
    """A payment is in a clearing file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPresented(Event):
    """An item was made of a payment, and the merchant is owed for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemConfirmed(Event):
    """The network has accepted an item and said what it costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRejected(Event):
    """The network does not take an item: what was booked for it is booked back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemUncollected(Event):
    """The network does not take an item that the merchant has been paid for."""


def id_of_item(institution: str, payment_id: UUID) -> UUID:
    """The item's identifier: a payment is presented once."""
    # The day that the payment was first seen is the first four bytes of its identifier.
    first_seen = date.fromordinal(int.from_bytes(payment_id.bytes[:4], "big"))
    return derive_id(f"{institution}/clearing_item", str(payment_id), on=first_seen)

"""The nouns of clearing: items, each a presentment with its issuer and its price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.ledger.book import Book
from engine.vocabulary.clearing import MessageReject
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC, Pan
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.messages import REFUND, Presentment
from engine.vocabulary.money import Money


class ItemState(StrEnum):
    """Whether an item counts."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """It goes back to its acquirer; no money moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One presentment, once for ever (`arn`). `interchange` is signed from the issuer's side, `network_fee` is what the
    acquirer owes; both in minor units with six decimals, beside them what each is when rounded by itself.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    arn: str
    business_date: date
    """The clearing date of the network's run that took it in."""
    file_id: str
    acquirer_id: str
    issuer_id: str | None
    network_reference: str | None
    card_token: UUID
    processing_code: str
    amount_minor: int
    asset: str
    transacted_at: datetime
    authorized_on: date | None
    approval_code: str | None
    pos_entry_mode: str
    mcc: str
    terminal_id: str
    merchant_id: str
    merchant_name: str
    is_final: bool
    interchange: Decimal
    interchange_minor: int
    network_fee: Decimal
    network_fee_minor: int
    rate: str
    """The program of the tariff that it got, and in `downgrades` what better ones would have needed."""
    downgrades: str | None
    state: ItemState
    reason: str | None = None
    """Why it was rejected."""

    @property
    def is_credit(self) -> bool:
        """Whether the money goes back to the cardholder."""
        return self.processing_code[:2] == REFUND

    def presentment(self, pan: Pan) -> Presentment:
        """The item as both sides are told of it."""
        return Presentment(
            arn=self.arn,
            network_reference=self.network_reference,
            acquirer_id=self.acquirer_id,
            pan=pan,
            processing_code=self.processing_code,
            amount=Money(self.amount_minor, self.asset),
            transacted_at=self.transacted_at,
            authorized_on=self.authorized_on,
            approval_code=self.approval_code,
            pos_entry_mode=self.pos_entry_mode,
            mcc=self.mcc,
            terminal_id=self.terminal_id,
            merchant_id=self.merchant_id,
            merchant_name=self.merchant_name,
            business_date=self.business_date,
            is_final=self.is_final,
            interchange=f"{self.interchange:.6f}",
            network_fee=f"{self.network_fee:.6f}",
            rate=self.rate,
            downgrades=self.downgrades,
        )

    @property
    def reject(self) -> MessageReject:
        """What the acquirer is told of an item that is rejected."""
        return MessageReject(
            arn=self.arn,
            amount=Money(self.amount_minor, self.asset),
            acquirer_id=self.acquirer_id,
            reason=self.reason or "",
            business_date=self.business_date,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAccepted(Event):
    """The item counts: the positions of both sides have moved by its amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRejected(Event):
    """The item does not count; the reason says why."""


@dataclass(frozen=True, slots=True)
class AcceptItem:
    """Take in one record of a file."""

    presentment: Presentment
    file_id: str
    business_date: date


@dataclass(frozen=True, slots=True)
class RoutedItem:
    """A record with what is known of its card."""

    request: AcceptItem
    card_token: UUID
    issuer_id: str | None


KEYS: Mapping[type, KeyRule] = {
    AcceptItem: KeyRule(
        "item",
        ("presentment.arn",),
        ("presentment.acquirer_id", "presentment.pan", "presentment.amount", "presentment.processing_code"),
    ),
}


def id_of_item(book: Book, arn: str) -> UUID:
    """The identifier of an item: its ARN is unique for ever, whichever day brings it again."""
    return book.id("item", arn, on=STATIC)

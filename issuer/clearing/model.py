"""What was presented, as the issuer keeps it, and what its settlement came to.

A presentment is always posted: the network has already counted it. Where it cannot be placed (no card of ours has
the number, or its account holds another currency) it goes to the account `unplaced items`, from which people return
it to the acquirer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary import keys
from engine.vocabulary.events import Event
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.messages import REFUND, Presentment
from engine.vocabulary.settlement import BankStatement, SettlementReport

FALLBACK_DAYS = 30
"""How long before the presentment an authorization may lie that is found without its reference."""


class MatchedBy(StrEnum):
    """What a presentment's authorization was found by."""

    REFERENCE = "reference"
    """The network's reference (DE 63)."""
    APPROVAL_CODE = "approval_code"
    """The fallback: card, direction and approval code (DE 38), up to `FALLBACK_DAYS` old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedItem:
    """One record of a clearing file, posted. `account_id` is where it was posted to: the card's account, or
    `unplaced items`.

    `interchange` is exact, in minor units with six decimals, positive when the issuer earns it; `interchange_minor`
    is what was booked of it. `authorization_id` is the authorization that it was matched to, None for one without.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ("arn",)

    id: UUID
    arn: str
    network_reference: str | None
    authorization_id: UUID | None
    card_id: UUID | None
    account_id: UUID
    placed: bool
    is_refund: bool
    amount_minor: int
    asset: str
    released_minor: int
    interchange: str
    interchange_minor: int
    mcc: str
    merchant_name: str
    transacted_at: datetime
    business_date: date
    matched_by: MatchedBy | None = None
    """How its authorization was found."""
    rate: str | None = None
    """The program of the network's tariff that it got, and in `downgrades` what better ones would have needed."""
    downgrades: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentmentPosted(Event):
    """A presented item was posted to the account that it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentmentUnplaced(Event):
    """A presented item was posted to `unplaced items`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenisedPresentment:
    """A presentment with its card's token and, where its own reference leads nowhere, that of the authorization that
    the fallback found."""

    request: Presentment
    card_token: UUID
    fallback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTotals:
    """What our items of one clearing date and asset come to, signed from our side (positive: we receive).

    `interchange_minor` is the exact sum rounded once, half to even, as the network does; `rounding_minor` that, less
    what was booked item by item.
    """

    business_date: date
    asset: str
    purchases_minor: int
    credits_minor: int
    interchange_minor: int
    rounding_minor: int

    @property
    def net_minor(self) -> int:
        """Positive: we receive it at the settlement bank."""
        return self.purchases_minor + self.credits_minor + self.interchange_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The settlement of one clearing date and asset: reported by the network, by our own items, and moved at the
    settlement bank.

    Amounts are signed from our side. `moved_minor` is None until a statement shows the movement.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ("report_id",)

    id: UUID
    report_id: str
    business_date: date
    asset: str
    reported_minor: int
    own_minor: int
    rounding_minor: int
    moved_minor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement of our deposit at the settlement bank. `settled_minor` is what was booked from it against the
    network."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    statement_id: str
    number: int
    business_date: date
    asset: str
    opening_minor: int
    closing_minor: int
    settled_minor: int


class BreakKind(StrEnum):
    """What does not agree with what."""

    REPORT_DIFFERS_FROM_ITEMS = "report_differs_from_items"
    REPORTED_TWICE = "reported_twice"
    REPORT_MISSING = "report_missing"
    MOVEMENT_DIFFERS_FROM_REPORT = "movement_differs_from_report"
    MOVED_TWICE = "moved_twice"
    MOVEMENT_WITHOUT_REPORT = "movement_without_report"
    MOVEMENT_MISSING = "movement_missing"
    MOVEMENT_NOT_UNDERSTOOD = "movement_not_understood"
    STATEMENTS_DO_NOT_FOLLOW = "statements_do_not_follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementBreak:
    """A finding for people. Nothing is ever corrected because of one: what moved is booked, the difference stays on
    its account."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    kind: BreakKind
    reference: str
    """The report, statement or line that it is about."""
    business_date: date
    asset: str
    expected_minor: int
    found_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementReported(Event):
    """The network has told its figures of a clearing date; the rounding leg is booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementMoved(Event):
    """A statement shows the movement of a reported settlement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementBooked(Event):
    """A statement's settlement lines are booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakFound(Event):
    """Two sources do not agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedReport:
    """A settlement report beside what our own items come to."""

    request: SettlementReport
    own: OwnTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettled:
    """Has what was presented on a clearing date been reported and moved? Asked by the job `settlement` of a business
    date, when it should have been.

    Answered "settled" or "open".
    """

    clearing_date: date
    asset: str
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCheck:
    """`CheckSettled` beside what our own items come to."""

    request: CheckSettled
    own: OwnTotals


def is_refund(presentment: Presentment) -> bool:
    """Whether the item moves money to the cardholder (DE 3 begins with 20)."""
    return presentment.processing_code[:2] == REFUND


KEYS: Mapping[type, KeyRule] = {Presentment: keys.KEYS[Presentment]}
SETTLEMENT_KEYS: Mapping[type, KeyRule] = {
    SettlementReport: KeyRule("settlement_report", ("report_id",), ("net_position_minor", "business_date", "asset")),
    BankStatement: KeyRule("bank_statement", ("statement_id",), ("opening_minor", "closing_minor", "lines")),
    CheckSettled: KeyRule("settlement_check", ("clearing_date", "asset", "business_date"), ()),
}

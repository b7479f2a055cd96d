"""The nouns of switching: exchanges, and the reversals that the network owes an issuer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.ledger.book import Book
from engine.vocabulary.decision import TimerFired
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC, Pan
from engine.vocabulary.keys import KEYS as MESSAGE_KEYS
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.messages import (
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    ReversalAdvice,
    ReversalResponse,
)

ISSUER_TIMEOUT = "issuer_timeout"
REVERSAL_REPEAT = "reversal_repeat"
ADVICE_REPEAT = "advice_repeat"


class ExchangeState(StrEnum):
    """Where a request is."""

    FORWARDED = "forwarded"
    """The issuer has it; the acquirer waits."""
    ANSWERED = "answered"
    STOOD_IN = "stood_in"
    """The network has answered in the issuer's place, and tells it so until it has heard."""
    ADVISED = "advised"
    """Nothing was asked: the acquirer has told, and the issuer is told."""
    TIMED_OUT = "timed_out"
    """The issuer was silent: 91 to the acquirer, a reversal to the issuer."""
    REFUSED = "refused"
    """It never left the network."""
    TOMBSTONE = "tombstone"
    """Its reversal came first: should it still come, it goes no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One 0100 or 0200 and what became of it. `reversed_in_full`: somebody has taken it back.

    What an 0120 about it says is kept (`mcc` to `original_transmitted_at`). `advice_reason` is that of the 0120 which
    the issuer is told, `advice_heard` whether it has answered 0130.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    network_reference: str
    acquirer_id: str
    issuer_id: str | None
    terminal_id: str
    merchant_id: str
    stan: str
    transmitted_at: datetime
    rrn: str
    card_token: UUID
    processing_code: str
    amount_minor: int
    asset: str
    state: ExchangeState
    response_code: str | None = None
    approval_code: str | None = None
    reversed_in_full: bool = False
    is_financial: bool = False
    mcc: str = ""
    merchant_name: str = ""
    expiry: str = ""
    pos_entry_mode: str = ""
    pos_condition_code: str = ""
    has_pin: bool = False
    original_stan: str | None = None
    original_transmitted_at: datetime | None = None
    advice_reason: str | None = None
    advice_heard: bool = False
    advice_repeats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInTerms:
    """What the network may approve in the place of an issuer that is away. Nothing with a PIN, nothing but purchases in
    two messages, and of each card no more than this."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    issuer_id: str
    most_minor: int
    """Of one purchase."""
    most_a_day: int
    most_a_day_minor: int
    """Of one card, on one date of the network."""
    refused_mccs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInUse:
    """What was approved in an issuer's place for a card on its last such day. `id` is the card's token's."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    day: date
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStandIn:
    """Agree with an issuer on what the network may approve in its place; it replaces what was agreed before. Without,
    the network answers 91. Answered "set"."""

    issuer_id: str
    reference: str
    most_minor: int
    most_a_day: int
    most_a_day_minor: int
    refused_mccs: tuple[str, ...] = ()


class ReversalState(StrEnum):
    """Whether the issuer has said that it knows."""

    FORWARDED = "forwarded"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """One 0420 that the network passes on, or sends of its own accord, and repeats until its 0430."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    exchange_id: UUID
    network_reference: str
    issuer_id: str
    acquirer_id: str
    terminal_id: str
    merchant_id: str
    stan: str
    transmitted_at: datetime
    rrn: str
    card_token: UUID
    processing_code: str
    amount_minor: int
    asset: str
    replacement_minor: int | None
    original_message_type: str
    original_stan: str
    original_transmitted_at: datetime
    original_acquirer_id: str
    response_code: str | None
    state: ReversalState = ReversalState.FORWARDED
    repeats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForwarded(Event):
    """The request is on its way to the issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(Event):
    """The network has answered in the issuer's place, without asking it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePassedOn(Event):
    """The issuer has answered in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInAgreed(Event):
    """The network may answer in an issuer's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoodIn(Event):
    """The network has approved in the issuer's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInCounted(Event):
    """So much of what may be approved for a card in its issuer's place is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceForwarded(Event):
    """An 0120 is on its way to the issuer, or again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceAcknowledged(Event):
    """The issuer has heard the 0120."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerTimedOut(Event):
    """The issuer has not answered in time; the acquirer is told 91."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateResponseIgnored(Event):
    """A response to what is answered already. It changes nothing: the issuer has or gets a reversal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeReversed(Event):
    """The acquirer has taken the request back, in full or in part; or it never came (a tombstone)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalForwarded(Event):
    """A reversal is on its way to the issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalRepeated(Event):
    """No 0430 yet: it was sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalAcknowledged(Event):
    """The issuer has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromIssuer:
    """A 0110, 0130, 0210 or 0430 with the member whose link it came on: nobody answers for another's cards."""

    member_id: str
    response: AuthorizationResponse | AuthorizationAdviceResponse | ReversalResponse

    @property
    def kind(self) -> str:
        """Keeps the keys of the two apart."""
        return type(self.response).__name__

    @property
    def original_stan(self) -> str:
        """Of the request that the reversal was about; that of a 0110 is its own."""
        return self.response.original.stan if isinstance(self.response, ReversalResponse) else self.response.stan


@dataclass(frozen=True, slots=True)
class Routed:
    """A request, advice or reversal with what is known of its card: token, issuer, and whether that can be reached."""

    request: AuthorizationRequest | AuthorizationAdvice | ReversalAdvice
    card_token: UUID
    issuer_id: str | None
    reachable: bool


@dataclass(frozen=True, slots=True)
class Fired:
    """A timer, with the card number that the message it may send needs. None where its noun is gone."""

    timer: TimerFired
    pan: Pan | None


Prepared = Routed | FromIssuer | Fired | SetStandIn

KEYS: Mapping[type, KeyRule] = {
    AuthorizationRequest: MESSAGE_KEYS[AuthorizationRequest],
    AuthorizationAdvice: MESSAGE_KEYS[AuthorizationAdvice],
    ReversalAdvice: MESSAGE_KEYS[ReversalAdvice],
    SetStandIn: KeyRule("stand_in", ("issuer_id", "reference"), ()),
    FromIssuer: KeyRule(
        "from_issuer",
        (
            "kind",
            "member_id",
            "response.acquirer_id",
            "response.terminal_id",
            "response.stan",
            "response.transmitted_at",
            "original_stan",
        ),
        ("response.response_code",),
    ),
}


def id_of_exchange(book: Book, acquirer_id: str, terminal_id: str, stan: str, transmitted_at: datetime) -> UUID:
    """The identifier of an exchange: what its request and the original data of its reversal both say."""
    sent = transmitted_at.isoformat()
    return book.id("exchange", acquirer_id, terminal_id, stan, sent, on=transmitted_at.date())


def id_of_stand_in(book: Book, issuer_id: str) -> UUID:
    """The identifier of what is agreed with an issuer."""
    return book.id("stand-in", issuer_id, on=STATIC)


def id_of_reversed_exchange(book: Book, advice: ReversalAdvice) -> UUID:
    """The identifier of the exchange that a reversal is about."""
    original = advice.original
    return id_of_exchange(book, original.acquirer_id, advice.terminal_id, original.stan, original.transmitted_at)


def id_of_reversal(book: Book, advice: ReversalAdvice | ReversalResponse) -> UUID:
    """The identifier of a reversal: the same from the advice, its repeats and its response."""
    sent, original = advice.transmitted_at, advice.original
    key = (advice.acquirer_id, advice.terminal_id, advice.stan, sent.isoformat(), original.stan)
    return book.id("reversal", *key, on=sent.date())

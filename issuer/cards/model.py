"""Cards: the noun, its facts, and the requests that make one and move one from state to state.

A card is a number. The plastic that carries it may be renewed (same number, new expiry and sequence number); a
replacement is another card with another number, which spends from the same account. How a physical card is made and
sent is a story of its own (`fulfilment.py`).
"""

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
from issuer.cards.fulfilment import MoveFulfilment
from issuer.cards.products import CardProduct, OpenProduct

PIN_TRIES = 3
"""Wrong PINs in a row after which the PIN is no longer looked at."""
FIRST_SEQUENCE_NUMBER = "01"
"""PAN sequence number (EMV tag 5F34) of a number's first plastic."""


class CardState(StrEnum):
    """Which may follow which, by whom and why: `states.py`."""

    ORDERED = "ordered"
    """On its way to its holder, who has not activated it."""
    ACTIVE = "active"
    FROZEN = "frozen"
    """By its holder, who may thaw it."""
    BLOCKED = "blocked"
    """By the bank, which may unblock it."""
    LOST = "lost"
    STOLEN = "stolen"
    CLOSED = "closed"


class StateReason(StrEnum):
    """Why a card is in its state."""

    ISSUED = "issued"
    ACTIVATED = "activated"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    FRAUD_SUSPECTED = "fraud_suspected"
    LEGAL_ORDER = "legal_order"
    UNDELIVERABLE = "undeliverable"
    UNBLOCKED = "unblocked"
    REPORTED_LOST = "reported_lost"
    REPORTED_STOLEN = "reported_stolen"
    NEVER_ARRIVED = "never_arrived"
    NO_LONGER_WANTED = "no_longer_wanted"
    ACCOUNT_CLOSED = "account_closed"
    HOLDER_DECEASED = "holder_deceased"
    REPLACED = "replaced"
    USED = "used"


class ChipScript(StrEnum):
    """What the issuer has to tell a chip, when it next can."""

    UNBLOCK_PIN = "unblock_pin"
    """PIN UNBLOCK (EMV Book 3, 6.5.10): the chip gives its PIN tries back."""


class CardForm(StrEnum):
    """Whether there is plastic."""

    PHYSICAL = "physical"
    VIRTUAL = "virtual"


class CardUse(StrEnum):
    """What the card may be used for."""

    ANY = "any"
    SINGLE = "single"
    """One approved purchase; then it is closed, whatever becomes of that purchase."""
    MERCHANT = "merchant"
    """One merchant: the card's `merchant_id`, or the first that has an approval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card. Its number is in the vault under `card_token`; `account_id` is the ledger account that it spends from.

    `expiry` (YYMM) is its last month. `pvki` and `pvv` are what the issuer keeps of the PIN; None for a card without
    one. `sequence_number` is the plastic's in use (EMV tag 5F34; DE 23 without its first digit), `last_atc` the highest
    transaction counter that this plastic's chip has shown (EMV tag 9F36), None before its first cryptogram. With
    `renewal_expiry` and `renewal_sequence_number` the next plastic is under way. `script` waits for the chip until it
    has said that it obeyed; `script_atc` is the transaction in which it was sent last.
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
    state_reason: StateReason = StateReason.ISSUED
    product_id: UUID | None = None
    form: CardForm = CardForm.PHYSICAL
    use: CardUse = CardUse.ANY
    merchant_id: str | None = None
    """DE 42 of the merchant that a merchant-locked card belongs to."""
    service_code: str = "201"
    sequence_number: str = FIRST_SEQUENCE_NUMBER
    last_atc: int | None = None
    renewal_expiry: str | None = None
    renewal_sequence_number: str | None = None
    replaces: UUID | None = None
    replaced_by: UUID | None = None
    script: ChipScript | None = None
    script_atc: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardIssued(Event):
    """A card exists: active, or ordered and on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStateChanged(Event):
    """A card went into another state; `reasons` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRenewalOrdered(Event):
    """The next plastic of a card is under way; the present one works until that is activated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRenewed(Event):
    """The next plastic is the card now; the one before works no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReplaced(Event):
    """Another card took this one's place (`replaced_by`). What was bought with this one still arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTied(Event):
    """A merchant-locked card belongs to the first merchant that it was approved at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinUnblocked(Event):
    """The cardholder may try the PIN again: with the issuer at once, with the chip once a script has reached it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinSet(Event):
    """The cardholder has a PIN, or another one, from here on. The chip keeps the one that it was made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipScriptSent(Event):
    """A script went with the answer to a transaction of the chip. Whether it arrived is told in the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipScriptObeyed(Event):
    """The chip has said that it did what the script ordered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCard:
    """Issue a customer's card number `sequence` (1, 2, ...), spending from `account_id`, the customer's wallet.

    For who chooses the number. A virtual card is active at once, and so is a physical one that is handed over at the
    counter; one sent `by_post` is ordered until it is activated. Answered "issued" with the facts card_id and
    card_token, or "refused": customer_unknown, customer_not_active, account_not_theirs, card_number_malformed,
    expiry_malformed, pin_malformed, card_number_taken, merchant_malformed.
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
    form: CardForm = CardForm.PHYSICAL
    use: CardUse = CardUse.ANY
    merchant_id: str | None = None
    by_post: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCard:
    """Order a card of a product for a customer, with a number of the bank's choice; a physical one goes by post.

    `reference` is the asker's own. Answered "issued", or "refused" as `IssueCard`, and: product_unknown,
    numbers_used_up.
    """

    reference: str
    customer_id: UUID
    product: str
    issued_at: datetime
    form: CardForm = CardForm.VIRTUAL
    use: CardUse = CardUse.ANY
    merchant_id: str | None = None
    pin: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceCard:
    """Give the holder of a card another one with another number, of the same kind and on the same account.

    The old card is closed unless it is lost, stolen or closed already; once only. `customer_id`: the cardholder who
    asks; None for the bank. The PIN is not taken over, for what is kept of it depends on the number. Answered "issued",
    or "refused": card_unknown, card_already_replaced, customer_not_active, pin_malformed, numbers_used_up.
    """

    reference: str
    card_id: UUID
    customer_id: UUID | None
    issued_at: datetime
    pin: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalisedCard:
    """A request for a card after the HSM was asked: the number is in the vault, the PIN has become a PVV.

    Without `pan` no number was to be had (`refusal` says why).
    """

    request: IssueCard | OrderCard | ReplaceCard
    pan: Pan | None
    card_token: UUID | None
    expiry: str
    pvki: str | None
    pvv: str | None
    product: CardProduct | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCardState:
    """Move a card to another state: freeze or thaw it, block or unblock it, report it lost or stolen, close it.

    `customer_id`: the cardholder who asks, for a card of their own; None for the bank. `reference` is the asker's own,
    so that the same change may be asked for again later. Answered "changed", also when it is in that state already, or
    "refused": card_unknown, card_state_final, move_not_allowed, reason_not_allowed.
    """

    card_id: UUID
    new_state: CardState
    reason: StateReason
    reference: str = ""
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateCard:
    """Take the plastic that came by post into use: the first, or the one of a renewal.

    Answered "changed", or "refused": card_unknown, card_state_final, nothing_to_activate, not_shipped_yet.
    """

    card_id: UUID
    reference: str
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewCard:
    """Same number, later expiry (YYMM), next sequence number.

    A virtual card has it at once; a physical one when its next plastic is activated. Answered "changed", or "refused":
    card_unknown, card_state_final, expiry_malformed, expiry_not_later, renewal_under_way.
    """

    card_id: UUID
    expiry: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnblockPin:
    """Give the holder of a card the PIN tries back, who has proved to be its holder otherwise.

    `customer_id`: the cardholder who asks, for a card of their own; None for the bank. Answered "unblocked", or
    "refused": card_unknown, card_state_final, card_without_pin.
    """

    card_id: UUID
    reference: str
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPin:
    """Give a card the PIN that its holder has chosen, its first or another one; all tries are there again.

    `customer_id`: the cardholder who asks, for a card of their own; None for the bank. Answered "changed", or
    "refused": card_unknown, card_state_final, pin_malformed.
    """

    card_id: UUID
    pin: Secret
    """4 to 12 digits. In memory only."""
    reference: str
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPin:
    """A request for a PIN after the HSM was asked: `pvv` is what is kept, None of a malformed one."""

    request: SetPin
    pvki: str
    pvv: str | None

    @property
    def card_id(self) -> UUID:
        """The card's."""
        return self.request.card_id


_Moving = ChangeCardState | ActivateCard | RenewCard | UnblockPin | MoveFulfilment
CardRequest = IssueCard | OrderCard | ReplaceCard | SetPin | _Moving | OpenProduct
PreparedCardRequest = PersonalisedCard | ChosenPin | _Moving | OpenProduct

# The card number is no part of a key: a key is a plain hash, and card numbers can be guessed.
KEYS: Mapping[type, KeyRule] = {
    IssueCard: KeyRule("card", ("customer_id", "sequence"), ("pan", "account_id", "expiry")),
    OrderCard: KeyRule("card_order", ("customer_id", "reference"), ("product", "form", "use", "merchant_id")),
    ReplaceCard: KeyRule("card_replacement", ("card_id", "customer_id", "reference"), ()),
    ChangeCardState: KeyRule("card_state", ("card_id", "customer_id", "reference", "new_state"), ("reason",)),
    ActivateCard: KeyRule("card_activation", ("card_id", "customer_id", "reference"), ()),
    RenewCard: KeyRule("card_renewal", ("card_id", "reference"), ("expiry",)),
    SetPin: KeyRule("card_pin", ("card_id", "customer_id", "reference"), ()),
    UnblockPin: KeyRule("card_pin_unblocking", ("card_id", "customer_id", "reference"), ()),
    MoveFulfilment: KeyRule("card_fulfilment", ("card_id", "sequence_number", "new_state", "reference"), ()),
    OpenProduct: KeyRule(
        "card_product",
        ("name", "reference"),
        ("account_range", "number_length", "region", "funding", "regulated", "validity_months"),
    ),
}

"""`/cards`: a customer's own cards. `/issuing`: what the bank itself does with cards, products and plastic."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.doors import AskingCustomer, AskingOperator, Doors, IdempotencyKey, OurDoors
from api.errors import INVALID, RESPONSES, ApiError, refused, unless_taken
from engine.vault.access import LONGEST_REASON, Access, Permission, read_accesses, show
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import FormatError
from issuer.cards.bureau import CVV2_SERVICE_CODE
from issuer.cards.fulfilment import Fulfilment, FulfilmentState, MoveFulfilment
from issuer.cards.model import (
    ActivateCard,
    Card,
    CardForm,
    CardRequest,
    CardState,
    CardUse,
    ChangeCardState,
    OrderCard,
    RenewCard,
    ReplaceCard,
    StateReason,
)
from issuer.cards.products import Funding, OpenProduct
from issuer.cards.store import read_cards, read_cards_of, read_fulfilments

router = APIRouter(prefix="/cards", tags=["cards"], responses=RESPONSES)
issuing = APIRouter(prefix="/issuing", tags=["issuing"], responses=RESPONSES)

_WORDS: dict[str, tuple[str, str | None]] = {
    "customer_unknown": ("There is no such customer.", None),
    "customer_not_active": ("The customer is frozen or closed.", None),
    "account_not_theirs": ("The customer has no account that a card could spend from.", None),
    "card_number_malformed": ("The card number is malformed.", None),
    "card_number_taken": ("The number is another card's: ask again under another Idempotency-Key.", None),
    "numbers_used_up": ("The account range of the product has no number left.", "product"),
    "pin_malformed": ("A PIN has 4 to 12 digits.", "pin"),
    "merchant_malformed": ("A merchant id has up to 15 characters, and is for merchant-locked cards.", "merchant_id"),
    "product_unknown": ("There is no such product.", "product"),
    "card_already_replaced": ("The card was replaced already.", "card_id"),
    "card_state_final": ("The card is lost, stolen or closed, for good.", "card_id"),
    "move_not_allowed": ("It cannot go from its state to that one, or not by you.", "state"),
    "reason_not_allowed": ("That is no reason for this change.", "reason"),
    "nothing_to_activate": ("There is no plastic to be activated.", "card_id"),
    "not_shipped_yet": ("The plastic has not been sent yet.", "card_id"),
    "renewal_under_way": ("The card is new, or its renewal is under way already.", "card_id"),
    "expiry_malformed": ("An expiry is year and month: YYMM.", "expiry"),
    "expiry_not_later": ("The new expiry is not later than the present one.", "expiry"),
    "fulfilment_unknown": ("The card has no plastic of this sequence number.", "sequence_number"),
    "product_malformed": ("A product's name has 1 to 40 letters, digits, - and _.", "name"),
    "account_range_malformed": ("An account range has 8 digits.", "account_range"),
    "number_length_malformed": ("A card number has 13 to 19 digits.", "number_length"),
    "region_malformed": ("A region is a country code of two capital letters.", "region"),
    "validity_malformed": ("A card is valid for 1 to 120 months.", "validity_months"),
    "product_taken": ("The name is another product's.", "name"),
    "account_range_taken": ("The account range is another product's.", "account_range"),
}
_NO_CARD = ApiError(404, INVALID, "unknown_card", "You have no such card.", "card_id")


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CardOrdered(_Asked):
    """A card to be made, of one of the bank's products; a physical one is sent by post."""

    product: Annotated[str, Field(min_length=1, max_length=40)]
    form: CardForm = CardForm.VIRTUAL
    use: CardUse = CardUse.ANY
    merchant_id: Annotated[str | None, Field(max_length=15)] = None


class CardReported(_Asked):
    """What has become of the card."""

    what: Literal["lost", "stolen", "never_arrived"]


class NumberAsked(_Asked):
    """Why the card number is to be seen; it is written down."""

    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)]


class PlasticShown(BaseModel):
    """Where a card's plastic is."""

    sequence_number: str
    state: FulfilmentState
    ordered_on: date
    changed_on: date


class CardShown(BaseModel):
    """A card, by its first six and last four digits."""

    id: UUID
    number: str
    expiry: str
    state: CardState
    state_reason: StateReason
    form: CardForm
    use: CardUse
    merchant_id: str | None
    sequence_number: str
    renewal_expiry: str | None
    replaces: UUID | None
    replaced_by: UUID | None
    plastic: list[PlasticShown]


class NumberShown(BaseModel):
    """What a shop asks for. Keep none of it."""

    pan: str
    expiry: str
    cvc: str


@router.post("", status_code=201)
async def order(ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, asked: CardOrdered) -> CardShown:
    """Order a card. 402 when it is refused: the code says why."""
    request = OrderCard(
        reference=key,
        customer_id=asking,
        product=asked.product,
        issued_at=ours.clock.now(),
        form=asked.form,
        use=asked.use,
        merchant_id=asked.merchant_id,
    )
    return await _asked_for(ours, asking, request)


@router.get("")
def own_cards(ours: OurDoors, asking: AskingCustomer) -> list[CardShown]:
    """The customer's cards, those that are gone included."""
    with ours.bank.engine.connect() as connection:
        found = read_cards_of(connection, asking)
        plastics = read_fulfilments(connection, [card.id for card in found])
    return [_shown(card, plastics) for card in found]


@router.get("/{card_id}")
def look_up(ours: OurDoors, asking: AskingCustomer, card_id: UUID) -> CardShown:
    """One of the customer's cards."""
    return _read(ours, asking, card_id)


@router.post("/{card_id}/activate")
async def activate(ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID) -> CardShown:
    """Take the plastic that came by post into use."""
    return await _asked_for(ours, asking, ActivateCard(card_id=card_id, reference=key, customer_id=asking))


@router.post("/{card_id}/freeze")
async def freeze(ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID) -> CardShown:
    """Nothing is approved until it is unfrozen; what was bought before still arrives."""
    return await _moved(ours, asking, key, card_id, to=CardState.FROZEN, reason=StateReason.FROZEN)


@router.post("/{card_id}/unfreeze")
async def unfreeze(ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID) -> CardShown:
    """Undo a freeze of one's own; what the bank has blocked stays so."""
    return await _moved(ours, asking, key, card_id, to=CardState.ACTIVE, reason=StateReason.UNFROZEN)


@router.post("/{card_id}/report")
async def report(
    ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID, asked: CardReported
) -> CardShown:
    """Lost or stolen, for good: have it replaced."""
    new, reason = {
        "lost": (CardState.LOST, StateReason.REPORTED_LOST),
        "stolen": (CardState.STOLEN, StateReason.REPORTED_STOLEN),
        "never_arrived": (CardState.LOST, StateReason.NEVER_ARRIVED),
    }[asked.what]
    return await _moved(ours, asking, key, card_id, to=new, reason=reason)


@router.post("/{card_id}/close")
async def close(ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID) -> CardShown:
    """Give the card up."""
    return await _moved(ours, asking, key, card_id, to=CardState.CLOSED, reason=StateReason.NO_LONGER_WANTED)


@router.post("/{card_id}/replace", status_code=201)
async def have_replaced(ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID) -> CardShown:
    """Another card with another number on the same account; this one is closed."""
    request = ReplaceCard(reference=key, card_id=card_id, customer_id=asking, issued_at=ours.clock.now())
    return await _asked_for(ours, asking, request)


@router.post("/{card_id}/number")
def number(
    ours: OurDoors,
    asking: AskingCustomer,
    key: IdempotencyKey,
    card_id: UUID,
    *,
    asked: NumberAsked,
    response: Response,
) -> NumberShown:
    """The number of a virtual card of one's own, with what a shop asks for; written down."""
    card = _find(ours, asking, card_id)
    if card.form is not CardForm.VIRTUAL:
        raise ApiError(402, "refused_error", "card_not_virtual", "The number is on the card.", "card_id")
    try:
        access = Access(f"customer:{asking}", key, asked.reason, frozenset({Permission.SHOW}))
    except FormatError:
        raise ApiError(422, INVALID, "reason_malformed", "The reason looks like a card number.", "reason") from None
    hsm = ours.bank.outside.hsm
    pan = show(ours.bank.engine, hsm, access, [card.card_token], ours.clock.now())[card.card_token]
    response.headers["Cache-Control"] = "no-store"
    return NumberShown(pan=pan.clear, expiry=card.expiry, cvc=hsm.make_cvv(pan, card.expiry, CVV2_SERVICE_CODE))


class ProductAsked(_Asked):
    """A product to be opened. `regulated`: its interchange is capped by law."""

    name: str
    account_range: str
    region: str
    funding: Funding
    regulated: bool
    number_length: Annotated[int, Field(strict=True)] = 16
    validity_months: Annotated[int, Field(strict=True)] = 48


class StateAsked(_Asked):
    """A state that the bank moves a card to."""

    state: CardState
    reason: StateReason


class RenewalAsked(_Asked):
    """The expiry of the next plastic, YYMM."""

    expiry: str


class PlasticMoved(_Asked):
    """Where the bureau or the post says the plastic is."""

    sequence_number: Annotated[str, Field(pattern=r"^[0-9]{2}$")] = "01"
    state: FulfilmentState


class Done(BaseModel):
    """What was done: identifiers and states, as the books have them."""

    facts: dict[str, str]


class AccessShown(BaseModel):
    """Who saw or handed in a card number, when and why; refused attempts too."""

    occurred_at: datetime
    actor: str
    action: str
    token: UUID | None
    granted: bool
    reason: str


@issuing.post("/products", status_code=201)
async def open_product(ours: OurDoors, operator: AskingOperator, key: IdempotencyKey, asked: ProductAsked) -> Done:
    """Open a product."""
    return _done(await ours.bank.ask(OpenProduct(**asked.model_dump(), reference=key)))


@issuing.post("/cards/{card_id}/state")
async def move(ours: OurDoors, operator: AskingOperator, key: IdempotencyKey, card_id: UUID, asked: StateAsked) -> Done:
    """Block or unblock a card, report it lost or stolen for its holder, close it."""
    request = ChangeCardState(card_id=card_id, new_state=asked.state, reason=asked.reason, reference=key)
    return _done(await ours.bank.ask(request))


@issuing.post("/cards/{card_id}/renew")
async def renew(
    ours: OurDoors, operator: AskingOperator, key: IdempotencyKey, card_id: UUID, asked: RenewalAsked
) -> Done:
    """Same number, later expiry."""
    return _done(await ours.bank.ask(RenewCard(card_id=card_id, expiry=asked.expiry, reference=key)))


@issuing.post("/cards/{card_id}/plastic")
async def move_plastic(
    ours: OurDoors, operator: AskingOperator, key: IdempotencyKey, card_id: UUID, asked: PlasticMoved
) -> Done:
    """Say where a card's plastic is."""
    request = MoveFulfilment(
        card_id=card_id, sequence_number=asked.sequence_number, new_state=asked.state, reference=key
    )
    return _done(await ours.bank.ask(request))


@issuing.get("/accesses")
def accesses(
    ours: OurDoors, operator: AskingOperator, most: Annotated[int, Field(ge=1, le=1_000)] = 100
) -> list[AccessShown]:
    """Who saw card numbers, the latest first."""
    with ours.bank.engine.connect() as connection:
        return [AccessShown.model_validate(row) for row in read_accesses(connection, most)]


async def _moved(
    ours: Doors, asking: UUID, key: str, card_id: UUID, *, to: CardState, reason: StateReason
) -> CardShown:
    request = ChangeCardState(card_id=card_id, new_state=to, reason=reason, reference=key, customer_id=asking)
    return await _asked_for(ours, asking, request)


async def _asked_for(ours: Doors, asking: UUID, request: CardRequest) -> CardShown:
    answer = unless_taken(await ours.bank.ask(request))
    if answer.code == "refused":
        raise _refusal(answer)
    return await run_in_threadpool(_read, ours, asking, UUID(str(answer.facts["card_id"])))


def _done(answer: Answer) -> Done:
    if unless_taken(answer).code == "refused":
        raise _refusal(answer)
    return Done(facts={name: str(value) for name, value in answer.facts.items()})


def _refusal(answer: Answer) -> ApiError:
    return _NO_CARD if answer.reasons[0] == "card_unknown" else refused(answer, _WORDS)


def _find(ours: Doors, asking: UUID, card_id: UUID) -> Card:
    with ours.bank.engine.connect() as connection:
        found = read_cards(connection, [card_id])
    # Somebody else's card is not there, rather than forbidden: nobody learns that it exists.
    if not found or found[0].customer_id != asking:
        raise _NO_CARD
    return found[0]


def _read(ours: Doors, asking: UUID, card_id: UUID) -> CardShown:
    card = _find(ours, asking, card_id)
    with ours.bank.engine.connect() as connection:
        return _shown(card, read_fulfilments(connection, [card.id]))


def _shown(card: Card, plastics: list[Fulfilment]) -> CardShown:
    return CardShown(
        id=card.id,
        number=f"{card.first_six}...{card.last_four}",
        expiry=card.expiry,
        state=card.state,
        state_reason=card.state_reason,
        form=card.form,
        use=card.use,
        merchant_id=card.merchant_id,
        sequence_number=card.sequence_number,
        renewal_expiry=card.renewal_expiry,
        replaces=card.replaces,
        replaced_by=card.replaced_by,
        plastic=[
            PlasticShown(
                sequence_number=one.sequence_number,
                state=one.state,
                ordered_on=one.ordered_on,
                changed_on=one.changed_on,
            )
            for one in plastics
            if one.card_id == card.id
        ],
    )

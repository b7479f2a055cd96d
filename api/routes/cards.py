"""`/cards`: a customer's own cards."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, SecretStr
from starlette.concurrency import run_in_threadpool

from api.doors import AskingCustomer, Doors, IdempotencyKey, OurDoors
from api.errors import INVALID, RESPONSES, ApiError, unless_taken
from api.routes.card_words import NO_CARD, Asked, refusal
from engine.vault.access import LONGEST_REASON, Access, Permission, show
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Secret
from issuer.cards.bureau import CVV2_SERVICE_CODE
from issuer.cards.fulfilment import Fulfilment, FulfilmentState
from issuer.cards.model import (
    ActivateCard,
    Card,
    CardForm,
    CardRequest,
    CardState,
    CardUse,
    ChangeCardState,
    OrderCard,
    ReplaceCard,
    SetPin,
    StateReason,
    UnblockPin,
)
from issuer.cards.states import REPORTS
from issuer.cards.store import read_cards, read_cards_of, read_fulfilments

router = APIRouter(prefix="/cards", tags=["cards"], responses=RESPONSES)


class CardOrdered(Asked):
    """A card to be made, of one of the bank's products; a physical one is sent by post."""

    product: Annotated[str, Field(min_length=1, max_length=40)]
    form: CardForm = CardForm.VIRTUAL
    use: CardUse = CardUse.ANY
    merchant_id: Annotated[str | None, Field(max_length=15)] = None


class CardReported(Asked):
    """What has become of the card."""

    what: Literal["lost", "stolen", "never_arrived"]


class PinChosen(Asked):
    """4 to 12 digits."""

    pin: SecretStr


class NumberAsked(Asked):
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
    new, reason = REPORTS[asked.what]
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


@router.post("/{card_id}/pin")
async def choose_pin(
    ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID, asked: PinChosen
) -> CardShown:
    """A first PIN, or another one; all tries are there again. The chip keeps the PIN that it was made with."""
    pin = Secret(asked.pin.get_secret_value())
    return await _asked_for(ours, asking, SetPin(card_id=card_id, pin=pin, reference=key, customer_id=asking))


@router.post("/{card_id}/pin/unblock")
async def unblock_pin(ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID) -> CardShown:
    """All PIN tries again: here at once, in the chip once it has heard from its issuer."""
    return await _asked_for(ours, asking, UnblockPin(card_id=card_id, reference=key, customer_id=asking))


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


async def _moved(
    ours: Doors, asking: UUID, key: str, card_id: UUID, *, to: CardState, reason: StateReason
) -> CardShown:
    request = ChangeCardState(card_id=card_id, new_state=to, reason=reason, reference=key, customer_id=asking)
    return await _asked_for(ours, asking, request)


async def _asked_for(ours: Doors, asking: UUID, request: CardRequest) -> CardShown:
    answer = unless_taken(await ours.bank.ask(request))
    if answer.code == "refused":
        raise refusal(answer)
    return await run_in_threadpool(_read, ours, asking, UUID(str(answer.facts["card_id"])))


def _find(ours: Doors, asking: UUID, card_id: UUID) -> Card:
    with ours.bank.engine.connect() as connection:
        found = read_cards(connection, [card_id])
    # Somebody else's card is not there, rather than forbidden: nobody learns that it exists.
    if not found or found[0].customer_id != asking:
        raise NO_CARD
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

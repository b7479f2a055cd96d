"""`/issuing`: what the bank itself does with cards, products, plastic and card numbers. Its people ask, by name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, SecretStr

from api.doors import AskingOperator, IdempotencyKey, OurDoors
from api.errors import AUTHENTICATION, INVALID, RESPONSES, ApiError, unless_taken
from api.routes.card_words import Asked, refusal
from api.tokens import Operator
from engine.vault.access import LONGEST_REASON, Access, AccessRefused, read_accesses, show, tokenise
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan, luhn_valid
from issuer.cards.fulfilment import FulfilmentState, MoveFulfilment
from issuer.cards.model import CardState, ChangeCardState, RenewCard, ReplaceCard, StateReason, UnblockPin
from issuer.cards.products import Funding, OpenProduct

router = APIRouter(prefix="/issuing", tags=["issuing"], responses=RESPONSES)


class ProductAsked(Asked):
    """A product to be opened. `regulated`: its interchange is capped by law."""

    name: str
    account_range: str
    region: str
    funding: Funding
    regulated: bool
    number_length: Annotated[int, Field(strict=True)] = 16
    validity_months: Annotated[int, Field(strict=True)] = 48


class StateAsked(Asked):
    """A state that the bank moves a card to."""

    state: CardState
    reason: StateReason


class RenewalAsked(Asked):
    """The expiry of the next plastic, YYMM."""

    expiry: str


class PlasticMoved(Asked):
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


@router.post("/products", status_code=201)
async def open_product(ours: OurDoors, by: AskingOperator, key: IdempotencyKey, asked: ProductAsked) -> Done:
    """Open a product."""
    return _done(await ours.bank.ask(OpenProduct(**asked.model_dump(), reference=key)))


@router.post("/cards/{card_id}/state")
async def move(ours: OurDoors, by: AskingOperator, key: IdempotencyKey, card_id: UUID, asked: StateAsked) -> Done:
    """Block or unblock a card, report it lost or stolen for its holder, close it."""
    request = ChangeCardState(card_id=card_id, new_state=asked.state, reason=asked.reason, reference=key)
    return _done(await ours.bank.ask(request))


@router.post("/cards/{card_id}/renew")
async def renew(ours: OurDoors, by: AskingOperator, key: IdempotencyKey, card_id: UUID, asked: RenewalAsked) -> Done:
    """Same number, later expiry."""
    return _done(await ours.bank.ask(RenewCard(card_id=card_id, expiry=asked.expiry, reference=key)))


@router.post("/cards/{card_id}/plastic")
async def move_plastic(
    ours: OurDoors, by: AskingOperator, key: IdempotencyKey, card_id: UUID, asked: PlasticMoved
) -> Done:
    """Say where a card's plastic is."""
    request = MoveFulfilment(
        card_id=card_id, sequence_number=asked.sequence_number, new_state=asked.state, reference=key
    )
    return _done(await ours.bank.ask(request))


@router.post("/cards/{card_id}/replace", status_code=201)
async def replace(ours: OurDoors, by: AskingOperator, key: IdempotencyKey, card_id: UUID) -> Done:
    """Another card with another number on the same account, for its holder; this one is closed."""
    request = ReplaceCard(reference=key, card_id=card_id, customer_id=None, issued_at=ours.clock.now())
    return _done(await ours.bank.ask(request))


@router.post("/cards/{card_id}/pin/unblock")
async def unblock_pin(ours: OurDoors, by: AskingOperator, key: IdempotencyKey, card_id: UUID) -> Done:
    """All PIN tries again, for a holder who has proved to be one otherwise."""
    return _done(await ours.bank.ask(UnblockPin(card_id=card_id, reference=key)))


class TokenAsked(Asked):
    """The card whose number is to be seen, by its token in the vault, and why; it is written down."""

    token: UUID
    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)]


class NumberTold(Asked):
    """A card number that is to be kept, and why; it is written down."""

    pan: SecretStr
    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)]


class NumberSeen(BaseModel):
    """The card number. Keep none of it."""

    pan: str


class TokenGiven(BaseModel):
    """What stands for the card number outside the vault."""

    token: UUID


@router.post("/vault/show")
def see(ours: OurDoors, by: AskingOperator, key: IdempotencyKey, asked: TokenAsked, response: Response) -> NumberSeen:
    """The card number of a token, for who may see it. 403 for who may not; both are written down."""
    try:
        access = _access(by, key, asked.reason)
        found = show(ours.bank.engine, ours.bank.outside.hsm, access, [asked.token], ours.clock.now())
    except AccessRefused as refused:
        raise _forbidden(refused) from None
    if asked.token not in found:
        raise ApiError(404, INVALID, "unknown_token", "The vault does not know this token.", "token")
    response.headers["Cache-Control"] = "no-store"
    return NumberSeen(pan=found[asked.token].clear)


@router.post("/vault/tokenise")
def hand_in(ours: OurDoors, by: AskingOperator, key: IdempotencyKey, asked: NumberTold) -> TokenGiven:
    """The token of a card number, which is kept from now on. 403 for who may not hand one in; both are written down."""
    digits = asked.pan.get_secret_value()
    if not (12 <= len(digits) <= 19 and digits.isascii() and luhn_valid(digits)):
        raise ApiError(422, INVALID, "card_number_malformed", "That is no card number.", "pan")
    try:
        access = _access(by, key, asked.reason)
        (token,) = tokenise(ours.bank.engine, ours.bank.outside.vault, access, [Pan(digits)], ours.clock.now())
    except AccessRefused as refused:
        raise _forbidden(refused) from None
    return TokenGiven(token=token)


def _forbidden(refused: AccessRefused) -> ApiError:
    return ApiError(403, AUTHENTICATION, "not_permitted", str(refused), "Authorization")


@router.get("/accesses")
def accesses(
    ours: OurDoors, by: AskingOperator, most: Annotated[int, Field(ge=1, le=1_000)] = 100
) -> list[AccessShown]:
    """Who saw card numbers, the latest first."""
    with ours.bank.engine.connect() as connection:
        return [AccessShown.model_validate(row) for row in read_accesses(connection, most)]


def _done(answer: Answer) -> Done:
    if unless_taken(answer).code == "refused":
        raise refusal(answer)
    return Done(facts={name: str(value) for name, value in answer.facts.items()})


def _access(by: Operator, key: str, reason: str) -> Access:
    try:
        return Access(f"operator:{by.name}", key, reason, by.permissions)
    except FormatError:
        raise ApiError(422, INVALID, "reason_malformed", "The reason looks like a card number.", "reason") from None

"""Before a card is issued: its number is chosen and goes into the vault, its PIN becomes a PVV. Outside the
transaction, for the HSM is asked.

A number in the vault without a card does no harm, and putting it there again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from engine.runtime.stage import Outside
from engine.vault.store import reveal
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan, Secret
from issuer.cards.model import (
    CardRequest,
    ChosenPin,
    IssueCard,
    OrderCard,
    PersonalisedCard,
    PreparedCardRequest,
    ReplaceCard,
    SetPin,
)
from issuer.cards.numbers import card_number
from issuer.cards.products import RANGE_LENGTH, CardProduct, expiry_after
from issuer.cards.store import product_rows, read_by_token, read_cards, read_products

PVKI = "1"
"""The PIN verification key that new PVVs are made under."""
USUAL_VALIDITY_MONTHS = 48
_NUMBERS_TRIED = 20
"""Numbers asked for before a range counts as used up: at half full, one in a million orders tries as many."""


def prepare(outside: Outside, requests: Sequence[CardRequest]) -> list[PreparedCardRequest]:
    """Each request for a card personalised, one for one; a PIN that the HSM refuses leaves a card without PVV, which
    `decide` refuses."""
    issued = [request for request in requests if isinstance(request, IssueCard)]
    tokens = iter(
        outside.vault.keep([request.pan for request in issued], min(request.issued_at for request in issued))
        if issued
        else ()
    )

    def prepared(request: CardRequest) -> PreparedCardRequest:
        match request:
            case IssueCard():
                return _personalised(outside, request, request.pan, next(tokens), expiry=request.expiry)
            case OrderCard():
                return _ordered(outside, request)
            case ReplaceCard():
                return _replacing(outside, request)
            case SetPin():
                return _chosen(outside, request)
            case _:
                return request

    return [prepared(request) for request in requests]


def _personalised(
    outside: Outside,
    request: IssueCard | OrderCard | ReplaceCard,
    pan: Pan,
    card_token: UUID,
    *,
    expiry: str,
    product: CardProduct | None = None,
) -> PersonalisedCard:
    pvv = None if request.pin is None else _pvv(outside, pan, request.pin)
    return PersonalisedCard(
        request=request,
        pan=pan,
        card_token=card_token,
        expiry=expiry,
        pvki=None if pvv is None else PVKI,
        pvv=pvv,
        product=product,
    )


def _chosen(outside: Outside, request: SetPin) -> ChosenPin:
    with outside.read() as connection:
        card = next(iter(read_cards(connection, [request.card_id])), None)
        pan = None if card is None else reveal(connection, outside.hsm, [card.card_token])[card.card_token]
    return ChosenPin(request=request, pvki=PVKI, pvv=None if pan is None else _pvv(outside, pan, request.pin))


def _pvv(outside: Outside, pan: Pan, pin: Secret) -> str | None:
    try:
        return outside.hsm.make_pvv(pan, pin.clear, PVKI)
    except FormatError:
        return None


def _ordered(outside: Outside, request: OrderCard) -> PersonalisedCard:
    with outside.read() as connection:
        product = read_products(connection, [request.product]).get(request.product)
    if product is None:
        return _without_number(request, "product_unknown")
    seed = f"card order\x1f{request.customer_id}\x1f{request.reference}"
    return _with_number(
        outside,
        request,
        account_range=product.account_range,
        length=product.number_length,
        seed=seed,
        product=product,
    )


def _replacing(outside: Outside, request: ReplaceCard) -> PersonalisedCard:
    """The new number is of the old one's range and length."""
    with outside.read() as connection:
        old = next(iter(read_cards(connection, [request.card_id])), None)
        if old is None:
            return _without_number(request, "card_unknown")
        pan = reveal(connection, outside.hsm, [old.card_token])[old.card_token].clear
        products = [] if old.product_id is None else product_rows.read(connection, [old.product_id])
    seed = f"card replacement\x1f{request.card_id}\x1f{request.reference}"
    return _with_number(
        outside,
        request,
        account_range=pan[:RANGE_LENGTH],
        length=len(pan),
        seed=seed,
        product=products[0] if products else None,
    )


def _with_number(
    outside: Outside,
    request: OrderCard | ReplaceCard,
    *,
    account_range: str,
    length: int,
    seed: str,
    product: CardProduct | None,
) -> PersonalisedCard:
    """The first number that is no card's yet, of a series that follows from the request by a keyed hash: nobody can
    tell the next one. A request that comes again finds its own number taken, and its new one goes nowhere: the answer
    is the first.
    """
    hashes = outside.hsm.fingerprint([f"{seed}\x1f{attempt}".encode() for attempt in range(_NUMBERS_TRIED)])
    room = 10 ** (length - len(account_range) - 1)
    pans = [card_number(account_range, int.from_bytes(found, "big") % room, length) for found in hashes]
    tokens = outside.vault.tokens_of(pans)
    with outside.read() as connection:
        taken = {card.card_token for card in read_by_token(connection, set(tokens))}
    pan = next((pan for pan, token in zip(pans, tokens, strict=True) if token not in taken), None)
    if pan is None:
        return _without_number(request, "numbers_used_up")
    (token,) = outside.vault.keep([pan], request.issued_at)
    months = USUAL_VALIDITY_MONTHS if product is None else product.validity_months
    expiry = expiry_after(months, request.issued_at.date())
    return _personalised(outside, request, pan, token, expiry=expiry, product=product)


def _without_number(request: OrderCard | ReplaceCard, refusal: str) -> PersonalisedCard:
    return PersonalisedCard(request=request, pan=None, card_token=None, expiry="", pvki=None, pvv=None, refusal=refusal)

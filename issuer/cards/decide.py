"""The rules of issuing and blocking cards.

Hard cases: a number that is another card's, an account that is another customer's, a PIN that is none, a change to a
card that is lost for good.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.accounts.model import Customer, CustomerState
from engine.ledger.book import Book
from engine.ledger.model import Account
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.identifiers import STATIC, luhn_valid
from issuer.cards.model import (
    FINAL_STATES,
    PIN_TRIES,
    BlockCard,
    Card,
    CardIssued,
    CardState,
    CardStateChanged,
    PersonalisedCard,
)


def decide(book: Book, state: State, request: PersonalisedCard | BlockCard, now: datetime) -> Decision:
    """Issue a card, or change a card's state."""
    match request:
        case PersonalisedCard():
            return _issue(book, state, request, now)
        case BlockCard():
            return _block(state, request)


def _issue(book: Book, state: State, personalised: PersonalisedCard, now: datetime) -> Decision:
    request = personalised.request
    customer = state.get(Customer, request.customer_id)
    account = state.get(Account, request.account_id)
    if customer is None:
        return _refused("customer_unknown")
    if customer.state is not CustomerState.ACTIVE:
        return _refused("customer_not_active")
    if account is None or account.owner_id != customer.id or account.held_id is None:
        return _refused("account_not_theirs")
    if not luhn_valid(request.pan.clear):
        return _refused("card_number_malformed")
    if not is_expiry(request.expiry):
        return _refused("expiry_malformed")
    if request.pin is not None and personalised.pvv is None:
        return _refused("pin_malformed")
    if state.find(Card, "card_token", personalised.card_token) is not None:
        return _refused("card_number_taken")
    card = Card(
        id=book.id("card", str(personalised.card_token), on=STATIC),
        card_token=personalised.card_token,
        first_six=request.pan.clear[:6],
        last_four=request.pan.clear[-4:],
        customer_id=customer.id,
        account_id=account.id,
        expiry=request.expiry,
        state=CardState.ACTIVE,
        pvki=personalised.pvki,
        pvv=personalised.pvv,
        pin_tries_left=PIN_TRIES,
        issued_on=book.business_date(now),
    )
    return Decision(
        events=(CardIssued(subject=card),),
        answer=Answer("issued", facts={"card_id": str(card.id), "card_token": str(card.card_token)}),
    )


def is_expiry(text: str) -> bool:
    """Whether this is a year and a month, YYMM (ISO 8583 DE 14)."""
    return len(text) == 4 and text.isascii() and text.isdecimal() and 1 <= int(text[2:]) <= 12


def _block(state: State, request: BlockCard) -> Decision:
    card = state.get(Card, request.card_id)
    if card is None:
        return _refused("card_unknown")
    if card.state in FINAL_STATES and card.state is not request.new_state:
        return _refused("card_state_final")
    changed = replace(card, state=request.new_state)
    return Decision(
        events=(CardStateChanged(subject=changed),) if changed != card else (),
        answer=Answer("changed", facts={"card_id": str(card.id), "state": request.new_state.value}),
    )


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

"""The rules of issuing, moving, renewing and replacing cards, and of their products and fulfilment.

Hard cases: a number that is another card's, an account that is another customer's, a PIN that is none, a change to a
card that is lost for good, somebody else's card, a renewal while one is under way, two replacements of one card, a card
activated before it was sent.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from engine.accounts.model import Customer, CustomerState
from engine.ledger.book import Book
from engine.ledger.model import Account
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC, luhn_valid
from issuer.cards.fulfilment import (
    FOLLOWING,
    IN_HAND,
    Fulfilment,
    FulfilmentMoved,
    FulfilmentOrdered,
    FulfilmentState,
    MoveFulfilment,
)
from issuer.cards.model import (
    PIN_TRIES,
    ActivateCard,
    Card,
    CardForm,
    CardIssued,
    CardRenewalOrdered,
    CardRenewed,
    CardReplaced,
    CardState,
    CardStateChanged,
    CardUse,
    ChangeCardState,
    ChipScript,
    ChosenPin,
    IssueCard,
    OrderCard,
    PersonalisedCard,
    PinSet,
    PinUnblocked,
    PreparedCardRequest,
    RenewCard,
    ReplaceCard,
    StateReason,
    UnblockPin,
)
from issuer.cards.numbers import CHIP_SERVICE_CODES
from issuer.cards.products import CardProduct, OpenProduct, ProductOpened, wrong_with
from issuer.cards.states import FINAL_STATES, Mover, refusal

LONGEST_MERCHANT_ID = 15
"""DE 42."""


def decide(book: Book, state: State, request: PreparedCardRequest, now: datetime) -> Decision:
    """Issue or replace a card, change its state or PIN, renew it, move its plastic, or open a product."""
    match request:
        case PersonalisedCard(request=ReplaceCard() as asked):
            return _replace(book, state, request, asked, now)
        case PersonalisedCard():
            return _issue(book, state, request, now)
        case ChangeCardState():
            return _change(state, request)
        case ActivateCard():
            return _activate(book, state, request)
        case RenewCard():
            return _renew(book, state, request, now)
        case ChosenPin():
            return _set_pin(state, request)
        case UnblockPin():
            return _unblock_pin(state, request)
        case MoveFulfilment():
            return _move(book, state, request, now)
        case OpenProduct():
            return _open_product(book, state, request, now)


def _issue(book: Book, state: State, personalised: PersonalisedCard, now: datetime) -> Decision:
    request = personalised.request
    assert not isinstance(request, ReplaceCard)
    if personalised.refusal:
        return _refused(personalised.refusal)
    customer = state.get(Customer, request.customer_id)
    if customer is None:
        return _refused("customer_unknown")
    account = state.get(Account, request.account_id if isinstance(request, IssueCard) else customer.account_id)
    if customer.state is not CustomerState.ACTIVE:
        return _refused("customer_not_active")
    if account is None or account.owner_id != customer.id or account.held_id is None:
        return _refused("account_not_theirs")
    wrong = _wrong_with_card(state, personalised) or _wrong_with_use(request)
    if wrong:
        return _refused(wrong)
    by_post = request.form is CardForm.PHYSICAL and (isinstance(request, OrderCard) or request.by_post)
    card = replace(
        _card(book, personalised, customer.id, account.id, now),
        state=CardState.ORDERED if by_post else CardState.ACTIVE,
        product_id=None if personalised.product is None else personalised.product.id,
        form=request.form,
        use=request.use,
        merchant_id=request.merchant_id,
    )
    return Decision(events=_issued(book, card, now), answer=_told_card(card))


def _replace(book: Book, state: State, personalised: PersonalisedCard, request: ReplaceCard, now: datetime) -> Decision:
    old = _theirs(state, request.card_id, request.customer_id)
    if old is None:
        return _refused("card_unknown")
    if old.replaced_by is not None:
        return _refused("card_already_replaced")
    if state.need(Customer, old.customer_id).state is not CustomerState.ACTIVE:
        return _refused("customer_not_active")
    wrong = personalised.refusal or _wrong_with_card(state, personalised)
    if wrong:
        return _refused(wrong)
    new = replace(
        _card(book, personalised, old.customer_id, old.account_id, now),
        state=CardState.ACTIVE if old.form is CardForm.VIRTUAL else CardState.ORDERED,
        product_id=old.product_id,
        form=old.form,
        use=old.use,
        merchant_id=old.merchant_id,
        service_code=old.service_code,
        replaces=old.id,
    )
    replaced = replace(old, replaced_by=new.id, renewal_expiry=None, renewal_sequence_number=None)
    if old.state not in FINAL_STATES:
        replaced = replace(replaced, state=CardState.CLOSED, state_reason=StateReason.REPLACED)
    return Decision(
        events=(CardReplaced(subject=replaced, reasons=(replaced.state_reason,)), *_issued(book, new, now)),
        answer=_told_card(new),
    )


def _wrong_with_card(state: State, personalised: PersonalisedCard) -> str | None:
    if personalised.pan is None or not luhn_valid(personalised.pan.clear):
        return "card_number_malformed"
    if not is_expiry(personalised.expiry):
        return "expiry_malformed"
    if personalised.request.pin is not None and personalised.pvv is None:
        return "pin_malformed"
    if state.find(Card, "card_token", personalised.card_token) is not None:
        return "card_number_taken"
    return None


def _wrong_with_use(request: IssueCard | OrderCard) -> str | None:
    merchant = request.merchant_id
    if merchant is not None and (request.use is not CardUse.MERCHANT or not 0 < len(merchant) <= LONGEST_MERCHANT_ID):
        return "merchant_malformed"
    return None


def _card(book: Book, personalised: PersonalisedCard, customer_id: UUID, account_id: UUID, now: datetime) -> Card:
    assert personalised.pan is not None and personalised.card_token is not None, "the number was looked at"
    return Card(
        id=book.id("card", str(personalised.card_token), on=STATIC),
        card_token=personalised.card_token,
        first_six=personalised.pan.clear[:6],
        last_four=personalised.pan.clear[-4:],
        customer_id=customer_id,
        account_id=account_id,
        expiry=personalised.expiry,
        state=CardState.ACTIVE,
        pvki=personalised.pvki,
        pvv=personalised.pvv,
        pin_tries_left=PIN_TRIES,
        issued_on=book.business_date(now),
    )


def _issued(book: Book, card: Card, now: datetime) -> tuple[Event, ...]:
    issued = CardIssued(subject=card)
    if card.state is not CardState.ORDERED:
        return (issued,)
    return issued, _ordered(book, card, card.sequence_number, now)


def _ordered(book: Book, card: Card, sequence_number: str, now: datetime) -> FulfilmentOrdered:
    today = book.business_date(now)
    return FulfilmentOrdered(
        subject=Fulfilment(
            id=fulfilment_id(book, card.id, sequence_number),
            card_id=card.id,
            sequence_number=sequence_number,
            state=FulfilmentState.ORDERED,
            ordered_on=today,
            changed_on=today,
            shipments=0,
        )
    )


def fulfilment_id(book: Book, card_id: UUID, sequence_number: str) -> UUID:
    """The identifier of the fulfilment of a card's plastic, whether there is one or not."""
    return book.id("card_fulfilment", str(card_id), sequence_number, on=STATIC)


def is_expiry(text: str) -> bool:
    """Whether this is a year and a month, YYMM (ISO 8583 DE 14)."""
    return len(text) == 4 and text.isascii() and text.isdecimal() and 1 <= int(text[2:]) <= 12


def _theirs(state: State, card_id: UUID, customer_id: UUID | None) -> Card | None:
    """The card, if it is the asking cardholder's: nobody learns of others' cards. The bank (None) sees all."""
    card = state.get(Card, card_id)
    return card if card is not None and customer_id in (None, card.customer_id) else None


def _change(state: State, request: ChangeCardState) -> Decision:
    card = _theirs(state, request.card_id, request.customer_id)
    if card is None:
        return _refused("card_unknown")
    if card.state is request.new_state:
        return Decision(answer=_told_state(card))
    mover = Mover.BANK if request.customer_id is None else Mover.CARDHOLDER
    refused = refusal(card.state, request.new_state, mover, request.reason)
    if refused is not None:
        return _refused(refused)
    changed = replace(card, state=request.new_state, state_reason=request.reason)
    return Decision(events=(CardStateChanged(subject=changed, reasons=(request.reason,)),), answer=_told_state(changed))


def _activate(book: Book, state: State, request: ActivateCard) -> Decision:
    card = _theirs(state, request.card_id, request.customer_id)
    if card is None:
        return _refused("card_unknown")
    if card.state in FINAL_STATES:
        return _refused("card_state_final")
    first = card.state is CardState.ORDERED
    sequence_number = card.sequence_number if first else card.renewal_sequence_number
    if sequence_number is None:
        return _refused("nothing_to_activate")
    plastic = state.need(Fulfilment, fulfilment_id(book, card.id, sequence_number))
    if plastic.state not in IN_HAND:
        return _refused("not_shipped_yet")
    if first:
        active = replace(card, state=CardState.ACTIVE, state_reason=StateReason.ACTIVATED)
        event: Event = CardStateChanged(subject=active, reasons=(StateReason.ACTIVATED,))
    else:
        active = _renewed(card)
        event = CardRenewed(subject=active)
    return Decision(events=(event,), answer=_told_state(active))


def _renewed(card: Card) -> Card:
    """The next plastic takes over: its chip counts from the beginning. PIN and tries are the card's."""
    assert card.renewal_expiry is not None and card.renewal_sequence_number is not None, "a renewal is under way"
    return replace(
        card,
        expiry=card.renewal_expiry,
        sequence_number=card.renewal_sequence_number,
        last_atc=None,
        script=None,
        script_atc=None,
        renewal_expiry=None,
        renewal_sequence_number=None,
    )


def _renew(book: Book, state: State, request: RenewCard, now: datetime) -> Decision:
    card = state.get(Card, request.card_id)
    if card is None:
        return _refused("card_unknown")
    if card.state in FINAL_STATES:
        return _refused("card_state_final")
    if not is_expiry(request.expiry):
        return _refused("expiry_malformed")
    if request.expiry <= card.expiry:
        return _refused("expiry_not_later")
    if card.renewal_expiry is not None or card.state is CardState.ORDERED:
        return _refused("renewal_under_way")
    number = f"{int(card.sequence_number) % 99 + 1:02d}"
    under_way = replace(card, renewal_expiry=request.expiry, renewal_sequence_number=number)
    if card.form is CardForm.VIRTUAL:
        renewed = _renewed(under_way)
        return Decision(events=(CardRenewed(subject=renewed),), answer=_told_state(renewed))
    return Decision(
        events=(CardRenewalOrdered(subject=under_way), _ordered(book, card, number, now)),
        answer=_told_state(under_way),
    )


def _set_pin(state: State, chosen: ChosenPin) -> Decision:
    card = _theirs(state, chosen.card_id, chosen.request.customer_id)
    if card is None:
        return _refused("card_unknown")
    if card.state in FINAL_STATES:
        return _refused("card_state_final")
    if chosen.pvv is None:
        return _refused("pin_malformed")
    having = replace(card, pvki=chosen.pvki, pvv=chosen.pvv, pin_tries_left=PIN_TRIES)
    return Decision(events=(PinSet(subject=having),), answer=_told_state(having))


def _unblock_pin(state: State, request: UnblockPin) -> Decision:
    card = _theirs(state, request.card_id, request.customer_id)
    if card is None:
        return _refused("card_unknown")
    if card.state in FINAL_STATES:
        return _refused("card_state_final")
    if card.pvv is None:
        return _refused("card_without_pin")
    has_chip = card.service_code[:1] in CHIP_SERVICE_CODES
    script = ChipScript.UNBLOCK_PIN if has_chip else None
    unblocked = replace(card, pin_tries_left=PIN_TRIES, script=script, script_atc=None)
    return Decision(
        events=(PinUnblocked(subject=unblocked),),
        answer=Answer("unblocked", facts={"card_id": str(card.id)}),
    )


def _move(book: Book, state: State, request: MoveFulfilment, now: datetime) -> Decision:
    plastic = state.get(Fulfilment, fulfilment_id(book, request.card_id, request.sequence_number))
    if plastic is None:
        return _refused("fulfilment_unknown")
    if plastic.state is not request.new_state:
        if request.new_state not in FOLLOWING[plastic.state]:
            return _refused("move_not_allowed")
        made_or_sent = request.new_state in (FulfilmentState.PERSONALISED, FulfilmentState.SHIPPED)
        if made_or_sent and state.need(Card, plastic.card_id).state in FINAL_STATES:
            return _refused("card_state_final")
    moved = replace(
        plastic,
        state=request.new_state,
        changed_on=_changed_on(plastic, request.new_state, book.business_date(now)),
        shipments=plastic.shipments
        + (request.new_state is FulfilmentState.SHIPPED and plastic.state is not FulfilmentState.SHIPPED),
    )
    return Decision(
        events=(FulfilmentMoved(subject=moved),) if moved != plastic else (),
        answer=Answer("changed", facts={"card_id": str(moved.card_id), "state": moved.state.value}),
    )


def _changed_on(plastic: Fulfilment, new_state: FulfilmentState, today: date) -> date:
    return plastic.changed_on if plastic.state is new_state else today


def _open_product(book: Book, state: State, request: OpenProduct, now: datetime) -> Decision:
    wrong = wrong_with(request)
    if wrong is not None:
        return _refused(wrong)
    if state.find(CardProduct, "name", request.name) is not None:
        return _refused("product_taken")
    if state.find(CardProduct, "account_range", request.account_range) is not None:
        return _refused("account_range_taken")
    product = CardProduct(
        id=book.id("card_product", request.name, on=STATIC),
        name=request.name,
        account_range=request.account_range,
        number_length=request.number_length,
        region=request.region,
        funding=request.funding,
        regulated=request.regulated,
        validity_months=request.validity_months,
        opened_on=book.business_date(now),
    )
    return Decision(
        events=(ProductOpened(subject=product),), answer=Answer("opened", facts={"product_id": str(product.id)})
    )


def _told_card(card: Card) -> Answer:
    return Answer("issued", facts={"card_id": str(card.id), "card_token": str(card.card_token)})


def _told_state(card: Card) -> Answer:
    return Answer("changed", facts={"card_id": str(card.id), "state": card.state.value})


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

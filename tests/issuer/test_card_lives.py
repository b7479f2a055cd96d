"""Cards on a real database, from the order to what arrives after they are gone, with the books looked at.

Hard cases: clearing and refund of a card that was replaced, a hold made with the old number, an order asked for twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest

from engine.database.connections import Database
from engine.ledger.chart import NETWORK_PAYABLE
from engine.vault.store import reveal
from engine.vocabulary.identifiers import Pan, Secret, luhn_valid
from issuer.cards.fulfilment import FulfilmentState, MoveFulfilment
from issuer.cards.model import (
    ActivateCard,
    Card,
    CardForm,
    CardState,
    CardUse,
    ChangeCardState,
    OrderCard,
    RenewCard,
    ReplaceCard,
    StateReason,
)
from issuer.cards.products import Funding, OpenProduct
from issuer.cards.store import read_cards
from tests.issuer.world import EXPIRY, Bank, Holder

_numbers = count(61)


@pytest.fixture
def bank(database: Database, tmp_path: Path) -> Iterator[Bank]:
    made = Bank(database, tmp_path, next(_numbers))
    yield made
    assert made.findings() == []


def product(bank: Bank, length: int = 16) -> None:
    answer = bank.told(
        OpenProduct(
            name="everyday",
            account_range="40000101",
            region="US",
            funding=Funding.DEBIT,
            regulated=False,
            number_length=length,
        )
    )
    assert answer.code == "opened"


def order(bank: Bank, holder: Holder, reference: str = "1", **changes: object) -> OrderCard:
    made = OrderCard(
        reference=reference, customer_id=holder.customer_id, product="everyday", issued_at=bank.clock.now()
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def card(bank: Bank, card_id: UUID) -> Card:
    with bank.connection() as connection:
        (found,) = read_cards(connection, [card_id])
    return found


def number(bank: Bank, one: Card) -> Pan:
    with bank.connection() as connection:
        return reveal(connection, bank.processor.outside.hsm, [one.card_token])[one.card_token]


def held_by(bank: Bank, holder: Holder, card_id: UUID) -> Holder:
    """The holder with another card."""
    return replace(holder, card_id=card_id, pan=number(bank, card(bank, card_id)))


def replaced(bank: Bank, holder: Holder, reference: str = "1") -> UUID:
    answer = bank.told(
        ReplaceCard(
            reference=reference,
            card_id=holder.card_id,
            customer_id=holder.customer_id,
            issued_at=bank.clock.now(),
            pin=Secret("8642"),
        )
    )
    assert answer.code == "issued", answer
    return UUID(str(answer.facts["card_id"]))


def in_hand(bank: Bank, card_id: UUID, sequence_number: str = "01") -> None:
    for state in (FulfilmentState.PERSONALISED, FulfilmentState.SHIPPED, FulfilmentState.DELIVERED):
        moving = MoveFulfilment(card_id=card_id, sequence_number=sequence_number, new_state=state)
        assert bank.told(moving).code == "changed"
    assert bank.told(ActivateCard(card_id=card_id, reference=sequence_number)).code == "changed"


@pytest.mark.parametrize("length", [16, 19])
def test_an_ordered_card_has_a_number_of_its_products_range_and_is_the_same_when_asked_again(
    bank: Bank, length: int
) -> None:
    ada = bank.open("ada")
    product(bank, length)
    first, again, other = (bank.told(order(bank, ada, reference)) for reference in ("1", "1", "2"))
    assert first == again != other and first.code == "issued"
    made = card(bank, UUID(str(first.facts["card_id"])))
    pan = number(bank, made)
    assert pan.clear.startswith("40000101") and len(pan.clear) == length and luhn_valid(pan.clear)
    assert (made.state, made.form, made.expiry) == (CardState.ACTIVE, CardForm.VIRTUAL, "3003")
    request = bank.request(held_by(bank, ada, made.id), 1_000, expiry="3003")
    assert bank.told(request).code == "00"
    refused = bank.told(order(bank, ada, "3", product="platinum"))
    assert (refused.code, refused.reasons) == ("refused", ("product_unknown",))


def test_a_card_by_post_works_once_it_was_sent_and_activated(bank: Bank) -> None:
    ada = bank.open("ada")
    product(bank)
    ordered = bank.told(order(bank, ada, form=CardForm.PHYSICAL, pin=Secret("1357")))
    holder = held_by(bank, ada, UUID(str(ordered.facts["card_id"])))
    early = bank.told(bank.request(holder, 1_000, expiry="3003"))
    assert early.reasons == ("card_not_activated",)
    assert bank.told(ActivateCard(card_id=holder.card_id, reference="early")).reasons == ("not_shipped_yet",)
    in_hand(bank, holder.card_id)
    with_pin = bank.request(holder, 1_000, expiry="3003", pin_block=bank.pin_block(holder, "1357"))
    assert bank.told(with_pin).code == "00"


def test_what_was_bought_with_a_replaced_card_still_arrives_at_the_account(bank: Bank) -> None:
    ada = bank.open("ada", 10_000)
    bought, reversed_later = bank.request(ada, 3_000), bank.request(ada, 500)
    assert [bank.told(one).code for one in (bought, reversed_later)] == ["00", "00"]
    stolen = ChangeCardState(
        card_id=ada.card_id, new_state=CardState.STOLEN, reason=StateReason.REPORTED_STOLEN, customer_id=ada.customer_id
    )
    assert bank.told(stolen).code == "changed"
    new = held_by(bank, ada, replaced(bank, ada))
    assert new.pan != ada.pan and new.pan.clear[:8] == ada.pan.clear[:8]
    assert bank.balances(ada) == (6_500, 3_500), "holds are the account's"
    assert bank.told(bank.request(ada, 100)).reasons == ("card_stolen",)
    in_hand(bank, new.card_id)
    expiry = card(bank, new.card_id).expiry
    assert bank.told(bank.request(new, 6_501, expiry=expiry)).reasons == ("funds",)
    assert bank.told(bank.reversal(reversed_later)).code == "00"
    assert bank.balances(ada) == (7_000, 3_000)
    refund = bank.presentment(
        2, bought, 1_200, processing_code="200000", network_reference=None, interchange="-1.000000"
    )
    bank.receive([bank.presentment(1, bought), refund])
    bank.run_at(23)
    assert bank.balances(ada) == (8_200, 0)
    assert bank.own(NETWORK_PAYABLE) != 0 and bank.count("presented_items") == 2
    spent = bank.request(new, 8_200, expiry=expiry, pin_block=bank.pin_block(new, "8642"))
    assert bank.told(spent).code == "00"


def test_what_was_bought_before_a_renewal_clears_and_the_new_plastic_pays(bank: Bank) -> None:
    ada = bank.open("ada", 10_000)
    bought = bank.request(ada, 4_000)
    assert bank.told(bought).code == "00"
    assert bank.told(RenewCard(card_id=ada.card_id, expiry="3212", reference="1")).code == "changed"
    assert bank.told(bank.request(ada, 100, expiry=EXPIRY)).code == "00", "the old plastic works until then"
    in_hand(bank, ada.card_id, "02")
    renewed = card(bank, ada.card_id)
    assert (number(bank, renewed), renewed.sequence_number, renewed.expiry) == (ada.pan, "02", "3212")
    assert bank.told(bank.request(ada, 100, expiry=EXPIRY)).reasons == ("expiry_differs",)
    with_pin = bank.request(ada, 900, expiry="3212", pin_block=bank.pin_block(ada))
    assert bank.told(with_pin).code == "00", "the PIN is the card's"
    bank.receive([bank.presentment(1, bought)])
    bank.run_at(23)
    assert bank.balances(ada) == (5_000, 1_000)


def test_limited_use_holds_within_one_batch(bank: Bank) -> None:
    ada = bank.open("ada")
    product(bank)
    single, tied = (
        held_by(bank, ada, UUID(str(bank.told(order(bank, ada, use.value, use=use)).facts["card_id"])))
        for use in (CardUse.SINGLE, CardUse.MERCHANT)
    )
    requests = [
        *(bank.request(single, 100, expiry="3003") for _ in range(2)),
        bank.request(tied, 100, expiry="3003"),
        bank.request(tied, 100, expiry="3003", merchant_id="M00000000000002"),
        bank.request(tied, 100, expiry="3003"),
    ]
    answers = bank.processor.execute(requests)
    assert [answer and answer.code for answer in answers] == ["00", "14", "00", "57", "00"]
    assert card(bank, single.card_id).state_reason is StateReason.USED

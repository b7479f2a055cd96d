"""Card numbers, stripes and issuing: the rules on a plain state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.accounts.model import CustomerState
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan, Secret, luhn_valid
from engine.vocabulary.keys import fingerprint_material, key_of
from issuer.cards.decide import decide
from issuer.cards.model import KEYS, Card, CardState, CardUse, IssueCard, PersonalisedCard
from issuer.cards.numbers import Track2, card_number, read_track_2
from tests.issuer.purse import BOOK, NOW, PAN, TOKEN, UNKNOWN_TOKEN, Purse, other_pan


@pytest.mark.parametrize(
    ("account_range", "sequence", "length", "expected"),
    [
        ("40000100", 7, 16, "4000010000000076"),
        ("40000100", 9_999_999, 16, "4000010099999998"),
        ("51000200", 0, 16, "5100020000000006"),
        ("40000100", 7, 19, "4000010000000000079"),
    ],
)
def test_card_numbers_of_a_range(account_range: str, sequence: int, length: int, expected: str) -> None:
    made = card_number(account_range, sequence, length)
    assert luhn_valid(made.clear)
    assert made == Pan(expected)


@pytest.mark.parametrize("sequence", [-1, 10_000_000])
def test_a_sequence_that_does_not_fit_is_refused(sequence: int) -> None:
    with pytest.raises(ValueError, match="has no card number"):
        card_number("40000100", sequence)


def test_track_2_is_read_as_it_was_made() -> None:
    made = Track2(pan=PAN, expiry="2812", service_code="201", cvv="123", pvki="1", pvv="4567")
    assert made.text == f"{PAN.clear}=281220114567123"
    assert len(made.text) <= 37, "DE 35 holds 37 characters"
    for text in (made.text, f";{made.text}?", made.text.replace("=", "D") + "F"):
        assert read_track_2(text) == made
    assert "4567" not in repr(made) and "123)" not in repr(made) and PAN.clear not in repr(made)


@pytest.mark.parametrize("text", ["", "4000010000000076=2812", "4000010000000076=2812201", "4000010000000076 28122011"])
def test_what_is_not_our_track_2_is_refused_without_its_bytes(text: str) -> None:
    with pytest.raises(FormatError) as refused:
        read_track_2(text)
    assert refused.value.element == "DE 35"
    assert "40000100" not in str(refused.value)


def ordered(purse: Purse, **changes: Any) -> PersonalisedCard:
    request = IssueCard(
        customer_id=purse.customer.id,
        account_id=purse.customer.account_id,
        pan=other_pan(),
        expiry="2901",
        issued_at=NOW,
        sequence=2,
        pin=Secret("1234"),
    )
    request = replace(request, **changes)
    return PersonalisedCard(
        request=request, pan=request.pan, card_token=UNKNOWN_TOKEN, expiry=request.expiry, pvki="1", pvv="4321"
    )


def test_a_card_is_issued() -> None:
    purse = Purse()
    decision = purse.take(decide(BOOK, purse.state, ordered(purse), NOW))
    assert decision.answer is not None and decision.answer.code == "issued"
    card = purse.state.find(Card, "card_token", UNKNOWN_TOKEN)
    assert card is not None and decision.answer.facts["card_id"] == str(card.id)
    assert (card.state, card.pin_tries_left, card.pvv) == (CardState.ACTIVE, 3, "4321")
    assert (card.first_six, card.last_four) == (other_pan().clear[:6], other_pan().clear[-4:])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"customer_id": UNKNOWN_TOKEN}, "customer_unknown"),
        ({"account_id": UNKNOWN_TOKEN}, "account_not_theirs"),
        ({"account_id": BOOK.account(1100, "USD")}, "account_not_theirs"),
        ({"pan": Pan("4000010000000075")}, "card_number_malformed"),
        ({"expiry": "2913"}, "expiry_malformed"),
        ({"expiry": "01/29"}, "expiry_malformed"),
        ({"merchant_id": "M00000000000001"}, "merchant_malformed"),
        ({"use": CardUse.MERCHANT, "merchant_id": ""}, "merchant_malformed"),
    ],
)
def test_issuing_is_refused_in_words(changes: dict[str, Any], reason: str) -> None:
    purse = Purse()
    decision = decide(BOOK, purse.state, ordered(purse, **changes), NOW)
    assert decision.answer is not None and decision.answer.reasons == (reason,)
    assert not decision.events


def test_a_number_is_issued_once_a_pin_must_be_one_and_a_frozen_customer_gets_no_card() -> None:
    purse = Purse()
    refused = [
        replace(ordered(purse), card_token=TOKEN),
        replace(ordered(purse), pvki=None, pvv=None),
    ]
    reasons = [decide(BOOK, purse.state, one, NOW).answer for one in refused]
    assert [answer and answer.reasons for answer in reasons] == [("card_number_taken",), ("pin_malformed",)]
    purse.state.put(replace(purse.customer, state=CustomerState.FROZEN))
    answer = decide(BOOK, purse.state, ordered(purse), NOW).answer
    assert answer is not None and answer.reasons == ("customer_not_active",)


def test_the_key_of_an_order_does_not_depend_on_the_card_number_its_fingerprint_does() -> None:
    order = ordered(Purse()).request
    assert isinstance(order, IssueCard)
    other = replace(order, pan=PAN)
    rule = KEYS[IssueCard]
    assert key_of(rule, order) == key_of(rule, other)
    assert fingerprint_material(rule, order) != fingerprint_material(rule, other)

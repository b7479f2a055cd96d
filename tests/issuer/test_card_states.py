"""Cards from ordered to closed, plastic from ordered to delivered: the tables, and the rules on a plain state.

Hard cases: what only the bank may undo, somebody else's card, plastic that comes back, a renewal while another is under
way, limited use within one batch.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from issuer.cards.decide import decide
from issuer.cards.fulfilment import FOLLOWING, Fulfilment, FulfilmentState, MoveFulfilment
from issuer.cards.model import (
    ActivateCard,
    Card,
    CardForm,
    CardState,
    CardUse,
    ChangeCardState,
    PersonalisedCard,
    PreparedCardRequest,
    RenewCard,
    ReplaceCard,
    StateReason,
)
from issuer.cards.products import CardProduct, Funding, OpenProduct, expiry_after
from issuer.cards.states import FINAL_STATES, MOVES, Mover, refusal
from tests.issuer.purse import BOOK, NOW, REQUEST, TODAY, UNKNOWN_TOKEN, Purse, other_pan

BY_HAND = """
ordered  lost     cardholder bank
ordered  stolen   cardholder bank
ordered  closed   cardholder bank
active   frozen   cardholder
active   blocked  bank
active   lost     cardholder bank
active   stolen   cardholder bank
active   closed   cardholder bank
frozen   active   cardholder bank
frozen   blocked  bank
frozen   lost     cardholder bank
frozen   stolen   cardholder bank
frozen   closed   cardholder bank
blocked  active   bank
blocked  frozen   bank
blocked  lost     cardholder bank
blocked  stolen   cardholder bank
blocked  closed   cardholder bank
lost     stolen   cardholder bank
"""
"""Who may move a card from where to where, written down independently of the code's table."""


def told(purse: Purse, request: PreparedCardRequest) -> str:
    """The answer's code, or the reason of a refusal."""
    answer = purse.take(decide(BOOK, purse.state, request, NOW)).answer
    assert answer is not None
    return answer.code if answer.code != "refused" else answer.reasons[0]


def moved(purse: Purse, new: CardState, reason: StateReason, by: Mover = Mover.BANK) -> str:
    holder = purse.customer.id if by is Mover.CARDHOLDER else None
    return told(purse, ChangeCardState(card_id=purse.card.id, new_state=new, reason=reason, customer_id=holder))


def test_the_table_of_moves_is_the_one_written_by_hand() -> None:
    written = {
        (CardState(now), CardState(new), Mover(mover))
        for now, new, *movers in map(str.split, BY_HAND.strip().splitlines())
        for mover in movers
    }
    found = {
        (now, new, mover)
        for now, following in MOVES.items()
        for new, reasons in following.items()
        for mover, allowed in reasons.items()
        if allowed
    }
    assert found == written
    assert set(MOVES) == set(CardState)


@pytest.mark.parametrize(("now", "new"), [pair for pair in product(CardState, CardState) if pair[0] is not pair[1]])
def test_each_move_takes_its_reasons_and_no_others(now: CardState, new: CardState) -> None:
    for mover, reason in product(Mover, StateReason):
        purse = Purse(state=now)
        answer = moved(purse, new, reason, mover)
        allowed = MOVES[now].get(new, {}).get(mover, frozenset())
        if reason in allowed:
            assert answer == "changed" and (purse.card.state, purse.card.state_reason) == (new, reason)
        else:
            assert answer == refusal(now, new, mover, reason)
            assert answer in ("move_not_allowed", "reason_not_allowed", "card_state_final")
            assert (answer == "card_state_final") == (now in FINAL_STATES and new not in MOVES[now])
            assert purse.card.state is now


def test_the_same_state_again_changes_nothing_and_somebody_elses_card_is_unknown() -> None:
    purse = Purse(state=CardState.FROZEN)
    decision = decide(
        BOOK,
        purse.state,
        ChangeCardState(card_id=purse.card.id, new_state=CardState.FROZEN, reason=StateReason.FROZEN),
        NOW,
    )
    assert not decision.events and decision.answer is not None and decision.answer.code == "changed"
    for stranger, card in ((UNKNOWN_TOKEN, purse.card.id), (None, UNKNOWN_TOKEN)):
        for request in (
            ChangeCardState(
                card_id=card, new_state=CardState.LOST, reason=StateReason.REPORTED_LOST, customer_id=stranger
            ),
            ActivateCard(card_id=card, reference="1", customer_id=stranger),
        ):
            assert told(purse, request) == "card_unknown"
    assert told(purse, RenewCard(card_id=UNKNOWN_TOKEN, expiry="3001", reference="1")) == "card_unknown"


def test_what_the_bank_has_blocked_its_holder_cannot_open() -> None:
    purse = Purse()
    assert moved(purse, CardState.FROZEN, StateReason.FROZEN, Mover.CARDHOLDER) == "changed"
    assert moved(purse, CardState.BLOCKED, StateReason.FRAUD_SUSPECTED) == "changed"
    assert moved(purse, CardState.ACTIVE, StateReason.UNFROZEN, Mover.CARDHOLDER) == "move_not_allowed"
    assert moved(purse, CardState.FROZEN, StateReason.UNBLOCKED) == "changed"
    assert moved(purse, CardState.ACTIVE, StateReason.UNFROZEN, Mover.CARDHOLDER) == "changed"


# --- plastic ---


def plastic(purse: Purse, sequence_number: str = "01") -> Fulfilment:
    (found,) = [one for one in purse.state.all(Fulfilment) if one.sequence_number == sequence_number]
    return found


def sent(purse: Purse, *states: FulfilmentState, sequence_number: str = "01", card_id: UUID | None = None) -> list[str]:
    return [
        told(
            purse,
            MoveFulfilment(card_id=card_id or purse.card.id, sequence_number=sequence_number, new_state=state),
        )
        for state in states
    ]


def renewing(**card: Any) -> Purse:
    """A card whose next plastic is ordered."""
    purse = Purse(**card)
    assert told(purse, RenewCard(card_id=purse.card.id, expiry="3212", reference="1")) == "changed"
    return purse


@pytest.mark.parametrize(("now", "new"), list(product(FulfilmentState, FulfilmentState)))
def test_plastic_goes_where_the_table_says(now: FulfilmentState, new: FulfilmentState) -> None:
    purse = renewing()
    purse.state.put(replace(plastic(purse, "02"), state=now))
    (answer,) = sent(purse, new, sequence_number="02")
    allowed = new is now or new in FOLLOWING[now]
    assert answer == ("changed" if allowed else "move_not_allowed")
    assert plastic(purse, "02").state is (new if allowed else now)


def test_plastic_that_comes_back_is_sent_again_or_destroyed_and_shipments_are_counted() -> None:
    purse = renewing()
    there_and_back = (FulfilmentState.PERSONALISED, FulfilmentState.SHIPPED, FulfilmentState.RETURNED)
    assert (
        sent(purse, *there_and_back, FulfilmentState.SHIPPED, FulfilmentState.SHIPPED, sequence_number="02")
        == ["changed"] * 5
    )
    assert plastic(purse, "02").shipments == 2
    assert sent(purse, FulfilmentState.DELIVERED, FulfilmentState.RETURNED, sequence_number="02") == ["changed"] * 2
    assert sent(purse, FulfilmentState.DESTROYED, FulfilmentState.SHIPPED, sequence_number="02") == [
        "changed",
        "move_not_allowed",
    ]
    assert sent(purse, FulfilmentState.SHIPPED, sequence_number="07") == ["fulfilment_unknown"]


def test_no_plastic_is_made_or_sent_for_a_card_that_is_gone() -> None:
    purse = renewing()
    assert moved(purse, CardState.CLOSED, StateReason.ACCOUNT_CLOSED) == "changed"
    assert sent(purse, FulfilmentState.PERSONALISED, sequence_number="02") == ["card_state_final"]
    assert sent(purse, FulfilmentState.CANCELLED, sequence_number="02") == ["changed"]


# --- renewal ---


def test_a_renewal_keeps_the_number_and_takes_over_when_its_plastic_is_activated() -> None:
    purse = renewing(last_atc=17)
    card = purse.card
    assert (card.expiry, card.sequence_number, card.renewal_expiry) == ("2812", "01", "3212")
    activate = ActivateCard(card_id=card.id, reference="1", customer_id=purse.customer.id)
    assert told(purse, activate) == "not_shipped_yet"
    assert purse.ask().answer is not None and purse.authorization.reasons == (), "the old plastic works until then"
    sent(purse, FulfilmentState.PERSONALISED, FulfilmentState.SHIPPED, sequence_number="02")
    assert told(purse, activate) == "changed"
    card = purse.card
    assert (card.expiry, card.sequence_number, card.last_atc, card.renewal_expiry) == ("3212", "02", None, None)
    assert told(purse, activate) == "nothing_to_activate"
    again = replace(REQUEST, stan="000009", network_reference="S00000000000009")
    late = purse.ask(again).answer
    assert late is not None and late.reasons == ("expiry_differs",), "the old plastic is dead"
    renewed = purse.ask(replace(again, stan="000010", network_reference="S00000000000010", expiry="3212")).answer
    assert renewed is not None and renewed.code == "00"


def test_a_virtual_card_is_renewed_at_once() -> None:
    purse = renewing(form=CardForm.VIRTUAL)
    assert (purse.card.expiry, purse.card.sequence_number) == ("3212", "02")
    assert not purse.state.all(Fulfilment)


@pytest.mark.parametrize(
    ("card", "expiry", "reason"),
    [
        ({}, "2812", "expiry_not_later"),
        ({}, "3213", "expiry_malformed"),
        ({"state": CardState.LOST}, "3212", "card_state_final"),
        ({"state": CardState.ORDERED}, "3212", "renewal_under_way"),
        ({"renewal_expiry": "3112", "renewal_sequence_number": "02"}, "3212", "renewal_under_way"),
    ],
)
def test_a_renewal_is_refused_in_words(card: dict[str, Any], expiry: str, reason: str) -> None:
    purse = Purse(**card)
    assert told(purse, RenewCard(card_id=purse.card.id, expiry=expiry, reference="1")) == reason


# --- replacement ---


def replacing(purse: Purse, holder: UUID | None = None) -> PersonalisedCard:
    return PersonalisedCard(
        request=ReplaceCard(reference="1", card_id=purse.card.id, customer_id=holder, issued_at=NOW),
        pan=other_pan(),
        card_token=UNKNOWN_TOKEN,
        expiry="3003",
        pvki=None,
        pvv=None,
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [(state, state if state in FINAL_STATES else CardState.CLOSED) for state in CardState],
)
def test_a_replacement_is_another_card_on_the_same_account_once(before: CardState, after: CardState) -> None:
    purse = Purse(state=before, use=CardUse.MERCHANT, merchant_id="M00000000000001")
    assert told(purse, replacing(purse, UNKNOWN_TOKEN)) == "card_unknown"
    assert told(purse, replacing(purse, purse.customer.id)) == "issued"
    old, new = purse.card, purse.state.find(Card, "card_token", UNKNOWN_TOKEN)
    assert new is not None and (old.replaced_by, new.replaces) == (new.id, old.id)
    assert (new.account_id, new.customer_id, new.use, new.merchant_id) == (
        old.account_id, old.customer_id, old.use, old.merchant_id,
    )  # fmt: skip
    assert (old.state, new.state) == (after, CardState.ORDERED)
    assert told(purse, replacing(purse)) == "card_already_replaced"


# --- limited use ---


def test_a_single_use_card_is_closed_by_its_first_approval_and_not_by_a_decline_or_a_refund() -> None:
    purse = Purse(use=CardUse.SINGLE)
    purse.ask(replace(REQUEST, stan="000007", network_reference="S00000000000007"), cvv=False)
    purse.ask(replace(REQUEST, stan="000008", network_reference="S00000000000008", processing_code="200000"))
    assert (purse.card.state, purse.card.state_reason) == (CardState.ACTIVE, StateReason.ISSUED)
    assert (answer := purse.ask().answer) is not None and answer.code == "00"
    assert (purse.card.state, purse.card.state_reason) == (CardState.CLOSED, StateReason.USED)
    second = purse.ask(replace(REQUEST, stan="000009", network_reference="S00000000000009")).answer
    assert second is not None and (second.code, second.reasons) == ("14", ("card_closed",))
    purse.reverse()
    assert purse.card.state_reason is StateReason.USED, "reversed or not, it was used"


def test_a_merchant_locked_card_belongs_to_the_first_merchant_that_it_is_approved_at() -> None:
    purse = Purse(use=CardUse.MERCHANT)
    elsewhere = replace(REQUEST, stan="000009", network_reference="S00000000000009", merchant_id="M00000000000002")
    purse.ask(replace(elsewhere, stan="000008", network_reference="S00000000000008"), cvv=False)
    assert purse.card.merchant_id is None, "a decline ties nothing"
    purse.ask()
    assert purse.card.merchant_id == REQUEST.merchant_id
    answer = purse.ask(elsewhere).answer
    assert answer is not None and (answer.code, answer.reasons) == ("57", ("merchant_differs",))


# --- products ---

PRODUCT = OpenProduct(
    name="everyday", account_range="40000101", region="US", funding=Funding.DEBIT, regulated=True, number_length=19
)


def test_a_product_is_opened_once_and_a_range_is_one_products() -> None:
    purse = Purse()
    assert told(purse, PRODUCT) == "opened"
    (made,) = purse.state.all(CardProduct)
    assert (made.region, made.funding, made.regulated, made.number_length) == ("US", "debit", True, 19)
    assert told(purse, PRODUCT) == "product_taken"
    assert told(purse, replace(PRODUCT, name="other")) == "account_range_taken"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ""}, "product_malformed"),
        ({"name": "every day"}, "product_malformed"),
        ({"account_range": "4000010"}, "account_range_malformed"),
        ({"account_range": "4000010x"}, "account_range_malformed"),
        ({"number_length": 12}, "number_length_malformed"),
        ({"number_length": 20}, "number_length_malformed"),
        ({"region": "us"}, "region_malformed"),
        ({"validity_months": 0}, "validity_malformed"),
    ],
)
def test_a_product_is_refused_in_words(changes: dict[str, Any], reason: str) -> None:
    assert told(Purse(), replace(PRODUCT, **changes)) == reason


@pytest.mark.parametrize(("months", "expiry"), [(0, "2603"), (9, "2612"), (10, "2701"), (48, "3003")])
def test_an_expiry_is_so_many_months_later(months: int, expiry: str) -> None:
    assert expiry_after(months, TODAY) == expiry

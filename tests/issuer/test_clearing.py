"""Clearing always posts: under, over, several, late, without authorization, refunds, strange cards; and the rounding
of interchange."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.ledger.chart import INTERCHANGE_INCOME, NETWORK_PAYABLE, UNPLACED_ITEMS
from engine.vocabulary.decision import Decision
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money
from issuer.authorization.model import AuthorizationState
from issuer.cards.model import CardState
from tests.issuer.purse import NOW, OPENING_MINOR, PRESENTMENT, REQUEST, REVERSAL, UNKNOWN_TOKEN, Purse


def item(number: int, minor: int, **changes: object) -> Presentment:
    arn = f"1200001606200000000{number:04d}"
    return replace(PRESENTMENT, arn=arn, amount=Money(minor, "USD"), **changes)  # type: ignore[arg-type]


def code(decision: Decision) -> str:
    assert decision.answer is not None
    return decision.answer.code


def test_a_purchase_as_authorized_goes_from_the_hold_to_the_network_less_interchange() -> None:
    purse = Purse()
    purse.ask()
    decision = purse.present()
    assert code(decision) == "posted"
    assert [(posting.kind, posting.amount_minor) for posting in decision.postings] == [
        ("card hold released", 3_000),
        ("purchase", 3_000),
        ("interchange", 36),
    ]
    assert (purse.available, purse.held) == (7_000, 0)
    assert purse.own(NETWORK_PAYABLE) == 2_964
    assert purse.own(INTERCHANGE_INCOME) == 36
    assert purse.authorization.state is AuthorizationState.CLEARED
    (posted,) = purse.items
    assert (posted.interchange, posted.interchange_minor, posted.released_minor) == ("36.500000", 36, 3_000)
    assert posted.authorization_id == purse.authorization.id


@pytest.mark.parametrize(("presented", "left"), [(2_000, 8_000), (3_000, 7_000), (4_500, 5_500), (20_000, -10_000)])
def test_under_and_over_the_last_presentment_releases_all_and_posts_its_own_amount(presented: int, left: int) -> None:
    purse = Purse()
    purse.ask()
    purse.present(item(1, presented))
    assert (purse.available, purse.held) == (left, 0)
    assert purse.authorization.presented_minor == presented


def test_several_presentments_release_at_most_what_is_left_and_the_last_one_the_rest() -> None:
    purse = Purse()
    purse.ask()
    releases = []
    for number, minor, final in ((1, 1_000, False), (2, 1_500, False), (3, 200, True)):
        purse.present(item(number, minor, is_final=final))
        releases.append((purse.items[-1].released_minor, purse.held))
    assert releases == [(1_000, 2_000), (1_500, 500), (500, 0)]
    assert purse.available == OPENING_MINOR - 2_700
    assert purse.authorization.state is AuthorizationState.CLEARED
    purse.present(item(4, 900, is_final=False))
    assert (purse.available, purse.held) == (OPENING_MINOR - 3_600, 0), "one more after the last posts too"


def test_a_presentment_that_is_not_the_last_and_more_than_the_hold_takes_the_hold_only() -> None:
    purse = Purse()
    purse.ask()
    purse.present(item(1, 5_000, is_final=False))
    assert (purse.items[0].released_minor, purse.available, purse.held) == (3_000, 5_000, 0)
    assert purse.authorization.state is AuthorizationState.APPROVED


def test_clearing_after_the_hold_has_expired_or_was_reversed_still_posts() -> None:
    late = Purse()
    late.ask()
    late.expire(NOW + timedelta(days=30))
    late.present()
    assert (late.available, late.authorization.state) == (7_000, AuthorizationState.CLEARED)

    undone = Purse()
    undone.ask()
    undone.reverse(REVERSAL)
    undone.present()
    assert (undone.available, undone.authorization.state) == (7_000, AuthorizationState.REVERSED)
    assert undone.authorization.presented_minor == 3_000


def test_a_force_post_without_authorization_may_drive_the_balance_below_zero() -> None:
    purse = Purse()
    purse.present(item(1, OPENING_MINOR + 500, network_reference=None))
    assert purse.available == -500
    assert purse.items[0].authorization_id is None
    refused = purse.ask(replace(REQUEST, amount=Money(1, "USD")))
    assert refused.answer is not None and refused.answer.code == "51"


def test_a_declined_request_that_is_presented_all_the_same_is_posted() -> None:
    purse = Purse()
    purse.ask(replace(REQUEST, amount=Money(OPENING_MINOR + 1, "USD")))
    purse.present()
    assert purse.available == 7_000
    assert purse.authorization.state is AuthorizationState.DECLINED


@pytest.mark.parametrize("state", [CardState.CLOSED, CardState.LOST, CardState.BLOCKED])
def test_a_card_that_is_closed_still_clears(state: CardState) -> None:
    purse = Purse()
    purse.ask()
    purse.state.put(replace(purse.card, state=state))
    assert code(purse.present()) == "posted"
    assert (purse.available, purse.held) == (7_000, 0)


def test_a_card_that_nobody_knows_and_a_currency_that_is_not_held_go_to_unplaced_items() -> None:
    purse = Purse()
    purse.ask()
    decision = purse.present(item(1, 3_000), card_token=UNKNOWN_TOKEN)
    assert code(decision) == "unplaced"
    assert purse.own(UNPLACED_ITEMS) == 3_000
    assert purse.own(NETWORK_PAYABLE) == 2_964
    assert (purse.available, purse.held) == (7_000, 3_000), "the hold of another card's authorization stays"

    euros = replace(PRESENTMENT, arn="12000016062000000000025", amount=Money(700, "EUR"), network_reference=None)
    assert code(purse.present(euros)) == "unplaced"
    assert purse.own(UNPLACED_ITEMS, "EUR") == 700
    assert purse.own(NETWORK_PAYABLE, "EUR") == 664


def test_a_refund_credits_the_customer_and_gives_interchange_back() -> None:
    purse = Purse()
    purse.ask()
    purse.present()
    refund = item(2, 1_000, processing_code="200000", interchange="-12.166667")
    decision = purse.present(refund)
    assert [(posting.kind, posting.amount_minor) for posting in decision.postings] == [
        ("refund", 1_000),
        ("interchange", 12),
    ]
    assert purse.available == 8_000
    assert purse.own(NETWORK_PAYABLE) == 2_964 - 1_000 + 12
    assert purse.own(INTERCHANGE_INCOME) == 36 - 12
    assert purse.authorization.presented_minor == 3_000, "a refund is no presentment of its purchase"


def test_a_refund_under_its_purchases_reference_does_not_release_the_hold() -> None:
    purse = Purse()
    purse.ask()
    purse.present(item(1, 500, processing_code="200000"))
    assert purse.held == 3_000


def test_an_authorized_refund_is_matched_and_cleared() -> None:
    purse = Purse()
    purse.ask(replace(REQUEST, processing_code="200000"))
    purse.present(item(1, 3_000, processing_code="200000", interchange=None))
    assert purse.available == OPENING_MINOR + 3_000
    assert purse.authorization.state is AuthorizationState.CLEARED
    assert purse.items[0].interchange == "0.000000"


@pytest.mark.parametrize(
    ("exact", "booked"),
    [("36.500000", 36), ("37.500000", 38), ("36.500001", 37), ("-0.500000", 0), ("-1.500000", -2), ("0.499999", 0)],
)
def test_interchange_is_booked_half_to_even_and_kept_exactly(exact: str, booked: int) -> None:
    purse = Purse()
    purse.present(item(1, 3_000, interchange=exact))
    (posted,) = purse.items
    assert (posted.interchange, posted.interchange_minor) == (exact, booked)
    assert purse.own(INTERCHANGE_INCOME) == booked
    assert purse.own(NETWORK_PAYABLE) == 3_000 - booked


def test_an_item_of_nothing_is_kept_and_moves_nothing() -> None:
    purse = Purse()
    decision = purse.present(item(1, 0, interchange=None, network_reference=None))
    assert code(decision) == "posted" and not decision.postings
    assert len(purse.items) == 1

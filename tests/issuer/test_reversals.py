"""Reversals and the expiry of holds: early, late, doubled, partial, and when there is nothing left to reverse."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.vocabulary.decision import Decision
from engine.vocabulary.messages import PREAUTHORIZED, AuthorizationRequest
from engine.vocabulary.money import Money
from issuer.authorization.hold_lifetimes import HOLD_LIFETIMES, expires_at
from issuer.authorization.model import AuthorizationState, reference_of
from tests.issuer.purse import NOW, OPENING_MINOR, PRESENTMENT, REQUEST, REVERSAL, UNKNOWN_TOKEN, Purse


def released(decision: Decision) -> int:
    assert decision.answer is not None and decision.answer.code == "00", "an advice cannot be refused"
    amount = decision.answer.facts["released_minor"]
    assert isinstance(amount, int)
    return amount


def test_a_full_reversal_releases_all_and_a_second_one_nothing() -> None:
    purse = Purse()
    purse.ask()
    assert released(purse.reverse()) == 3_000
    assert (purse.available, purse.held) == (OPENING_MINOR, 0)
    assert purse.authorization.state is AuthorizationState.REVERSED
    again = purse.reverse(replace(REVERSAL, stan="000003"))
    assert released(again) == 0 and not again.events
    partial = purse.reverse(replace(REVERSAL, stan="000004", replacement_amount=Money(1_000, "USD")))
    assert released(partial) == 0 and not partial.events


def test_a_partial_reversal_carries_the_new_total() -> None:
    purse = Purse()
    purse.ask()
    assert released(purse.reverse(replace(REVERSAL, replacement_amount=Money(1_000, "USD")))) == 2_000
    assert (purse.available, purse.held) == (9_000, 1_000)
    approved = purse.authorization
    assert (approved.state, approved.amount_minor) == (AuthorizationState.APPROVED, 1_000)
    assert released(purse.reverse(replace(REVERSAL, stan="000003", replacement_amount=Money(400, "USD")))) == 600
    assert purse.held == 400


@pytest.mark.parametrize("new_total", [3_000, 9_000])
def test_a_partial_reversal_never_raises(new_total: int) -> None:
    purse = Purse()
    purse.ask()
    decision = purse.reverse(replace(REVERSAL, replacement_amount=Money(new_total, "USD")))
    assert released(decision) == 0 and not decision.events
    assert purse.held == 3_000


def test_a_new_total_of_nothing_reverses_all() -> None:
    purse = Purse()
    purse.ask()
    assert released(purse.reverse(replace(REVERSAL, replacement_amount=Money(0, "USD")))) == 3_000
    assert purse.authorization.state is AuthorizationState.REVERSED


def test_a_partial_reversal_after_a_first_presentment_keeps_what_is_still_to_come() -> None:
    purse = Purse()
    purse.ask()
    purse.present(replace(PRESENTMENT, amount=Money(1_000, "USD"), is_final=False))
    assert purse.held == 2_000
    assert released(purse.reverse(replace(REVERSAL, replacement_amount=Money(1_500, "USD")))) == 1_500
    assert purse.held == 500


@pytest.mark.parametrize("partial", [None, Money(1_000, "USD")])
def test_a_reversal_before_its_request_declines_it(partial: Money | None) -> None:
    purse = Purse()
    assert released(purse.reverse(replace(REVERSAL, replacement_amount=partial))) == 0
    tombstone = purse.authorization
    assert tombstone.state is AuthorizationState.TOMBSTONE
    assert not purse.reverse(replace(REVERSAL, stan="000003")).events, "a doubled reversal changes nothing"

    late = purse.ask()
    assert late.answer is not None and (late.answer.code, late.answer.reasons) == ("05", ("already_reversed",))
    assert (purse.available, purse.held) == (OPENING_MINOR, 0)
    assert (purse.authorization.id, purse.authorization.state) == (tombstone.id, AuthorizationState.DECLINED)
    assert not purse.reverse(replace(REVERSAL, stan="000004")).events


def test_without_a_network_request_and_reversal_derive_the_same_reference() -> None:
    alone = replace(REQUEST, network_reference=None)
    assert reference_of(alone) == reference_of(replace(REVERSAL, network_reference=None))
    purse = Purse()
    purse.ask(alone)
    assert released(purse.reverse(replace(REVERSAL, network_reference=None))) == 3_000


def test_a_reversal_of_a_declined_request_releases_nothing() -> None:
    purse = Purse()
    purse.ask(replace(REQUEST, amount=Money(OPENING_MINOR + 1, "USD")))
    decision = purse.reverse()
    assert released(decision) == 0 and not decision.events


def test_a_reversal_after_clearing_releases_nothing_and_is_noted() -> None:
    purse = Purse()
    purse.ask()
    purse.present()
    decision = purse.reverse()
    assert released(decision) == 0
    assert [event.reasons for event in decision.events] == [("already_cleared",)]
    assert purse.available == OPENING_MINOR - 3_000


def test_a_reversal_of_another_card_or_currency_takes_nothing_back() -> None:
    purse = Purse()
    purse.ask()
    for decision, reason in (
        (purse.reverse(card_token=UNKNOWN_TOKEN), "card_differs"),
        (purse.reverse(replace(REVERSAL, replacement_amount=Money(1, "EUR"))), "currency_differs"),
    ):
        assert released(decision) == 0
        assert [event.reasons for event in decision.events] == [(reason,)]
    assert purse.held == 3_000


def test_a_hold_is_released_when_it_is_due_and_once() -> None:
    purse = Purse()
    purse.ask()
    due = purse.authorization.expires_at
    assert due == NOW + timedelta(days=3)
    early = purse.expire(due - timedelta(seconds=1))
    assert early.answer is not None and early.answer.code == "not_due" and not early.events
    late = purse.expire(due)
    assert late.answer is not None and (late.answer.code, late.answer.facts) == ("released", {"released_minor": 3_000})
    assert (purse.available, purse.authorization.state) == (OPENING_MINOR, AuthorizationState.EXPIRED)
    assert purse.expire(due + timedelta(days=1)).answer == early.answer
    assert released(purse.reverse()) == 0


def test_a_hold_that_was_reversed_or_cleared_meanwhile_does_not_expire() -> None:
    for end in (Purse.reverse, Purse.present):
        purse = Purse()
        purse.ask()
        end(purse)
        decision = purse.expire(NOW + timedelta(days=60))
        assert decision.answer is not None and decision.answer.code == "not_due"


@pytest.mark.parametrize(
    ("mcc", "condition", "entry_mode", "lifetime"),
    [
        ("5542", "00", "051", timedelta(hours=2)),
        ("5542", PREAUTHORIZED, "051", timedelta(hours=2)),
        ("7011", PREAUTHORIZED, "051", timedelta(days=30)),
        ("3501", PREAUTHORIZED, "012", timedelta(days=30)),
        ("7512", PREAUTHORIZED, "051", timedelta(days=30)),
        ("4411", PREAUTHORIZED, "812", timedelta(days=30)),
        ("7011", "00", "051", timedelta(days=3)),
        ("5812", PREAUTHORIZED, "051", timedelta(days=7)),
        ("5411", "00", "901", timedelta(days=3)),
        ("5411", "59", "812", timedelta(days=7)),
    ],
)
def test_how_long_a_hold_lives(mcc: str, condition: str, entry_mode: str, lifetime: timedelta) -> None:
    request = replace(REQUEST, mcc=mcc, pos_condition_code=condition, pos_entry_mode=entry_mode)
    assert expires_at(request, NOW) == NOW + lifetime


def test_the_last_line_of_the_table_fits_every_request() -> None:
    odd: AuthorizationRequest = replace(REQUEST, mcc="", pos_entry_mode="", pos_condition_code="99")
    assert HOLD_LIFETIMES[-1].fits(odd, "another network")

"""The plan of the day."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import pytest

from simulator.chance import Chance
from simulator.day import DAY, FIRST_PAYMENT_AT, LAST_PAYMENT_AT, TOO_MUCH_MINOR, PlannedPayment, Scenario, plan
from simulator.faults import Level
from simulator.population import CardState, Kind, populate

WORLD = populate(Chance(7))
PLANNED = plan(Chance(7), WORLD, 1_500, Level.USUAL)


def by_instant() -> dict[datetime, list[PlannedPayment]]:
    found: dict[datetime, list[PlannedPayment]] = defaultdict(list)
    for payment in PLANNED.payments:
        found[payment.at].append(payment)
    return found


def test_a_seed_plans_one_day_and_another_seed_another() -> None:
    assert plan(Chance(7), WORLD, 1_500, Level.USUAL) == PLANNED
    assert plan(Chance(8), populate(Chance(8)), 1_500, Level.USUAL) != PLANNED


def test_the_level_of_faults_changes_no_payment() -> None:
    assert plan(Chance(7), WORLD, 1_500, Level.NONE).payments == PLANNED.payments
    assert plan(Chance(7), WORLD, 1_500, Level.NONE).silences == ()


def test_there_are_as_many_payments_as_asked_for_each_with_its_own_key() -> None:
    assert len(PLANNED.payments) == 1_500
    assert len({payment.key for payment in PLANNED.payments}) == 1_500


@pytest.mark.parametrize("number", [1, 8, 100, 4_000])
def test_any_number_can_be_asked_for(number: int) -> None:
    assert len(plan(Chance(7), WORLD, number, Level.NONE).payments) == number


def test_payments_gather_in_instants_within_opening_hours() -> None:
    assert 7 <= len(PLANNED.payments) / len(by_instant()) <= 11
    assert all(FIRST_PAYMENT_AT <= at <= LAST_PAYMENT_AT for at in by_instant())


def test_no_person_and_no_terminal_is_in_two_payments_of_one_instant() -> None:
    for payments in by_instant().values():
        assert max(Counter(payment.person.handle for payment in payments).values()) == 1
        assert max(Counter(payment.terminal_id for payment in payments).values()) == 1


def test_every_scenario_is_played_where_it_belongs() -> None:
    assert {payment.scenario for payment in PLANNED.payments} == set(Scenario)
    for payment in PLANNED.payments:
        assert payment.terminal_id in payment.shop.terminals
        if payment.scenario in (Scenario.FUEL, Scenario.FUEL_ABANDONED):
            assert payment.shop.kind is Kind.FUEL
        state = payment.person.cards[payment.card].state
        expected = {
            Scenario.EXPIRED: CardState.EXPIRED,
            Scenario.BLOCKED: CardState.BLOCKED,
            Scenario.LOST: CardState.LOST,
            Scenario.STOLEN: CardState.STOLEN,
        }.get(payment.scenario, CardState.ACTIVE)
        assert state is expected


def test_completions_differ_and_come_before_the_cut_off() -> None:
    completed = [one for one in PLANNED.payments if one.scenario in (Scenario.HOTEL, Scenario.FUEL)]
    assert all(one.then_minor and one.then_at for one in completed)
    assert any(one.then_minor != one.amount_minor for one in completed)
    cut_off = datetime(DAY.year, DAY.month, DAY.day, 22, tzinfo=FIRST_PAYMENT_AT.tzinfo)
    assert all(one.at < one.then_at < cut_off for one in PLANNED.payments if one.then_at)


def test_people_send_ask_and_are_refused_once() -> None:
    transfers = PLANNED.transfers
    assert sum(one.amount_minor >= TOO_MUCH_MINOR for one in transfers) == 1
    assert any(one.asked_at for one in transfers) and not all(one.asked_at for one in transfers)
    assert all(one.sender.bank == one.receiver.bank == "bank" for one in transfers)
    card_instants = set(by_instant())
    assert not card_instants & {one.at for one in transfers}


def test_a_bank_falls_silent_for_ten_minutes() -> None:
    (silence,) = PLANNED.silences
    assert silence.end - silence.start == timedelta(minutes=10)
    hit = [p for p in PLANNED.payments if p.person.bank == silence.bank and silence.start <= p.at < silence.end]
    assert hit

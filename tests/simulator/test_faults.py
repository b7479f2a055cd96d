"""What goes wrong on the wires is decided by the seed, message by message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from simulator.chance import Chance
from simulator.faults import Action, Fate, FaultKind, FaultPlan, Level, Silence, Wire

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)


def fates(plan: FaultPlan, references: list[int], message_type: str) -> dict[int, Fate]:
    return {one: plan.fate(Wire.ISSUER, f"S{one:014d}", message_type, NOON, "bank") for one in references}


def test_a_fate_depends_on_the_message_and_not_on_the_order_of_arrival() -> None:
    forwards = fates(FaultPlan(Chance(7), Level.HEAVY), list(range(500)), "0100")
    backwards = fates(FaultPlan(Chance(7), Level.HEAVY), list(reversed(range(500))), "0100")
    assert forwards == backwards
    assert forwards != fates(FaultPlan(Chance(8), Level.HEAVY), list(range(500)), "0100")


def test_requests_are_lost_or_doubled_and_replies_lost_or_late() -> None:
    plan = FaultPlan(Chance(7), Level.HEAVY)
    requests = fates(plan, list(range(1_000)), "0420").values()
    replies = fates(plan, list(range(1_000)), "0430").values()
    assert {fate.action for fate in requests} == {Action.PASS, Action.LOSE, Action.DOUBLE}
    assert {fate.action for fate in replies} == {Action.PASS, Action.LOSE, Action.DELAY}
    assert all(fate.delay > timedelta(seconds=15) for fate in replies if fate.action is Action.DELAY)
    kinds = {one.kind for one in plan.injected()}
    assert kinds == {FaultKind.LOST_REQUEST, FaultKind.LOST_REPLY, FaultKind.LATE_REPLY, FaultKind.DOUBLED}


def test_repeats_of_a_message_are_decided_anew() -> None:
    plan = FaultPlan(Chance(7), Level.HEAVY)
    lost = next(
        one for one in range(1_000) if plan.fate(Wire.ISSUER, f"S{one:014d}", "0421", NOON).action is Action.LOSE
    )
    later = [plan.fate(Wire.ISSUER, f"S{lost:014d}", "0421", NOON).action for _ in range(10)]
    assert Action.PASS in later


def test_heavy_is_more_than_usual_and_none_is_nothing() -> None:
    counts = []
    for level in Level:
        plan = FaultPlan(Chance(7), level)
        fates(plan, list(range(2_000)), "0100")
        counts.append(len(plan.injected()))
    assert counts[0] == 0 < counts[1] < counts[2]


def test_a_silent_bank_loses_everything_in_its_ten_minutes_and_nothing_else() -> None:
    silence = Silence("southbank", NOON, NOON + timedelta(minutes=10))
    plan = FaultPlan(Chance(7), Level.NONE, (silence,))
    minutes = {-1: Action.PASS, 0: Action.LOSE, 9: Action.LOSE, 10: Action.PASS}
    for minute, action in minutes.items():
        at = NOON + timedelta(minutes=minute)
        assert plan.fate(Wire.ISSUER, f"S{minute:014d}", "0100", at, "southbank").action is action
        assert plan.fate(Wire.ISSUER, f"S{minute:014d}", "0100", at, "northbank").action is Action.PASS
    assert [one.kind for one in plan.injected()] == [FaultKind.SILENT_BANK] * 2


def test_the_faults_of_one_transaction_are_found_in_order() -> None:
    silence = Silence("southbank", NOON, NOON + timedelta(minutes=10))
    plan = FaultPlan(Chance(7), Level.NONE, (silence,))
    for minute in (3, 1):
        plan.fate(Wire.ISSUER, "S1", "0420", NOON + timedelta(minutes=minute), "southbank")
    plan.fate(Wire.ISSUER, "S2", "0420", NOON, "southbank")
    assert [one.at.minute for one in plan.about("S1")] == [1, 3]

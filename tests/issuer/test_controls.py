"""What cards may do: limits by window and kind, lists, what is given back; risk rules, active, in shadow and tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.money import Money
from issuer.authorization.checks import Rules
from issuer.authorization.controls import CardActivity, CardControls, SetControls, fault_of, period_of
from issuer.authorization.explanation import again, steps, tried
from issuer.authorization.model import Authorization
from issuer.authorization.risk import InstallRiskRules, RiskRules, RuleSetState
from issuer.authorization.setting import Spent, WithHistory, decide
from tests.issuer.purse import BOOK, NOW, REQUEST, REVERSAL, Purse

TOKYO = "Asia/Tokyo"


def controlled(
    limits: Mapping[str, list[int | None]] | None = None,
    allowed: Mapping[str, list[str]] | None = None,
    blocked: Mapping[str, list[str]] | None = None,
    **more: Any,
) -> Purse:
    purse = Purse()
    request = SetControls(
        card_id=purse.card.id, reference="1", limits=limits or {}, allowed=allowed or {}, blocked=blocked or {}, **more
    )
    decision = purse.take(decide(BOOK, purse.state, WithHistory(request, ()), NOW))
    assert decision.answer is not None and decision.answer.code == "set", decision.answer
    return purse


def ask(purse: Purse, number: int, minor: int, now: datetime = NOW, **changes: Any) -> tuple[str, tuple[str, ...]]:
    request = replace(
        REQUEST,
        **{
            "amount": Money(minor, "USD"),
            "stan": f"{number:06d}",
            "network_reference": f"S{number:014d}",
            **changes,
        },
    )
    answer = purse.ask(request, now=now).answer
    assert answer is not None
    return answer.code, answer.reasons


def back(purse: Purse, number: int, new_total: int | None = None) -> None:
    total = None if new_total is None else Money(new_total, "USD")
    purse.reverse(replace(REVERSAL, stan="000099", network_reference=f"S{number:014d}", replacement_amount=total))


@pytest.mark.parametrize("window", ["day", "week", "month", "lifetime"])
def test_a_count_limit_lets_so_many_through_in_its_window(window: str) -> None:
    purse = controlled({f"{window}/all": [2, None]})
    assert [ask(purse, n, 100)[0] for n in (1, 2, 3)] == ["00", "00", "65"]
    assert ask(purse, 4, 100)[1] == (f"limit_count:{window}/all",)
    later = NOW + {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}.get(
        window, timedelta(days=400)
    )
    assert ask(purse, 5, 100, later)[0] == ("65" if window == "lifetime" else "00")


def test_an_amount_limit_counts_what_was_approved_and_a_part_may_pass() -> None:
    purse = controlled({"day/all": [None, 5_000], "transaction/all": [None, 4_000]})
    assert ask(purse, 1, 4_001) == ("61", ("limit_amount:transaction/all",))
    assert ask(purse, 2, 4_000)[0] == "00"
    assert ask(purse, 3, 1_001) == ("61", ("limit_amount:day/all",))
    assert ask(purse, 4, 1_001, takes_partial=True)[0] == "10"
    assert purse.held == 5_000


def test_a_limit_is_of_its_kind_alone() -> None:
    purse = controlled({"day/cash": [1, None], "day/remote": [1, None]})
    cash: dict[str, Any] = {"processing_code": "010000", "pos_entry_mode": "012"}
    assert ask(purse, 1, 100, processing_code="110000", pos_entry_mode="012")[0] == "00", (
        "quasi-cash is as good as cash"
    )
    assert ask(purse, 2, 100, **cash)[1] == ("limit_count:day/cash", "limit_count:day/remote")
    assert ask(purse, 3, 100)[0] == "00"


def test_the_day_is_the_cardholders() -> None:
    purse = controlled({"day/all": [1, None]}, time_zone=TOKYO)
    before_midnight = datetime(2026, 3, 3, 14, 59, tzinfo=UTC)
    assert ask(purse, 1, 100, before_midnight)[0] == "00"
    assert ask(purse, 2, 100, before_midnight)[0] == "65"
    assert ask(purse, 3, 100, before_midnight + timedelta(minutes=1))[0] == "00", "it is midnight in Tokyo"


def test_what_is_reversed_or_has_expired_is_given_back_and_what_is_reversed_in_part_in_part() -> None:
    purse = controlled({"day/all": [1, 3_000]})
    ask(purse, 1, 3_000)
    back(purse, 1, new_total=1_000)
    assert ask(purse, 2, 2_000)[1] == ("limit_count:day/all",), "it is one still"
    back(purse, 1)
    assert ask(purse, 3, 3_000)[0] == "00"
    ever = controlled({"lifetime/all": [1, None]})
    ask(ever, 1, 3_000)
    ever.expire(NOW + timedelta(days=4))
    assert ask(ever, 2, 100, NOW + timedelta(days=4))[0] == "00"


def test_what_is_given_back_late_does_not_help_another_day() -> None:
    purse = controlled({"day/all": [1, None]})
    ask(purse, 1, 100)
    tomorrow = NOW + timedelta(days=1)
    ask(purse, 2, 100, tomorrow)
    back(purse, 1)
    assert ask(purse, 3, 100, tomorrow)[0] == "65"


def test_declines_verifications_and_inquiries_count_for_nothing() -> None:
    purse = controlled({"day/all": [1, None]})
    assert ask(purse, 1, 10**9)[0] == "51"
    assert ask(purse, 2, 0)[0] == "85"
    assert ask(purse, 3, 0, processing_code="300000")[0] == "00"
    assert ask(purse, 4, 100)[0] == "00"


@pytest.mark.parametrize(
    ("listed", "value", "other", "reason"),
    [
        ("mccs", "5411", {"mcc": "7995"}, "mcc"),
        ("countries", "US", {"merchant_name": "Boutique Paris FR"}, "country"),
        ("merchants", "M00000000000001", {"merchant_id": "M00000000000002"}, "merchant"),
        ("entry_modes", "80", {"pos_entry_mode": "012"}, "entry_mode"),
    ],
)
def test_lists_allow_and_block(listed: str, value: str, other: dict[str, Any], reason: str) -> None:
    only, never = controlled(allowed={listed: [value]}), controlled(blocked={listed: [value]})
    assert ask(only, 1, 100)[0] == "00"
    assert ask(only, 2, 100, **other) == ("57", (f"{reason}_not_allowed",))
    assert ask(never, 1, 100) == ("57", (f"{reason}_blocked",))
    assert ask(never, 2, 100, **other)[0] == "00"


def test_a_limit_for_ever_begins_with_the_card_not_with_the_limit() -> None:
    purse = Purse()
    request = SetControls(
        card_id=purse.card.id, reference="1", limits={"lifetime/all": [None, 5_000]}, allowed={}, blocked={}
    )
    before = Spent(("all",), 4_000, NOW.date() - timedelta(days=90), NOW - timedelta(days=90), "US")
    purse.take(decide(BOOK, purse.state, WithHistory(request, (before,)), NOW))
    assert ask(purse, 1, 1_001)[0] == "61"
    assert ask(purse, 2, 1_000)[0] == "00"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"limits": {"hour/all": [1, None]}}, "limit_malformed"),
        ({"limits": {"day/all": [None, None]}}, "limit_malformed"),
        ({"limits": {"day/all": [-1, None]}}, "limit_malformed"),
        ({"blocked": {"colours": ["red"]}}, "list_malformed"),
        ({}, None),
    ],
)
def test_what_is_no_limit_or_list_is_refused(changes: dict[str, Any], fault: str | None) -> None:
    request = SetControls(card_id=STATIC_CARD, reference="1", **{"limits": {}, "allowed": {}, "blocked": {}, **changes})
    assert fault_of(request) == fault


STATIC_CARD = BOOK.id("card", "x", on=STATIC)


def test_weeks_begin_on_monday_and_the_first_days_of_a_year_may_be_of_the_last_weeks_year() -> None:
    assert period_of("week", datetime(2027, 1, 3, tzinfo=UTC).date()) == "2026-W53"
    assert period_of("week", datetime(2027, 1, 4, tzinfo=UTC).date()) == "2027-W01"


# --- risk ---

RULES = (
    {"name": "gambling", "when": [["mcc", "in", ["7995"]]], "score": 40},
    {"name": "often", "when": [["in_last_hour", ">=", 3]], "score": 60},
    {"name": "travels too fast", "when": [["speed_kmh", ">", 900]], "score": 80},
    {"name": "far above habit", "when": [["times_mean", ">=", 500], ["approved_before", ">=", 2]], "score": 50},
)


def risky(state: RuleSetState = RuleSetState.ACTIVE, threshold: int = 70) -> Purse:
    purse = Purse()
    install(purse, InstallRiskRules(version=1, state=state, threshold=threshold, rules=RULES, reference="1"))
    return purse


def install(purse: Purse, request: InstallRiskRules) -> str:
    decision = purse.take(decide(BOOK, purse.state, request, NOW))
    assert decision.answer is not None
    return decision.answer.code if decision.answer.code == "installed" else decision.answer.reasons[0]


def scored(purse: Purse, number: int) -> Any:
    found = purse.state.find(Authorization, "network_reference", f"S{number:014d}")
    assert found is not None
    return found.considered["scored"]


def test_a_card_in_two_countries_within_the_hour_is_declined_and_the_reasons_are_kept() -> None:
    purse = risky()
    assert ask(purse, 1, 100)[0] == "00"
    soon = NOW + timedelta(minutes=30)
    in_paris: dict[str, Any] = {"merchant_name": "Boutique Paris FR"}
    assert ask(purse, 2, 100, soon, **in_paris) == ("59", ("risk_score",))
    assert scored(purse, 2) == [{"version": 1, "score": 80, "reasons": ["travels too fast"], "declines": True}]
    assert ask(purse, 3, 100, NOW + timedelta(hours=6), **in_paris)[0] == "00"


def test_scores_add_up_to_the_threshold() -> None:
    purse = risky()
    assert [ask(purse, n, 100, NOW + timedelta(minutes=n))[0] for n in (1, 2, 3)] == ["00"] * 3
    assert ask(purse, 4, 100, NOW + timedelta(minutes=4))[0] == "00", "often alone is not enough"
    assert ask(purse, 5, 100, NOW + timedelta(minutes=5), mcc="7995")[0] == "59"


def test_an_amount_far_above_habit_counts_once_there_is_a_habit() -> None:
    purse = risky(threshold=50)
    assert ask(purse, 1, 300)[0] == "00"
    assert ask(purse, 2, 300, NOW + timedelta(hours=2))[0] == "00"
    assert ask(purse, 3, 1_500, NOW + timedelta(hours=4)) == ("59", ("risk_score",))


def test_a_set_in_shadow_is_written_down_and_declines_nothing() -> None:
    purse = risky(RuleSetState.SHADOW, threshold=40)
    assert ask(purse, 1, 100, mcc="7995")[0] == "00"
    assert scored(purse, 1) == [{"version": 1, "score": 40, "reasons": ["gambling"], "declines": True}]


def test_a_new_set_takes_the_place_of_the_one_before_and_a_version_keeps_its_rules() -> None:
    purse = risky()
    second = InstallRiskRules(version=2, state=RuleSetState.ACTIVE, threshold=10, rules=RULES[:1], reference="1")
    assert install(purse, second) == "installed"
    assert {one.version: one.state for one in purse.state.all(RiskRules)} == {
        1: RuleSetState.RETIRED,
        2: RuleSetState.ACTIVE,
    }
    assert install(purse, replace(second, threshold=11)) == "version_has_other_rules"
    broken = replace(second, version=3, rules=({"name": "odd", "when": [["colour", "==", "red"]], "score": 1},))
    assert install(purse, broken) == "rule_malformed:odd"


def test_history_tells_what_other_rules_would_have_done_without_any_row_of_then() -> None:
    purse = Purse()
    install(
        purse, InstallRiskRules(version=9, state=RuleSetState.SHADOW, threshold=999, rules=RULES[:1], reference="1")
    )
    for number, mcc in enumerate(("5411", "7995", "5411"), start=1):
        ask(purse, number, 100, NOW + timedelta(hours=number), mcc=mcc)
    past = purse.state.all(Authorization)
    stricter = RiskRules(
        id=STATIC_CARD, version=2, state=RuleSetState.SHADOW, threshold=40, rules=RULES, installed_at=NOW
    )
    found = list(tried(past, stricter))
    assert [one is not None for one in found] == [False, True, False]
    assert found[1] is not None and (found[1].would_decline, found[1].reasons) == (True, ("gambling",))
    assert again(past[1], Rules(active=stricter)).code == "59"
    assert again(past[1], Rules()).code == "00"


def test_an_explanation_goes_through_every_check_and_names_what_failed() -> None:
    purse = controlled({"day/all": [None, 100]}, blocked={"mccs": ["5411"]})
    ask(purse, 1, 10**9, expiry="2901")
    told = steps(purse.authorization)
    assert [one.reason for one in told if one.failed] == [
        "expiry_differs",
        "mcc_blocked",
        "limit_amount:day/all",
        "funds",
    ]
    assert list(purse.authorization.reasons) == [one.reason for one in told if one.failed]
    assert ("card", "card_expired", False) in [(one.place, one.reason, one.failed) for one in told]


def test_every_authorization_decided_again_by_its_own_rules_has_its_own_answer() -> None:
    purse = controlled({"day/all": [3, 6_000]})
    requests: list[dict[str, Any]] = [{}, {"minor": 10**6}, {"expiry": "2901"}, {"takes_partial": True, "minor": 9_000}]
    for number, changes in enumerate(requests, start=1):
        ask(purse, number, changes.pop("minor", 500), **changes)
    for authorization in purse.state.all(Authorization):
        verdict = again(authorization, Rules())
        assert (verdict.code, verdict.amount_minor) == (authorization.response_code, authorization.amount_minor)


def test_a_card_without_limits_in_a_bank_without_rules_leaves_no_activity() -> None:
    purse = Purse()
    ask(purse, 1, 100)
    assert purse.state.get(CardActivity, purse.card.id) is None
    assert purse.state.get(CardControls, purse.card.id) is None

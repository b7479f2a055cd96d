"""Reconciliation against planted breaks: all of them are found, and nothing else, whatever the seed."""

from __future__ import annotations

import pytest

from engine.settlement.sources import BreakKind
from simulator.breaks import PLANTED, TODAY, Week, planted_week


@pytest.mark.parametrize("seed", range(6))
def test_all_planted_breaks_are_found_and_nothing_else(seed: int) -> None:
    found, score = planted_week(seed)
    assert {kind for kind, _ in score.planted} == set(PLANTED)
    assert len(PLANTED) == 12
    assert score.found - score.planted == frozenset()
    assert score.planted - score.found == frozenset()
    assert (score.precision, score.recall) == (1.0, 1.0)
    assert len(found) == len(score.found), "each break is told once"


@pytest.mark.parametrize("seed", range(4))
def test_a_week_without_plants_has_no_break(seed: int) -> None:
    found, score = planted_week(seed, times=0)
    assert found == []
    assert score.planted == frozenset()


def test_the_same_seed_plants_the_same_week() -> None:
    assert Week(5, 300, 2).sources() == Week(5, 300, 2).sources()


def test_breaks_have_an_age_an_owner_and_where_money_is_wrong_a_posting() -> None:
    found, _ = planted_week(1)
    with_posting = {one.kind for one in found if one.proposed is not None}
    assert with_posting >= {
        BreakKind.WRONG_RATE,
        BreakKind.WRONG_FEE,
        BreakKind.AMOUNT_DRIFT,
        BreakKind.PAYOUT_RETURNED,
        BreakKind.STATEMENT_LINE_EXTRA,
        BreakKind.UNKNOWN_AUTHORIZATION,
    }
    for one in found:
        assert 0 <= one.age_days(TODAY) <= 14
        assert one.owner
        assert one.proposed is None or one.proposed.amount_minor > 0

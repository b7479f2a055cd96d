"""Every published case of interest and yield that savings have code for.

What comes with a later issue is named below, kind by kind: a case of a kind that is named nowhere fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.savings.accrual import MICRO, annual_percentage_yield, daily_interest
from engine.savings.model import DayCount

pytestmark = pytest.mark.shared_vectors

VECTORS = Path(__file__).parents[2].parent / "shared/vectors"
Case = dict[str, Any]

NOT_BUILT = {
    "overdraft interest 1 day",  # nothing is earned or owed on a balance below zero
    # Interest is paid once a month and rounded to the minor unit then: it does not compound in fractions.
    "savings, daily compounding act/365, 1 Dec 2013 to 31 Mar 2014",
    "savings, daily posting, running balance after 2 days",
    "savings, running balance (10 Apr 2022 start, 47 postings)",
    "fixed deposit, quarterly compounding 12 months",
    "fixed deposit, half-yearly compounding 12 months",
}


def minor(amount: str) -> int:
    """Dollars as cents."""
    return int(Decimal(amount) * 100)


def bps(rate_pct: str) -> int:
    """A percentage as basis points."""
    return int(Decimal(rate_pct) * 100)


def same(micro: int, expected: str) -> None:
    """Millionths of a cent against dollars, as exactly as the case gives them."""
    assert (Decimal(micro) / MICRO / 100).quantize(Decimal(expected)) == Decimal(expected)


def yield_case(case: Case) -> None:
    principal = Decimal(case["principal"] if "principal" in case else case["balance"])
    expected = case["apy_pct"] if "apy_pct" in case else case["apye_pct"]
    assert annual_percentage_yield(principal, Decimal(case["interest"]), case["days"]) == Decimal(expected)


def one_day_case(case: Case) -> None:
    micro, _ = daily_interest(minor(case["principal"]), bps(case["rate_pct"]), DayCount.ACTUAL_365.basis)
    same(micro, case["interest"])


def second_day_case(case: Case) -> None:
    first, _ = daily_interest(minor(case["principal"]), bps(case["rate_pct"]), DayCount.ACTUAL_365.basis)
    posted = minor(case["principal"]) + round(Decimal(first) / MICRO)
    second, _ = daily_interest(posted, bps(case["rate_pct"]), DayCount.ACTUAL_365.basis)
    same(second, case["interest_day2"])


def day_count_case(case: Case) -> None:
    days = (date.fromisoformat(case["to"]) - date.fromisoformat(case["from"])).days
    assert days == case["actual_days"]
    for day_count, expected in ((DayCount.ACTUAL_365, "simple_act365"), (DayCount.ACTUAL_360, "simple_act360")):
        earned, remainder = 0, 0
        for _ in range(days):
            micro, remainder = daily_interest(
                minor(case["principal"]), bps(case["rate_pct"]), day_count.basis, remainder
            )
            earned += micro
        same(earned, case[expected])


CASES: dict[str, Callable[[Case], None]] = {
    "APY": yield_case,
    "savings, daily compounding act/365": one_day_case,
    "savings, interest of day 2 with day 1 posted": second_day_case,
    "day count": day_count_case,
}


def test_interest_and_yield() -> None:
    every = json.loads((VECTORS / "interest_apy.json").read_text())["cases"]
    chosen = [case for case in every if case["kind"] not in NOT_BUILT]
    assert len(chosen) >= 14
    for case in chosen:
        CASES["APY" if case["kind"].startswith("APY") else case["kind"]](case)

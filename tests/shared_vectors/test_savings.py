"""Every published case of interest and yield, through the product's own functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from engine.savings.accrual import Accrued, annual_percentage_yield, parts_of
from engine.savings.interest import Course, course
from engine.savings.products import MICRO, DayCount, Frequency, SavingsProduct
from tests.engine.savings.offers import offer, rates

pytestmark = pytest.mark.shared_vectors

VECTORS = Path(__file__).parents[2].parent / "shared/vectors"
Case = dict[str, Any]
DAY = timedelta(days=1)
START = date(2025, 1, 1)
"""For cases that name no dates: a common year."""


def minor(amount: str) -> int:
    """Dollars as cents."""
    return int(Decimal(amount) * 100)


def bps(rate_pct: str) -> int:
    """A percentage as basis points."""
    return int(Decimal(rate_pct) * 100)


def same(found: Fraction, expected: str) -> None:
    """Cents, exactly, against dollars as exactly as the case gives them; beyond a millionth of a cent we round."""
    digits = min(-int(Decimal(expected).as_tuple().exponent), 8)
    assert abs(found / 100 - Fraction(expected)) <= Fraction(1, 2 * 10**digits) + Fraction(1, 10**10), float(found)


def earned(product: SavingsProduct, accrued: Accrued) -> Fraction:
    """Interest in cents, all of it."""
    return accrued.earned_micro / Fraction(MICRO) + Fraction(accrued.earned_parts, parts_of(product) * MICRO)


def running(case: Case, days: int, start: date = START, **terms: Any) -> tuple[SavingsProduct, Course]:
    """The case's principal left alone for so many days."""
    product, version = offer(**terms), rates((0, bps(case["rate_pct"])), overdraft_bps=bps(case["rate_pct"]))
    through = start + DAY * (days - 1)
    movements = {start: minor(case["principal"])}
    return product, course(product, (version,), start, movements, through, posted_through=start - DAY)


def yield_case(case: Case) -> None:
    principal = Decimal(case["principal"] if "principal" in case else case["balance"])
    expected = case["apy_pct"] if "apy_pct" in case else case["apye_pct"]
    assert annual_percentage_yield(principal, Decimal(case["interest"]), case["days"]) == Decimal(expected)
    if case["kind"] == "APY, daily compounding, 365 days":
        product, end = running(case, case["days"], compounding=Frequency.DAILY, posting=Frequency.ANNIVERSARY)
        same(earned(product, end.accrued), case["interest"])


def daily_case(case: Case) -> None:
    product, end = running(case, case["days"], compounding=Frequency.DAILY, posting=Frequency.ANNIVERSARY)
    interest = earned(product, end.accrued)
    if "interest" in case:
        same(interest, case["interest"])
    if "running_balance" in case:
        same(interest + minor(case["principal"]), case["running_balance"])


def second_day_case(case: Case) -> None:
    terms: dict[str, Any] = {"compounding": Frequency.DAILY, "posting": Frequency.ANNIVERSARY}
    product, first = running(case, 1, **terms)
    _, both = running(case, 2, **terms)
    same(earned(product, both.accrued) - earned(product, first.accrued), case["interest_day2"])


def overdraft_case(case: Case) -> None:
    product, end = running(case, case["days"])
    owed = end.accrued.owed_micro / Fraction(MICRO) + Fraction(end.accrued.owed_parts, parts_of(product) * MICRO)
    same(owed, case["interest"])
    assert end.accrued.earned_micro == 0


def maturity_case(case: Case) -> None:
    compounding = Frequency.QUARTERLY if "quarterly" in case["kind"] else Frequency.HALF_YEARLY
    product, end = running(case, 365, day_count=DayCount.THIRTY_360, compounding=compounding, posting=compounding)
    same(earned(product, end.accrued) + minor(case["principal"]), case["maturity"])


def day_count_case(case: Case) -> None:
    start, end = (date.fromisoformat(case[name]) for name in ("from", "to"))
    days = (end - start).days
    assert days == case["actual_days"]
    for day_count, expected in ((DayCount.ACTUAL_365, "simple_act365"), (DayCount.ACTUAL_360, "simple_act360")):
        product, version = offer(day_count=day_count), rates((0, bps(case["rate_pct"])))
        never = start - DAY
        through = end - DAY
        movements = {start: minor(case["principal"])}
        found = course(simple(product), (version,), start, movements, through, posted_through=never)
        same(earned(product, found.accrued), case[expected])


def simple(product: SavingsProduct) -> SavingsProduct:
    """The product with interest that does not compound within the case's year."""
    return replace(product, compounding=Frequency.ANNIVERSARY, posting=Frequency.ANNIVERSARY)


CASES: dict[str, Callable[[Case], None]] = {
    "APY": yield_case,
    "savings, interest of day 2": second_day_case,
    "savings": daily_case,
    "overdraft interest": overdraft_case,
    "fixed deposit": maturity_case,
    "day count": day_count_case,
}


def test_every_case() -> None:
    cases = json.loads((VECTORS / "interest_apy.json").read_text())["cases"]
    assert len(cases) >= 20
    for case in cases:
        kind = next(name for name in CASES if case["kind"].startswith(name))
        CASES[kind](case)

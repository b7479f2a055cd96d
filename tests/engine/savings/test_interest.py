"""The definition: facts of the regulation, published cases and whole numbers that anybody can recompute."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.savings.accrual import annual_percentage_yield, half_even, parts_of, payable, withheld
from engine.savings.interest import advertised_yield, course
from engine.savings.products import (
    MICRO,
    BalanceMethod,
    DayCount,
    Frequency,
    TierMethod,
    ends,
    later_by,
    segments,
)
from tests.engine.savings.offers import offer, rates

DAY = timedelta(days=1)
JANUARY = date(2026, 1, 1)


def exact(product: Any, earned: Any) -> Fraction:
    return Fraction(earned.earned_micro) / MICRO + Fraction(earned.earned_parts, parts_of(product) * MICRO)


@given(
    balances=st.lists(st.integers(-(10**6), 10**10), min_size=1, max_size=70),
    rate=st.integers(0, 10_000),
    day_count=st.sampled_from(DayCount),
    start=st.dates(date(2023, 1, 1), date(2028, 12, 31)),
)
def test_within_a_period_interest_is_simple_and_exact(
    balances: list[int], rate: int, day_count: DayCount, start: date
) -> None:
    product = offer(day_count=day_count, compounding=Frequency.ANNIVERSARY, posting=Frequency.ANNIVERSARY)
    movements = {
        start + DAY * number: balance - (balances[number - 1] if number else 0)
        for number, balance in enumerate(balances)
    }
    through = start + DAY * (len(balances) - 1)
    end = course(product, (rates((0, rate)),), start, movements, through, posted_through=start - DAY)
    days = [start + DAY * number for number in range(len(balances))]
    defined = sum(
        (
            Fraction(max(balance, 0) * rate * day_count.weight(day), 10_000 * day_count.year(day))
            for balance, day in zip(balances, days, strict=True)
        ),
        Fraction(0),
    )
    assert exact(product, end.accrued) == defined


@given(whole=st.integers(-(10**6), 10**12), part=st.integers(0, 10**9), parts=st.integers(1, 10**9))
def test_rounding_is_half_to_even(whole: int, part: int, parts: int) -> None:
    part %= parts
    assert half_even(whole, part, parts) == round(whole + Fraction(part, parts))


@pytest.mark.parametrize(
    ("unpaid_micro", "parts", "paid"),
    [(499_999, 364, 0), (500_000, 0, 0), (500_000, 1, 1), (1_500_000, 0, 2), (2_500_000, 0, 2), (-500_000, 0, 0)],
)
def test_half_a_minor_unit_goes_to_the_even_neighbour(unpaid_micro: int, parts: int, paid: int) -> None:
    assert payable(unpaid_micro, parts, 365) == paid
    assert withheld(25, 1_000) == 2 and withheld(35, 1_000) == 4


@pytest.mark.parametrize(
    ("day_count", "start", "days", "expected"),
    [
        (DayCount.ACTUAL_365, date(2028, 1, 1), 366, Fraction(366, 365)),
        (DayCount.ACTUAL_360, date(2028, 1, 1), 366, Fraction(366, 360)),
        (DayCount.ACTUAL_ACTUAL, date(2028, 1, 1), 366, Fraction(1)),
        (DayCount.ACTUAL_ACTUAL, date(2027, 12, 1), 62, Fraction(31, 365) + Fraction(31, 366)),
        (DayCount.THIRTY_360, date(2028, 1, 1), 366, Fraction(1)),
        (DayCount.THIRTY_360, date(2026, 2, 1), 28, Fraction(1, 12)),
        (DayCount.THIRTY_360, date(2028, 2, 1), 29, Fraction(1, 12)),
        (DayCount.THIRTY_360, date(2026, 7, 1), 31, Fraction(1, 12)),
    ],
)
def test_day_counts(day_count: DayCount, start: date, days: int, expected: Fraction) -> None:
    every = [start + DAY * number for number in range(days)]
    assert sum((Fraction(day_count.weight(day), day_count.year(day)) for day in every), Fraction(0)) == expected


@pytest.mark.parametrize(
    ("frequency", "opened_on", "last_days"),
    [
        (Frequency.MONTHLY, date(2027, 12, 5), ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31"]),
        (Frequency.QUARTERLY, date(2027, 12, 5), ["2027-12-31", "2028-03-31"]),
        (Frequency.HALF_YEARLY, date(2027, 12, 5), ["2027-12-31"]),
        (Frequency.ANNIVERSARY, date(2024, 2, 29), ["2028-02-28"]),
        (Frequency.ANNIVERSARY, date(2024, 3, 1), ["2028-02-29"]),
        (Frequency.AT_MATURITY, date(2027, 12, 5), []),
    ],
)
def test_periods_end(frequency: Frequency, opened_on: date, last_days: list[str]) -> None:
    every = [date(2027, 12, 5) + DAY * number for number in range(120)]
    assert [day.isoformat() for day in every if ends(frequency, day, opened_on, None)] == last_days
    assert ends(frequency, date(2028, 1, 9), opened_on, date(2028, 1, 10)), "a deposit's last day ends every period"


def test_the_anniversary_of_29_february_is_the_28th_in_a_common_year() -> None:
    assert later_by(date(2024, 2, 29), 12) == date(2025, 2, 28)
    assert ends(Frequency.ANNIVERSARY, date(2025, 2, 27), date(2024, 2, 29), None)
    assert later_by(date(2026, 10, 31), 4) == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("method", "balance", "yearly"),
    [
        # 12 CFR 1030 appendix A part I.D: 5.25 % to 2,500, 5.50 % to 15,000, 5.75 % above
        (TierMethod.WHOLE_BALANCE, 249_999, 249_999 * 525),
        (TierMethod.WHOLE_BALANCE, 250_000, 250_000 * 550),
        (TierMethod.MARGINAL, 250_000, 250_000 * 525),
        (TierMethod.MARGINAL, 2_000_000, 250_000 * 525 + 1_250_000 * 550 + 500_000 * 575),
        (TierMethod.WHOLE_BALANCE, 9_999, 0),
    ],
)
def test_tiers_are_of_the_whole_balance_or_of_its_parts(method: TierMethod, balance: int, yearly: int) -> None:
    version = rates((0, 525), (250_000, 550), (1_500_000, 575), tier_method=method, minimum_minor=10_000)
    found = [
        line.fixed + line.slope * balance
        for line in segments(version)
        if line.least <= balance and (line.beyond is None or balance < line.beyond)
    ]
    assert sum(found) == yearly * 100 and len(found) <= 1


def test_the_average_is_over_the_days_of_one_rate_and_chooses_the_tier() -> None:
    product = offer(balance_method=BalanceMethod.AVERAGE_DAILY_BALANCE)
    version = rates((0, 0), (100_000, 365))
    alone = {JANUARY: 50_000, JANUARY + 15 * DAY: 120_000}
    end = course(product, (version,), JANUARY, alone, date(2026, 1, 31), posted_through=date(2025, 12, 31))
    assert exact(product, end.accrued) == Fraction((50_000 * 15 + 170_000 * 16) * 365, 10_000 * 365)
    changed = (version, rates((0, 730), since=JANUARY + 15 * DAY))
    end = course(product, changed, JANUARY, alone, date(2026, 1, 31), posted_through=date(2025, 12, 31))
    assert exact(product, end.accrued) == Fraction(170_000 * 16 * 730, 10_000 * 365), "50,000 reach no tier"


def test_a_promotion_is_added_on_its_days_alone() -> None:
    product = offer(promotional_bps=365, promotional_days=10)
    end = course(product, (rates((0, 365)),), JANUARY, {JANUARY: 100_000}, JANUARY + 19 * DAY)
    assert end.accrued.earned_micro == (10 * 20 + 10 * 10) * MICRO


@pytest.mark.parametrize(
    ("principal", "interest", "days", "apy"),
    [
        ("1000", "61.68", 365, "6.17"),  # Reg DD, 12 CFR 1030 appendix A, part I
        ("1000", "30.37", 182, "6.18"),
        ("1000", "133.13", 730, "6.45"),
        ("1500", "5.25", 30, "4.34"),  # part II, the yield earned in a statement period
        ("1000", "0", 365, "0.00"),
    ],
)
def test_annual_percentage_yield(principal: str, interest: str, days: int, apy: str) -> None:
    assert annual_percentage_yield(Decimal(principal), Decimal(interest), days) == Decimal(apy)


@pytest.mark.parametrize(("balance", "apy"), [(100_000, "5.39"), (800_000, "5.65"), (2_000_000, "5.92")])
def test_the_yield_that_is_advertised_is_the_regulations(balance: int, apy: str) -> None:
    """12 CFR 1030 appendix A part I.D, tiering method A: daily compounding, 365 days."""
    product = offer(compounding=Frequency.DAILY, posting=Frequency.ANNIVERSARY)
    version = rates((0, 525), (250_000, 550), (1_500_000, 575))
    for taxed in (product, replace(product, withholding_bps=2_400, posting=Frequency.MONTHLY)):
        assert advertised_yield(taxed, (version,), balance, JANUARY) == Decimal(apy)

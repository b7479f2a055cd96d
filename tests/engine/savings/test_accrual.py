"""Interest in exact integers: no split of days loses a fraction, and paying rounds once."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.savings.accrual import MICRO, annual_percentage_yield, daily_interest, payable
from engine.savings.model import DayCount

BASES = st.sampled_from([one.basis for one in DayCount])
DAYS = st.lists(st.tuples(st.integers(-(10**6), 10**13), st.integers(0, 10_000)), max_size=40)


@given(days=DAYS, basis=BASES)
def test_the_days_sum_to_exactly_what_was_earned(days: list[tuple[int, int]], basis: int) -> None:
    earned, remainder = 0, 0
    for balance_minor, rate_bps in days:
        micro, remainder = daily_interest(balance_minor, rate_bps, basis, remainder)
        earned += micro
        assert micro >= 0 and 0 <= remainder < basis
    exact = sum((Fraction(max(balance, 0) * rate, 10_000 * basis) for balance, rate in days), Fraction(0))
    assert Fraction(earned, MICRO) + Fraction(remainder, basis * MICRO) == exact


@given(accrued=st.integers(-MICRO // 2, 10**15), remainder=st.integers(0, 359), basis=BASES)
def test_paying_rounds_half_to_even_and_never_takes(accrued: int, remainder: int, basis: int) -> None:
    exact = Fraction(accrued, MICRO) + Fraction(remainder, basis * MICRO)
    assert payable(accrued, remainder, basis) == round(exact) >= 0


@pytest.mark.parametrize(
    ("accrued_micro", "remainder", "paid"),
    [(499_999, 364, 0), (500_000, 0, 0), (500_000, 1, 1), (1_500_000, 0, 2), (2_500_000, 0, 2), (-500_000, 0, 0)],
)
def test_half_a_minor_unit_goes_to_the_even_neighbour(accrued_micro: int, remainder: int, paid: int) -> None:
    assert payable(accrued_micro, remainder, 365) == paid


def test_a_year_of_actual_360_pays_more_than_one_of_actual_365() -> None:
    """10,000.00 at 4 %: 1.095890 a day over 365, 1.111111 over 360 (six decimals)."""
    assert daily_interest(1_000_000, 400, 365) == (109_589_041, 35)
    assert daily_interest(1_000_000, 400, 360) == (111_111_111, 40)


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

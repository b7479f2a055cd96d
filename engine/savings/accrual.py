"""Interest in exact integers: a day's accrual, its remainder carried, and the one rounding when it is paid. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

from engine.vocabulary.money import BPS

MICRO = 1_000_000
"""Millionths of a minor unit in one."""

_EXACT = Context(prec=50)
_HUNDREDTH = Decimal("0.01")


def daily_interest(balance_minor: int, rate_bps: int, basis: int, remainder: int = 0) -> tuple[int, int]:
    """One day's interest on a balance of minor units: (millionths of a minor unit, new remainder, in 1/`basis` of one).

    balance x rate / (10,000 x basis), exactly: with the remainder carried from day to day, any split of a period gives
    the same total. Nothing is earned on a balance below zero.
    """
    return divmod(max(balance_minor, 0) * rate_bps * (MICRO // BPS) + remainder, basis)


def payable(accrued_micro: int, remainder: int, basis: int) -> int:
    """Whole minor units to pay for `accrued_micro` + `remainder`/`basis` millionths of one, rounded half to even."""
    one = MICRO * basis
    whole, rest = divmod(accrued_micro * basis + remainder, one)
    return whole + (2 * rest > one or (2 * rest == one and whole % 2 == 1))


def annual_percentage_yield(principal: Decimal, interest: Decimal, days: int) -> Decimal:
    """APY in percent with two decimals: 100 x ((1 + interest/principal)^(365/days) - 1).

    Regulation DD, 12 CFR 1030 appendix A part I (and, with an average balance for principal, part II: the yield earned
    in a statement period); rounded to the nearest hundredth of a percent, 1030.3(f).
    """
    growth = _EXACT.add(1, _EXACT.divide(interest, principal))
    yearly = _EXACT.power(growth, _EXACT.divide(Decimal(365), Decimal(days)))
    return (100 * (yearly - 1)).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP)

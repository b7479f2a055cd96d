"""Interest in exact integers: one day of an account, the end of a period, and the one rounding when it is posted. Pure.

Page 0015 of the decisions is the definition. `savings/overnight.py` says the same in SQL; a property test holds them
equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from engine.savings.products import (
    DAY,
    MICRO,
    BalanceMethod,
    RateVersion,
    SavingsProduct,
    Segment,
    ends,
    in_force,
    segments,
)
from engine.vocabulary.money import BPS

_EXACT = Context(prec=50)
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Rule:
    """What one day's interest is counted by.

    `weight` days over a `year` of days; `parts` of a millionth are what a fraction is kept in. `averaging` ends or goes
    on at the end of the day (daily balances: it always ends); so does the period of `compounding`.
    """

    weight: int
    year: int
    parts: int
    segments: tuple[Segment, ...]
    overdraft_bps: int
    averaging_ends: bool
    compounding_ends: bool


@dataclass(frozen=True, slots=True)
class Accrued:
    """What an account has earned and owes. Sums only grow; fractions are in `Rule.parts` of a millionth.

    `earned_micro` millionths of a minor unit and `earned_parts`, of which `paid_minor` has been posted;
    `compounded_micro` is the part of the rest that earns interest itself. `owed_micro`, `owed_parts` and
    `charged_minor` are the same of overdraft interest, `withheld_minor` is what was kept of what was paid.
    `average_sum` and `average_days` gather weighted balances until the average is taken.
    """

    earned_micro: int = 0
    earned_parts: int = 0
    paid_minor: int = 0
    compounded_micro: int = 0
    owed_micro: int = 0
    owed_parts: int = 0
    charged_minor: int = 0
    withheld_minor: int = 0
    average_sum: int = 0
    average_days: int = 0

    @property
    def unpaid_micro(self) -> int:
        """Earned and not posted. At least minus half a minor unit: posting rounds."""
        return self.earned_micro - self.paid_minor * MICRO


@dataclass(frozen=True, slots=True)
class Due:
    """What the end of a posting period books: whole minor units, none below zero."""

    paid_minor: int
    withheld_minor: int
    charged_minor: int


def parts_of(product: SavingsProduct) -> int:
    """How many parts of a millionth the product's fractions are kept in: rates and years divide it."""
    return BPS * product.day_count.basis


@lru_cache(10_000)
def rule_for(
    product: SavingsProduct,
    versions: tuple[RateVersion, ...],
    day: date,
    opened_on: date,
    matures_on: date | None,
) -> Rule:
    """What `day` is counted by, for an account that was opened and matures on these dates."""
    matured = matures_on is not None and day >= matures_on
    now, then = (_in_force(product, versions, one, opened_on) for one in (day, day + DAY))
    version, bonus_bps = now
    day_count = product.day_count
    compounding_ends = any(ends(one, day, opened_on, matures_on) for one in (product.compounding, product.posting))
    return Rule(
        weight=day_count.weight(day),
        year=day_count.year(day),
        parts=parts_of(product),
        segments=() if matured or version is None else segments(version, bonus_bps),
        overdraft_bps=0 if version is None else version.overdraft_bps,
        averaging_ends=product.balance_method is BalanceMethod.DAILY_BALANCE
        or compounding_ends
        or now != then
        or day_count.year(day) != day_count.year(day + DAY),
        compounding_ends=compounding_ends,
    )


def promoted(product: SavingsProduct, day: date, opened_on: date) -> bool:
    """Whether the promotional rate is added on `day`."""
    return bool(product.promotional_bps) and (day - opened_on).days < product.promotional_days


def _in_force(
    product: SavingsProduct, versions: tuple[RateVersion, ...], day: date, opened_on: date
) -> tuple[RateVersion | None, int]:
    return in_force(versions, day), product.promotional_bps if promoted(product, day, opened_on) else 0


def accrue(before: Accrued, balance_minor: int, rule: Rule) -> Accrued:
    """The account after a day that it ended with `balance_minor`."""
    gathered = before.average_sum + rule.weight * max(balance_minor, 0)
    days = before.average_days + rule.weight
    earned_micro, earned_parts = before.earned_micro, before.earned_parts
    if rule.averaging_ends:
        micro, earned_parts = interest(gathered, days, before.compounded_micro, rule, earned_parts)
        earned_micro += micro
        gathered = days = 0
    yearly = rule.weight * max(-balance_minor, 0) * rule.overdraft_bps * (MICRO // BPS)
    owed_micro, owed_parts = _whole(yearly, 0, rule, before.owed_parts)
    compounded_micro = before.compounded_micro
    if rule.compounding_ends:
        compounded_micro = half_even(earned_micro - before.paid_minor * MICRO, earned_parts, rule.parts)
    return Accrued(
        earned_micro=earned_micro,
        earned_parts=earned_parts,
        paid_minor=before.paid_minor,
        compounded_micro=compounded_micro,
        owed_micro=before.owed_micro + owed_micro,
        owed_parts=owed_parts,
        charged_minor=before.charged_minor,
        withheld_minor=before.withheld_minor,
        average_sum=gathered,
        average_days=days,
    )


def interest(gathered: int, days: int, compounded_micro: int, rule: Rule, parts: int = 0) -> tuple[int, int]:
    """Interest for `days` on an average balance of `gathered`/`days` minor units and `compounded_micro` millionths.

    Gives millionths of a minor unit and the parts of one that are left, `parts` being those left before: with them
    carried, any split of a period gives the same total. The tier is that of the whole minor units of both. Nothing is
    earned on less than nothing.
    """
    whole, fraction = divmod(compounded_micro, MICRO)
    based = gathered + days * whole
    for one in rule.segments:
        if based >= one.least * days and (one.beyond is None or based < one.beyond * days):
            return _whole(days * one.fixed + one.slope * based, days * fraction * one.rate_bps, rule, parts)
    return 0, parts


def _whole(yearly: int, yearly_bps: int, rule: Rule, parts: int) -> tuple[int, int]:
    """`yearly` + `yearly_bps`/10,000 millionths a year, for one of `rule.year` days: as millionths and parts."""
    micro, rest = divmod(yearly, rule.year)
    more, parts = divmod((rest * BPS + yearly_bps) * (rule.parts // BPS // rule.year) + parts, rule.parts)
    return micro + more, parts


def half_even(whole: int, part: int, parts: int) -> int:
    """`whole` + `part`/`parts`, to the nearest whole number, halves to the even one."""
    twice = 2 * part
    return whole + (twice > parts or (twice == parts and whole % 2 == 1))


def payable(unpaid_micro: int, parts_left: int, parts: int) -> int:
    """Whole minor units to pay for millionths and parts of one: to the nearest, halves to the even one."""
    minor, micro = divmod(unpaid_micro, MICRO)
    return half_even(minor, micro * parts + parts_left, MICRO * parts)


def withheld(paid_minor: int, withholding_bps: int) -> int:
    """What is kept of a payment for the tax office, to the nearest minor unit, halves to the even one."""
    minor, rest = divmod(paid_minor * withholding_bps, BPS)
    return half_even(minor, rest, BPS)


def due(accrued: Accrued, product: SavingsProduct) -> Due:
    """What posting books for what has been earned and is owed."""
    parts = parts_of(product)
    paid = max(payable(accrued.unpaid_micro, accrued.earned_parts, parts), 0)
    return Due(
        paid,
        withheld(paid, product.withholding_bps),
        max(payable(accrued.owed_micro - accrued.charged_minor * MICRO, accrued.owed_parts, parts), 0),
    )


def posted(before: Accrued, booked: Due) -> Accrued:
    """The account after a posting: what rounding left over is carried, and does not compound."""
    return Accrued(
        earned_micro=before.earned_micro,
        earned_parts=before.earned_parts,
        paid_minor=before.paid_minor + booked.paid_minor,
        compounded_micro=0,
        owed_micro=before.owed_micro,
        owed_parts=before.owed_parts,
        charged_minor=before.charged_minor + booked.charged_minor,
        withheld_minor=before.withheld_minor + booked.withheld_minor,
        average_sum=before.average_sum,
        average_days=before.average_days,
    )


def annual_percentage_yield(principal: Decimal, interest_paid: Decimal, days: int) -> Decimal:
    """APY in percent with two decimals: 100 x ((1 + interest/principal)^(365/days) - 1).

    Regulation DD, 12 CFR 1030 appendix A part I (and, with an average balance for principal, part II: the yield earned
    in a statement period); rounded to the nearest hundredth of a percent, 1030.3(f).
    """
    growth = _EXACT.add(1, _EXACT.divide(interest_paid, principal))
    yearly = _EXACT.power(growth, _EXACT.divide(Decimal(365), Decimal(days)))
    return (100 * (yearly - 1)).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP)

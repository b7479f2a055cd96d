"""What a bank promises for money put by: day counts, periods, tiers and rates. Pure.

A product's terms never change; its rates do, by versions with an effective date.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event

DAY = timedelta(days=1)
HIGHEST_RATE_BPS = 10_000
LARGEST_BALANCE_MINOR = 10**10
"""Up to here, at the highest rate, with every day count, no step of an accrual leaves 64 bits (page 0015)."""
ANNUAL_BASES = 365 * 366


class DayCount(StrEnum):
    """How days become parts of a year (ISDA 2006 definitions, 4.16).

    `ACTUAL_ACTUAL` counts days of leap years over 366 and others over 365 (4.16(b)); `THIRTY_360` is the Eurobond
    basis (4.16(g)): twelve equal months.
    """

    ACTUAL_365 = "actual/365"
    ACTUAL_360 = "actual/360"
    ACTUAL_ACTUAL = "actual/actual"
    THIRTY_360 = "30e/360"

    @property
    def basis(self) -> int:
        """A number that every `year` of this day count divides: fractions are kept in parts of it."""
        return {DayCount.ACTUAL_365: 365, DayCount.ACTUAL_ACTUAL: ANNUAL_BASES}.get(self, 360)

    def year(self, day: date) -> int:
        """Days in the year that `day` is counted over."""
        if self is DayCount.ACTUAL_ACTUAL:
            return 366 if isleap(day.year) else 365
        return self.basis

    def weight(self, day: date) -> int:
        """How many days `day` counts for: one, but for a month's last of 30e/360 (0 to 3)."""
        if self is not DayCount.THIRTY_360:
            return 1
        following = day + DAY
        months = (following.year - day.year) * 12 + following.month - day.month
        return 30 * months + min(following.day, 30) - min(day.day, 30)


class Frequency(StrEnum):
    """When a period ends, for compounding and for posting. Months and quarters are the calendar's; an anniversary is
    that of the opening (of 29 February, the 28th in a common year).
    """

    DAILY = "daily"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half-yearly"
    ANNIVERSARY = "anniversary"
    AT_MATURITY = "at maturity"

    @property
    def months(self) -> int | None:
        """Of a period that the calendar ends; None of others."""
        return {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3, Frequency.HALF_YEARLY: 6}.get(self)


class BalanceMethod(StrEnum):
    """What interest is counted on: each day's balance, or its average over the days of one rate in a period."""

    DAILY_BALANCE = "daily balance"
    AVERAGE_DAILY_BALANCE = "average daily balance"


class TierMethod(StrEnum):
    """Whether the tier that a balance reaches is for all of it, or each tier for the part within it."""

    WHOLE_BALANCE = "whole balance"
    MARGINAL = "marginal"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsProduct:
    """Terms under which accounts are opened.

    `term_months` of a fixed deposit (0: none): it matures, and earns nothing from then on. `promotional_bps` are added
    to what an account earns on its first `promotional_days` days. `overdraft_minor` is how far below zero an account
    may go. `withdrawals_a_month` is a limit (None: none). `withholding_bps` of interest is kept for the tax office.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    name: str
    asset: str
    day_count: DayCount
    balance_method: BalanceMethod
    compounding: Frequency
    posting: Frequency
    term_months: int
    promotional_bps: int
    promotional_days: int
    overdraft_minor: int
    withdrawals_a_month: int | None
    withholding_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateVersion:
    """What a product pays from `effective_on` until the next version: `tiers` of (least balance in minor units, basis
    points a year), from 0 upwards. Below `minimum_minor` nothing is earned. `overdraft_bps` is charged below zero.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    product_id: UUID
    effective_on: date
    tier_method: TierMethod
    tiers: tuple[tuple[int, int], ...]
    minimum_minor: int
    overdraft_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductOpened(Event):
    """Accounts can be opened under these terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesSet(Event):
    """From a date on a product pays these rates."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of balances, `least` to below `beyond` minor units (None: no end), on which a year's interest is a
    straight line: `fixed` + `slope` x balance, in millionths of a minor unit; `rate_bps` is its last part's rate.
    """

    least: int
    beyond: int | None
    fixed: int
    slope: int
    rate_bps: int


MICRO = 1_000_000
"""Millionths of a minor unit in one."""
_SLOPE = MICRO // 10_000


def segments(version: RateVersion, bonus_bps: int = 0) -> tuple[Segment, ...]:
    """A version's tiers as straight lines, `bonus_bps` added to each. Balances below the minimum are in none."""
    made: list[Segment] = []
    reached = 0  # of a year's interest on the tiers below
    bounds = [*(least for least, _ in version.tiers[1:]), None]
    for (least, rate), beyond in zip(version.tiers, bounds, strict=True):
        rate_bps = rate + bonus_bps
        slope = rate_bps * _SLOPE
        fixed = reached - least * slope if version.tier_method is TierMethod.MARGINAL else 0
        start = max(least, version.minimum_minor)
        if beyond is None or start < beyond:
            made.append(Segment(start, beyond, fixed, slope, rate_bps))
        if beyond is not None:
            reached += (beyond - least) * slope
    return tuple(made)


def in_force(versions: Sequence[RateVersion], day: date) -> RateVersion | None:
    """The version that a day's interest is counted by: the last that is effective by then; None before the first."""
    return max((one for one in versions if one.effective_on <= day), key=lambda one: one.effective_on, default=None)


def later_by(day: date, months: int) -> date:
    """The same day `months` later, or the last of a month that lacks it."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def anniversary(opened_on: date, year: int) -> date:
    """The anniversary of an opening in a year."""
    return later_by(opened_on, 12 * (year - opened_on.year))


def ends(frequency: Frequency, day: date, opened_on: date, matures_on: date | None) -> bool:
    """Whether `day` is the last of a period. A deposit's last period ends the day before it matures."""
    following = day + DAY
    if following == matures_on or frequency is Frequency.DAILY:
        return True
    if (months := frequency.months) is not None:
        return following.day == 1 and (following.month - 1) % months == 0
    return frequency is Frequency.ANNIVERSARY and following == anniversary(opened_on, following.year)

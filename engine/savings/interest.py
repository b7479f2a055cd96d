"""The definition of an account's interest, over its whole history: what the nights must come to, in whatever order
movements were learnt of. Pure.

Closing an account, correcting it after a back-dated movement, and proving it all take it from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from engine.savings.accrual import Accrued, Due, accrue, annual_percentage_yield, due, posted, rule_for
from engine.savings.products import DAY, MICRO, RateVersion, SavingsProduct, ends, later_by


@dataclass(frozen=True, slots=True)
class Course:
    """What a history came to through a day: where the account stands, what each period's end booked (by the period's
    last day), and the balance that the movements and bookings left."""

    accrued: Accrued
    booked: Mapping[date, Due]
    balance_minor: int


def matures_on(product: SavingsProduct, opened_on: date) -> date | None:
    """The day on which a deposit matures; None of what has no term."""
    return later_by(opened_on, product.term_months) if product.term_months else None


def course(
    product: SavingsProduct,
    versions: tuple[RateVersion, ...],
    opened_on: date,
    movements: Mapping[date, int],
    through: date,
    *,
    posted_through: date | None = None,
    ends_there: bool = False,
    tell: Callable[[date, int, Accrued], object] | None = None,
) -> Course:
    """What the movements (minor units by effective date, interest apart) come to through a day.

    Periods that end after `posted_through` (None: `through`) have not been posted. What is posted for a period counts
    from the day after it. `ends_there`: the account does, so an average is taken.
    `tell` hears of each day: its balance, and where the account stood then.
    """
    last_posting = through if posted_through is None else posted_through
    matures = matures_on(product, opened_on)
    accrued, booked = Accrued(), {}
    balance = sum(minor for on, minor in movements.items() if on < opened_on)
    day = opened_on
    while day <= through:
        balance += movements.get(day, 0)
        rule = rule_for(product, versions, day, opened_on, matures)
        if ends_there and day == through:
            rule = replace(rule, averaging_ends=True)
        accrued = accrue(accrued, balance, rule)
        if day <= last_posting and ends(product.posting, day, opened_on, matures):
            booked[day] = due(accrued, product)
            accrued = posted(accrued, booked[day])
            balance += booked[day].paid_minor - booked[day].withheld_minor - booked[day].charged_minor
        if tell is not None:
            tell(day, balance, accrued)
        day += DAY
    return Course(accrued, booked, balance)


def closing(accrued: Accrued, product: SavingsProduct) -> tuple[Due, Accrued]:
    """What closing pays, to the day, and the account after it: the fraction that rounding leaves ends there."""
    booked = due(accrued, product)
    after = posted(accrued, booked)
    return booked, replace(
        after,
        earned_micro=after.paid_minor * MICRO,
        earned_parts=0,
        owed_micro=after.charged_minor * MICRO,
        owed_parts=0,
    )


def advertised_yield(
    product: SavingsProduct, versions: tuple[RateVersion, ...], principal_minor: int, on: date
) -> Decimal:
    """The APY to be shown for a deposit made on a day and left alone: over its term, or 365 days without one, at the
    rates that are known (12 CFR 1030 appendix A part I). What is paid stays in the account, untaxed.
    """
    untaxed = replace(product, withholding_bps=0)
    matures = matures_on(product, on)
    days = 365 if matures is None else (matures - on).days
    through = on + timedelta(days=days - 1)
    end = course(untaxed, versions, on, {on: principal_minor}, through, ends_there=True).accrued
    return annual_percentage_yield(Decimal(principal_minor), Decimal(end.earned_micro).scaleb(-6), days)

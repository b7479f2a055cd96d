"""The nights of savings: accrue every account, let the ledger follow, and pay at the end of a month.

A night that was missed is made up for: days are accrued one by one, oldest first, and every request knows its own key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from engine.runtime.batch import UNAVAILABLE
from engine.runtime.jobs import Job, JobContext, Step
from engine.savings.store import read_due, read_earned, read_payable
from engine.vocabulary.errors import BezantError


def savings_jobs() -> tuple[Job, ...]:
    """The jobs of a bank that keeps savings: accrual for the day that is over, then payment if it ended a month."""
    return (
        Job("interest-accrual", "00:30", (Step("accrue", _accrue), Step("book", _book)), day_offset=-1),
        Job("interest-posting", "00:45", (Step("pay", _pay),), day_offset=-1),
    )


def _accrue(context: JobContext) -> int:
    with context.engine.connect() as connection:
        due = read_due(connection, context.business_date)
    return _done(context, due, "accrued")


def _book(context: JobContext) -> int:
    with context.engine.connect() as connection:
        earned = read_earned(connection, context.business_date)
    return _done(context, earned, "booked")


def _pay(context: JobContext) -> int:
    if (context.business_date + timedelta(days=1)).day != 1:
        return 0
    with context.engine.connect() as connection:
        payments = read_payable(connection, context.business_date)
    return _done(context, payments, "paid")


def _done(context: JobContext, requests: Sequence[Any], code: str) -> int:
    answers = context.execute(requests)
    if any(answer is not None and answer.code == UNAVAILABLE for answer in answers):
        # The step runs again: what took effect is known by its key.
        raise BezantError(f"The books of {context.institution.name} could not be reached while interest was {code}.")
    return sum(answer is not None and answer.code == code for answer in answers)

"""The nights of savings: round purchases up, correct what came late, accrue every account, let the ledger follow, and
post what has ended.

A night that was missed is made up for: each business date has a run of its own, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from threading import Event as Pause
from typing import Any, TypeVar
from uuid import UUID

from engine.database.connections import is_duplicate, is_transient
from engine.ledger.book import Book
from engine.runtime.batch import UNAVAILABLE
from engine.runtime.jobs import Job, JobContext, Step
from engine.savings.model import BookAccrual, CorrectInterest
from engine.savings.overnight import Night, accrue_day, began, post_day
from engine.savings.products import DAY
from engine.savings.store import read_assets, read_furthest_behind, read_late, read_marks, read_purchases
from engine.vocabulary.errors import BezantError

T = TypeVar("T")

ATTEMPTS = 6
FIRST_WAIT_S = 1
PAGE = 1_000
"""Purchases rounded up, or accounts corrected, in one go: bounds the memory."""


def savings_jobs() -> tuple[Job, ...]:
    """The jobs of a bank that keeps savings: accrual for the day that is over, then posting of what ended with it."""
    return (
        Job(
            "interest-accrual",
            "00:30",
            (Step("round up", _round_up), Step("correct", _correct), Step("accrue", _accrue), Step("book", _book)),
            day_offset=-1,
        ),
        Job("interest-posting", "00:45", (Step("post", _post),), day_offset=-1),
    )


def _round_up(context: JobContext) -> int:
    """What clearing has posted since the business date began, whatever day it counts from: a file that came after last
    night's run is found by this one's. What both have seen is one request.
    """
    book = Book(context.institution.name, context.institution.time_zone)
    with context.engine.connect() as connection:
        marks = read_marks(connection, began(book, context.business_date))
    rounded = 0
    for chain, sequence in marks:
        after = (sequence, -1)
        while True:
            with context.engine.connect() as connection:
                purchases, after = read_purchases(connection, chain, after, PAGE)
            if not purchases:
                break
            rounded += _done(context, purchases, "rounded up")
    return rounded


def _correct(context: JobContext) -> int:
    corrected = 0
    after: UUID | None = None
    while True:
        with context.engine.connect() as connection:
            page = read_late(connection, after, PAGE)
        if not page:
            return corrected
        requests = [CorrectInterest(savings_id=one, business_date=context.business_date) for one in page]
        corrected += _done(context, requests, "corrected")
        after = page[-1]


def _accrue(context: JobContext) -> int:
    """Days that no run has counted (a job that was not planned, a copy of old rows) are counted and posted first."""
    counted = 0
    with context.engine.connect() as connection:
        behind = read_furthest_behind(connection)
    day = context.business_date if behind is None else min(behind + DAY, context.business_date)
    while day < context.business_date:
        counted += _patient(partial(_night_of, context, day, accrue_day))
        _follow(context, day)
        _patient(partial(_night_of, context, day, post_day))
        day += DAY
    return counted + _patient(partial(_night_of, context, day, accrue_day))


def _book(context: JobContext) -> int:
    return _follow(context, context.business_date)


def _follow(context: JobContext, day: date) -> int:
    with context.engine.connect() as connection:
        assets = read_assets(connection)
    return _done(context, [BookAccrual(asset=one, business_date=day) for one in assets], "booked")


def _post(context: JobContext) -> int:
    return _patient(partial(_night_of, context, context.business_date, post_day))


def _night_of(context: JobContext, day: date, work: Callable[[Night], int]) -> int:
    book = Book(context.institution.name, context.institution.time_zone)
    return work(Night(context.engine, book, day, context.now, context.watch))


def _patient(run: Callable[[], int]) -> int:
    """Run again what a deadlock or a lost connection has stopped: it goes on where it was."""
    wait_s = FIRST_WAIT_S
    for _ in range(1, ATTEMPTS):
        try:
            return run()
        except Exception as error:
            if not (is_transient(error) or is_duplicate(error)):
                raise
            Pause().wait(wait_s)
            wait_s *= 2
    return run()


def _done(context: JobContext, requests: Sequence[Any], code: str) -> int:
    answers = context.execute(requests)
    if any(answer is not None and answer.code == UNAVAILABLE for answer in answers):
        # The step runs again: what took effect is known by its key.
        raise BezantError(f"The books of {context.institution.name} could not be reached while interest was {code}.")
    return sum(answer is not None and answer.code == code for answer in answers)

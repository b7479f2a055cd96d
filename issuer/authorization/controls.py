"""What a cardholder (or the bank for them) allows a card to do, and how much of it is used up.

A limit says how often and how much in a window: one transaction, a day, a week, a month, ever. Windows begin at
midnight where the cardholder lives, weeks on Monday (ISO 8601). What is approved counts; what is reversed or has
expired is given back to the windows that it was counted in, if they are not over. Account verifications and balance
inquiries count for nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from engine.vocabulary.events import Event
from engine.vocabulary.messages import CASH_LIKE

TRANSACTION, DAY, WEEK, MONTH, LIFETIME = WINDOWS = ("transaction", "day", "week", "month", "lifetime")
"""What a limit can be for."""
ALL, CASH_KIND, REMOTE = KINDS = ("all", "cash", "remote")
"""What a limit can be of: everything, what is as good as cash, what is bought without the card at hand."""
LISTS: Final = ("mccs", "countries", "merchants", "entry_modes")
"""What can be allowed or blocked by value: DE 18, the country of DE 43, DE 42, the first two digits of DE 22."""
REMEMBERED: Final = 20
"""So many of the last approvals are remembered by their time."""
HABIT_WEIGHT: Final = 8
"""The mean amount moves by an eighth of each approval's difference."""

Limit = Sequence[int | None]
"""At most so many, and at most so much in all (minor units); None is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardControls:
    """What a card may do. `id` is the card's. Limits by "window/kind", as `day/cash`; lists by `LISTS`: where
    something is allowed, nothing else is."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    time_zone: str
    limits: Mapping[str, Limit]
    allowed: Mapping[str, Sequence[str]]
    blocked: Mapping[str, Sequence[str]]

    def local_date(self, now: datetime) -> date:
        """The date where the cardholder lives."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class CardActivity:
    """What a card has been used for: counters of the present windows, by "window/kind": period, count, amount; and what
    risk rules go by. `id` is the card's."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    counters: Mapping[str, Sequence[str | int]]
    last_at: datetime | None = None
    last_country: str = ""
    approved: int = 0
    mean_minor: int = 0
    recent: tuple[str, ...] = ()
    """Times of the last approvals, ISO 8601, oldest first."""

    def used_on(self, local_date: str) -> dict[str, list[int]]:
        """Count and amount by "window/kind", of those windows that the date is in."""
        day = date.fromisoformat(local_date)
        return {
            name: [int(count), int(amount)]
            for name, (period, count, amount) in self.counters.items()
            if period == period_of(name.partition("/")[0], day)
        }

    def since(self, now: datetime, within: timedelta = timedelta(hours=1)) -> int:
        """How many of the last approvals are not longer ago."""
        earliest = (now - within).isoformat()
        return sum(at > earliest for at in self.recent)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlsSet(Event):
    """The card may do this, from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityCounted(Event):
    """An approval was counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityGivenBack(Event):
    """What was counted did not come to pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetControls:
    """Say what a card may do; it replaces what was said before. `reference` is the asker's own.

    `time_zone` None: the bank's. `customer_id`: the cardholder who asks, for a card of their own; None for the bank.
    Answered "set", or "refused": card_unknown, time_zone_unknown, limit_malformed, list_malformed.
    """

    card_id: UUID
    reference: str
    limits: Mapping[str, Limit]
    allowed: Mapping[str, Sequence[str]]
    blocked: Mapping[str, Sequence[str]]
    time_zone: str | None = None
    customer_id: UUID | None = None


def period_of(window: str, day: date) -> str:
    """The name of the window's period that a date is in."""
    match window:
        case "day":
            return day.isoformat()
        case "week":
            year, week, _ = day.isocalendar()
            return f"{year}-W{week:02d}"
        case "month":
            return f"{day:%Y-%m}"
        case _:
            return ""


def kinds_of(transaction_type: str, *, card_present: bool) -> tuple[str, ...]:
    """Which limits a transaction counts for."""
    return (
        ALL,
        *((CASH_KIND,) if transaction_type in CASH_LIKE else ()),
        *(() if card_present else (REMOTE,)),
    )


def room(
    limits: Mapping[str, Limit], used: Mapping[str, Sequence[int]], kinds: Iterable[str], *, more: int = 1
) -> tuple[list[str], list[tuple[str, int]]]:
    """Which limits let no transaction through any more by their count ("day/all"), and of the others that limit
    the amount how much is left. `more`: by how many the count grows (0 for an increment)."""
    full: list[str] = []
    left: list[tuple[str, int]] = []
    for name, (most, most_minor) in limits.items():
        window, _, kind = name.partition("/")
        if kind not in kinds:
            continue
        count, minor = (0, 0) if window == TRANSACTION else used.get(name, (0, 0))
        if most is not None and count + more > most:
            full.append(name)
        if most_minor is not None:
            left.append((name, max(0, most_minor - minor)))
    return full, left


def counted(
    activity: CardActivity, kinds: Iterable[str], amount_minor: int, day: date, *, at: datetime, country: str
) -> CardActivity:
    """The activity after an approval at `at`, which is `day` where the cardholder lives."""
    counters = _moved(activity, kinds, 1, amount_minor, day, opening=True)
    mean = activity.mean_minor + (amount_minor - activity.mean_minor) // HABIT_WEIGHT
    return replace(
        activity,
        counters=counters,
        last_at=at,
        last_country=country,
        approved=activity.approved + 1,
        mean_minor=amount_minor if not activity.approved else mean,
        recent=(*activity.recent, at.isoformat())[-REMEMBERED:],
    )


def added(activity: CardActivity, kinds: Iterable[str], amount_minor: int, day: date) -> CardActivity:
    """The activity after an approval of `day` has grown."""
    return replace(activity, counters=_moved(activity, kinds, 0, amount_minor, day, opening=True))


def given_back(activity: CardActivity, kinds: Iterable[str], count: int, amount_minor: int, day: date) -> CardActivity:
    """The activity without so much of what was counted on `day`; windows that are over are left alone."""
    return replace(activity, counters=_moved(activity, kinds, -count, -amount_minor, day, opening=False))


def _moved(
    activity: CardActivity, kinds: Iterable[str], count: int, amount_minor: int, day: date, *, opening: bool
) -> dict[str, Sequence[str | int]]:
    counters = dict(activity.counters)
    for window in (DAY, WEEK, MONTH, LIFETIME):
        period = period_of(window, day)
        for kind in kinds:
            name = f"{window}/{kind}"
            known, before, minor = counters.get(name, ("", 0, 0))
            if known == period:
                counters[name] = [period, max(0, int(before) + count), max(0, int(minor) + amount_minor)]
            elif opening and period > str(known):
                counters[name] = [period, count, amount_minor]
    return counters


def fault_of(request: SetControls) -> str | None:
    """Why controls cannot be set so, None if they can."""
    for name, limit in request.limits.items():
        window, _, kind = name.partition("/")
        numbers = [one for one in limit if one is not None]
        if window not in WINDOWS or kind not in KINDS or len(limit) != 2 or not numbers or min(numbers) < 0:
            return "limit_malformed"
    for listed in (request.allowed, request.blocked):
        if listed.keys() - set(LISTS) or not all(one for row in listed.values() for one in row):
            return "list_malformed"
    return None

"""The plan of one day: who pays whom, how, when, and what is wrong with it. Pure, from a seed.

Payments gather on a coarse grid, so that several fall into one instant and batches are exercised, but never two of one
person or one terminal: what happens to one account within an instant has one order, which anybody can predict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Final

from simulator.chance import Chance
from simulator.faults import Level, Silence
from simulator.population import CardState, Kind, Person, Population, Shop

DAY: Final = date(2026, 2, 10)
"""The business day that is played: a Tuesday in winter, no holiday."""
BEGINS_AT: Final = datetime(2026, 2, 10, 5, tzinfo=UTC)
FIRST_PAYMENT_AT: Final = datetime(2026, 2, 10, 6, tzinfo=UTC)
LAST_PAYMENT_AT: Final = datetime(2026, 2, 10, 21, 30, tzinfo=UTC)
ENDS_AT: Final = datetime(2026, 2, 11, 15, tzinfo=UTC)
"""After northbank's day-close of the next morning (09:30 in New York)."""
_PER_INSTANT: Final = 9
_SHORTEST_GAP: Final = timedelta(minutes=2)
_LAST_WORD_AT: Final = LAST_PAYMENT_AT + timedelta(minutes=10)
"""Completions and tips are told before the acquirer's cut-off at 22:00."""
TOO_MUCH_MINOR: Final = 2_000_000
"""More than anybody has."""


class Scenario(StrEnum):
    """What a card payment of the day is about."""

    PURCHASE = "purchase"
    ONLINE = "online purchase"
    MANUAL = "keyed purchase"
    TIP = "purchase with tip"
    TIP_TOO_LARGE = "tip beyond tolerance"
    HOTEL = "pre-authorization, completed"
    FUEL = "fuel, completed"
    FUEL_ABANDONED = "fuel, abandoned"
    CANCELLED = "cancelled at the counter"
    REFUND = "refund"
    NO_FUNDS = "no funds"
    WRONG_PIN = "wrong PIN"
    WRONG_CVV = "wrong CVV"
    WRONG_CVV2 = "wrong CVV2"
    EXPIRED = "expired card"
    BLOCKED = "blocked card"
    LOST = "lost card"
    STOLEN = "stolen card"
    UNKNOWN_CARD = "unknown card"
    UNKNOWN_RANGE = "unknown account range"


_WEIGHTS: Final = {
    Scenario.PURCHASE: 530,
    Scenario.ONLINE: 130,
    Scenario.MANUAL: 15,
    Scenario.TIP: 55,
    Scenario.TIP_TOO_LARGE: 3,
    Scenario.HOTEL: 45,
    Scenario.FUEL: 55,
    Scenario.FUEL_ABANDONED: 6,
    Scenario.CANCELLED: 25,
    Scenario.REFUND: 35,
    Scenario.NO_FUNDS: 20,
    Scenario.WRONG_PIN: 15,
    Scenario.WRONG_CVV: 10,
    Scenario.WRONG_CVV2: 8,
    Scenario.EXPIRED: 10,
    Scenario.BLOCKED: 10,
    Scenario.LOST: 10,
    Scenario.STOLEN: 5,
    Scenario.UNKNOWN_CARD: 5,
    Scenario.UNKNOWN_RANGE: 8,
}
_KINDS: Final = {
    Scenario.ONLINE: (Kind.ONLINE,),
    Scenario.WRONG_CVV2: (Kind.ONLINE,),
    Scenario.TIP: (Kind.RESTAURANT,),
    Scenario.TIP_TOO_LARGE: (Kind.RESTAURANT,),
    Scenario.HOTEL: (Kind.HOTEL,),
    Scenario.FUEL: (Kind.FUEL,),
    Scenario.FUEL_ABANDONED: (Kind.FUEL,),
    Scenario.REFUND: (Kind.STORE, Kind.ONLINE),
}
"""Where a scenario plays; elsewhere in stores and restaurants."""
_CARD_STATES: Final = {
    Scenario.EXPIRED: CardState.EXPIRED,
    Scenario.BLOCKED: CardState.BLOCKED,
    Scenario.LOST: CardState.LOST,
    Scenario.STOLEN: CardState.STOLEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPayment:
    """One card payment. At `then_at` the final amount or the tip (`then_minor`) is told, or the payment cancelled."""

    key: str
    at: datetime
    scenario: Scenario
    shop: Shop
    terminal_id: str
    person: Person
    card: int
    """Which of the person's cards."""
    amount_minor: int
    with_pin: bool
    draw: int = 0
    """0 to 99: how the card comes into the terminal, where that is open."""
    then_at: datetime | None = None
    then_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTransfer:
    """Money from `sender` to `receiver`, both of our bank. With `asked_at`, the receiver asked for it before."""

    key: str
    at: datetime
    sender: Person
    receiver: Person
    amount_minor: int
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Everything that people do on the day, in order of time, and which bank falls silent when."""

    payments: tuple[PlannedPayment, ...]
    transfers: tuple[PlannedTransfer, ...]
    silences: tuple[Silence, ...]


def plan(chance: Chance, population: Population, payments: int, level: Level) -> Day:
    """The day of a seed, with so many card payments. `level` says how much goes wrong on the wires."""
    instants = _instants(payments)
    return Day(
        payments=tuple(
            replace(one, draw=chance.below(f"entry/{one.key}", 100))
            for one in _payments(chance.stream("payments"), population, payments, instants)
        ),
        transfers=tuple(_transfers(chance.stream("transfers"), population)),
        silences=_silences(chance.stream("silences"), level),
    )


def _instants(payments: int) -> list[datetime]:
    span = LAST_PAYMENT_AT - FIRST_PAYMENT_AT
    number = max(1, min(payments // _PER_INSTANT, span // _SHORTEST_GAP))
    minutes = span // timedelta(minutes=1)
    return [FIRST_PAYMENT_AT + timedelta(minutes=minutes * index // number) for index in range(number)]


def _payments(
    rng: Random, population: Population, number: int, instants: Sequence[datetime]
) -> Iterator[PlannedPayment]:
    by_state: dict[CardState, list[Person]] = {state: [] for state in CardState}
    for person in population.people:
        by_state[person.cards[0].state].append(person)
    shops: dict[Kind, list[Shop]] = {kind: [shop for shop in population.shops if shop.kind is kind] for kind in Kind}
    names, weights = list(_WEIGHTS), list(_WEIGHTS.values())
    wrong_pins: set[str] = set()
    for index, at in enumerate(instants):
        here = number * (index + 1) // len(instants) - number * index // len(instants)
        busy: set[str] = set()
        for place in range(here):
            (scenario,) = rng.choices(names, weights)
            people = by_state[_CARD_STATES.get(scenario, CardState.ACTIVE)]
            free = [person for person in people if person.handle not in busy]
            if scenario is Scenario.WRONG_PIN:
                # Once a day each, so that nobody's PIN is locked by an accident of the draw.
                free = [person for person in free if person.handle not in wrong_pins]
            kinds = _KINDS.get(scenario, (Kind.STORE, Kind.RESTAURANT))
            tills = [
                (shop, terminal)
                for kind in kinds
                for shop in shops[kind]
                for terminal in shop.terminals
                if terminal not in busy
            ]
            if not free or not tills:
                scenario = Scenario.PURCHASE
                free = [one for one in by_state[CardState.ACTIVE] if one.handle not in busy]
                tills = [(shop, one) for shop in shops[Kind.STORE] for one in shop.terminals if one not in busy]
            if not free or not tills:
                # Everybody is at a counter, or every counter is taken: this instant can hold no more.
                break
            person = rng.choice(free)
            shop, terminal = rng.choice(tills)
            busy |= {person.handle, terminal}
            if scenario is Scenario.WRONG_PIN:
                wrong_pins.add(person.handle)
            planned = PlannedPayment(
                key=f"p{index:04d}{place:03d}",
                at=at,
                scenario=scenario,
                shop=shop,
                terminal_id=terminal,
                person=person,
                card=rng.randrange(len(person.cards)),
                amount_minor=rng.randrange(*shop.typical_minor),
                with_pin=shop.kind is not Kind.ONLINE and rng.random() < 0.7,
            )
            yield _told_later(rng, planned)


def _told_later(rng: Random, planned: PlannedPayment) -> PlannedPayment:
    """The payment with what its scenario says of amount, PIN, and what follows."""

    def later(least: int, most: int) -> datetime:
        return min(planned.at + timedelta(minutes=rng.randrange(least, most)), _LAST_WORD_AT)

    amount = planned.amount_minor
    match planned.scenario:
        case Scenario.TIP:
            return replace(planned, then_at=later(20, 90), then_minor=amount * rng.randrange(5, 20) // 100 or 1)
        case Scenario.TIP_TOO_LARGE:
            return replace(planned, then_at=later(20, 90), then_minor=amount // 2)
        case Scenario.HOTEL:
            return replace(planned, then_at=later(60, 600), then_minor=amount * rng.randrange(60, 115) // 100)
        case Scenario.FUEL:
            full_tank = 12_500
            return replace(planned, amount_minor=full_tank, then_at=later(2, 9), then_minor=amount)
        case Scenario.FUEL_ABANDONED:
            return replace(planned, amount_minor=12_500)
        case Scenario.CANCELLED:
            return replace(planned, then_at=later(1, 8))
        case Scenario.NO_FUNDS:
            return replace(planned, amount_minor=TOO_MUCH_MINOR + amount)
        case Scenario.WRONG_PIN:
            return replace(planned, with_pin=True)
        case Scenario.MANUAL | Scenario.UNKNOWN_CARD | Scenario.UNKNOWN_RANGE:
            return replace(planned, with_pin=False)
        case _:
            return planned


def _transfers(rng: Random, population: Population) -> Iterator[PlannedTransfer]:
    people = population.of("bank")
    for index in range(90):
        # Between the payments' minutes, one at a time: the order is the order of the clock.
        at = FIRST_PAYMENT_AT + timedelta(minutes=10 * index + 5, seconds=20)
        sender, receiver = rng.sample(people, 2)
        asked = index % 4 == 3
        yield PlannedTransfer(
            key=f"t{index:03d}",
            at=at,
            sender=sender,
            receiver=receiver,
            amount_minor=rng.randrange(500, 12_000) if index != 41 else TOO_MUCH_MINOR,
            asked_at=at - timedelta(minutes=3) if asked and index != 41 else None,
        )


def _silences(rng: Random, level: Level) -> tuple[Silence, ...]:
    if level is Level.NONE:
        return ()
    banks = ("southbank",) if level is Level.USUAL else ("southbank", "bank")
    hours = rng.sample(range(9, 18), len(banks))
    starts = [datetime(DAY.year, DAY.month, DAY.day, hour, tzinfo=UTC) for hour in hours]
    return tuple(Silence(bank, at, at + timedelta(minutes=10)) for bank, at in zip(banks, starts, strict=True))

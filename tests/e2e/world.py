"""A small world that runs freely: the six institutions with a few people, cards and shops, on the machine's clock.

What runs here is `api.hosts.Standing`, in a thread of its own; institutions may be left out, to run as processes of
their own. Tests stay outside: they talk to it over sockets, move the world's clock, and read its books.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.audit import audit
from api.clock import WorldClock
from api.hosts import Duty, Standing
from api.roles import AcquirerHost
from api.system import MEMBERS, OUR_ACQUIRER, Seat, System
from engine.acquirer import TERMINALS
from engine.crypto.door import pair_name
from engine.crypto.keys import zone_key_of_test_world
from engine.database.connections import POOL_OVERFLOW, POOL_SIZE, is_transient
from engine.database.institutions import move_clock_offset, read_clock_offset
from simulator.chance import Chance
from simulator.opening import open_books
from simulator.plastic import Plastic, personalise
from simulator.population import ACCOUNT_RANGES, CardState, Person, Population, populate
from tests.e2e.terminal import Card, Terminal

ORDER = ("simnet", "settlement", OUR_ACQUIRER, *ACCOUNT_RANGES)
"""Who listens starts before who dials."""
_IDS = {member.name: member.member_id for member in MEMBERS}
_PAUSE_S = 0.02
_SETTLED_WITHIN = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Opened:
    """Who lives in the world, once its books are open."""

    population: Population
    cards: Mapping[str, tuple[Card, ...]]
    """By bank: cards that are in order, each of another person."""

    @property
    def merchant_id(self) -> str:
        """Of the first shop, a grocery."""
        return self.population.shops[0].merchant_id


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(holds: Callable[[], Any], what: str, within_s: float = 30) -> None:
    """Return once `holds`; for what happens in another process and tells nobody."""
    pause = Event()
    for _ in range(int(within_s / _PAUSE_S)):
        if holds():
            return
        pause.wait(_PAUSE_S)
    raise AssertionError(f"{what}: not within {within_s} seconds")


def small_population(people_each: int) -> Population:
    """So many people of each bank whose cards are in order, and two shops."""
    whole = populate(Chance(7))
    people = [
        person
        for bank in ACCOUNT_RANGES
        for person in [one for one in whole.of(bank) if one.cards[0].state is CardState.ACTIVE][:people_each]
    ]
    return Population(people=tuple(people), shops=whole.shops[:2])


def open_world(system: System, people_each: int = 4) -> Opened:
    """Set the institutions up, and open everybody's books by ordinary requests."""
    system.prepare()
    clock = WorldClock(system.database.owner())
    at = clock.now()
    system.set_up(MEMBERS, at)
    population = small_population(people_each)
    open_books({member.name: system.seat(member, clock=clock) for member in MEMBERS}, population, at)
    cards = {
        bank: tuple(_card(_plastic(system, bank, person)) for person in people)
        for bank, people in ((bank, population.of(bank)) for bank in ACCOUNT_RANGES)
    }
    return Opened(population, cards)


def _plastic(system: System, bank: str, person: Person) -> Plastic:
    hsm, master_key = system.hsm(system.institution(bank)), system.settings.master_key_bytes()
    return personalise(hsm, person.cards[0], bank, master_key)


def _card(plastic: Plastic) -> Card:
    return Card(plastic.pan.clear, plastic.expiry, plastic.track2.clear, plastic.pin)


def settle(system: System) -> None:
    """Let two days pass in which nobody buys anything: every job of every institution at its time, no wires."""
    clock = WorldClock(system.database.owner())
    institutions = {one.name: one for one in system.institutions()}
    seats = [system.seat(institutions[name], clock=clock) for name in ORDER]
    end = clock.now() + _SETTLED_WITHIN
    while (due := min(at for seat in seats if (at := seat.scheduler.next_due()) is not None)) <= end:
        move(system, max(due - clock.now(), timedelta(0)))
        clock.refresh()
        for seat in seats:
            seat.scheduler.run_due(clock.now())
            seat.processor.tick()


def move(system: System, by: timedelta) -> None:
    """Move the world's clock forward, for every process of the installation."""
    with system.database.owner().begin() as connection:
        move_clock_offset(connection, read_clock_offset(connection) + by // timedelta(microseconds=1))


def findings(system: System) -> list[str]:
    """What the audit of the whole installation finds; nothing, when every book is proven."""
    return [
        f"{verdict.institution}, {verdict.proof}: {finding}"
        for verdict in audit(system, system.institutions())
        for finding in verdict.findings
    ]


class World:
    """Institutions standing in a thread of this process. A context manager: entered when all are signed on."""

    def __init__(self, system: System, opened: Opened, elsewhere: tuple[str, ...] = ()) -> None:
        """`elsewhere` are the institutions that other processes stand for, or nobody."""
        self.system = system
        self.opened = opened
        self._names = tuple(name for name in ORDER if name not in elsewhere)
        self._standing: Future[Standing] = Future()
        self._stop: Future[Callable[[], object]] = Future()
        self._thread = Thread(target=self._run, name="world")

    def __enter__(self) -> World:
        self._thread.start()
        self._standing.result(60)
        self.wait_signed_on(*(name for name in self._names if name in (OUR_ACQUIRER, *ACCOUNT_RANGES)))
        return self

    def __exit__(self, *error: object) -> None:
        if self._stop.done():
            self._stop.result()()
        self._thread.join()

    # --- talking to it ---

    def terminal(self, number: int = 1) -> Terminal:
        """A till of the first shop, connected."""
        shop = self.opened.population.shops[0]
        master_key = self.system.settings.master_key_bytes()
        pin_key = zone_key_of_test_world(master_key, pair_name(OUR_ACQUIRER, TERMINALS))
        return Terminal(self.pos_address, shop.terminals[number - 1], shop.merchant_id, pin_key)

    @property
    def pos_address(self) -> tuple[str, int]:
        """Where the acquirer listens for terminals."""
        acquirer = self._standing.result().hosts[OUR_ACQUIRER]
        assert isinstance(acquirer, AcquirerHost)
        return acquirer.pos.listener.address

    def signed_on(self, name: str) -> bool:
        """Whether the network can reach this member."""
        return self._standing.result().hosts["simnet"].reachable(_IDS[name])

    def wait_signed_on(self, *names: str) -> None:
        """Return once the network can reach these."""
        until(lambda: all(self.signed_on(name) for name in names), f"{', '.join(names)} signed on")

    def seat(self, name: str) -> Seat:
        """An institution that stands here."""
        return self._standing.result().seats[name]

    def move(self, by: timedelta) -> None:
        """Move the world's clock forward. Here that is seen at once, in other processes within a second."""
        move(self.system, by)
        self._standing.result().clock.refresh()

    # --- books ---

    def rows(self, institution: str, query: str, **parameters: Any) -> list[Any]:
        """What a query finds in an institution's schema."""
        engine = self.system.database.institution(institution)
        for _ in range(POOL_SIZE + POOL_OVERFLOW):
            try:
                with engine.connect() as connection:
                    return list(connection.execute(text(query), parameters).all())
            except DBAPIError as problem:
                # One that died with the server lies in the pool until somebody takes it: hosts try again, too.
                if not is_transient(problem):
                    raise
        raise AssertionError(f"{institution} cannot be read")

    def value(self, institution: str, query: str, **parameters: Any) -> Any:
        """The one value that a query finds."""
        (row,) = self.rows(institution, query, **parameters)
        return row[0]

    def _run(self) -> None:
        try:
            asyncio.run(self._stand())
        except BaseException as error:
            if not self._standing.done():
                self._standing.set_exception(error)
            raise

    async def _stand(self) -> None:
        institutions = {one.name: one for one in self.system.institutions()}
        duties = [Duty(institutions[name], self.system.role_of(institutions[name]).host) for name in self._names]
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop.set_result(lambda: loop.call_soon_threadsafe(stop.set))
        async with Standing(self.system, duties) as standing:
            self._standing.set_result(standing)
            await standing.until(stop)

"""The demonstration: a world set up anew, a day played in it, and everything proven. What `bezant demo` runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from api.members import NETWORK, OUR_ACQUIRER, OUR_BANK
from api.settings import Settings
from api.system import System, role_secret
from engine.database.connections import Database
from engine.database.fresh import fresh_database
from engine.database.server import EmbeddedServer
from gateways.iso8583.describe import describe
from gateways.iso8583.specifications import TERMINAL
from simulator import figures as made
from simulator import observed
from simulator.auditor import Auditor
from simulator.auditor_books import compare, expected_books
from simulator.chance import Chance
from simulator.day import BEGINS_AT, PlannedPayment, Scenario, plan
from simulator.faults import FaultPlan, Level
from simulator.figures import Figures, Told
from simulator.opening import require_test_world
from simulator.playing import Record, play
from simulator.population import populate
from simulator.proofs import prove_books, prove_world
from simulator.story import told
from simulator.terminals import End, Entry
from simulator.town import Town
from simulator.world_hash import world_hash

DATABASE: Final = "bezant_demo"
_TOLD: Final = (OUR_ACQUIRER, NETWORK, OUR_BANK)

Tell = Callable[[str], None]
Elapsed = Callable[[], float]


@contextmanager
def fresh_system(settings: Settings, database: str = DATABASE) -> Iterator[System]:
    """An installation that begins anew: a database of its own, empty, and an empty folder for its files.

    What an earlier run left there is gone. Raises `DatabaseUnavailable` while another run is using it, `BezantError`
    outside the test world.
    """
    require_test_world(settings)
    if settings.database_url is None:
        with EmbeddedServer(settings.data_folder / "postgresql") as url:
            yield from _begun(settings, url, database)
    else:
        yield from _begun(settings, settings.database_url.get_secret_value(), database)


def _begun(settings: Settings, owner_url: str, name: str) -> Iterator[System]:
    database = Database(fresh_database(owner_url, name), role_secret(settings))
    files = settings.data_folder / name / "files"
    shutil.rmtree(files.parent, ignore_errors=True)
    files.mkdir(parents=True, mode=0o700)
    try:
        yield System(settings, database, files)
    finally:
        database.dispose()


async def demonstrate(
    system: System, *, seed: int, payments: int, level: Level, tell: Tell, elapsed: Elapsed
) -> Figures:
    """Play the day of a seed in a fresh system, and prove it. `tell` hears how far it is, `elapsed` gives seconds."""
    chance = Chance(seed)
    population = populate(chance)
    day = plan(chance, population, payments, level)
    record = Record(population, day, FaultPlan(chance, level, day.silences))
    async with Town(system, population, BEGINS_AT) as town:
        auditor = Auditor(population, day, record.faults, town.clock.now)
        await play(town, record, auditor, tell)
        tell("proving the books")
        answers = auditor.reckon()
        found, expected = observed.books(town.seats), expected_books(auditor, population)
        proofs = prove_books(system, town.seats) + prove_world(record, answers, compare(expected, found))
        return Figures(
            seed=seed,
            world_hash=world_hash({name: seat.processor.engine for name, seat in town.seats.items()}),
            proofs=proofs,
            payments=made.payments_by_outcome(record),
            messages=made.messages_by_type(record),
            faults=made.faults_by_ending(record),
            cleared=observed.cleared(town.seats),
            net_positions=observed.net_positions(town.seats, found),
            payouts=dict(found.payouts),
            shops={shop.merchant_id: shop.name for shop in population.shops},
            transfers=made.transfers_by_answer(record),
            transferred_minor=made.transferred_minor(record),
            interest_minor=observed.interest_booked_minor(town.seats),
            trial={name: observed.trial_balance(seat) for name, seat in sorted(town.seats.items())},
            late_replies=record.late_replies,
            purchase=_told(town, record),
            folder=system.files_folder,
            seconds=elapsed(),
        )


def _told(town: Town, record: Record) -> Told:
    """The first purchase of the day that shows everything; in a very small day, the first one there is."""
    planned = min(record.day.payments, key=lambda one: (not _shows_all(record, one), one.at, one.key))
    reference = record.receipts[planned.key].reference
    frames = record.frames.get(reference, [])
    return Told(
        reference=reference,
        dumps=tuple(tuple(describe(frame, TERMINAL)) for frame in frames),
        steps=tuple(told({name: town.seats[name].processor.engine for name in _TOLD}, reference)),
    )


def _shows_all(record: Record, planned: PlannedPayment) -> bool:
    """A purchase by chip and PIN on a card of ours, approved, with nothing lost on its way."""
    receipt = record.receipts[planned.key]
    return (
        planned.scenario is Scenario.PURCHASE
        and planned.with_pin
        and planned.person.bank == OUR_BANK
        and receipt.end is End.APPROVED
        and receipt.request.pos_entry_mode == Entry.CHIP
        and receipt.reference in record.frames
        and not record.faults.about(receipt.reference)
    )

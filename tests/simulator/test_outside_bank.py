"""A second program takes a bank's place over its link, and the day ends proven."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from api.settings import Settings
from simulator import observed
from simulator.auditor import Auditor
from simulator.auditor_books import compare, expected_books
from simulator.chance import Chance
from simulator.day import BEGINS_AT, Day, plan
from simulator.demo import fresh_system
from simulator.faults import FaultPlan, Level
from simulator.figures import payments_by_outcome
from simulator.playing import Record, Watch, play_day
from simulator.population import Population, populate
from simulator.proofs import Proven, prove_books, prove_world
from simulator.time import WorldStuck
from simulator.town import Town

BANK, MEMBER_ID = "southbank", "100003"
LIMIT_MINOR = 3_000


def small_day(population: Population) -> Day:
    """Some payments of everybody, most of them on cards of the outside bank."""
    whole = plan(Chance(7), population, 600, Level.USUAL)
    theirs = [one for one in whole.payments if one.person.bank == BANK][:25]
    ours = [one for one in whole.payments if one.person.bank != BANK][:15]
    payments = tuple(sorted(theirs + ours, key=lambda one: (one.at, one.key)))
    return Day(payments=payments, transfers=whole.transfers[:3], silences=())


async def story(settings: Settings) -> tuple[list[Proven], dict[str, int], int]:
    population = populate(Chance(7))
    day = small_day(population)
    record = Record(population, day, FaultPlan(Chance(7), Level.USUAL))
    with fresh_system(settings, "bezant_outside") as system:
        async with Town(system, population, BEGINS_AT, outside=[BANK]) as town:
            auditor = Auditor(population, day, record.faults, town.clock.now, outside=[BANK])
            await town.open(record.faults, Watch(auditor, record), lambda what: None)
            host, port = town.network_address
            program = subprocess.Popen(
                [
                    sys.executable,
                    str(Path(__file__).with_name("outside_bank.py")),
                    host,
                    str(port),
                    MEMBER_ID,
                    str(LIMIT_MINOR),
                ]
            )
            try:
                await town.signed_on(BANK)
                await play_day(town, record, auditor, lambda what: None)
                findings = auditor.reckon()
                found = observed.books(town.seats)
                books = compare(expected_books(auditor, population), found)
                proofs = prove_books(system, town.seats) + prove_world(record, findings, books)
                theirs = [
                    record.receipts[one.key].amount_minor for one in day.payments if one.person.bank == BANK
                ]  # fmt: skip
                return proofs, payments_by_outcome(record), sum(theirs)
            finally:
                program.terminate()
                program.wait(10)


@pytest.fixture
def settings(server_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=server_url, data_folder=tmp_path)


def test_a_program_of_its_own_plays_a_bank_and_the_day_ends_proven(settings: Settings) -> None:
    proofs, payments, theirs_minor = asyncio.run(story(settings))
    assert [proof for proof in proofs if not proof.holds] == []
    assert theirs_minor > 0, "the outside bank has approved something"
    assert payments["declined 51 insufficient funds"] > 3, "and declined what was over its limit"


def test_a_bank_that_never_signs_on_is_told(settings: Settings) -> None:
    async def waiting() -> None:
        population = populate(Chance(7))
        record = Record(population, small_day(population), FaultPlan(Chance(7), Level.NONE))
        with fresh_system(settings, "bezant_outside") as system:
            async with Town(system, population, BEGINS_AT, outside=[BANK]) as town:
                auditor = Auditor(population, record.day, record.faults, town.clock.now, outside=[BANK])
                await town.open(record.faults, Watch(auditor, record), lambda what: None)
                with pytest.raises(WorldStuck, match="southbank has not signed on"):
                    await town.signed_on(BANK, within_s=0)

    asyncio.run(waiting())

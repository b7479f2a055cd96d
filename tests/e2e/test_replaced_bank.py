"""A second program takes southbank's place over its link: online, in clearing, in settlement; the day ends proven.

The program (`other_bank.py`) shares no code with us. It keeps its own books, and the network's must agree with them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from api.settings import Settings
from api.system import MEMBERS
from engine.crypto.door import pair_name
from engine.crypto.keys import zone_key_of_test_world
from simulator import observed
from simulator.auditor import Auditor
from simulator.auditor_books import compare, expected_books
from simulator.chance import Chance
from simulator.day import BEGINS_AT, Day, Scenario, plan
from simulator.demo import fresh_system
from simulator.faults import FaultPlan, Level
from simulator.playing import Record, Watch, play_day
from simulator.population import Population, populate
from simulator.proofs import Proven, prove_books, prove_world
from simulator.town import Town

REPLACED = "southbank"
(MEMBER_ID,) = (member.member_id for member in MEMBERS if member.name == REPLACED)
SEED, PAYMENTS = 7, 150

CODES = {
    Scenario.PURCHASE: "00",
    Scenario.ONLINE: "00",
    Scenario.HOTEL: "00",
    Scenario.FUEL: "00",
    Scenario.TIP: "00",
    Scenario.REFUND: "00",
    Scenario.CANCELLED: "00",
    Scenario.NO_FUNDS: "51",
    Scenario.WRONG_PIN: "55",
    Scenario.WRONG_CVV: "82",
    Scenario.WRONG_CVV2: "82",
    Scenario.EXPIRED: "54",
    Scenario.BLOCKED: "62",
    Scenario.LOST: "41",
    Scenario.STOLEN: "43",
    Scenario.UNKNOWN_CARD: "14",
}
"""What the other bank must answer, unless something went wrong on a wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What is left of the day."""

    record: Record
    proofs: list[Proven]
    books: dict[str, Any]
    """What the other bank says of itself."""
    brought_minor: int
    network: dict[str, int]
    """What the network has of its member."""
    deposit_minor: int
    """The balance of the member's deposit at the settlement bank."""


@pytest.fixture(scope="module")
def day(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Played:
    settings = Settings(data_folder=tmp_path_factory.mktemp("replaced"), database_url=SecretStr(server_url))
    return asyncio.run(_play(settings))


def _day(population: Population) -> Day:
    """Two thirds of the payments by cards of the replaced bank."""
    whole = plan(Chance(SEED), population, 900, Level.USUAL)
    theirs = [payment for payment in whole.payments if payment.person.bank == REPLACED][: PAYMENTS * 2 // 3]
    others = [payment for payment in whole.payments if payment.person.bank != REPLACED][: PAYMENTS - len(theirs)]
    payments = sorted([*theirs, *others], key=lambda payment: (payment.at, payment.key))
    return Day(payments=tuple(payments), transfers=whole.transfers[:5], silences=())


async def _play(settings: Settings) -> Played:
    population = populate(Chance(SEED))
    record = Record(population, _day(population), FaultPlan(Chance(SEED), Level.HEAVY))
    with fresh_system(settings, "bezant_replaced") as system:
        async with Town(system, population, BEGINS_AT, outside=[REPLACED]) as town:
            auditor = Auditor(population, record.day, record.faults, town.clock.now, outside=[REPLACED])
            await town.open(record.faults, Watch(auditor, record), lambda what: None)
            known = _known(town, population, settings.master_key_bytes())
            with _running(town.network_address, known) as other:
                await town.signed_on(REPLACED)
                await play_day(town, record, auditor, lambda what: None)
                folder = system.files_of(system.institution(REPLACED)).folder("in")
                books = await asyncio.to_thread(_close, other, folder)
            answers = auditor.reckon()
            differences = compare(expected_books(auditor, population), observed.books(town.seats))
            return Played(
                record=record,
                proofs=prove_books(system, town.seats) + prove_world(record, answers, differences),
                books=books,
                brought_minor=sum(known["accounts"].values()),
                network=_network_row(town),
                deposit_minor=_deposit(town),
            )


def _known(town: Town, population: Population, master_key: bytes) -> dict[str, Any]:
    """What the other bank is told before it begins: its cards, its customers' money, its zone key."""
    people = population.of(REPLACED)
    cards = [(town.plastic(card.pan), card, person) for person in people for card in person.cards]
    return {
        "member_id": MEMBER_ID,
        "zone_key": zone_key_of_test_world(master_key, pair_name(REPLACED, "simnet")).hex(),
        "accounts": {person.handle: person.opening_minor for person in people},
        "cards": [
            {
                "pan": plastic.pan.clear,
                "expiry": plastic.expiry,
                "state": card.state.value,
                "cvv": plastic.cvv,
                "cvv2": plastic.cvv2,
                "icvv": None if plastic.chip_secrets is None else plastic.chip_secrets.icvv,
                "pin": plastic.pin,
                "account": person.handle,
            }
            for plastic, card, person in cards
        ],
    }


@contextmanager
def _running(address: tuple[str, int], known: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    host, port = address
    program = Path(__file__).with_name("other_bank.py")
    # Isolated: neither this folder nor ours is where it looks for modules.
    arguments = [sys.executable, "-I", str(program), host, str(port)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(known) + "\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(10)


def _close(other: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    assert other.stdin is not None and other.stdout is not None
    other.stdin.write(f"{folder}\n")
    other.stdin.flush()
    books: dict[str, Any] = json.loads(other.stdout.readline())
    return books


def _network_row(town: Town) -> dict[str, int]:
    with town.seats["simnet"].processor.engine.connect() as connection:
        row = connection.execute(
            text(
                "select net_position_minor, settled_minor, purchases_count + credits_count as items"
                " from net_positions where member_id = :member_id"
            ),
            {"member_id": MEMBER_ID},
        ).one()
    return dict(row._mapping)


def _deposit(town: Town) -> int:
    with town.seats["settlement"].processor.engine.connect() as connection:
        found = connection.execute(
            text("select a.balance_minor from deposits d join accounts a on a.id = d.account_id where reference = :id"),
            {"id": MEMBER_ID},
        )
        return int(found.scalar_one())


def test_every_other_book_is_proven(day: Played) -> None:
    assert [(proof.name, proof.findings) for proof in day.proofs if not proof.holds] == []


def test_the_networks_position_is_the_other_banks_own_total(day: Played) -> None:
    assert day.books["items"] == day.network["items"] > 30
    assert day.books["net_minor"] == day.network["net_position_minor"] == day.books["told_minor"] < 0
    assert day.network["settled_minor"] == day.books["net_minor"]
    assert day.deposit_minor == day.books["net_minor"], "it had nothing there, and owes what it is to pay"


def test_the_other_banks_customers_have_paid_what_was_cleared_and_no_more(day: Played) -> None:
    books = day.books
    assert books["balance_minor"] == day.brought_minor - books["purchases_minor"] + books["refunds_minor"]
    assert books["refunds_minor"] > 0 and books["held_minor"] >= 0


def test_terminals_hear_what_the_other_bank_has_decided(day: Played) -> None:
    theirs = [payment for payment in day.record.day.payments if payment.person.bank == REPLACED]
    undisturbed = {
        day.record.receipts[payment.key].reference: CODES[payment.scenario]
        for payment in theirs
        if payment.scenario in CODES and not day.record.faults.about(day.record.receipts[payment.key].reference)
    }
    answered = {reference: code for reference, code in day.books["codes"].items() if reference in undisturbed}
    assert answered == undisturbed
    assert {"00", "51", "82"} <= set(undisturbed.values())
    for payment in theirs:
        receipt = day.record.receipts[payment.key]
        if receipt.reference in undisturbed:
            assert receipt.reply is not None and receipt.reply.response_code == undisturbed[receipt.reference]


def test_what_went_wrong_on_its_wire_was_put_right_over_its_wire(day: Played) -> None:
    assert day.books["reversed"] > 0, "0420s have reached it"
    assert day.books["repeated"] > 0, "and messages that it had seen before"

"""The standing world: a small town on the real clock, for whoever connects to it, and a terminal to try it with.

Everything about its people and shops follows from one seed, so that a terminal in another process knows their cards
without asking anybody. It is a test world: it lives under the test master key, and anybody may know its cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from api.clock import WorldClock
from api.hosts import Duty
from api.members import NETWORK, OUR_ACQUIRER, SETTLEMENT_BANK
from api.settings import Settings
from api.system import MEMBERS, System
from engine.crypto.hsm import SoftwareHsm
from engine.database.institutions import Institution
from engine.vocabulary.errors import BezantError
from engine.vocabulary.money import Money
from simulator.chance import Chance
from simulator.network.members.model import OpenAccountRange
from simulator.opening import admit, open_books, open_deposits, require_test_world
from simulator.plastic import Plastic, personalise
from simulator.population import ACCOUNT_RANGES, CardState, Person, Population, populate

SEED: Final = 1
PEOPLE_OF_EACH_BANK: Final = 12
_IDS: Final = {member.name: member.member_id for member in MEMBERS}


@dataclass(frozen=True, slots=True)
class Holder:
    """A person and the first of their cards."""

    person: Person
    plastic: Plastic


def townspeople() -> Population:
    """Everybody in the standing world: a few people of each bank, all shops."""
    everybody = populate(Chance(SEED), _IDS[OUR_ACQUIRER])
    few = [person for bank in sorted(ACCOUNT_RANGES) for person in everybody.of(bank)[:PEOPLE_OF_EACH_BANK]]
    return replace(everybody, people=tuple(few))


def holders(settings: Settings, population: Population) -> Iterator[Holder]:
    """Who has a card that works. Raises `BezantError` outside the test world."""
    require_test_world(settings)
    for bank in ACCOUNT_RANGES:
        hsm = SoftwareHsm(bank, settings.master_key_bytes())
        for person in population.of(bank):
            for card in person.cards[:1]:
                if card.state is CardState.ACTIVE:
                    yield Holder(person, personalise(hsm, card, bank, settings.master_key_bytes()))


def settle_town(system: System, population: Population) -> Mapping[str, UUID]:
    """Open the institutions, everybody's accounts and cards, and the shops. Again changes nothing.

    Returns the customers of our banks by handle. Raises `BezantError` outside the test world.
    """
    require_test_world(system.settings)
    system.prepare()
    clock = WorldClock(system.database.owner())
    at = clock.now()
    system.set_up(MEMBERS, at)
    seats = {member.name: system.seat(member, clock=clock) for member in MEMBERS}
    customers = open_books(seats, population, at)
    return {handle: one for of_bank in customers.values() for handle, one in of_bank.items()}


def admit_member(system: System, name: str, account_range: str | None, deposit: Money) -> None:
    """Take an open institution into the network, route its cards to it, and open its deposit. Again changes nothing.

    Raises `BezantError` for an institution that is none of those who settle, and for a range that is not its own.
    """
    institution, clock = system.institution(name), WorldClock(system.database.owner())
    if institution.role not in ("issuer", "acquirer"):
        raise BezantError(f"{name} is the {institution.role.replace('_', ' ')}: members are issuers and acquirers.")
    seats = {one: system.seat(system.institution(one), clock=clock) for one in (NETWORK, SETTLEMENT_BANK)}
    admit(seats, [institution], {})
    if account_range is not None:
        request = OpenAccountRange(account_range, institution.member_id)
        (answer,) = seats[NETWORK].processor.execute([request])
        if answer is None or answer.code != "opened":
            raise BezantError(
                f"The account range {account_range} cannot be {name}'s: it is another's, or no 6 to 8 digits."
            )
    open_deposits(seats, {institution.member_id: deposit.amount_minor})


def duties(system: System) -> list[Duty]:
    """Everybody in one process: the network first, so that it listens before its members dial."""
    order = sorted(MEMBERS, key=lambda one: (one.name != NETWORK, one.name))
    return [_whole(system, member) for member in order]


def _whole(system: System, member: Institution) -> Duty:
    return Duty(member, system.role_of(member).host, jobs=True)

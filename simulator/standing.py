"""The standing world: a small town on the real clock, for whoever connects to it, and a terminal to try it with.

Everything about its people and shops follows from one seed, so that a terminal in another process knows their cards
without asking anybody. It is a test world: it lives under the test master key, and anybody may know its cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from api.clock import MachineClock, WorldClock
from api.hosts import Duty
from api.members import NETWORK, OUR_ACQUIRER, SETTLEMENT_BANK
from api.settings import Settings
from api.system import MEMBERS, System
from engine.crypto.door import pair_name
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import zone_key_of_test_world
from engine.database.institutions import Institution
from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from gateways.asking import Asker
from gateways.iso8583.codec import Fields
from gateways.iso8583.matching import TERMINAL_KEY
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import TERMINAL
from simulator.chance import Chance
from simulator.network.members.model import OpenAccountRange
from simulator.opening import admit, open_books, open_deposits, require_test_world
from simulator.plastic import Plastic, personalise
from simulator.population import ACCOUNT_RANGES, CardState, Kind, Person, Population, populate
from simulator.terminals import (
    LARGEST_STAN,
    PATIENCE,
    Conversation,
    Entry,
    Heard,
    Presented,
    Receipt,
    Reply,
    Send,
    Terminal,
    purchase,
)

SEED: Final = 1
PEOPLE_OF_EACH_BANK: Final = 12
_IDS: Final = {member.name: member.member_id for member in MEMBERS}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a terminal sent and what it heard, by elements; `reply` is None for silence."""

    request: Fields
    reply: Fields | None


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
                    yield Holder(person, personalise(hsm, card))


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


def presented(settings: Settings, pan: str | None, expiry: str | None, pin: str | None) -> Presented:
    """A card at the counter: one of the town's with its stripe and PIN, or any other, typed in by number.

    Without a number, the first of our bank's. Raises `BezantError` for what is no card.
    """
    of_town = {holder.plastic.pan.clear: holder.plastic for holder in holders(settings, townspeople())}
    plastic = of_town.get(pan) if pan is not None else next(iter(of_town.values()))
    if plastic is not None:
        held = replace(plastic, expiry=expiry or plastic.expiry)
        return Presented(plastic=held, entry=Entry.STRIPE, pin=pin or held.pin)
    if expiry is None:
        raise BezantError("The town does not know this card: give its --expiry (YYMM) as well.")
    try:
        number = Pan(pan or "")
    except ValueError as fault:
        raise BezantError(f"--pan: {fault}.") from None
    unknown = Plastic(pan=number, expiry=expiry, pin=pin or "", pvv="", cvv="", cvv2="")
    return Presented(plastic=unknown, entry=Entry.MANUAL, pin=pin)


def terminal(settings: Settings, terminal_id: str | None, clock: MachineClock) -> Terminal:
    """One of the town's terminals, the first of the first shop if none is named. Raises `BezantError`."""
    require_test_world(settings)
    shops = {one: shop for shop in townspeople().shops for one in shop.terminals if shop.kind is not Kind.ONLINE}
    chosen = terminal_id or next(iter(shops))
    if chosen not in shops:
        raise BezantError(f"There is no terminal {chosen!r} in town; they go from {min(shops)} to {max(shops)}.")
    zone_key = zone_key_of_test_world(settings.master_key_bytes(), pair_name(OUR_ACQUIRER, "terminals"))
    # A terminal counts its requests. This one lives for one of them, and so begins somewhere.
    begins = clock.now().microsecond % LARGEST_STAN
    return Terminal(shops[chosen], chosen, acquirer_id=_IDS[OUR_ACQUIRER], zone_key=zone_key, last_stan=begins)


async def buy(
    settings: Settings, at: Terminal, card: Presented, amount: Money, clock: MachineClock
) -> tuple[Receipt, list[Exchange]]:
    """One purchase over the acquirer's wire: the receipt, and all that was said. Raises `PeerUnreachable`."""
    asker = Asker(
        settings.called_host, settings.pos_port, TERMINAL, key_elements=TERMINAL_KEY, clock=clock, timeout=PATIENCE
    )
    try:
        await asker.open()
        said: list[Exchange] = []
        receipt = await _played(purchase(at, card, amount, clock.now().replace(microsecond=0)), asker, clock, said)
    finally:
        await asker.close()
    return receipt, said


async def _played(conversation: Conversation, asker: Asker, clock: MachineClock, said: list[Exchange]) -> Receipt:
    step = next(conversation)
    while True:
        reply: Fields | None = None
        if isinstance(step, Send):
            fields = to_fields(step.request)
            try:
                reply = await asker.ask(fields)
            except TimeoutError:
                reply = None
            said.append(Exchange(fields, reply))
        else:
            await clock.sleep_until(step.until)
        heard = None if reply is None else Reply(ResponseCode(reply["39"]), reply.get("38"))
        try:
            step = conversation.send(Heard(heard, clock.now()))
        except StopIteration as end:
            receipt: Receipt = end.value
            return receipt


def _whole(system: System, member: Institution) -> Duty:
    return Duty(member, system.role_of(member).host, jobs=True)

"""The whole world in one process, on a virtual clock: every institution seated, every wire a real socket.

What runs here is the production code of all hosts. Replaced are the clock, and who says when a batch is decided; added
are the faults on the wires. `System` (api/system.py) makes the institutions, the sequencer plays them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from api.members import NETWORK, OUR_ACQUIRER, SETTLEMENT_BANK
from api.roles import AcquirerHost, Host, Place
from api.settings import Settings
from api.system import MEMBERS, Seat, System
from engine.acquirer import TERMINALS
from engine.crypto.keys import pair_name, zone_key_of_test_world
from engine.database.institutions import Institution
from engine.vocabulary.identifiers import Pan
from gateways.iso8583.wires import Address, Wires
from simulator import opening
from simulator.faults import FaultPlan
from simulator.network.host import NetworkHost
from simulator.network.members.model import AdmitMember, OpenAccountRange
from simulator.outside import OutsideBanks
from simulator.plastic import Plastic, personalise
from simulator.population import ACCOUNT_RANGES, Population
from simulator.settlement_bank.model import OpenDeposit
from simulator.terminal_lines import Observer, TerminalLine
from simulator.terminals import Terminal
from simulator.time import Activity, Sequencer, VirtualClock, WorldStuck

T = TypeVar("T")

_IDS: Final = {member.name: member.member_id for member in MEMBERS}


class Town:
    """Open it, play it by its sequencer, close it. Made on the event loop that it runs on."""

    def __init__(
        self, system: System, population: Population, begins_at: datetime, outside: Collection[str] = ()
    ) -> None:
        """`outside` names banks that other programs play, at `network_address`; they are members with no seat here."""
        self.system = system
        self.outside = frozenset(outside)
        self.population = population
        self.activity = Activity()
        self.clock = VirtualClock(begins_at, self.activity)
        self.sequencer = Sequencer(self.clock, self.activity)
        self.wires = Wires(self.activity)
        self.seats: dict[str, Seat] = {}
        self.customers: dict[str, Mapping[str, UUID]] = {}
        self.terminals: dict[str, Terminal] = {}
        self.lines: dict[str, TerminalLine] = {}
        self.hosts: dict[str, Host] = {}
        self._plastic: dict[Pan, Plastic] = {}
        self.network_address: Address = ("", 0)
        self._closing = AsyncExitStack()
        self._begins_at = begins_at

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._closing.aclose()
        self.sequencer.close()

    async def open(self, faults: FaultPlan, observer: Observer, tell: Callable[[str], None]) -> None:
        """Set the institutions up, open everybody's accounts, connect every wire. `tell` hears what is being done."""
        tell("opening the institutions")
        await self._do(lambda: self.system.set_up(MEMBERS, self._begins_at))
        for member in self._members():
            self.seats[member.name] = seat = self.system.seat(
                member,
                clock=self.clock,
                since=self._begins_at,
                hand_over=self.sequencer.hand_over(member.name),
                activity=self.activity,
            )
            self.sequencer.join(member.name, seat.processor, seat.scheduler)
        tell("opening accounts, cards and shops")
        await self._open_books()
        await self.sequencer.settle()
        tell("connecting the wires")
        await self._connect(faults)
        await self._open_shops(faults, observer)

    def plastic(self, pan: Pan) -> Plastic:
        """The card with this number, as its holder has it."""
        return self._plastic[pan]

    async def _do(self, call: Callable[[], T]) -> T:
        """Run something that blocks beside the loop; what it hands over is delivered."""
        result: list[T] = []
        await self.sequencer.do(lambda: result.append(call()))
        return result[0]

    async def _open_books(self) -> None:
        seats = self.seats
        await self._ask(NETWORK, (AdmitMember(one.member_id, one.name) for one in MEMBERS if _settles(one)), "admitted")
        ranges = (OpenAccountRange(prefix, _IDS[bank]) for bank, prefix in ACCOUNT_RANGES.items())
        await self._ask(NETWORK, ranges, "opened")
        deposits = {one.member_id: 0 for one in MEMBERS if one.role != "settlement_bank"}
        for bank in ACCOUNT_RANGES:
            people, hsm = self.population.of(bank), self.system.hsm(self.system.institution(bank))
            self._plastic |= {card.pan: personalise(hsm, card) for person in people for card in person.cards}
            if bank in self.outside:
                continue
            execute = seats[bank].processor.execute
            self.customers[bank] = await self._do(
                lambda bank=bank, people=people, execute=execute: opening.open_people(  # type: ignore[misc]
                    execute, people, self._begins_at
                )
            )
            deposits[_IDS[bank]] = sum(person.opening_minor + (person.savings_minor or 0) for person in people)
        await self._do(lambda: opening.open_shops(seats[OUR_ACQUIRER].processor.execute, self.population.shops))
        deposits |= {opening.deposit_of(shop): 0 for shop in self.population.shops}
        await self._ask(SETTLEMENT_BANK, (OpenDeposit(*deposit) for deposit in deposits.items()), "opened")

    async def _ask(self, name: str, requests: Iterable[Any], code: str) -> None:
        await self._do(lambda: opening.done(self.seats[name].processor.execute(requests), code))

    async def _connect(self, faults: FaultPlan) -> None:
        settings = self.system.settings.model_copy(update={"network_port": 0, "pos_port": 0})
        network = NetworkHost(self._place(NETWORK, settings), OutsideBanks(faults, self.activity, self.outside))
        await self._start(NETWORK, network)
        self.network_address = network.address
        settings = settings.model_copy(update={"network_port": network.address[1]})
        for name in (OUR_ACQUIRER, *(bank for bank in ACCOUNT_RANGES if bank not in self.outside)):
            role = self.seats[name].role
            assert role.host is not None, "members have wires"
            await self._start(name, role.host(self._place(name, settings)))
        await self.sequencer.settle()

    async def signed_on(self, bank: str, within_s: int = 10) -> None:
        """Return when this bank, played by another program, has signed on. Raises `WorldStuck` when it does not."""
        try:
            async with asyncio.timeout(within_s):
                while not self.hosts[NETWORK].reachable(_IDS[bank]):
                    await asyncio.sleep(0)
        except TimeoutError:
            raise WorldStuck(f"{bank} has not signed on to the network within {within_s} seconds") from None

    def _members(self) -> list[Institution]:
        return [member for member in MEMBERS if member.name not in self.outside]

    async def _start(self, name: str, host: Host) -> None:
        self.hosts[name] = self.seats[name].outward.host = host
        self._closing.push_async_callback(host.close)
        await host.start()

    def _place(self, name: str, settings: Settings) -> Place:
        seat = self.seats[name]
        return Place(seat.institution, seat.processor, self.clock, self.wires, settings)

    async def _open_shops(self, faults: FaultPlan, observer: Observer) -> None:
        acquirer = self.hosts[OUR_ACQUIRER]
        assert isinstance(acquirer, AcquirerHost)
        zone_key = zone_key_of_test_world(self.system.settings.master_key_bytes(), pair_name(OUR_ACQUIRER, TERMINALS))
        for shop in self.population.shops:
            self.lines[shop.merchant_id] = line = TerminalLine(
                shop.name,
                clock=self.clock,
                wires=self.wires,
                sequencer=self.sequencer,
                faults=faults,
                observer=observer,
            )
            await line.open(*acquirer.pos.listener.address)
            self._closing.push_async_callback(line.close)
            for terminal_id in shop.terminals:
                self.terminals[terminal_id] = Terminal(
                    shop, terminal_id, acquirer_id=_IDS[OUR_ACQUIRER], zone_key=zone_key
                )


def _settles(institution: Institution) -> bool:
    return institution.role in ("issuer", "acquirer")

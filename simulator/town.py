"""The whole world in one process, on a virtual clock: every institution seated, every wire a real socket.

What runs here is the production code of all hosts. Replaced are the clock, and who says when a batch is decided; added
are the faults on the wires. `System` (api/system.py) makes the institutions, the sequencer plays them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final, Self, TypeVar
from uuid import UUID

from api.members import NETWORK, OUR_ACQUIRER
from api.roles import AcquirerHost, Host, Place
from api.settings import Settings
from api.system import MEMBERS, Seat, System
from engine.database.institutions import Institution
from engine.vocabulary.identifiers import Pan
from gateways.iso8583.wires import Address, Wires
from simulator import opening
from simulator.chip.card import SoftCard
from simulator.faults import FaultPlan
from simulator.network.host import NetworkHost
from simulator.outside import OutsideBanks
from simulator.pin_pad import pin_pad_of_test_world
from simulator.plastic import Plastic, personalise
from simulator.population import ACCOUNT_RANGES, Population
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
        self.customers: dict[str, dict[str, UUID]] = {}
        self.terminals: dict[str, Terminal] = {}
        self.lines: dict[str, TerminalLine] = {}
        self.hosts: dict[str, Host] = {}
        self._plastic: dict[Pan, Plastic] = {}
        self._chips: dict[Pan, SoftCard] = {}
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

    def chip(self, pan: Pan) -> SoftCard:
        """The chip of the card with this number: there is one, and it counts."""
        if pan not in self._chips:
            self._chips[pan] = self._plastic[pan].soft_card()
        return self._chips[pan]

    async def _do(self, call: Callable[[], T]) -> T:
        """Run something that blocks beside the loop; what it hands over is delivered."""
        result: list[T] = []
        await self.sequencer.do(lambda: result.append(call()))
        return result[0]

    async def _open_books(self) -> None:
        for bank in ACCOUNT_RANGES:
            hsm, master_key = self.system.hsm(self.system.institution(bank)), self.system.settings.master_key_bytes()
            cards = (card for person in self.population.of(bank) for card in person.cards)
            self._plastic |= {card.pan: personalise(hsm, card, bank, master_key) for card in cards}
        self.customers = await self._do(
            lambda: opening.open_books(self.seats, self.population, self._begins_at, self.outside)
        )

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
        return Place(seat.institution, seat.processor, self.clock, self.wires, settings, seat.keys(self.wires))

    async def _open_shops(self, faults: FaultPlan, observer: Observer) -> None:
        acquirer = self.hosts[OUR_ACQUIRER]
        assert isinstance(acquirer, AcquirerHost)
        master_key = self.system.settings.master_key_bytes()
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
                pin_pad = pin_pad_of_test_world(master_key, OUR_ACQUIRER, terminal_id)
                self.terminals[terminal_id] = Terminal(
                    shop, terminal_id, acquirer_id=_IDS[OUR_ACQUIRER], pin_pad=pin_pad
                )

"""A card of the world in somebody's hand: its chip, the terminal it is used at, what its bank's books have of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import count
from uuid import UUID

from api.clock import MachineClock
from api.settings import Settings
from api.system import OUR_ACQUIRER
from engine.vocabulary.money import Money
from gateways.asking import Asker
from gateways.iso8583.codec import Fields
from gateways.iso8583.matching import TERMINAL_KEY
from gateways.iso8583.specifications import TERMINAL
from simulator.chip.card import SoftCard
from simulator.counter import Exchange, Extras, buy
from simulator.kernel.setup import KernelSetup
from simulator.pin_pad import PinPad, pin_pad_of_test_world
from simulator.plastic import Plastic, personalise
from simulator.terminals import PATIENCE, Entry, Presented, Receipt, Terminal
from tests.e2e.world import World

TEN = Money(1_000, "USD")
_traces, _pads = count(500_000), count()


@dataclass(slots=True)
class Wallet:
    """A card of a bank of the world, with its chip, and where it is used."""

    world: World
    bank: str
    plastic: Plastic
    chip: SoftCard = field(init=False)
    pin_pad: PinPad = field(init=False)
    """Taken along: each pad counts for itself."""
    clock: MachineClock = field(default_factory=MachineClock)
    said: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chip = self.plastic.soft_card()
        master_key = self.world.system.settings.master_key_bytes()
        self.pin_pad = pin_pad_of_test_world(master_key, OUR_ACQUIRER, f"pad {next(_pads)}")

    def pay(
        self,
        entry: Entry,
        amount: Money = TEN,
        *,
        pin: str | None = None,
        plastic: Plastic | None = None,
        setup: KernelSetup | None = None,
    ) -> Receipt:
        """A purchase at the grocery; what was said is in `said`."""
        world, shop = self.world, self.world.opened.population.shops[0]
        number = next(_traces)
        stripes = entry is Entry.STRIPE
        terminal = Terminal(
            replace(shop, reads_chips=not stripes),
            shop.terminals[0],
            acquirer_id="200001",
            pin_pad=self.pin_pad,
            last_stan=number,
            setup=setup,
        )
        card = Presented(plastic=plastic or self.plastic, entry=entry, pin=pin, chip=self.chip)
        receipt, self.said = asyncio.run(buy(settings_of(world), terminal, card, amount, Extras(), clock=self.clock))
        return receipt

    def answer(self, entry: Entry, amount: Money = TEN, **how: object) -> str:
        """DE 39 of a purchase."""
        receipt = self.pay(entry, amount, **how)  # type: ignore[arg-type]
        assert receipt.reply is not None, receipt.end
        return receipt.reply.response_code.value

    @property
    def reasons(self) -> list[str]:
        """Why the issuer declined the last request."""
        rows = self.world.rows(
            self.bank,
            "select reasons from authorizations where card_id = :card and network_reference = :reference",
            card=self.card_id,
            reference=(self.said[-1].reply or {})["63"],
        )
        ((reasons,),) = rows
        return list(reasons)

    @property
    def held(self) -> int:
        """What the issuer holds for this card."""
        query = "select coalesce(sum(held_left_minor), 0) from authorizations where card_id = :card"
        return int(self.world.value(self.bank, query, card=self.card_id))

    @property
    def card_id(self) -> UUID:
        """The issuer's."""
        number = self.plastic.pan.clear
        query = "select id from cards where first_six = :first and last_four = :last and expiry = :expiry"
        found = self.world.value(self.bank, query, first=number[:6], last=number[-4:], expiry=self.plastic.expiry)
        assert isinstance(found, UUID)
        return found

    def of_card(self, column: str) -> object:
        """A column of the issuer's card."""
        return self.world.value(self.bank, f"select {column} from cards where id = :card", card=self.card_id)


def settings_of(world: World) -> Settings:
    """Settings by which a terminal finds the acquirer."""
    return world.system.settings.model_copy(update={"pos_port": world.pos_address[1]})


def ask(world: World, fields: Fields) -> Fields:
    """The reply to a message, element by element as it is."""

    async def asked() -> Fields:
        host, port = world.pos_address
        asker = Asker(host, port, TERMINAL, key_elements=TERMINAL_KEY, clock=MachineClock(), timeout=PATIENCE)
        await asker.open()
        try:
            return await asker.ask(fields)
        finally:
            await asker.close()

    return asyncio.run(asked())


def plastic_of(world: World, bank: str, number: int) -> Plastic:
    """The first card of somebody at a bank."""
    system, person = world.system, world.opened.population.of(bank)[number]
    return personalise(system.hsm(system.institution(bank)), person.cards[0], bank, system.settings.master_key_bytes())

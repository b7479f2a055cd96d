"""Chips end to end: soft card, kernel and terminal of the simulated world, over TCP to the acquirer, the network and
the bank that issued the card; what was answered, and what the books have of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from uuid import UUID

import pytest

from api.clock import MachineClock
from api.settings import Settings
from api.system import OUR_ACQUIRER
from engine.vocabulary import tlv
from engine.vocabulary.money import Money
from gateways.asking import Asker
from gateways.iso8583.codec import Fields
from gateways.iso8583.matching import TERMINAL_KEY
from gateways.iso8583.specifications import TERMINAL
from issuer.cards.model import UnblockPin
from simulator.chip.card import SoftCard
from simulator.counter import Exchange, Extras, buy
from simulator.kernel.setup import ATTENDED, Capability, KernelSetup
from simulator.pin_pad import pin_pad_of_test_world
from simulator.plastic import Plastic, other_pin, personalise
from simulator.terminals import PATIENCE, End, Entry, Presented, Receipt, Terminal
from tests.e2e.world import World, findings

BANKS = ("bank", "northbank", "southbank")
"""Their chips make cryptograms of version 18, 22 and 10."""
TEN = Money(1_000, "USD")
LARGE_TAP = Money(6_000, "USD")
"""Over the 50.00 that a tap may come to without PIN or signature."""

CLOCK = MachineClock()
_traces = count(500_000)


@dataclass(slots=True)
class Wallet:
    """A card of a bank of the world, with its chip, and where it is used."""

    world: World
    bank: str
    plastic: Plastic
    chip: SoftCard = field(init=False)
    said: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chip = self.plastic.soft_card()

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
        pin_pad = pin_pad_of_test_world(
            world.system.settings.master_key_bytes(), OUR_ACQUIRER, shop.terminals[0], counter=number
        )
        stripes = entry is Entry.STRIPE
        terminal = Terminal(
            replace(shop, reads_chips=not stripes),
            shop.terminals[0],
            acquirer_id="200001",
            pin_pad=pin_pad,
            last_stan=number,
            setup=setup,
        )
        card = Presented(plastic=plastic or self.plastic, entry=entry, pin=pin, chip=self.chip)
        receipt, self.said = asyncio.run(buy(settings_of(world), terminal, card, amount, Extras(), clock=CLOCK))
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
        asker = Asker(host, port, TERMINAL, key_elements=TERMINAL_KEY, clock=CLOCK, timeout=PATIENCE)
        await asker.open()
        try:
            return await asker.ask(fields)
        finally:
            await asker.close()

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def wallets(world: World) -> Iterator[Wallet]:
    """Cards that nobody has used."""
    return iter(
        [
            Wallet(world, person.bank, _plastic(world, person.bank, number))
            for number in range(4)
            for person in [world.opened.population.of(bank)[number] for bank in BANKS]
        ]
    )


def _plastic(world: World, bank: str, number: int) -> Plastic:
    system, person = world.system, world.opened.population.of(bank)[number]
    return personalise(system.hsm(system.institution(bank)), person.cards[0], bank, system.settings.master_key_bytes())


@pytest.fixture
def wallet(wallets: Iterator[Wallet]) -> Wallet:
    return next(wallets)


def of_chip(fields: Fields | None) -> dict[str, bytes]:
    """The data objects of DE 55."""
    assert fields is not None
    return tlv.leaves(tlv.decode(bytes.fromhex(fields["55"])))


@pytest.mark.parametrize("bank", BANKS)
def test_each_version_of_cryptogram_is_verified_and_answered_and_the_chip_believes_it(world: World, bank: str) -> None:
    used = Wallet(world, bank, _plastic(world, bank, 3))
    for entry, pin in ((Entry.CHIP, used.plastic.pin), (Entry.CONTACTLESS, None), (Entry.CHIP, used.plastic.pin)):
        receipt = used.pay(entry, pin=pin)
        assert receipt.end is End.APPROVED, (entry, receipt.reply, used.said)
        assert "91" in of_chip(used.said[0].reply)
    assert used.chip.state.memory.last_online_atc == 3, "the chip has heard its issuer, and knows it"
    assert used.of_card("last_atc") == 3
    assert used.held == 3_000


def test_each_way_in_has_its_answer(wallet: Wallet) -> None:
    pin, mute = wallet.plastic.pin, wallet.chip
    assert wallet.answer(Entry.CHIP, pin=pin) == "00"
    assert wallet.answer(Entry.CONTACTLESS) == "00"
    assert wallet.answer(Entry.MANUAL) == "00"
    assert wallet.answer(Entry.STRIPE, pin=pin) == "57"
    assert wallet.reasons == ["stripe_of_a_chip_card"]
    mute.is_mute = True
    receipt = wallet.pay(Entry.CHIP, pin=pin)
    assert (receipt.end, receipt.request.pos_entry_mode) == (End.APPROVED, Entry.FALLBACK.value)
    assert wallet.held == 4_000


def test_the_wrong_value_of_stripe_or_card_is_82_and_the_right_one_is_not(wallet: Wallet) -> None:
    copy = wallet.plastic.counterfeit()
    assert wallet.answer(Entry.FALLBACK, plastic=copy) == "82"
    assert wallet.reasons == ["cvv_wrong"]
    assert wallet.answer(Entry.ONLINE, plastic=copy) == "82"
    assert wallet.reasons == ["cvv2_wrong"]
    assert (wallet.answer(Entry.FALLBACK), wallet.answer(Entry.ONLINE)) == ("00", "00")
    assert wallet.held == 2_000


def test_wrong_pins_are_55_to_the_limit_then_75_however_right(wallet: Wallet) -> None:
    wrong = other_pin(wallet.plastic.pin)
    assert [wallet.answer(Entry.CHIP, pin=wrong) for _ in range(4)] == ["55", "55", "55", "75"]
    assert wallet.answer(Entry.CHIP, pin=wallet.plastic.pin) == "75"
    assert (wallet.held, wallet.of_card("pin_tries_left"), wallet.of_card("last_atc")) == (0, 0, 5)


def test_a_pin_has_a_key_of_its_own_and_a_block_under_another_serial_number_says_nothing(
    wallet: Wallet, world: World
) -> None:
    assert wallet.answer(Entry.FALLBACK, pin=wallet.plastic.pin) == "00"
    fields = wallet.said[0].request

    def asked(number: int, serial: str) -> str:
        again = fields | {"11": f"{910_000 + number}", "37": f"9100000{number:05d}", "53": serial}
        reply = ask(world, again)
        wallet.said = [Exchange(again, reply)]
        return reply["39"]

    assert asked(1, fields["53"]) == "00"
    assert (asked(2, fields["53"][:-2] + "01"), wallet.reasons) == ("55", ["pin_unreadable"])
    assert (asked(3, "FFFFFF0999" + fields["53"][10:]), wallet.reasons) == ("55", ["pin_unreadable"])
    assert asked(4, fields["53"][:-2]) == "30", "nine bytes are no serial number"
    assert wallet.of_card("pin_tries_left") == 3


def test_a_cryptogram_of_another_is_82_a_used_one_59_and_what_is_no_tlv_30(wallet: Wallet, world: World) -> None:
    assert wallet.answer(Entry.CHIP, pin=wallet.plastic.pin) == "00"
    fields = wallet.said[0].request

    def asked(number: int, icc_data: bytes) -> list[str]:
        again = fields | {"11": f"{900_000 + number}", "37": f"9000000{number:05d}", "55": icc_data.hex().upper()}
        reply = ask(world, again)
        wallet.said = [Exchange(again, reply)]
        return [reply["39"], *wallet.reasons, "answered" if "55" in reply else "not answered"]

    genuine = bytes.fromhex(fields["55"])
    assert asked(1, genuine) == ["59", "atc_used", "not answered"]
    objects = dict(tlv.decode(genuine))
    counted = objects | {"9F36": b"\x00\x02"}
    assert asked(2, tlv.encode(counted.items())) == ["82", "cryptogram_wrong", "not answered"]
    del objects["9F26"]
    assert asked(3, tlv.encode(objects.items())) == ["30", "icc_data_malformed:9F26", "not answered"]
    assert asked(4, genuine[:-1])[:2] == ["30", "icc_data_malformed:9F37"]
    bare = {key: value for key, value in fields.items() if key != "55"} | {"11": "900005", "37": "900000000005"}
    wallet.said = [Exchange(bare, ask(world, bare))]
    assert wallet.reasons == ["icc_data_missing"], "who leaves the cryptogram out gains nothing"
    assert (wallet.held, wallet.of_card("last_atc")) == (1_000, 1)


def test_a_tap_over_the_limit_is_asked_for_a_pin_and_with_it_approved(wallet: Wallet) -> None:
    lax = KernelSetup(contactless_free_minor=50_000)
    assert wallet.answer(Entry.CONTACTLESS, LARGE_TAP, setup=lax) == "65"
    assert wallet.reasons == ["pin_needed"]
    assert wallet.answer(Entry.CONTACTLESS, LARGE_TAP, pin=wallet.plastic.pin) == "00"
    assert wallet.held == LARGE_TAP.amount_minor


def test_what_chip_and_terminal_decline_alone_nobody_hears_of(wallet: Wallet) -> None:
    receipt = wallet.pay(Entry.CHIP, pin=wallet.plastic.pin, setup=KernelSetup(can_go_online=False))
    assert (receipt.end, wallet.said) == (End.DECLINED_OFFLINE, [])
    assert (wallet.held, wallet.of_card("last_atc")) == (0, None)
    assert wallet.answer(Entry.CHIP, pin=wallet.plastic.pin) == "00", "the counter has gone on without its issuer"
    assert wallet.of_card("last_atc") == 2


def test_an_expired_card_is_54(wallet: Wallet) -> None:
    old = replace(wallet.plastic, expiry="2501")
    assert wallet.answer(Entry.MANUAL, plastic=old) == "54"
    assert wallet.held == 0


def test_a_script_unblocks_the_pin_of_a_chip_that_looks_at_none_any_more(wallet: Wallet, world: World) -> None:
    """The chip's own PIN, at a terminal that has no PIN for the issuer."""
    offline = KernelSetup(capabilities=ATTENDED & ~Capability.ONLINE_PIN)
    wrong, right = other_pin(wallet.plastic.pin), wallet.plastic.pin
    assert wallet.answer(Entry.CHIP, pin=wrong, setup=offline) == "75"
    assert "chip_pin_tries_exceeded" in wallet.reasons
    assert wallet.chip.state.memory.pin_tries_left == 0
    assert wallet.answer(Entry.CHIP, pin=right, setup=offline) == "75", "the right one is not looked at"
    (unblocked,) = world.seat(wallet.bank).processor.execute([UnblockPin(card_id=wallet.card_id, reference="1")])
    assert unblocked is not None and unblocked.code == "unblocked"
    assert wallet.answer(Entry.CHIP, pin=right, setup=offline) == "75", "the script comes with this answer"
    assert {"91", "86"} <= set(of_chip(wallet.said[0].reply))
    assert wallet.chip.state.memory.pin_tries_left == 3
    assert wallet.of_card("script") == "unblock_pin"
    assert wallet.answer(Entry.CHIP, pin=right, setup=offline) == "00"
    assert wallet.of_card("script") is None, "the chip has said that it obeyed"
    assert "86" not in of_chip(wallet.said[0].reply)
    assert wallet.held == 1_000


def test_afterwards_every_book_is_proven(world: World) -> None:
    """Last in this file: whatever was sent above."""
    assert findings(world.system) == []

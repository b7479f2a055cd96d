"""Chips end to end: soft card, kernel and terminal of the simulated world, over TCP to the acquirer, the network and
the bank that issued the card; what was answered, and what the books have of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.vocabulary import tlv
from engine.vocabulary.money import Money
from gateways.iso8583.codec import Fields
from issuer.cards.model import UnblockPin
from simulator.counter import Exchange
from simulator.kernel.setup import ATTENDED, Capability, KernelSetup
from simulator.plastic import other_pin
from simulator.terminals import End, Entry
from tests.e2e.wallet import Wallet, ask, plastic_of
from tests.e2e.world import World, findings

BANKS = ("bank", "northbank", "southbank")
"""Their chips make cryptograms of version 18, 22 and 10."""
TEN = Money(1_000, "USD")
LARGE_TAP = Money(6_000, "USD")
"""Over the 50.00 that a tap may come to without PIN or signature."""


@pytest.fixture(scope="module")
def wallets(world: World) -> Iterator[Wallet]:
    """Cards that nobody has used."""
    return iter(
        [
            Wallet(world, person.bank, plastic_of(world, person.bank, number))
            for number in range(4)
            for person in [world.opened.population.of(bank)[number] for bank in BANKS]
        ]
    )


@pytest.fixture
def wallet(wallets: Iterator[Wallet]) -> Wallet:
    return next(wallets)


def of_chip(fields: Fields | None) -> dict[str, bytes]:
    """The data objects of DE 55."""
    assert fields is not None
    return tlv.leaves(tlv.decode(bytes.fromhex(fields["55"])))


@pytest.mark.parametrize("bank", BANKS)
def test_each_version_of_cryptogram_is_verified_and_answered_and_the_chip_believes_it(world: World, bank: str) -> None:
    used = Wallet(world, bank, plastic_of(world, bank, 3))
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


def test_a_pin_has_a_key_of_its_own_that_serves_once_and_a_block_under_another_says_nothing(
    wallet: Wallet, world: World
) -> None:
    assert wallet.answer(Entry.FALLBACK, pin=wallet.plastic.pin) == "00"
    fields = wallet.said[0].request

    def asked(number: int, serial: str) -> str:
        again = fields | {"11": f"{910_000 + number}", "37": f"9100000{number:05d}", "53": serial}
        reply = ask(world, again)
        wallet.said = [Exchange(again, reply)]
        return reply["39"]

    assert asked(1, fields["53"]) == "63", "the key was used"
    assert asked(2, f"{int(fields['53'], 16) + 1:020X}") == "55"
    assert wallet.reasons == ["pin_unreadable"]
    assert (asked(3, "FFFFFF0999" + fields["53"][10:]), wallet.reasons) == ("55", ["pin_unreadable"])
    assert asked(4, fields["53"][:-2]) == "30", "nine bytes are no serial number"
    assert wallet.of_card("pin_tries_left") == 3


def test_a_cryptogram_of_another_is_82_a_used_one_59_and_what_is_no_tlv_30(wallet: Wallet, world: World) -> None:
    assert wallet.answer(Entry.CHIP, pin=wallet.plastic.pin) == "00"
    # The PIN has its key once only: copies come without.
    fields = {key: value for key, value in wallet.said[0].request.items() if key not in ("52", "53")}

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

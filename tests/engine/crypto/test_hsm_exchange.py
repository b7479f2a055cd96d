"""Keys that two HSMs exchange, and custody: at every step both sides understand each other; nobody else does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.crypto import des
from engine.crypto.door import (
    KeyName,
    KeyRecord,
    KeyRefused,
    KeyState,
    KeyUsage,
    PinTranslation,
)
from engine.crypto.hsm import KeysInMemory, SoftwareHsm
from engine.crypto.key_blocks import KeyBlockHeader, wrap
from engine.crypto.keys import TEST_MASTER_KEY, zone_key_of_test_world
from engine.crypto.mac import Padding, aes_cmac, cbc_mac, des_cmac
from engine.crypto.pin_blocks import encode_format_0
from engine.vocabulary.identifiers import Pan

PAIR = "bank/simnet"
PAN = Pan("4000001234562345")
OWN_KEY = bytes(range(32))


def both() -> tuple[SoftwareHsm, SoftwareHsm]:
    return SoftwareHsm("simnet", TEST_MASTER_KEY), SoftwareHsm("bank", TEST_MASTER_KEY)


def understood(one: SoftwareHsm, other: SoftwareHsm) -> bool:
    """Whether each believes what the other sends at this moment."""
    (there,), (back,) = one.mac(PAIR, [b"0100"]), other.mac(PAIR, [b"0110"])
    return other.verify_mac(PAIR, [(b"0100", there)]) == one.verify_mac(PAIR, [(b"0110", back)]) == [True]


def test_a_link_s_key_changes_without_a_moment_of_misunderstanding() -> None:
    network, bank = both()
    (old,) = network.mac(PAIR, [b"0100"])
    made = network.make_zone_key(PAIR, KeyUsage.MAC)
    assert understood(network, bank)
    taken = bank.import_zone_key(PAIR, KeyUsage.MAC, made.key_block, made.check_value)
    assert (taken.name, taken.check_value) == (made.name, made.check_value)
    assert understood(network, bank)
    bank.activate_zone_key(PAIR, KeyUsage.MAC, taken.name.version)
    assert understood(network, bank)
    network.activate_zone_key(PAIR, KeyUsage.MAC, made.name.version)
    assert understood(network, bank)
    assert network.mac(PAIR, [b"0100"]) != [old]
    # What was under way is believed still; after a further change it is not.
    assert bank.verify_mac(PAIR, [(b"0100", old)]) == [True]
    again = network.make_zone_key(PAIR, KeyUsage.MAC)
    bank.import_zone_key(PAIR, KeyUsage.MAC, again.key_block)
    for side in (bank, network):
        side.activate_zone_key(PAIR, KeyUsage.MAC, again.name.version)
    assert understood(network, bank)
    assert bank.verify_mac(PAIR, [(b"0100", old)]) == [False]
    assert bank.key_versions(KeyUsage.MAC, PAIR) == [3, 2]


def test_a_zone_s_pin_blocks_are_read_under_either_key_while_it_changes() -> None:
    network, bank = both()
    old = des.encrypt_ecb(zone_key_of_test_world(TEST_MASTER_KEY, PAIR), encode_format_0("1234", PAN.clear))
    made = network.make_zone_key(PAIR, KeyUsage.PIN_ZONE)
    bank.import_zone_key(PAIR, KeyUsage.PIN_ZONE, made.key_block)
    bank.activate_zone_key(PAIR, KeyUsage.PIN_ZONE, made.name.version)
    (new,) = bank.translate_pin_blocks([PinTranslation(old, PAN, PAIR, PAIR)])
    assert new is not None and new != old
    assert network.translate_pin_blocks([PinTranslation(new, PAN, PAIR, PAIR)]) == [old]


def test_a_lost_answer_is_made_good_by_sending_the_same_key_again() -> None:
    network, bank = both()
    made = network.make_zone_key(PAIR, KeyUsage.MAC)
    first = bank.import_zone_key(PAIR, KeyUsage.MAC, made.key_block)
    again = network.make_zone_key(PAIR, KeyUsage.MAC)
    assert (again.name, again.check_value) == (made.name, made.check_value)
    assert bank.import_zone_key(PAIR, KeyUsage.MAC, again.key_block).name == first.name
    for side in (bank, network, bank, network):
        side.activate_zone_key(PAIR, KeyUsage.MAC, made.name.version)
    assert bank.import_zone_key(PAIR, KeyUsage.MAC, again.key_block).name == first.name
    assert understood(network, bank)
    assert bank.key_versions(KeyUsage.MAC, PAIR) == [2, 1]


def test_versions_agree_after_keys_that_never_arrived() -> None:
    network, bank = both()
    for _ in range(3):
        lost = network.make_zone_key(PAIR, KeyUsage.MAC)
        network.activate_zone_key(PAIR, KeyUsage.MAC, lost.name.version)
    made = network.make_zone_key(PAIR, KeyUsage.MAC)
    assert bank.import_zone_key(PAIR, KeyUsage.MAC, made.key_block).name == made.name == KeyName(PAIR, KeyUsage.MAC, 5)


@pytest.mark.parametrize(
    "refused",
    [
        lambda bank, block: bank.import_zone_key(PAIR, KeyUsage.PIN_ZONE, block),  # a MAC key encrypts no PIN
        lambda bank, block: bank.import_zone_key(PAIR, KeyUsage.MAC, block, "000000"),
        lambda bank, block: bank.import_zone_key(PAIR, KeyUsage.MAC, block[:-1] + "?"),
        lambda bank, block: bank.import_zone_key("acquirer/simnet", KeyUsage.MAC, block),
        lambda bank, block: bank.import_zone_key(PAIR, KeyUsage.ZONE_MASTER, block),
        lambda bank, block: bank.import_zone_key(PAIR, KeyUsage.CARD_VERIFICATION, block),
        lambda bank, block: bank.make_zone_key(PAIR, KeyUsage.PAN_ENCRYPTION),
        lambda bank, block: bank.activate_zone_key(PAIR, KeyUsage.MAC, 9),
        lambda bank, block: bank.activate_zone_key("bank", KeyUsage.CARD_VERIFICATION, 1),
        lambda bank, block: bank.import_zone_key(PAIR, KeyUsage.MAC, _under_zone_master("A", "M3")),
        lambda bank, block: bank.import_zone_key(PAIR, KeyUsage.MAC, _under_zone_master("D", "D0")),
    ],
)
def test_a_key_that_does_not_fit_is_refused_and_nothing_is_kept(
    refused: Callable[[SoftwareHsm, str], object],
) -> None:
    network, bank = both()
    block = network.make_zone_key(PAIR, KeyUsage.MAC).key_block
    bank.mac(PAIR, [b""])
    with pytest.raises(KeyRefused) as refusal:
        refused(bank, block)
    assert block not in str(refusal.value)
    assert bank.key_versions(KeyUsage.MAC, PAIR) == [1]
    assert understood(network, bank)


def _under_zone_master(version: str, code: str) -> str:
    master = zone_key_of_test_world(TEST_MASTER_KEY, PAIR, KeyUsage.ZONE_MASTER)
    return wrap(master if version == "D" else master[:16], KeyBlockHeader(version, code, "T", "C"), bytes(range(16)))


@pytest.mark.parametrize(
    ("code", "size", "make"),
    [
        ("M1", 16, lambda key, message: cbc_mac(key, message, Padding.ONE_AND_ZEROS)),
        ("M6", 16, des_cmac),
        ("M6", 32, lambda key, message: aes_cmac(key, message)[:8]),
    ],
)
def test_a_link_s_mac_is_by_the_algorithm_that_its_key_s_block_names(
    code: str, size: int, make: Callable[[bytes, bytes], bytes]
) -> None:
    network, _ = both()
    value = bytes(range(1, 2 * size + 1, 2))
    master = zone_key_of_test_world(TEST_MASTER_KEY, PAIR, KeyUsage.ZONE_MASTER)
    block = wrap(master, KeyBlockHeader("D", code, "A" if size == 32 else "T", "C", "02", "E"), value)
    taken = network.import_zone_key(PAIR, KeyUsage.MAC, block)
    network.activate_zone_key(PAIR, KeyUsage.MAC, taken.name.version)
    assert network.mac(PAIR, [b"0800..."]) == [make(value, b"0800...")]
    # The next key of the link keeps to it.
    made = network.make_zone_key(PAIR, KeyUsage.MAC)
    assert made.key_block[5:8] == code + ("A" if size == 32 else "T")


def test_one_process_takes_up_what_another_has_done() -> None:
    store = KeysInMemory()
    network = SoftwareHsm("simnet", TEST_MASTER_KEY)
    one, other = (SoftwareHsm("bank", TEST_MASTER_KEY, store) for _ in range(2))
    assert understood(network, one) and understood(network, other)
    made = network.make_zone_key(PAIR, KeyUsage.MAC)
    one.import_zone_key(PAIR, KeyUsage.MAC, made.key_block)
    one.activate_zone_key(PAIR, KeyUsage.MAC, made.name.version)
    network.activate_zone_key(PAIR, KeyUsage.MAC, made.name.version)
    # Unasked: what comes under the new key makes it look.
    assert understood(network, other)
    assert one.make_cvv(PAN, "2812", "000") == other.make_cvv(PAN, "2812", "000")
    one.custody.rotate(KeyUsage.CARD_VERIFICATION)
    assert one.make_cvv(PAN, "2812", "000") != other.make_cvv(PAN, "2812", "000")
    other.refresh()
    assert one.make_cvv(PAN, "2812", "000") == other.make_cvv(PAN, "2812", "000")


# Custody


def moved(record: KeyRecord, name: KeyName) -> KeyRecord:
    return KeyRecord(name, record.key_block, record.check_value, record.state)


def test_a_block_under_another_name_or_master_key_does_not_open() -> None:
    store = KeysInMemory()
    hsm = SoftwareHsm("bank", OWN_KEY, store)
    first = hsm.custody.generate(KeyUsage.CARD_VERIFICATION)
    with pytest.raises(KeyRefused, match="does not open"):
        SoftwareHsm("bank", bytes(range(1, 33)), store)
    for name in (
        KeyName("bank", KeyUsage.CARD_VERIFICATION, 2),
        KeyName("bank", KeyUsage.PIN_VERIFICATION, 1),
        KeyName(PAIR, KeyUsage.MAC, 1),
    ):
        exchanged = KeysInMemory()
        exchanged.add(moved(first, name))
        with pytest.raises(KeyRefused, match=f"{name.key_id} does not open"):
            SoftwareHsm("bank", OWN_KEY, exchanged)


def test_components_make_the_key_and_any_of_them_alone_another() -> None:
    one, other = SoftwareHsm("bank", OWN_KEY), SoftwareHsm("simnet", bytes(range(1, 33)))
    record, parts = one.custody.components(KeyUsage.ZONE_MASTER, PAIR, 3)
    assert (record.state, len(parts)) == (KeyState.CURRENT, 3)
    assert len({record.check_value, *(check_value for _, check_value in parts)}) == 4
    components = [part for part, _ in parts]
    taken = other.custody.import_components(KeyUsage.ZONE_MASTER, PAIR, components, record.check_value.lower())
    assert taken.check_value == record.check_value
    one.custody.generate(KeyUsage.MAC, PAIR)
    other.custody.import_block(
        KeyUsage.MAC, PAIR, one.custody.export(KeyName(PAIR, KeyUsage.MAC, 1), PAIR).key_block, PAIR
    )
    assert understood(one, other)


@pytest.mark.parametrize(
    "components",
    [
        [],
        [bytes(range(16))],
        [bytes(range(16)), bytes(range(16))],
        [bytes(range(16)), bytes(range(8))],
        [bytes(8), bytes(range(8))],
    ],
)
def test_components_that_make_no_key_are_refused(components: list[bytes]) -> None:
    hsm = SoftwareHsm("bank", OWN_KEY)
    with pytest.raises(KeyRefused):
        hsm.custody.import_components(KeyUsage.CARD_VERIFICATION, None, components, "000000")
    assert hsm.custody.records() == []


@pytest.mark.parametrize("count", [0, 1, 10])
def test_a_key_has_two_to_nine_custodians(count: int) -> None:
    with pytest.raises(KeyRefused, match="2 to 9"):
        SoftwareHsm("bank", OWN_KEY).custody.components(KeyUsage.MAC, PAIR, count)


def test_a_pending_key_makes_nothing_until_it_is_activated() -> None:
    hsm = SoftwareHsm("bank", OWN_KEY)
    hsm.custody.generate(KeyUsage.CARD_VERIFICATION)
    before = hsm.make_cvv(PAN, "2812", "000")
    pending = hsm.custody.generate(KeyUsage.CARD_VERIFICATION)
    assert pending.state is KeyState.PENDING
    assert hsm.make_cvv(PAN, "2812", "000") == before
    hsm.custody.activate(pending.name)
    with pytest.raises(KeyRefused, match="current key"):
        hsm.custody.retire(pending.name)
    hsm.custody.retire(KeyName("bank", KeyUsage.CARD_VERIFICATION, 1))
    assert [record.name.version for record in hsm.custody.records()] == [2]


def test_an_aes_key_does_not_leave_under_a_weaker_one() -> None:
    hsm = SoftwareHsm("acquirer", OWN_KEY)
    pair = "acquirer/terminals"
    parts = [bytes(range(16)), bytes(range(5, 21))]
    check_value = des.encrypt_ecb(des.with_odd_parity(bytes(a ^ b for a, b in zip(*parts, strict=True))), bytes(8))[
        :3
    ].hex()
    hsm.custody.import_components(KeyUsage.ZONE_MASTER, pair, parts, check_value)
    for usage in (KeyUsage.DEVICE_BASE_TDES, KeyUsage.DEVICE_BASE_AES, KeyUsage.PAN_ENCRYPTION):
        hsm.custody.generate(usage)
    exported = hsm.custody.export(KeyName("acquirer", KeyUsage.DEVICE_BASE_TDES, 1), pair)
    assert exported.key_block.startswith("B")
    with pytest.raises(KeyRefused, match="weaker"):
        hsm.custody.export(KeyName("acquirer", KeyUsage.DEVICE_BASE_AES, 1), pair)
    with pytest.raises(KeyRefused, match="not exportable"):
        hsm.custody.export(KeyName("acquirer", KeyUsage.PAN_ENCRYPTION, 1), pair)

"""Key names and keys with values: one usage each, the test world's the same tomorrow, shown to nobody."""

from __future__ import annotations

import pytest

from engine.crypto.door import KeyName, KeyRefused, KeyUsage, Ksn, pair_name
from engine.crypto.keys import (
    BLOCK_USES,
    TEST_MASTER_KEY,
    Key,
    derive_key,
    device_key_of_test_world,
    is_published,
    is_test_key,
    key_of,
    local_master_key,
    random_key,
    zone_key_of_test_world,
)
from engine.vocabulary.errors import FormatError

MASTER = bytes(range(32))
MASTER_OF_YESTERDAY = b"BEZANT TEST MASTER KEY - NOT FOR PRODUCTION"


@pytest.mark.parametrize(
    ("key_id", "check_value"),
    [
        ("acquirer/simnet:pin_zone:1", "DA4FCE"),
        ("bank:pin_verification:1", "8B5C1F"),
        ("bank:card_verification:1", "0E0043"),
        ("bank/simnet:mac:1", "D2694A"),
        ("bank:pan_encryption:1", "A5ED3B9507"),
    ],
)
def test_the_test_world_s_keys_of_yesterday_open_today(key_id: str, check_value: str) -> None:
    # Recorded once: a change of derivation would leave every stored card number unreadable.
    name = KeyName.from_key_id(key_id)
    assert derive_key(MASTER_OF_YESTERDAY, name).check_value == check_value
    assert name.key_id == key_id


@pytest.mark.parametrize("usage", KeyUsage)
@pytest.mark.parametrize("other", KeyUsage)
def test_a_key_serves_its_one_usage(usage: KeyUsage, other: KeyUsage) -> None:
    key = derive_key(MASTER, KeyName("bank", usage, 1))
    if usage is other:
        assert len(key.value_for(other)) == BLOCK_USES[usage].length
        return
    with pytest.raises(KeyRefused, match=f"the key bank:{usage}:1 cannot be used for {other}"):
        key.value_for(other)


@pytest.mark.parametrize(
    ("usage", "algorithm", "code", "length"),
    [
        (KeyUsage.PIN_ZONE, "T", "M3", 16),  # a MAC key under a PIN key's name
        (KeyUsage.MAC, "T", "P0", 16),
        (KeyUsage.MAC, "A", "M3", 32),  # a retail MAC is by DES
        (KeyUsage.CARD_VERIFICATION, "A", "C0", 32),
        (KeyUsage.PIN_ZONE, "T", "P0", 8),  # single DES is no key for PINs
        (KeyUsage.PAN_ENCRYPTION, "H", "D0", 32),
    ],
)
def test_a_value_that_is_no_key_of_its_usage_is_refused(
    usage: KeyUsage, algorithm: str, code: str, length: int
) -> None:
    with pytest.raises(KeyRefused):
        Key(KeyName("bank", usage, 1), algorithm, code, bytes(range(length)))


def test_keys_of_other_names_and_masters_are_other_keys() -> None:
    names = [
        KeyName(owner, usage, version) for owner in ("bank", "other", "a/b") for usage in KeyUsage for version in (1, 2)
    ]
    values = {derive_key(master, name).value_for(name.usage) for master in (MASTER, TEST_MASTER_KEY) for name in names}
    assert len(values) == 2 * len(names)


def test_des_keys_have_odd_parity() -> None:
    for key in (
        derive_key(MASTER, KeyName("bank", KeyUsage.CARD_VERIFICATION, 1)),
        random_key(KeyName("bank", KeyUsage.CARD_VERIFICATION, 1)),
    ):
        assert all(byte.bit_count() % 2 == 1 for byte in key.value_for(KeyUsage.CARD_VERIFICATION))


def test_a_key_shows_its_name_and_not_its_value() -> None:
    key = derive_key(MASTER, KeyName("bank", KeyUsage.MAC, 1))
    value = key.value_for(KeyUsage.MAC)
    assert "bank" in repr(key)
    assert value.hex() not in repr(key)
    assert repr(value)[2:-1] not in repr(key)


@pytest.mark.parametrize(
    "key_id",
    ["", "bank", "bank:mac", "bank:mac:0", "bank:mac:01", "bank:mac:x", "bank:poetry:1", "a/b/c:mac:1", "b:a:nk:mac:1"],
)
def test_a_text_that_names_no_key_is_refused(key_id: str) -> None:
    with pytest.raises(KeyRefused):
        KeyName.from_key_id(key_id)


@pytest.mark.parametrize(("owner", "version"), [("", 1), ("a:b", 1), ("a/b/c", 1), ("bank ", 1), ("bank", 0)])
def test_a_name_without_owner_or_version_is_refused(owner: str, version: int) -> None:
    with pytest.raises(KeyRefused):
        KeyName(owner, KeyUsage.MAC, version)


def test_a_short_master_key_is_refused_and_not_shown() -> None:
    for make in (
        lambda: derive_key(b"swordfish", KeyName("bank", KeyUsage.MAC, 1)),
        lambda: local_master_key(b"swordfish"),
    ):
        with pytest.raises(KeyRefused, match="too short") as refusal:
            make()
        assert "swordfish" not in str(refusal.value)


def test_a_pair_has_one_name_from_both_ends() -> None:
    assert pair_name("simnet", "acquirer") == pair_name("acquirer", "simnet") == "acquirer/simnet"


def test_test_keys_are_obviously_test_keys_and_leave_the_test_world_only() -> None:
    assert is_test_key(TEST_MASTER_KEY)
    assert not is_test_key(MASTER)
    assert len(zone_key_of_test_world(TEST_MASTER_KEY, "acquirer/simnet")) == 16
    for ksn in (bytes(10), bytes(12)):
        assert len(device_key_of_test_world(TEST_MASTER_KEY, "acquirer", ksn)) == 16
        with pytest.raises(KeyRefused, match="not a test key"):
            device_key_of_test_world(MASTER, "acquirer", ksn)
    with pytest.raises(KeyRefused, match="not a test key"):
        zone_key_of_test_world(MASTER, "acquirer/simnet")


@pytest.mark.parametrize(
    "value", ["0123456789ABCDEFFEDCBA9876543210", "0022446688AACCEEFFDDBB9977553311", "41" * 16, "AB" * 8 + "CD" * 8]
)
def test_a_key_that_anybody_may_know_is_told(value: str) -> None:
    name = KeyName("bank", KeyUsage.CARD_VERIFICATION, 1)
    # Parity does not make it another key.
    assert is_published(key_of(name, bytes.fromhex(value)))


def test_the_test_world_s_keys_are_known_to_anybody_and_random_ones_are_not() -> None:
    for usage in KeyUsage:
        name = KeyName("bank", usage, 1)
        assert is_published(derive_key(TEST_MASTER_KEY, name))
        assert not is_published(random_key(name))


def test_a_serial_number_says_its_key_set() -> None:
    assert Ksn(bytes.fromhex("FFFFBE00010000000001")).key_set == 1
    assert Ksn(bytes.fromhex("BE00000200000000000000FF")).key_set == 2
    with pytest.raises(FormatError, match="serial number"):
        Ksn(bytes(9))

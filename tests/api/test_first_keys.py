"""The first ceremony: who gets which keys, and what a world from before key blocks keeps."""

from __future__ import annotations

from uuid import UUID

import pytest

from api.keys import PERSONALISATION, own_keys, provide_keys, require_keys, shared_keys
from engine.crypto.door import KeyName, KeyRecord, KeyUsage, PinTranslation
from engine.crypto.hsm import KeysInMemory, SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY, derive_key
from engine.database.institutions import Institution
from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan

OWN_KEY = bytes(range(7, 39))
PAN = Pan("4000001234562345")
BANK = Institution.named("bank", "100001", "issuer", "UTC")
ACQUIRER = Institution.named("acquirer", "200001", "acquirer", "UTC")
NETWORK = Institution.named("simnet", "900000", "network", "UTC")
SETTLEMENT = Institution.named("settlement", "900001", "settlement_bank", "UTC")
EVERYBODY = (BANK, ACQUIRER, NETWORK, SETTLEMENT)


def hsms(master_key: bytes = OWN_KEY) -> dict[str, SoftwareHsm]:
    return {one.name: SoftwareHsm(one.name, master_key, KeysInMemory()) for one in EVERYBODY}


def records(hsm: SoftwareHsm) -> dict[KeyName, KeyRecord]:
    return {record.name: record for record in hsm.custody.records()}


def test_everybody_has_what_they_need_and_nobody_else_s_keys() -> None:
    world = hsms()
    provide_keys(world, EVERYBODY, ())
    for one in EVERYBODY:
        require_keys(world[one.name], one, NETWORK)
        expected = {*own_keys(one)}.union(*(shared_keys(one, other) for other in EVERYBODY if other is not one))
        assert {(name.usage, name.owner) for name in records(world[one.name])} == expected
    block = bytes(8)
    asked = [PinTranslation(block, PAN, "acquirer/terminals", "acquirer/simnet")]
    assert world["acquirer"].translate_pin_blocks(asked) == [None]


def test_both_ends_of_a_pair_have_one_key_and_two_pairs_have_two() -> None:
    world = hsms()
    provide_keys(world, EVERYBODY, ())
    (mac,) = world["simnet"].mac("bank/simnet", [b"0800"])
    assert world["bank"].verify_mac("bank/simnet", [(b"0800", mac)]) == [True]
    assert world["acquirer"].verify_mac("acquirer/simnet", [(b"0800", mac)]) == [False]


def test_again_changes_nothing_and_who_joins_later_shares_what_is_there() -> None:
    world = hsms()
    provide_keys(world, (BANK, NETWORK), ())
    before = records(world["simnet"])
    provide_keys(world, (ACQUIRER, BANK, NETWORK), ())
    after = records(world["simnet"])
    assert {name: after[name] for name in before} == before
    added = {name for name in after if name not in before}
    assert {name.owner for name in added} == {"acquirer/simnet"}
    assert all(records(world["acquirer"])[name].check_value == after[name].check_value for name in added)


def test_keys_of_a_new_world_follow_from_nothing() -> None:
    one, other = hsms(), hsms()
    for world in (one, other):
        provide_keys(world, EVERYBODY, ())
    for name, record in records(one["bank"]).items():
        assert record.check_value not in (
            records(other["bank"])[name].check_value,
            derive_key(OWN_KEY, name).check_value,
        )


def test_a_world_from_before_key_blocks_keeps_the_keys_that_its_rows_are_under() -> None:
    world = hsms()
    provide_keys(world, EVERYBODY, [one.name for one in EVERYBODY])
    held = records(world["bank"])
    assert all(record.check_value == derive_key(OWN_KEY, name).check_value for name, record in held.items())
    (sealed,) = world["bank"].encrypt_pans([(UUID(int=1), PAN)])
    assert sealed.key_id == "bank:pan_encryption:1"


def test_a_missing_key_is_named_in_one_sentence_before_anything_starts() -> None:
    world = hsms()
    with pytest.raises(
        BezantError, match=r"bank lacks the fingerprint key of bank: `bezant keys generate` or `import`"
    ):
        require_keys(world["bank"], BANK, NETWORK)
    provide_keys(world, (BANK,), ())
    with pytest.raises(BezantError, match="bank lacks the zone_master key of bank/simnet"):
        require_keys(world["bank"], BANK, NETWORK)
    require_keys(world["bank"], BANK, None)


def test_the_test_world_lacks_no_key_and_is_provided_with_none() -> None:
    world = hsms(TEST_MASTER_KEY)
    require_keys(world["bank"], BANK, NETWORK)
    assert records(world["bank"]) == {}
    world["bank"].make_cvv(PAN, "2812", "000")
    assert [name.key_id for name in records(world["bank"])] == ["bank:card_verification:1"]
    assert KeyUsage.ZONE_MASTER in {usage for usage, owner in own_keys(BANK) if PERSONALISATION in owner}

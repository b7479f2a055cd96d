"""The HSM before terminals and other zones: DUKPT by both ciphers, all formats, offsets, chosen PINs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.crypto import aes, des, dukpt_aes, dukpt_tdes, pin_blocks
from engine.crypto.door import (
    KeyRefused,
    KeyUsage,
    Ksn,
    PinBlockFormat,
    PinOffsetVerification,
    PinSelection,
    PinTranslation,
    PinVerdict,
    PinVerification,
)
from engine.crypto.hsm import KeysInMemory, SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY, device_key_of_test_world, zone_key_of_test_world
from engine.crypto.mac import Padding, aes_cmac, retail_mac_once
from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan

PAN, OTHER_PAN = Pan("4000001234562345"), Pan("4000009876543210")
TO_NETWORK = "acquirer/simnet"
BY_DES, BY_AES = Ksn(bytes.fromhex("FFFFBE00010000400001")), Ksn(bytes.fromhex("BE0000010000000700000001"))
DEVICES = pytest.mark.parametrize("ksn", [BY_DES, BY_AES], ids=["tdes", "aes"])


def acquirer() -> SoftwareHsm:
    return SoftwareHsm("acquirer", TEST_MASTER_KEY)


def device_block(ksn: Ksn, pin: str, pan: Pan = PAN) -> bytes:
    """What a PIN pad with its initial key sends."""
    initial = device_key_of_test_world(TEST_MASTER_KEY, "acquirer", ksn.value)
    if ksn.by_aes:
        key = dukpt_aes.use_key(dukpt_aes.transaction_key(initial, ksn.value), ksn.value, dukpt_aes.Use.PIN)
        return pin_blocks.encrypt_format_4(key, pin, pan.clear)
    key = dukpt_tdes.use_key(dukpt_tdes.transaction_key(initial, ksn.value), dukpt_tdes.Use.PIN)
    return des.once(key, pin_blocks.encode_format_0(pin, pan.clear))


def zone_pin(block: bytes | None, zone: str = TO_NETWORK) -> str:
    assert block is not None
    clear = des.decrypt_ecb(zone_key_of_test_world(TEST_MASTER_KEY, zone), block)
    return pin_blocks.decode_format_0(clear, PAN.clear)


@DEVICES
@pytest.mark.parametrize("pin", ["1234", "123456789012"])
def test_a_device_s_pin_block_goes_on_under_the_zone_s_key(ksn: Ksn, pin: str) -> None:
    right = PinTranslation(device_block(ksn, pin), PAN, ksn, TO_NETWORK)
    wrong = [
        replace(right, from_zone=Ksn(ksn.value[:-1] + b"\x02")),  # of another transaction
        replace(right, from_zone=Ksn(ksn.value[:2] + b"\xff\xff\xff" + ksn.value[5:])),  # of no key set of ours
        replace(right, from_zone=Ksn(ksn.value[:-1] + b"\x00")),  # of no transaction at all
        replace(right, pan=OTHER_PAN),
        replace(right, pin_block=right.pin_block[:-1]),
        replace(right, from_format=PinBlockFormat.ISO_0 if ksn.by_aes else PinBlockFormat.ISO_4),
    ]
    first, *others, last = acquirer().translate_pin_blocks([right, *wrong, right])
    assert zone_pin(first) == zone_pin(last) == pin
    assert others == [None] * len(wrong)


@DEVICES
def test_a_device_is_believed_and_answered_by_mac(ksn: Ksn) -> None:
    initial, message = device_key_of_test_world(TEST_MASTER_KEY, "acquirer", ksn.value), b"0200..."
    if ksn.by_aes:
        transaction = dukpt_aes.transaction_key(initial, ksn.value)
        sent, heard = (
            aes_cmac(dukpt_aes.use_key(transaction, ksn.value, use), message)[:8]
            for use in (dukpt_aes.Use.MAC_REQUEST, dukpt_aes.Use.MAC_RESPONSE)
        )
    else:
        transaction = dukpt_tdes.transaction_key(initial, ksn.value)
        sent, heard = (
            retail_mac_once(dukpt_tdes.use_key(transaction, use), message, Padding.ZEROS)
            for use in (dukpt_tdes.Use.MAC_REQUEST, dukpt_tdes.Use.MAC_RESPONSE)
        )
    asked = [(message, sent), (message, sent[:4]), (message + b"!", sent), (message, heard), (message, sent[:3])]
    assert acquirer().verify_mac(ksn, asked) == [True, True, False, False, False]
    assert acquirer().mac(ksn, [message]) == [heard]
    unknown = Ksn(ksn.value[:2] + b"\xff\xff\xff" + ksn.value[5:])
    assert acquirer().verify_mac(unknown, [(message, sent)]) == [False]


@DEVICES
def test_what_a_device_encrypts_is_read(ksn: Ksn) -> None:
    initial, text = (
        device_key_of_test_world(TEST_MASTER_KEY, "acquirer", ksn.value),
        b";4000001234562345=35121010000000",
    )
    if ksn.by_aes:
        transaction = dukpt_aes.transaction_key(initial, ksn.value)
        key = dukpt_aes.use_key(transaction, ksn.value, dukpt_aes.Use.ENCRYPTION_REQUEST)
        sent = aes.encrypt_cbc(key, text, bytes(16))
    else:
        transaction = dukpt_tdes.transaction_key(initial, ksn.value)
        sent = des.encrypt_cbc(dukpt_tdes.use_key(transaction, dukpt_tdes.Use.ENCRYPTION_REQUEST), text)
    assert acquirer().decrypt_from_devices([(ksn, sent), (ksn, sent[:-1]), (ksn, sent)]) == [text, None, text]


def aes_zone() -> tuple[SoftwareHsm, bytes]:
    """An acquirer whose zone with the network has an AES key by now, and that key."""
    hsm, value = acquirer(), bytes(range(3, 35))
    custody, zone = hsm.custody, TO_NETWORK
    parts = [bytes(range(32)), bytes(left ^ right for left, right in zip(value, range(32), strict=True))]
    with pytest.raises(KeyRefused) as refusal:
        custody.import_components(KeyUsage.PIN_ZONE, zone, parts, "00")
    check_value = aes_cmac(value, bytes(16))[:5].hex()
    assert check_value not in str(refusal.value)
    custody.activate(custody.import_components(KeyUsage.PIN_ZONE, zone, parts, check_value).name)
    return hsm, value


@pytest.mark.parametrize(
    ("of", "clear"),
    [
        (None, lambda: pin_blocks.encode_format_0("5678", PAN.clear)),
        (PinBlockFormat.ISO_0, lambda: pin_blocks.encode_format_0("5678", PAN.clear)),
        (PinBlockFormat.ISO_1, lambda: pin_blocks.encode_format_1("5678")),
        (PinBlockFormat.ISO_3, lambda: pin_blocks.encode_format_3("5678", PAN.clear)),
    ],
)
def test_formats_0_1_and_3_become_0_3_and_4(of: PinBlockFormat | None, clear: object) -> None:
    assert callable(clear)
    terminals = "acquirer/terminals"
    block = des.encrypt_ecb(zone_key_of_test_world(TEST_MASTER_KEY, terminals), clear())
    asked = PinTranslation(block, PAN, terminals, TO_NETWORK, of)
    hsm = acquirer()
    as_0, as_3 = hsm.translate_pin_blocks([asked, replace(asked, to_format=PinBlockFormat.ISO_3)])
    assert zone_pin(as_0) == "5678"
    assert as_3 is not None
    opened = des.decrypt_ecb(zone_key_of_test_world(TEST_MASTER_KEY, TO_NETWORK), as_3)
    assert pin_blocks.decode_format_3(opened, PAN.clear) == "5678"
    by_aes, key = aes_zone()
    (as_4,) = by_aes.translate_pin_blocks([asked])
    assert as_4 is not None
    assert pin_blocks.decrypt_format_4(key, as_4, PAN.clear) == "5678"
    back = PinTranslation(as_4, PAN, TO_NETWORK, terminals)
    assert by_aes.translate_pin_blocks([back, replace(back, pan=OTHER_PAN)]) == [
        des.encrypt_ecb(
            zone_key_of_test_world(TEST_MASTER_KEY, terminals), pin_blocks.encode_format_0("5678", PAN.clear)
        ),
        None,
    ]
    with pytest.raises(BezantError, match="takes no PIN blocks of format 3"):
        by_aes.translate_pin_blocks([replace(asked, to_format=PinBlockFormat.ISO_3)])


def test_a_pin_block_never_leaves_in_a_format_without_its_card_number() -> None:
    asked = PinTranslation(bytes(8), PAN, "acquirer/terminals", TO_NETWORK, to_format=PinBlockFormat.ISO_1)
    with pytest.raises(BezantError, match="format 0, 3 or 4"):
        acquirer().translate_pin_blocks([asked])
    with pytest.raises(BezantError, match="takes no PIN blocks of format 4"):
        acquirer().translate_pin_blocks([replace(asked, to_format=PinBlockFormat.ISO_4)])


# Verification by offset, and PINs that cardholders choose

BANK_ZONE = "bank/simnet"


def bank_block(pin: str, pan: Pan = PAN) -> bytes:
    return des.encrypt_ecb(
        zone_key_of_test_world(TEST_MASTER_KEY, BANK_ZONE), pin_blocks.encode_format_0(pin, pan.clear)
    )


@pytest.mark.parametrize("pin", ["1234", "98765432", "123456789012"])
def test_a_pin_is_verified_by_its_offset_over_its_whole_length(pin: str) -> None:
    bank = SoftwareHsm("bank", TEST_MASTER_KEY)
    offset = bank.make_pin_offset(PAN, pin)
    right = PinOffsetVerification(bank_block(pin), PAN, BANK_ZONE, offset)
    wrong = [
        replace(right, pin_block=bank_block(pin[:-1] + str(9 - int(pin[-1])))),
        replace(right, offset=offset[:-1] + str((int(offset[-1]) + 1) % 10)),
        replace(right, offset=""),
        replace(right, offset="x" * len(pin)),
        replace(right, pin_block=bank_block(pin + "0") if len(pin) < 12 else bank_block(pin[:-1])),
    ]
    correct, no, unreadable = PinVerdict.CORRECT, PinVerdict.WRONG, PinVerdict.UNREADABLE
    assert bank.verify_pins([right, *wrong, replace(right, pin_block=bytes(8))]) == [correct, *[no] * 5, unreadable]
    # After a rotation the offsets of before are still right.
    bank.custody.rotate(KeyUsage.PIN_OFFSET)
    assert bank.verify_pins([right]) == [correct]
    assert offset not in repr(right)


def test_a_chosen_pin_becomes_a_pvv_and_is_the_card_s_from_then_on() -> None:
    bank = SoftwareHsm("bank", TEST_MASTER_KEY)
    chosen, none = bank.select_pins(
        [PinSelection(bank_block("777777"), PAN, BANK_ZONE), PinSelection(bytes(8), PAN, BANK_ZONE)]
    )
    assert none is None
    assert chosen is not None
    asked = PinVerification(bank_block("777777"), PAN, BANK_ZONE, "1", chosen)
    assert bank.verify_pins([asked, replace(asked, pin_block=bank_block("1234"))]) == [
        PinVerdict.CORRECT,
        PinVerdict.WRONG,
    ]


# Which keys may do what


def test_an_hsm_of_no_test_world_issues_nothing_by_itself() -> None:
    own = SoftwareHsm("acquirer", bytes(range(32)), KeysInMemory())
    asked = PinTranslation(device_block(BY_DES, "1234"), PAN, BY_DES, TO_NETWORK)
    with pytest.raises(KeyRefused, match="acquirer holds no key acquirer/simnet:pin_zone:1"):
        own.translate_pin_blocks([asked])
    own.custody.generate(KeyUsage.PIN_ZONE, TO_NETWORK)
    assert own.translate_pin_blocks([asked]) == [None]


def test_in_the_test_world_a_device_names_no_key_set_into_being() -> None:
    hsm = acquirer()
    for key_set in (2, 3, 77, 65535):
        ksn = Ksn(b"\xff\xff\xbe" + key_set.to_bytes(2, "big") + bytes(4) + b"\x01")
        assert hsm.translate_pin_blocks([PinTranslation(bytes(8), PAN, ksn, TO_NETWORK)]) == [None]
    assert {record.name.usage for record in hsm.custody.records()} <= {KeyUsage.PIN_ZONE}

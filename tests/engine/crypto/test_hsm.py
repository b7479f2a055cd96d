"""The software HSM at its door: verdicts, translations, seals, and what it refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest

from engine.crypto import des
from engine.crypto.door import (
    CvvVerification,
    Hsm,
    KeyName,
    KeyRefused,
    KeyUsage,
    PanUnreadable,
    PinTranslation,
    PinVerdict,
    PinVerification,
)
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY, derive_key, zone_key_of_test_world
from engine.crypto.pin_blocks import encode_format_0, encode_format_3
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.identifiers import Pan

PAN = Pan("4000001234562345")
OTHER_PAN = Pan("4000009876543210")
TOKEN, OTHER_TOKEN = UUID(int=1), UUID(int=2)
TERMINALS, TO_NETWORK, TO_BANK = "acquirer/terminals", "acquirer/simnet", "bank/simnet"


def hsm(institution: str = "bank") -> Hsm:
    return SoftwareHsm(institution, TEST_MASTER_KEY)


def pin_block(pin: str, zone: str, pan: Pan = PAN) -> bytes:
    """What a PIN pad loaded with the zone's key sends."""
    return des.encrypt_ecb(zone_key_of_test_world(TEST_MASTER_KEY, zone), encode_format_0(pin, pan.clear))


# PIN translation


@pytest.mark.parametrize("pin", ["1234", "12345", "123456789012"])
def test_a_pin_block_reaches_the_next_zone_under_its_key(pin: str) -> None:
    asked = PinTranslation(pin_block(pin, TERMINALS), PAN, TERMINALS, TO_NETWORK)
    assert hsm("acquirer").translate_pin_blocks([asked]) == [pin_block(pin, TO_NETWORK)]


def test_a_pin_travels_from_pad_to_issuer_over_three_zones() -> None:
    (at_network,) = hsm("acquirer").translate_pin_blocks(
        [PinTranslation(pin_block("1234", TERMINALS), PAN, TERMINALS, TO_NETWORK)]
    )
    assert at_network is not None
    (at_bank,) = hsm("simnet").translate_pin_blocks([PinTranslation(at_network, PAN, TO_NETWORK, TO_BANK)])
    assert at_bank is not None
    bank = hsm()
    assert bank.verify_pins([PinVerification(at_bank, PAN, TO_BANK, "1", bank.make_pvv(PAN, "1234"))]) == [
        PinVerdict.CORRECT
    ]


def test_unreadable_blocks_have_no_translation_and_spoil_no_other() -> None:
    right = PinTranslation(pin_block("1234", TERMINALS), PAN, TERMINALS, TO_NETWORK)
    format_3 = des.encrypt_ecb(
        zone_key_of_test_world(TEST_MASTER_KEY, TERMINALS), encode_format_3("1234", PAN.clear, "ABCDEFABCD")
    )
    wrong = [
        replace(right, pin_block=pin_block("1234", TO_NETWORK)),
        replace(right, pin_block=right.pin_block[:7]),
        replace(right, pin_block=b""),
        replace(right, pin_block=right.pin_block * 2),
        replace(right, pin_block=format_3),
        replace(right, pan=OTHER_PAN),
    ]
    answers = hsm("acquirer").translate_pin_blocks([right, *wrong, right])
    assert answers == [pin_block("1234", TO_NETWORK), *[None] * len(wrong), pin_block("1234", TO_NETWORK)]


# PIN verification


def test_verdicts_on_pins_in_one_list() -> None:
    bank = hsm()
    right = PinVerification(pin_block("1234", TO_BANK), PAN, TO_BANK, "1", bank.make_pvv(PAN, "1234"))
    asked = [
        right,
        replace(right, pin_block=pin_block("1235", TO_BANK)),
        replace(right, pvv="0000"),
        replace(right, pvv="no digits"),
        replace(right, pvki="2"),
        replace(right, pin_block=pin_block("1234", TO_NETWORK)),
        replace(right, pin_block=bytes(7)),
        right,
    ]
    correct, wrong, unreadable = PinVerdict.CORRECT, PinVerdict.WRONG, PinVerdict.UNREADABLE
    assert bank.verify_pins(asked) == [correct, wrong, wrong, wrong, wrong, unreadable, unreadable, correct]


@pytest.mark.parametrize("pvki", ["1", "2", "3", "4", "5", "6"])
def test_each_pvki_has_a_key_of_its_own(pvki: str) -> None:
    bank = hsm()
    asked = PinVerification(pin_block("482913", TO_BANK), PAN, TO_BANK, pvki, bank.make_pvv(PAN, "482913", pvki))
    assert bank.verify_pins([asked]) == [PinVerdict.CORRECT]


@pytest.mark.parametrize("pvki", ["", "0", "7", "11", "x"])
def test_a_pvki_without_key_is_refused(pvki: str) -> None:
    with pytest.raises(KeyRefused, match="index 1 to 6"):
        hsm().make_pvv(PAN, "1234", pvki)
    with pytest.raises(KeyRefused, match="index 1 to 6"):
        hsm().verify_pins([PinVerification(pin_block("1234", TO_BANK), PAN, TO_BANK, pvki, "0000")])


def test_a_pin_of_three_digits_is_refused_and_not_repeated() -> None:
    with pytest.raises(FormatError, match="4 to 12") as refusal:
        hsm().make_pvv(PAN, "987")
    assert "987" not in str(refusal.value)


# Card verification


def test_each_place_on_the_card_has_a_value_of_its_own() -> None:
    bank = hsm()
    values = {code: bank.make_cvv(PAN, "2812", code) for code in ("000", "999", "201")}
    assert len(set(values.values())) == 3
    asked = [CvvVerification(PAN, "2812", code, value) for code, value in values.items()]
    assert bank.verify_cvvs(asked) == [True] * 3
    assert bank.verify_cvvs([replace(item, service_code="101") for item in asked]) == [False] * 3


@pytest.mark.parametrize(
    "change",
    [
        {"value": "000"},
        {"value": ""},
        {"value": "1234"},
        {"value": "١٢٣"},
        {"expiry_yymm": "2712"},
        {"expiry_yymm": "28"},
        {"expiry_yymm": "28XX"},
        {"service_code": "00"},
        {"pan": OTHER_PAN},
    ],
)
def test_a_wrong_or_malformed_value_is_wrong_and_spoils_no_other(change: dict[str, str]) -> None:
    bank = hsm()
    right = CvvVerification(PAN, "2812", "000", bank.make_cvv(PAN, "2812", "000"))
    changed = CvvVerification(
        **{name: change.get(name, getattr(right, name)) for name in ("pan", "expiry_yymm", "service_code", "value")}
    )
    assert bank.verify_cvvs([right, changed, right]) == [True, False, True]


# Card numbers at rest


def test_sealed_card_numbers_open_in_order() -> None:
    bank = hsm()
    sealed = bank.encrypt_pans([(TOKEN, PAN), (OTHER_TOKEN, OTHER_PAN)])
    assert bank.decrypt_pans(sealed) == [PAN, OTHER_PAN]
    assert bank.decrypt_pans(sealed[::-1]) == [OTHER_PAN, PAN]
    assert [item.key_id for item in sealed] == ["bank:pan_encryption:1"] * 2
    assert all(PAN.clear.encode() not in item.ciphertext for item in sealed)


def test_a_sealed_card_number_opens_unchanged_with_its_own_token_only() -> None:
    bank = hsm()
    (sealed,) = bank.encrypt_pans([(TOKEN, PAN)])
    for changed in (
        replace(sealed, token=OTHER_TOKEN),
        replace(sealed, ciphertext=sealed.ciphertext[:-1]),
        replace(sealed, ciphertext=b""),
        replace(sealed, ciphertext=sealed.ciphertext[:-1] + bytes([sealed.ciphertext[-1] ^ 1])),
    ):
        with pytest.raises(PanUnreadable, match=str(changed.token)):
            bank.decrypt_pans([changed])


def test_another_master_key_opens_nothing() -> None:
    (sealed,) = hsm().encrypt_pans([(TOKEN, PAN)])
    with pytest.raises(KeyRefused, match="bank holds no key bank:pan_encryption:1"):
        SoftwareHsm("bank", bytes(range(32))).decrypt_pans([sealed])


@pytest.mark.parametrize(
    "key_id",
    ["bank:card_verification:1", "bank:pan_lookup:1", "bank:pan_encryption:2", "other:pan_encryption:1", "nonsense"],
)
def test_a_card_number_is_opened_by_our_own_pan_keys_only(key_id: str) -> None:
    bank = hsm()
    (sealed,) = bank.encrypt_pans([(TOKEN, PAN)])
    with pytest.raises(KeyRefused):
        bank.decrypt_pans([replace(sealed, key_id=key_id)])


def test_after_a_new_version_the_old_one_still_opens() -> None:
    (old,) = hsm().encrypt_pans([(TOKEN, PAN)])
    rotated = SoftwareHsm("bank", TEST_MASTER_KEY)
    assert rotated.key_versions(KeyUsage.PAN_ENCRYPTION) == [1]
    rotated.custody.rotate(KeyUsage.PAN_ENCRYPTION)
    assert rotated.key_versions(KeyUsage.PAN_ENCRYPTION) == [2, 1]
    (new,) = rotated.encrypt_pans([(TOKEN, PAN)])
    assert new.key_id == "bank:pan_encryption:2"
    assert rotated.decrypt_pans([old, new]) == [PAN, PAN]
    with pytest.raises(KeyRefused, match="bank holds no key bank:pan_encryption:2"):
        hsm().decrypt_pans([new])


def test_a_card_is_found_by_its_hash_within_its_institution_only() -> None:
    first, again, other = hsm().pan_lookup([PAN, PAN, OTHER_PAN])
    assert first == again != other
    assert len(first) == 32
    assert hsm("acquirer").pan_lookup([PAN]) != [first]
    assert hsm().fingerprint([PAN.clear.encode()]) != [first]


# MACs


def test_both_ends_of_a_link_agree_on_a_mac() -> None:
    messages = [b"0100...", b"0100...\0", b""]
    macs = hsm("simnet").mac(TO_BANK, messages)
    assert len(set(macs)) == 3
    assert all(len(mac) == 8 for mac in macs)
    assert hsm("bank").verify_mac(TO_BANK, list(zip(messages, macs, strict=True))) == [True] * 3


def test_a_mac_fits_its_own_message_link_and_whole_length_only() -> None:
    bank, message = hsm(), b"0100..."
    (mac,) = bank.mac(TO_BANK, [message])
    asked = [(message, mac), (message + b"!", mac), (message, mac[:4]), (message, b""), (message, bytes(8))]
    assert bank.verify_mac(TO_BANK, asked) == [True, False, False, False, False]
    assert hsm("simnet").verify_mac(TO_NETWORK, [(message, mac)]) == [False]


# Whose keys


@pytest.mark.parametrize("zone", [TO_NETWORK, "simnet/bank", "bank", "bank/", "bank/simnet/x", "", "bank/simnet:1"])
def test_a_zone_is_known_to_its_two_ends_under_its_own_name(zone: str) -> None:
    bank = hsm()
    for ask in (
        lambda: bank.mac(zone, [b""]),
        lambda: bank.verify_pins([PinVerification(bytes(8), PAN, zone, "1", "0000")]),
        lambda: bank.translate_pin_blocks([PinTranslation(bytes(8), PAN, TO_BANK, zone)]),
        lambda: bank.translate_pin_blocks([PinTranslation(bytes(8), PAN, zone, TO_BANK)]),
    ):
        with pytest.raises(KeyRefused):
            ask()


def test_a_pin_zone_key_is_not_the_link_s_mac_key() -> None:
    zone = derive_key(TEST_MASTER_KEY, KeyName(TO_BANK, KeyUsage.PIN_ZONE, 1))
    with pytest.raises(KeyRefused, match="cannot be used for mac"):
        zone.value_for(KeyUsage.MAC)
    with pytest.raises(KeyRefused, match="cannot be used for card_verification"):
        zone.value_for(KeyUsage.CARD_VERIFICATION)


def test_an_hsm_without_a_fit_master_key_or_name_does_not_start() -> None:
    with pytest.raises(KeyRefused):
        SoftwareHsm("bank", b"short")
    with pytest.raises(KeyRefused):
        SoftwareHsm("", TEST_MASTER_KEY)


# What may be seen


def test_nothing_shown_holds_a_key_a_pin_or_a_card_number() -> None:
    bank = SoftwareHsm("bank", TEST_MASTER_KEY)
    block = pin_block("1234", TO_BANK)
    shown = [
        repr(bank),
        repr(PinTranslation(block, PAN, TO_BANK, TO_BANK)),
        repr(PinVerification(block, PAN, TO_BANK, "1", "8523")),
        repr(CvvVerification(PAN, "2812", "000", "737")),
    ]
    (sealed,) = bank.encrypt_pans([(TOKEN, PAN)])
    for ask in (
        lambda: bank.mac("else/where", [b""]),
        lambda: bank.decrypt_pans([replace(sealed, token=OTHER_TOKEN)]),
        lambda: bank.decrypt_pans([replace(sealed, key_id="bank:mac:1")]),
    ):
        with pytest.raises(BezantError) as refusal:
            ask()
        assert refusal.value.__cause__ is None
        shown.append(str(refusal.value))
    secrets = [PAN.clear, TEST_MASTER_KEY.hex(), block.hex(), repr(block)[2:-1], "8523", "737"]
    for text in shown:
        assert not [secret for secret in secrets if secret in text]


def test_threads_share_one_hsm() -> None:
    bank = hsm()
    pins = [PinVerification(pin_block("1234", TO_BANK), PAN, TO_BANK, "1", bank.make_pvv(PAN, "1234"))] * 20
    cvvs = [CvvVerification(PAN, "2812", "000", bank.make_cvv(PAN, "2812", "000"))] * 20

    def work(number: int) -> bool:
        pan = (UUID(int=number), PAN)
        return all(
            bank.verify_pins(pins) == [PinVerdict.CORRECT] * 20
            and bank.verify_cvvs(cvvs) == [True] * 20
            and bank.decrypt_pans(bank.encrypt_pans([pan])) == [PAN]
            for _ in range(20)
        )

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))

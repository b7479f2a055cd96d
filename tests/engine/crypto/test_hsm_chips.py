"""The HSM before chips: verdicts on cryptograms, answers and scripts that the chip can check, card keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.crypto import des, emv_scripts
from engine.crypto.door import (
    CardKeys,
    ChipCard,
    CryptogramVerification,
    DynamicCvvVerification,
    KeyName,
    KeyRefused,
    KeyUsage,
    PinChangeCommand,
    ResponseCryptogram,
    ScriptCommand,
)
from engine.crypto.dynamic_cvv import dynamic_card_verification_code, track_2_template
from engine.crypto.emv_cryptograms import (
    application_cryptogram,
    card_master_key,
    cryptogram_key,
    response_cryptogram_1,
    response_cryptogram_2,
)
from engine.crypto.emv_keys import card_master_key_a
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.key_blocks import unwrap
from engine.crypto.keys import TEST_MASTER_KEY, key_of_test_world, zone_key_of_test_world
from engine.crypto.pin_blocks import encode_format_0
from engine.vocabulary.emv import CRYPTOGRAM_TAGS, CryptogramVersion
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan

PAN, LONG_PAN = Pan("4000001234562345"), Pan("4000001234567890123")
ZONE = "bank/simnet"
ATC = bytes.fromhex("001C")
IAD = {
    CryptogramVersion.CVN_10: "06010A03A06010",
    CryptogramVersion.CVN_18: "06011203A0B800",
    CryptogramVersion.CVN_22: "06012203A0B800",
}
VERSIONS = pytest.mark.parametrize("version", CryptogramVersion)
PANS = pytest.mark.parametrize("pan", [PAN, LONG_PAN], ids=["16", "19"])


def bank() -> SoftwareHsm:
    return SoftwareHsm("bank", TEST_MASTER_KEY)


def issuer_key(usage: KeyUsage) -> bytes:
    return key_of_test_world(TEST_MASTER_KEY, KeyName("bank", usage, 1))


def chip_key(version: CryptogramVersion, pan: Pan, usage: KeyUsage = KeyUsage.CHIP_CRYPTOGRAM) -> bytes:
    """What the chip was personalised with."""
    return card_master_key(version, issuer_key(usage), pan.clear, "01")


def asked(version: CryptogramVersion, pan: Pan) -> CryptogramVerification:
    """What a chip says in DE 55."""
    tags = {tag: bytes(range(length)) for tag, length in CRYPTOGRAM_TAGS.items()}
    tags |= {"9F36": ATC, "9F10": bytes.fromhex(IAD[version]), "9F26": bytes(8)}
    question = CryptogramVerification.of(pan, "01", tags)
    session = cryptogram_key(version, chip_key(version, pan), ATC)
    return replace(question, cryptogram=application_cryptogram(version, session, question.transaction))


@VERSIONS
@PANS
def test_a_cryptogram_is_right_for_its_chip_transaction_and_counter_only(version: CryptogramVersion, pan: Pan) -> None:
    right = asked(version, pan)
    wrong = [
        replace(right, card=ChipCard(Pan("4000009876543210"), "01")),
        replace(right, card=ChipCard(pan, "02")),
        replace(right, card=ChipCard(pan, "01", key_index=9)),
        replace(right, card=ChipCard(pan, "x")),
        replace(right, transaction=right.transaction[:-1] + b"\xaa"),
        replace(right, cryptogram=bytes(8)),
        replace(right, cryptogram=right.cryptogram[:4]),
        replace(right, counter=b"\0"),
    ]
    if version is not CryptogramVersion.CVN_10:  # there the counter is in the data only
        wrong.append(replace(right, counter=b"\0\x1d"))
    assert bank().verify_cryptograms([right, *wrong, right]) == [True, *[False] * len(wrong), True]


def test_a_question_without_its_tags_cannot_be_asked() -> None:
    tags = {tag: bytes(length) for tag, length in CRYPTOGRAM_TAGS.items()} | {"9F10": bytes.fromhex("06011203A0B800")}
    with pytest.raises(FormatError, match="9F26"):
        CryptogramVerification.of(PAN, "01", tags)
    with pytest.raises(FormatError, match="9F10"):
        CryptogramVerification.of(PAN, "01", {tag: tags[tag] for tag in CRYPTOGRAM_TAGS} | {"9F26": bytes(8)})


@VERSIONS
@PANS
def test_the_chip_believes_the_issuer_s_answer(version: CryptogramVersion, pan: Pan) -> None:
    question = asked(version, pan)
    by_method_1 = version is CryptogramVersion.CVN_10
    answer = ResponseCryptogram(
        question.card, version, ATC, question.cryptogram, b"00" if by_method_1 else bytes.fromhex("00820000")
    )
    (arpc,) = bank().make_arpcs([answer])
    session = cryptogram_key(version, chip_key(version, pan), ATC)
    make = response_cryptogram_1 if by_method_1 else response_cryptogram_2
    assert arpc == make(session, question.cryptogram, answer.answer)
    with pytest.raises(FormatError):
        bank().make_arpcs([replace(answer, answer=b"0")])


@VERSIONS
@PANS
def test_the_chip_obeys_a_script_of_its_own_transaction(version: CryptogramVersion, pan: Pan) -> None:
    card, cryptogram = ChipCard(pan, "01"), bytes(range(8))
    unblock = ScriptCommand(card, version, ATC, cryptogram, bytes.fromhex("84240000"))
    limit = ScriptCommand(card, version, ATC, cryptogram, bytes.fromhex("04DA9F58"), b"\x05", secret=True)
    commands = bank().make_scripts([unblock, limit])
    integrity = emv_scripts.script_key(version, chip_key(version, pan, KeyUsage.CHIP_INTEGRITY), ATC, cryptogram)
    for command in commands:
        assert command is not None
        header, content, mac = command[:5], command[5:-8], command[-8:]
        assert header[4] == len(command) - 5
        assert mac == emv_scripts.command_mac(integrity, header, ATC, cryptogram, content)
    assert commands[0] is not None and commands[0].startswith(bytes.fromhex("8424000008"))
    assert commands[1] is not None
    secret = emv_scripts.script_key(version, chip_key(version, pan, KeyUsage.CHIP_CONFIDENTIALITY), ATC, cryptogram)
    assert emv_scripts.decrypt_content(secret, commands[1][5:-8]) == b"\x05"
    assert bank().make_scripts([replace(unblock, cryptogram=bytes(8))]) != [commands[0]]
    for malformed in (replace(unblock, header=bytes(5)), replace(unblock, content=bytes(250))):
        with pytest.raises(FormatError):
            bank().make_scripts([malformed])


@VERSIONS
def test_a_pin_change_carries_the_pin_of_the_block_and_no_other_reads_it(version: CryptogramVersion) -> None:
    zone_key = zone_key_of_test_world(TEST_MASTER_KEY, ZONE)
    block = des.encrypt_ecb(zone_key, encode_format_0("493817", PAN.clear))
    asked_for = PinChangeCommand(ChipCard(PAN, "01"), version, ATC, bytes(range(8)), block, ZONE)
    command, none = bank().make_scripts([asked_for, replace(asked_for, pin_block=bytes(8))])
    assert none is None
    assert command is not None and command[:4] == bytes.fromhex("84240002")
    master = chip_key(version, PAN, KeyUsage.CHIP_CONFIDENTIALITY)
    secret = emv_scripts.script_key(version, master, ATC, bytes(range(8)))
    content = emv_scripts.decrypt_content(secret, command[5:-8])
    assert emv_scripts.read_chip_pin_block(version, chip_key(version, PAN), content) == "493817"
    assert "493817" not in repr(asked_for) and block.hex() not in repr(asked_for)


@pytest.mark.parametrize("by_option_b", [True, False])
def test_card_keys_leave_as_blocks_that_the_personaliser_opens(by_option_b: bool) -> None:
    version = CryptogramVersion.CVN_18 if by_option_b else CryptogramVersion.CVN_10
    (keys,) = bank().make_card_keys("bank/personalisation", [ChipCard(LONG_PAN, "01")], by_option_b=by_option_b)
    master = zone_key_of_test_world(TEST_MASTER_KEY, "bank/personalisation", KeyUsage.ZONE_MASTER)
    for usage in (KeyUsage.CHIP_CRYPTOGRAM, KeyUsage.CHIP_INTEGRITY, KeyUsage.CHIP_CONFIDENTIALITY):
        exported = getattr(keys, usage.removeprefix("chip_"))
        header, value = unwrap(master, exported.key_block)
        assert value == chip_key(version, LONG_PAN, usage)
        assert exported.check_value == des.encrypt_ecb(value, bytes(8))[:3].hex().upper()
        assert header.exportability == "N"
        assert value.hex() not in repr(keys)
    assert isinstance(keys, CardKeys)
    with pytest.raises(KeyRefused):
        bank().make_card_keys("other/personalisation", [ChipCard(PAN)])


def test_a_dynamic_code_is_right_for_its_transaction_only() -> None:
    track = track_2_template(PAN.clear, "3512", "101", "0000000000000")
    key = card_master_key_a(issuer_key(KeyUsage.CHIP_DYNAMIC_NUMBER), PAN.clear, "00")
    code = dynamic_card_verification_code(key, track, ATC, bytes.fromhex("00000899"))
    right = DynamicCvvVerification(PAN, track, ATC, bytes.fromhex("00000899"), code)
    wrong = [
        replace(right, counter=b"\0\x1d"),
        replace(right, number=bytes(4)),
        replace(right, number=bytes(3)),
        replace(right, sequence_number="01"),
        replace(right, key_index=7),
        replace(right, value=""),
        replace(right, track=track[:-1]),
    ]
    assert bank().verify_dynamic_cvvs([right, *wrong]) == [True, *[False] * len(wrong)]
    assert code not in repr(right)

"""Chip keys, cryptograms and scripts: pyemv as a second opinion, and what the books say where it is silent."""

from __future__ import annotations

from typing import Any

import pyemv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crypto import emv_scripts
from engine.crypto.emv_cryptograms import (
    application_cryptogram,
    card_master_key,
    cryptogram_key,
    response_cryptogram_1,
    response_cryptogram_2,
)
from engine.crypto.emv_keys import card_master_key_a, card_master_key_b, common_session_key, counter_session_key
from engine.vocabulary.emv import (
    AMOUNT_AUTHORISED,
    CRYPTOGRAM_TAGS,
    CryptogramVersion,
    IssuerApplicationData,
    cryptogram_input,
)
from engine.vocabulary.errors import FormatError

# pyemv warns at each call; our own code is held to no warning by the other tests.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

KEYS = st.binary(min_size=16, max_size=16)
PANS = st.text("0123456789", min_size=12, max_size=19)
SEQUENCES = st.text("0123456789", min_size=2, max_size=2)
COUNTERS = st.binary(min_size=2, max_size=2)
CRYPTOGRAMS = st.binary(min_size=8, max_size=8)
PINS = st.text("0123456789", min_size=4, max_size=12)
TAGS: dict[str, bytes] = {tag: bytes(range(length)) for tag, length in CRYPTOGRAM_TAGS.items()}
IAD = {
    CryptogramVersion.CVN_10: bytes.fromhex("06010A03A06010"),
    CryptogramVersion.CVN_18: bytes.fromhex("06011203A0B800"),
    CryptogramVersion.CVN_22: bytes.fromhex("06012203A0B800"),
}


@settings(deadline=None)
@given(key=KEYS, pan=PANS, sequence=SEQUENCES)
def test_pyemv_derives_the_same_card_keys(key: bytes, pan: str, sequence: str) -> None:
    assert card_master_key_a(key, pan, sequence) == pyemv.kd.derive_icc_mk_a(key, pan, sequence)
    assert card_master_key_b(key, pan, sequence) == pyemv.kd.derive_icc_mk_b(key, pan, sequence)


@settings(deadline=None)
@given(key=KEYS, diversifier=CRYPTOGRAMS, counter=COUNTERS)
def test_pyemv_derives_the_same_session_keys(key: bytes, diversifier: bytes, counter: bytes) -> None:
    assert common_session_key(key, diversifier) == pyemv.kd.derive_common_sk(key, diversifier)
    assert counter_session_key(key, counter) == pyemv.kd.derive_visa_sm_sk(key, counter)


@settings(deadline=None)
@given(
    key=KEYS, cryptogram=CRYPTOGRAMS, code=COUNTERS, update=st.binary(min_size=4, max_size=4), own=st.binary(max_size=8)
)
def test_pyemv_answers_alike(key: bytes, cryptogram: bytes, code: bytes, update: bytes, own: bytes) -> None:
    assert response_cryptogram_1(key, cryptogram, code) == pyemv.ac.generate_arpc_1(key, cryptogram, code)
    assert response_cryptogram_2(key, cryptogram, update, own) == pyemv.ac.generate_arpc_2(key, cryptogram, update, own)


def theirs(version: CryptogramVersion, key: bytes, pan: str, sequence: str) -> Any:
    of_version = {
        CryptogramVersion.CVN_10: pyemv.cvn.VisaCVN10,
        CryptogramVersion.CVN_18: pyemv.cvn.VisaCVN18,
        CryptogramVersion.CVN_22: pyemv.cvn.VisaCVN22,
    }
    return of_version[version](key, key, key, pan, sequence)


@settings(deadline=None)
@given(version=st.sampled_from(CryptogramVersion), key=KEYS, pan=PANS, sequence=SEQUENCES, counter=COUNTERS)
def test_pyemv_makes_the_same_cryptogram(
    version: CryptogramVersion, key: bytes, pan: str, sequence: str, counter: bytes
) -> None:
    tags = TAGS | {"9F36": counter}
    named = {f"tag_{tag.lower()}": content for tag, content in tags.items()}
    if version is CryptogramVersion.CVN_10:
        expected = theirs(version, key, pan, sequence).generate_ac(**named, cvr=IAD[version][3:])
    else:
        expected = theirs(version, key, pan, sequence).generate_ac(**named, tag_9f10=IAD[version])
    session = cryptogram_key(version, card_master_key(version, key, pan, sequence), counter)
    made = application_cryptogram(version, session, cryptogram_input(tags | {"9F10": IAD[version]}))
    assert made == expected


@settings(deadline=None)
@given(version=st.sampled_from(CryptogramVersion), key=KEYS, counter=COUNTERS, cryptogram=CRYPTOGRAMS, pin=PINS)
def test_pyemv_changes_a_pin_by_the_same_command(
    version: CryptogramVersion, key: bytes, counter: bytes, cryptogram: bytes, pin: str
) -> None:
    pan, sequence = "4000001234562345", "01"
    card = card_master_key(version, key, pan, sequence)
    script = emv_scripts.script_key(version, card, counter, cryptogram)
    block = emv_scripts.chip_pin_block(version, card, pin)
    encrypted = emv_scripts.encrypt_content(script, block)
    header = bytes.fromhex("8424000218")
    command = header + encrypted + emv_scripts.command_mac(script, header, counter, cryptogram, encrypted)
    expected = theirs(version, key, pan, sequence).generate_pin_change_command(pin, cryptogram, counter)
    assert command == expected
    assert emv_scripts.decrypt_content(script, encrypted) == block
    assert emv_scripts.read_chip_pin_block(version, card, block) == pin


def test_the_card_s_words_say_version_key_and_results() -> None:
    decoded = IssuerApplicationData.decode(bytes.fromhex("06031203A0B800"))
    assert decoded == IssuerApplicationData(3, CryptogramVersion.CVN_18, bytes.fromhex("03A0B800"))
    decoded = IssuerApplicationData.decode(bytes.fromhex("1F220203A0B800FF") + bytes(24))
    assert decoded == IssuerApplicationData(2, CryptogramVersion.CVN_22, bytes.fromhex("03A0B800FF"))


@pytest.mark.parametrize(
    "content", ["", "06010A", "07010A03A06010", "06011103A06010", "1F2202010203", "1F120203A0B80000"]
)
def test_issuer_application_data_of_another_form_are_refused(content: str) -> None:
    with pytest.raises(FormatError, match="9F10"):
        IssuerApplicationData.decode(bytes.fromhex(content))


@pytest.mark.parametrize("tag", [*CRYPTOGRAM_TAGS, "9F10"])
def test_a_cryptogram_over_less_than_all_is_refused_and_the_tag_named(tag: str) -> None:
    tags = TAGS | {"9F10": IAD[CryptogramVersion.CVN_18]}
    with pytest.raises(FormatError, match=tag):
        cryptogram_input({name: content for name, content in tags.items() if name != tag})
    with pytest.raises(FormatError, match=tag):
        cryptogram_input(tags | {tag: tags[tag][:-1] if tag != "9F10" else b"\x06"})


def test_an_amount_changed_on_the_way_changes_the_cryptogram() -> None:
    version, tags = CryptogramVersion.CVN_18, TAGS | {"9F10": IAD[CryptogramVersion.CVN_18]}
    changed = tags | {AMOUNT_AUTHORISED: bytes(6)}
    key = bytes(range(16))
    assert application_cryptogram(version, key, cryptogram_input(tags)) != application_cryptogram(
        version, key, cryptogram_input(changed)
    )


def test_scripts_that_are_not_for_this_card_do_not_open() -> None:
    encrypted = emv_scripts.encrypt_content(bytes(range(16)), b"limit")
    for key, text in ((bytes(16), encrypted), (bytes(range(16)), encrypted[:-1]), (bytes(range(16)), b"")):
        with pytest.raises(FormatError):
            emv_scripts.decrypt_content(key, text)
    block = emv_scripts.chip_pin_block(CryptogramVersion.CVN_18, bytes(range(16)), "1234")
    with pytest.raises(FormatError):
        emv_scripts.read_chip_pin_block(CryptogramVersion.CVN_18, bytes(16), block)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: card_master_key_a(bytes(8), "4000001234562345"),
        lambda: card_master_key_a(bytes(16), "40000012345"),
        lambda: card_master_key_b(bytes(16), "4000001234562345", "1"),
        lambda: common_session_key(bytes(16), bytes(7)),
        lambda: counter_session_key(bytes(16), bytes(3)),
        lambda: cryptogram_key(CryptogramVersion.CVN_10, bytes(16), bytes(1)),
        lambda: response_cryptogram_1(bytes(16), bytes(8), b"0"),
        lambda: response_cryptogram_1(bytes(16), bytes(7), b"00"),
        lambda: response_cryptogram_2(bytes(16), bytes(8), bytes(3)),
        lambda: response_cryptogram_2(bytes(16), bytes(8), bytes(4), bytes(9)),
        lambda: emv_scripts.command_mac(bytes(16), bytes(4), bytes(2), bytes(8)),
        lambda: emv_scripts.command_mac(bytes(16), bytes(5), bytes(2), bytes(8), length=3),
        lambda: emv_scripts.encrypt_content(bytes(16), bytes(256)),
        lambda: emv_scripts.chip_pin_block(CryptogramVersion.CVN_18, bytes(16), "123"),
    ],
)
def test_input_of_another_length_is_refused(wrong: Any) -> None:
    with pytest.raises(FormatError):
        wrong()

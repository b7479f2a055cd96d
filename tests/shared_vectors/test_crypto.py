"""Every published crypto case of the vectors beside the repository, negatives included.

A case of a kind that is named nowhere fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.crypto import des, dukpt_aes, dukpt_tdes, mac, pin_blocks
from engine.crypto.cvv import card_verification_value
from engine.crypto.dynamic_cvv import dynamic_card_verification_code, track_2_template
from engine.crypto.emv_cryptograms import (
    application_cryptogram,
    card_master_key,
    cryptogram_key,
    response_cryptogram_1,
    response_cryptogram_2,
)
from engine.crypto.emv_keys import card_master_key_a, card_master_key_b, common_session_key
from engine.crypto.kcv import kcv_des
from engine.crypto.key_blocks import unwrap, wrap
from engine.crypto.mac import Padding
from engine.crypto.pin_offset import natural_pin, offset_of, pin_from_offset, validation_digits
from engine.crypto.pvv import pin_verification_value
from engine.vocabulary.emv import CryptogramVersion, cryptogram_input
from engine.vocabulary.errors import FormatError

pytestmark = pytest.mark.shared_vectors

VECTORS = Path(__file__).parents[2].parent / "shared/vectors"
Case = dict[str, Any]
hexadecimal = bytes.fromhex


def load(name: str) -> Case:
    content: Case = json.loads((VECTORS / name).read_text())
    return content


# PIN blocks

DECODE: dict[int, Callable[[bytes, Case], str]] = {
    0: lambda block, case: pin_blocks.decode_format_0(block, case["pan"]),
    1: lambda block, case: pin_blocks.decode_format_1(block),
    2: lambda block, case: pin_blocks.decode_format_2(block),
    3: lambda block, case: pin_blocks.decode_format_3(block, case["pan"]),
    4: lambda block, case: pin_blocks.decrypt_format_4(hexadecimal(case["aes_key"]), block, case["pan"]),
}
ENCODE: dict[int, Callable[[Case], bytes]] = {
    0: lambda case: pin_blocks.encode_format_0(case["pin"], case["pan"]),
    1: lambda case: pin_blocks.encode_format_1(case["pin"], case["transaction_field_fill"].rjust(10, "0")),
    2: lambda case: pin_blocks.encode_format_2(case["pin"]),
    3: lambda case: pin_blocks.encode_format_3(case["pin"], case["pan"], case["fill_used"].ljust(10, "F")),
    4: lambda case: pin_blocks.encrypt_format_4(
        hexadecimal(case["aes_key"]), case["pin"], case["pan"], hexadecimal(case["clear_pin_field"])[8:]
    ),
}


@pytest.mark.parametrize("case", load("pin_blocks.json")["cases"], ids=str)
def test_pin_blocks(case: Case) -> None:
    if case.get("part") == "pan_field":
        assert pin_blocks.account_field_4(case["pan"]).hex().upper() == case["pan_field"]
        return
    block = hexadecimal(case.get("enciphered_pinblock") or case["pinblock"])
    if case.get("negative"):
        with pytest.raises(FormatError):
            DECODE[case["format"]](block, case)
        return
    assert DECODE[case["format"]](block, case) == case["pin"]
    assert ENCODE[case["format"]](case) == block


# PIN and card verification values


def pvv_case(case: Case) -> None:
    pvk = hexadecimal(case["pvk"])
    assert pin_verification_value(pvk, case["pan"], case["pvki"], case["pin"]) == case["pvv"]


def offset_case(case: Case) -> None:
    validation = validation_digits(case["pan"], case["verify_offset"], case["verify_length"], case["pan_pad"])
    natural = natural_pin(hexadecimal(case["pvk"]), validation, case["decimalization_table"])
    assert pin_from_offset(natural, case["offset"]) == case["pin"]
    assert offset_of(natural, case["pin"]) == case["offset"]


def cvv_case(case: Case) -> None:
    cvk = hexadecimal(case["cvk"])
    assert card_verification_value(cvk, case["pan"], case["expiry_as_used"], case["service_code"]) == case["cvv"]


VERIFICATIONS = {
    "Visa PVV": pvv_case,
    "IBM 3624 PIN from offset": offset_case,
    "CVV/CVC": cvv_case,
    "CVV2": cvv_case,
    "iCVV": cvv_case,
    "CVV1": cvv_case,
}


@pytest.mark.parametrize("case", load("pin_verification_cvv.json")["cases"], ids=str)
def test_pin_and_card_verification_values(case: Case) -> None:
    VERIFICATIONS[case["algo"]](case)


# MACs


def two_key_mac_case(case: Case) -> None:
    # Two triple DES keys of equal halves: K and K' are one half of each.
    assert case["key1"][:16] == case["key1"][16:]
    assert case["key2"][:16] == case["key2"][16:]
    made = mac.retail_mac(
        hexadecimal(case["key1"][:16] + case["key2"][:16]), case["data_ascii"].encode(), Padding(case["padding"])
    )
    assert made.hex().upper() == case["mac"]


def chained_mac_case(case: Case) -> None:
    made = mac.cbc_mac(hexadecimal(case["key"]), case["data_ascii"].encode(), Padding(case["padding"]))
    assert made.hex().upper() == case["mac"]


def annex_b_mac_case(case: Case) -> None:
    message, padding = case["data_ascii"].encode(), Padding(case["padding"])
    assert mac.cbc_mac(hexadecimal(case["K"]), message, padding).hex().upper() == case["mac_alg1_full8"]
    both = hexadecimal(case["K"] + case["K'"])
    assert mac.retail_mac(both, message, padding).hex().upper() == case["mac_alg3_full8"]
    assert mac.retail_mac_once(both, message, padding).hex().upper() == case["mac_alg3_full8"]


def aes_cmac_case(case: Case) -> None:
    assert mac.aes_cmac(hexadecimal(case["key"]), hexadecimal(case["data"])).hex() == case["mac"]


def des_cmac_case(case: Case) -> None:
    assert mac.des_cmac(hexadecimal(case["key"]), hexadecimal(case["data"])).hex() == case["mac"]


MACS = {
    "ISO 9797-1 MAC algorithm 3 (retail MAC)": two_key_mac_case,
    "ISO 9797-1 MAC algorithm 1 (TDES CBC-MAC)": chained_mac_case,
    "ISO/IEC 9797-1 Annex B inputs": annex_b_mac_case,
    "AES-CMAC": aes_cmac_case,
    "TDES-CMAC (3 key)": des_cmac_case,
}


@pytest.mark.parametrize("case", load("mac.json")["cases"], ids=str)
def test_macs(case: Case) -> None:
    MACS[case["algo"]](case)


# DUKPT

TDES = load("dukpt_tdes.json")


@pytest.mark.parametrize("case", TDES["cases"], ids=lambda case: case["ksn"])
def test_dukpt_by_triple_des(case: Case) -> None:
    bdk, ksn, message = hexadecimal(TDES["bdk"]), hexadecimal(case["ksn"]), TDES["mac_data_ascii"].encode()
    initial = dukpt_tdes.initial_key(bdk, ksn)
    assert initial.hex().upper() == TDES["ipek"]
    transaction = dukpt_tdes.transaction_key(initial, ksn)
    assert transaction.hex().upper() == case["transaction_key"]
    pin_key = dukpt_tdes.use_key(transaction, dukpt_tdes.Use.PIN)
    clear = pin_blocks.encode_format_0(TDES["pin"], TDES["pan"])
    assert clear.hex().upper() == TDES["clear_pinblock_iso0"]
    assert des.once(pin_key, clear).hex().upper() == case["encrypted_pinblock"]
    for use, way in ((dukpt_tdes.Use.MAC_REQUEST, "request"), (dukpt_tdes.Use.MAC_RESPONSE, "response")):
        key = dukpt_tdes.device_key(bdk, ksn, use)
        assert mac.retail_mac_once(key, message, Padding.ZEROS)[:4].hex().upper() == case[f"mac_{way}"]
        assert mac.des_cmac(key, message).hex().upper() == case[f"cmac_{way}"]


def test_dukpt_data_keys_by_triple_des() -> None:
    derived, magstripe = TDES["data_encryption"]
    bdk, ksn = hexadecimal(derived["bdk"]), hexadecimal(derived["ksn"])
    key = dukpt_tdes.device_key(bdk, ksn, dukpt_tdes.Use.ENCRYPTION_REQUEST)
    assert key.hex().upper() == derived["data_key_request"]
    key = dukpt_tdes.device_key(hexadecimal(magstripe["bdk"]), hexadecimal(magstripe["ksn"]), dukpt_tdes.Use.PIN)
    assert key.hex().upper() in magstripe["key_used"]
    text = des.decrypt_cbc(key, hexadecimal(magstripe["ciphertext_track1_tdes_cbc_iv0"]))
    assert text.rstrip(b"\0").decode() == magstripe["plaintext_ascii"]


AES_USES = {"pin": dukpt_aes.Use.PIN, "cmac": dukpt_aes.Use.MAC_REQUEST, "data": dukpt_aes.Use.ENCRYPTION_REQUEST}
AES_SETS = load("dukpt_aes.json")["sets"]


@pytest.mark.parametrize(
    ("of_set", "case"),
    [(of_set, case) for of_set in AES_SETS for case in of_set["cases"]],
    ids=lambda one: one.get("ksn"),
)
def test_dukpt_by_aes(of_set: Case, case: Case) -> None:
    ksn = hexadecimal(case["ksn"])
    initial = dukpt_aes.initial_key(hexadecimal(of_set["bdk"]), ksn)
    assert initial.hex().upper() == of_set["initial_key"]
    transaction = dukpt_aes.transaction_key(initial, ksn)
    assert transaction.hex().upper() == case["transaction_derivation_key"]
    for name in set(case) - {"ksn", "transaction_derivation_key", "encrypted_pinblock_iso4", "check"}:
        use, length = AES_USES[name.split("_")[0]], 32 if "aes256" in name else 16
        assert dukpt_aes.use_key(transaction, ksn, use, length).hex().upper() == case[name]
    if "encrypted_pinblock_iso4" in case:
        key = dukpt_aes.device_key(hexadecimal(of_set["bdk"]), ksn, dukpt_aes.Use.PIN)
        block = pin_blocks.encrypt_format_4(
            key, of_set["pin"], of_set["pan"], hexadecimal(of_set["pin_field_iso4"])[8:]
        )
        assert block.hex().upper() == case["encrypted_pinblock_iso4"]
        assert pin_blocks.decrypt_format_4(key, block, of_set["pan"]) == of_set["pin"]


# EMV


def option_a_case(case: Case) -> None:
    issuer = hexadecimal(case["issuer_master_key"])
    assert kcv_des(issuer).hex().upper().startswith(case["imk_kcv2"])
    card = card_master_key_a(issuer, case["pan"], case["psn"])
    assert kcv_des(card).hex().upper().startswith(case["icc_mk_kcv2"])
    session = common_session_key(card, hexadecimal("1234567890123456"))
    assert kcv_des(session).hex().upper().startswith(case["session_key_kcv2"])
    padding = {"1": Padding.ZEROS, "2": Padding.ONE_AND_ZEROS}[case["padding"][-1]]
    arqc = mac.retail_mac_once(session, hexadecimal(case["ac_data"]), padding)
    assert arqc.hex().upper() == case["arqc"]
    key = card if case["arpc_key"] == "icc_mk" else session
    status, _, proprietary = case["arc_or_csu|prop"].partition("|")
    answer = (
        response_cryptogram_1(key, arqc, hexadecimal(status))
        if case["arpc_method"] == 1
        else response_cryptogram_2(key, arqc, hexadecimal(status), hexadecimal(proprietary))
    )
    assert answer.hex().upper() == case["arpc"]


def tags_of(case: Case) -> dict[str, bytes]:
    return {tag: hexadecimal(content) for tag, content in case["tags"].items()}


def cvn_10_case(case: Case) -> None:
    version = CryptogramVersion.CVN_10
    key = card_master_key(version, hexadecimal(case["issuer_master_key_ac"]), case["pan"], case["psn"])
    assert kcv_des(key).hex().upper().startswith(case["icc_mk_kcv2"])
    transaction = cryptogram_input(tags_of(case) | {"9F10": hexadecimal("06010A" + case["cvr"])})
    arqc = application_cryptogram(version, cryptogram_key(version, key, tags_of(case)["9F36"]), transaction)
    assert arqc.hex().upper() == case["arqc"]
    assert response_cryptogram_1(key, arqc, hexadecimal(case["arc"])).hex().upper() == case["arpc"]


def cvn_18_and_22_case(case: Case) -> None:
    for version in (CryptogramVersion.CVN_18, CryptogramVersion.CVN_22):
        card = card_master_key(version, hexadecimal(case["issuer_master_key_ac"]), case["pan"], case["psn"])
        assert card == card_master_key_b(hexadecimal(case["issuer_master_key_ac"]), case["pan"], case["psn"])
        key = cryptogram_key(version, card, tags_of(case)["9F36"])
        assert kcv_des(key).hex().upper().startswith(case["session_key_kcv2"])
        arqc = application_cryptogram(version, key, cryptogram_input(tags_of(case)))
        assert arqc.hex().upper() == case["arqc"]
        assert response_cryptogram_2(key, arqc, hexadecimal(case["csu"])).hex().upper() == case["arpc"]


def cvn_18_layout_case(case: Case) -> None:
    transaction = cryptogram_input(tags_of(case))
    assert transaction.hex().upper() == case["ac_data"]
    assert mac.pad(transaction, Padding.ONE_AND_ZEROS).hex().upper() == case["ac_data_padded"]


def dynamic_cvv_case(case: Case) -> None:
    key = card_master_key_a(hexadecimal(case["imk_cvc3"]), case["pan"], case["psn"])
    assert kcv_des(key).hex().upper().startswith(case["icc_key_kcv2"])
    atc, number = hexadecimal(case["atc"]), hexadecimal(case["un"])
    track_2 = hexadecimal(case["track2_template"])
    assert dynamic_card_verification_code(key, track_2, atc, number) == case["cvc3_track2_last3"]
    assert track_2_template(case["pan"], "3512", "101", "0000000000000") == track_2
    track_1 = case["track1_template_ascii"].encode()
    assert dynamic_card_verification_code(key, track_1, atc, number) == case["cvc3_track1_last3"]


EMV = {
    "option A": option_a_case,
    "Visa CVN 10": cvn_10_case,
    "Visa CVN 18 / 22": cvn_18_and_22_case,
    "CVN 18 data string": cvn_18_layout_case,
    "Mastercard CVC3 (contactless magstripe)": dynamic_cvv_case,
}


@pytest.mark.parametrize("case", load("emv.json")["cases"], ids=str)
def test_emv(case: Case) -> None:
    EMV[case.get("profile", "option A").partition(" (Visa VSDC")[0]](case)


# Key blocks


@pytest.mark.parametrize("case", load("tr31_key_blocks.json")["cases"], ids=lambda case: case["key_block"][:16])
def test_key_blocks(case: Case) -> None:
    protection, block = hexadecimal(case["kbpk"]), case["key_block"]
    header, key = unwrap(protection, block)
    assert header.version == case["version"]
    assert key.hex().upper() == case["clear_key"]
    assert unwrap(protection, wrap(protection, header, key)) == (header, key)
    # Each character of header, optional blocks, key and MAC counts.
    for place, character in enumerate(block):
        changed = block[:place] + ("1" if character == "0" else "0") + block[place + 1 :]
        with pytest.raises(FormatError):
            unwrap(protection, changed)

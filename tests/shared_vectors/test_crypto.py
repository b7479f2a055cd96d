"""Every published crypto case of the vectors beside the repository that the engine has code for, negatives included.

What comes with a later issue is named below, kind by kind: a case of a kind that is named nowhere fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.crypto.cvv import card_verification_value
from engine.crypto.kcv import kcv_des
from engine.crypto.mac import Padding, retail_mac
from engine.crypto.pin_blocks import decode_format_0, decode_format_3, encode_format_0
from engine.crypto.pvv import pin_verification_value
from engine.vocabulary.errors import FormatError

pytestmark = pytest.mark.shared_vectors

VECTORS = Path(__file__).parents[2].parent / "shared/vectors"
DECODE: dict[int, Callable[[bytes, str], str]] = {0: decode_format_0, 3: decode_format_3}
NOT_BUILT_FILES = {"dukpt_aes.json", "dukpt_tdes.json", "tr31_key_blocks.json"}
NOT_BUILT_PIN_BLOCK_FORMATS = {1, 2, 4}
NOT_BUILT_VERIFICATIONS = {"IBM 3624 PIN from offset"}
NOT_BUILT_MACS = {"ISO 9797-1 MAC algorithm 1 (TDES CBC-MAC)", "AES-CMAC", "TDES-CMAC (3 key)"}
Case = dict[str, Any]


def cases(name: str, kind: str, not_built: set[Any]) -> list[Case]:
    """The cases of one file without those whose `kind` comes later."""
    return [case for case in json.loads((VECTORS / name).read_text())["cases"] if case[kind] not in not_built]


def pin_block_case(case: Case) -> None:
    block, pan, decode = bytes.fromhex(case["pinblock"]), case["pan"], DECODE[case["format"]]
    if case.get("negative"):
        with pytest.raises(FormatError):
            decode(block, pan)
        return
    assert decode(block, pan) == case["pin"]
    if case["format"] == 0:
        assert encode_format_0(case["pin"], pan) == block


def pvv_case(case: Case) -> None:
    pvk = bytes.fromhex(case["pvk"])
    assert pin_verification_value(pvk, case["pan"], case["pvki"], case["pin"]) == case["pvv"]


def cvv_case(case: Case) -> None:
    cvk = bytes.fromhex(case["cvk"])
    assert card_verification_value(cvk, case["pan"], case["expiry_as_used"], case["service_code"]) == case["cvv"]


VERIFICATIONS = {"Visa PVV": pvv_case, "CVV/CVC": cvv_case, "CVV2": cvv_case, "iCVV": cvv_case, "CVV1": cvv_case}


def two_key_mac_case(case: Case) -> None:
    # Two triple DES keys of equal halves: K and K' are one half of each.
    assert case["key1"][:16] == case["key1"][16:]
    assert case["key2"][:16] == case["key2"][16:]
    check_mac(case["key1"][:16] + case["key2"][:16], case, case["mac"])


def annex_b_mac_case(case: Case) -> None:
    check_mac(case["K"] + case["K'"], case, case["mac_alg3_full8"])


def check_mac(key: str, case: Case, expected: str) -> None:
    mac = retail_mac(bytes.fromhex(key), case["data_ascii"].encode(), Padding(case["padding"]))
    assert mac.hex().upper() == expected


MACS = {
    "ISO 9797-1 MAC algorithm 3 (retail MAC)": two_key_mac_case,
    "ISO/IEC 9797-1 Annex B inputs": annex_b_mac_case,
}


def test_pin_blocks() -> None:
    chosen = cases("pin_blocks.json", "format", NOT_BUILT_PIN_BLOCK_FORMATS)
    assert len(chosen) >= 15
    for case in chosen:
        pin_block_case(case)


def test_pin_and_card_verification_values() -> None:
    chosen = cases("pin_verification_cvv.json", "algo", NOT_BUILT_VERIFICATIONS)
    assert len(chosen) >= 11
    for case in chosen:
        VERIFICATIONS[case["algo"]](case)


def test_macs() -> None:
    chosen = cases("mac.json", "algo", NOT_BUILT_MACS)
    assert len(chosen) >= 9
    for case in chosen:
        MACS[case["algo"]](case)


def test_check_values_of_emv_issuer_keys() -> None:
    """Of the EMV cases the check values of the issuer keys; cryptograms and their keys come later."""
    chosen = [case for case in json.loads((VECTORS / "emv.json").read_text())["cases"] if "imk_kcv2" in case]
    assert chosen
    for case in chosen:
        assert kcv_des(bytes.fromhex(case["issuer_master_key"])).hex().upper().startswith(case["imk_kcv2"])


def test_the_files_that_come_later_are_there() -> None:
    assert {path.name for path in VECTORS.glob("*.json")} >= NOT_BUILT_FILES

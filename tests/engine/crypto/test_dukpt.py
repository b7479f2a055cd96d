"""DUKPT by triple DES and by AES: the standards' own tables, and what no device may ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crypto import des, dukpt_aes, dukpt_tdes
from engine.crypto.mac import Padding, retail_mac_once
from engine.crypto.pin_blocks import decrypt_format_4, encode_format_0, encrypt_format_4
from engine.vocabulary.errors import FormatError

VECTORS = Path(__file__).parents[2] / "vectors"
TDES: dict[str, Any] = json.loads((VECTORS / "dukpt_tdes.json").read_text())
AES: dict[str, Any] = json.loads((VECTORS / "dukpt_aes.json").read_text())
AES_USES = {
    "pin": dukpt_aes.Use.PIN,
    "cmac": dukpt_aes.Use.MAC_REQUEST,
    "data": dukpt_aes.Use.ENCRYPTION_REQUEST,
}


@pytest.mark.parametrize("case", TDES["cases"], ids=lambda case: case["ksn"])
def test_a_device_under_triple_des(case: dict[str, str]) -> None:
    bdk, ksn = bytes.fromhex(TDES["bdk"]), bytes.fromhex(case["ksn"])
    initial = dukpt_tdes.initial_key(bdk, ksn)
    transaction = dukpt_tdes.transaction_key(initial, ksn)
    assert (initial.hex().upper(), transaction.hex().upper()) == (TDES["initial_key"], case["transaction_key"])
    clear = encode_format_0(TDES["pin"], TDES["pan"])
    pin_key = dukpt_tdes.device_key(bdk, ksn, dukpt_tdes.Use.PIN)
    assert des.once(pin_key, clear).hex().upper() == case["encrypted_pinblock"]
    for use, name in ((dukpt_tdes.Use.MAC_REQUEST, "mac_request"), (dukpt_tdes.Use.MAC_RESPONSE, "mac_response")):
        key = dukpt_tdes.device_key(bdk, ksn, use)
        assert retail_mac_once(key, TDES["message"].encode(), Padding.ZEROS)[:4].hex().upper() == case[name]


@pytest.mark.parametrize(
    ("of_set", "case"),
    [(of_set, case) for of_set in AES["sets"] for case in of_set["cases"]],
    ids=lambda one: one.get("ksn"),
)
def test_a_device_under_aes(of_set: dict[str, Any], case: dict[str, str]) -> None:
    bdk, ksn = bytes.fromhex(of_set["bdk"]), bytes.fromhex(case["ksn"])
    initial = dukpt_aes.initial_key(bdk, ksn)
    transaction = dukpt_aes.transaction_key(initial, ksn)
    assert initial.hex().upper() == of_set["initial_key"]
    assert transaction.hex().upper() == case["transaction_derivation_key"]
    for name in set(case) - {"ksn", "transaction_derivation_key", "encrypted_pinblock_iso4"}:
        kind, length = name.split("_")[0], 32 if "aes256" in name else 16
        assert dukpt_aes.use_key(transaction, ksn, AES_USES[kind], length).hex().upper() == case[name]
    if "encrypted_pinblock_iso4" in case:
        key = dukpt_aes.device_key(bdk, ksn, dukpt_aes.Use.PIN)
        block = encrypt_format_4(key, AES["pin"], AES["pan"], bytes.fromhex(AES["random_part"]))
        assert block.hex().upper() == case["encrypted_pinblock_iso4"]
        assert decrypt_format_4(key, block, AES["pan"]) == AES["pin"]


@settings(deadline=None)
@given(st.sets(st.integers(min_value=0, max_value=20), min_size=1, max_size=10), st.binary(min_size=16, max_size=16))
def test_no_two_uses_of_a_transaction_share_a_key(bits: set[int], bdk: bytes) -> None:
    ksn = (0xFFFF9876543210E00000 | sum(1 << bit for bit in bits)).to_bytes(10, "big")
    assert len({dukpt_tdes.device_key(bdk, ksn, use) for use in dukpt_tdes.Use}) == len(dukpt_tdes.Use)
    counter = sum(1 << bit for bit in bits).to_bytes(4, "big")
    keys = {dukpt_aes.device_key(bdk, bytes(range(8)) + counter, use) for use in dukpt_aes.Use}
    assert len(keys) == len(dukpt_aes.Use)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: dukpt_tdes.transaction_key(bytes(16), bytes.fromhex("FFFF9876543210E00000")),  # no transaction yet
        lambda: dukpt_tdes.transaction_key(bytes(16), bytes.fromhex("FFFF9876543210FFFFFF")),  # more than ten bits
        lambda: dukpt_tdes.transaction_key(bytes(15), bytes.fromhex("FFFF9876543210E00001")),
        lambda: dukpt_tdes.initial_key(bytes(8), bytes(10)),
        lambda: dukpt_tdes.initial_key(bytes(16), bytes(9)),
        lambda: dukpt_aes.transaction_key(bytes(16), bytes(12)),
        lambda: dukpt_aes.transaction_key(bytes(16), bytes(8) + b"\xff\xff\x80\x00"),
        lambda: dukpt_aes.initial_key(bytes(15), bytes(12)),
        lambda: dukpt_aes.initial_key(bytes(16), bytes(10)),
        lambda: dukpt_aes.device_key(bytes(16), bytes(11) + b"\x01", dukpt_aes.Use.PIN, 32),  # stronger than its source
    ],
)
def test_a_counter_or_key_that_no_device_has_is_refused(wrong: Any) -> None:
    with pytest.raises(FormatError):
        wrong()

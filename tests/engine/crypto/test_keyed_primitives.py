"""HKDF, HMAC, AES-GCM and key check values against their published vectors."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from engine.crypto.aead import SealBroken, open_sealed, seal
from engine.crypto.kcv import kcv_aes, kcv_des
from engine.crypto.key_derivation import hkdf_sha256
from engine.crypto.keyed_hash import hmac_sha256
from engine.vocabulary.errors import FormatError

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/keyed_primitives.json").read_text())
KEY = bytes(range(32))


@pytest.mark.parametrize("case", VECTORS["hkdf_sha256"], ids=lambda case: case["source"])
def test_hkdf(case: dict[str, str]) -> None:
    secret, salt, info, expected = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info", "okm"))
    assert hkdf_sha256(secret, salt=salt, info=info, length=len(expected)) == expected


@pytest.mark.parametrize("case", VECTORS["hmac_sha256"], ids=lambda case: case["source"])
def test_hmac(case: dict[str, str]) -> None:
    key, message = bytes.fromhex(case["key"]), bytes.fromhex(case["message"])
    # Twice: the kept object must not remember the message before.
    assert [hmac_sha256(key, message).hex() for _ in range(2)] == [case["mac"]] * 2


@pytest.mark.parametrize("case", VECTORS["aes_256_gcm"], ids=lambda case: case["source"])
def test_aes_gcm_both_ways(case: dict[str, str]) -> None:
    key, nonce, text, associated = (bytes.fromhex(case[name]) for name in ("key", "nonce", "plaintext", "associated"))
    sealed = bytes.fromhex(case["nonce"] + case["ciphertext"] + case["tag"])
    assert seal(key, text, associated, nonce) == sealed
    assert open_sealed(key, sealed, associated) == text


def test_the_same_text_seals_differently_each_time() -> None:
    assert len({seal(KEY, b"text", b"row") for _ in range(50)}) == 50


def test_a_sealed_text_opens_unchanged_in_its_place_under_its_key_only() -> None:
    sealed = seal(KEY, b"text", b"row")
    flipped = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    cut = [sealed[:length] for length in range(len(sealed))]
    for changed in flipped + cut:
        with pytest.raises(SealBroken):
            open_sealed(KEY, changed, b"row")
    with pytest.raises(SealBroken):
        open_sealed(KEY, sealed, b"another row")
    with pytest.raises(SealBroken):
        open_sealed(KEY[::-1], sealed, b"row")


def test_threads_seal_and_hash_side_by_side() -> None:
    def work(number: int) -> bool:
        text = number.to_bytes(4, "big")
        return all(open_sealed(KEY, seal(KEY, text, b""), b"") == text for _ in range(200)) and all(
            hmac_sha256(KEY, text) == expected[number] for _ in range(200)
        )

    expected = [hmac_sha256(KEY, number.to_bytes(4, "big")) for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


def test_an_aes_key_at_rest_has_32_bytes() -> None:
    for size in (16, 24, 31):
        with pytest.raises(FormatError, match="AES key"):
            seal(bytes(size), b"", b"")


@pytest.mark.parametrize("case", VECTORS["kcv_des"], ids=lambda case: case["source"])
def test_check_value_of_a_des_key(case: dict[str, str]) -> None:
    value = kcv_des(bytes.fromhex(case["key"]))
    assert len(value) == 3
    assert value.hex().startswith(case["starts"])


@pytest.mark.parametrize("size", [16, 24, 32])
def test_check_value_of_an_aes_key_is_the_cmac_of_a_zero_block(size: int) -> None:
    key = KEY[:size]
    # SP 800-38B for one whole block of zeros: encrypt subkey K1, the doubled encryption of zero.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    doubled = int.from_bytes(encryptor.update(bytes(16)), "big") << 1
    subkey = (doubled & (1 << 128) - 1) ^ (0x87 if doubled >> 128 else 0)
    assert kcv_aes(key) == encryptor.update(subkey.to_bytes(16, "big"))[:5]


def test_check_values_of_keys_of_another_length_are_refused() -> None:
    with pytest.raises(FormatError):
        kcv_des(bytes(15))
    with pytest.raises(FormatError):
        kcv_aes(bytes(15))

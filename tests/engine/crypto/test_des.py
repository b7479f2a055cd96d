"""DES against FIPS 81 and psec; kept contexts that neither threads, refusals nor interrupts can confuse."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crypto import des
from engine.vocabulary.errors import FormatError

# psec warns at each call; our own code is held to no warning by the other tests.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/keyed_primitives.json").read_text())["des"]
KEYS = st.sampled_from([8, 16, 24]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
BLOCKS = st.integers(1, 6).flatmap(lambda n: st.binary(min_size=8 * n, max_size=8 * n))
IVS = st.binary(min_size=8, max_size=8)


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["source"])
def test_published_vectors_both_ways(case: dict[str, str]) -> None:
    key, iv = bytes.fromhex(case["key"]), bytes.fromhex(case["iv"])
    text = case["plaintext_ascii"].encode()
    assert des.encrypt_ecb(key, text).hex() == case["ecb"]
    assert des.encrypt_cbc(key, text, iv).hex() == case["cbc"]
    assert des.decrypt_ecb(key, bytes.fromhex(case["ecb"])) == text
    assert des.decrypt_cbc(key, bytes.fromhex(case["cbc"]), iv) == text


@settings(deadline=None)
@given(key=KEYS, messages=st.lists(st.tuples(BLOCKS, IVS), min_size=1, max_size=5))
def test_a_kept_context_answers_like_a_fresh_one_message_after_message(
    key: bytes, messages: list[tuple[bytes, bytes]]
) -> None:
    for blocks, iv in messages:
        ciphertext = des.encrypt_cbc(key, blocks, iv)
        assert ciphertext == psec.des.encrypt_tdes_cbc(key, iv, blocks)
        assert des.decrypt_cbc(key, ciphertext, iv) == blocks
        assert des.encrypt_ecb(key, blocks) == psec.des.encrypt_tdes_ecb(key, blocks)
        assert des.decrypt_ecb(key, des.encrypt_ecb(key, blocks)) == blocks


def test_nothing_encrypts_to_nothing() -> None:
    key = bytes(range(16))
    assert des.encrypt_cbc(key, b"") == des.decrypt_cbc(key, b"") == des.encrypt_ecb(key, b"") == b""


def test_a_refused_length_leaves_nothing_behind_for_the_next_message() -> None:
    key, block = bytes(range(16)), bytes(8)
    before = des.encrypt_ecb(key, block), des.encrypt_cbc(key, block), des.decrypt_ecb(key, block)
    for refused in (des.encrypt_ecb, des.decrypt_ecb, des.encrypt_cbc, des.decrypt_cbc):
        with pytest.raises(FormatError):
            refused(key, b"short")
    assert (des.encrypt_ecb(key, block), des.encrypt_cbc(key, block), des.decrypt_ecb(key, block)) == before


def test_an_interrupt_in_the_middle_leaves_no_chain_of_unknown_state() -> None:
    class Interrupted:
        def update(self, blocks: bytes) -> bytes:
            raise KeyboardInterrupt

    chain = des.Chain(bytes(range(16)))
    right = chain.encrypt(bytes(16), bytes(8))
    chain._context = Interrupted()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        chain.encrypt(bytes(16), bytes(8))
    assert chain.encrypt(bytes(16), bytes(8)) == right


def test_threads_share_keys_and_no_context() -> None:
    keys = [bytes([n]) * 8 + bytes([n + 1]) * 8 for n in range(4)]
    expected = [(des.encrypt_ecb(key, bytes(64)), des.encrypt_cbc(key, bytes(64))) for key in keys]
    together = Barrier(4)

    def work(_: int) -> bool:
        together.wait()
        return all(
            (des.encrypt_ecb(key, bytes(64)), des.encrypt_cbc(key, bytes(64))) == right
            for _ in range(300)
            for key, right in zip(keys, expected, strict=True)
        )

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


@pytest.mark.parametrize("size", [0, 7, 9, 15, 17, 25, 32])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(FormatError, match="DES key"):
        des.encrypt_ecb(bytes(size), bytes(8))
    with pytest.raises(FormatError, match="DES key"):
        des.encrypt_cbc(bytes(size), bytes(8))


def test_an_initialisation_vector_has_one_block() -> None:
    for size in (0, 7, 16):
        with pytest.raises(FormatError, match="initialisation vector"):
            des.encrypt_cbc(bytes(16), bytes(8), bytes(size))
        with pytest.raises(FormatError, match="initialisation vector"):
            des.decrypt_cbc(bytes(16), bytes(8), bytes(size))


@settings(deadline=None)
@given(key=st.binary(min_size=16, max_size=16))
def test_odd_parity_changes_no_ciphertext(key: bytes) -> None:
    adjusted = des.with_odd_parity(key)
    assert adjusted == psec.des.adjust_key_parity(key)
    assert all(byte.bit_count() % 2 == 1 for byte in adjusted)
    assert des.encrypt_ecb(adjusted, bytes(8)) == des.encrypt_ecb(key, bytes(8))

"""Triple DES (ANSI X9.52, NIST SP 800-67): the block cipher of PIN blocks, CVVs and retail MACs, in ECB and CBC.

Setting a cipher up costs ten times what a block costs, and the keys of a host hardly change, so contexts are kept.
They are kept per thread: a context that two threads use at once raises `Already borrowed`. Keys that are used once, of
a chip's session or a device's transaction, go through `once`, which keeps nothing: they would push the host's own out.
Single DES is triple DES with three equal keys.
"""

from __future__ import annotations

import threading
from functools import lru_cache

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes

from engine.vocabulary.errors import FormatError

BLOCK = 8
_ZERO_BLOCK = bytes(BLOCK)
_ECB = modes.ECB()
_CBC_FROM_ZERO = modes.CBC(_ZERO_BLOCK)
_ODD = bytes(byte & 0xFE | (1 + (byte >> 1).bit_count()) & 1 for byte in range(256))
_KEPT = 256


def encrypt_ecb(key: bytes, blocks: bytes) -> bytes:
    """Encrypt each 8-byte block by itself. `key`: 8, 16 or 24 bytes; `blocks`: whole blocks, else `FormatError`."""
    if len(blocks) % BLOCK:
        raise _partial()
    return _contexts.ecb_encryptor(key).update(blocks)


def decrypt_ecb(key: bytes, blocks: bytes) -> bytes:
    """The inverse of `encrypt_ecb`."""
    if len(blocks) % BLOCK:
        raise _partial()
    return _contexts.ecb_decryptor(key).update(blocks)


def encrypt_cbc(key: bytes, blocks: bytes, iv: bytes = _ZERO_BLOCK) -> bytes:
    """Encrypt in a chain: each block is XORed with the ciphertext before it, the first with `iv` (8 bytes).

    Whole blocks only.
    """
    return _contexts.cbc_chain(key).encrypt(_whole(blocks), _one_block(iv))


def decrypt_cbc(key: bytes, blocks: bytes, iv: bytes = _ZERO_BLOCK) -> bytes:
    """The inverse of `encrypt_cbc`."""
    return xor(decrypt_ecb(key, blocks), (_one_block(iv) + blocks)[: len(blocks)])


def once(key: bytes, blocks: bytes) -> bytes:
    """`encrypt_ecb` under a key that does not come again: nothing is kept."""
    return ecb_encryptor(key).update(_whole(blocks))


def once_decrypt(key: bytes, blocks: bytes) -> bytes:
    """`decrypt_ecb` under a key that does not come again: nothing is kept."""
    return _ecb_decryptor(key).update(_whole(blocks))


def xor(left: bytes, right: bytes) -> bytes:
    """Exclusive or of two byte strings of the same length."""
    assert len(left) == len(right), "xor of different lengths"
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def with_odd_parity(key: bytes) -> bytes:
    """The key with the last bit of each byte set so that each byte has an odd number of ones.

    Other HSMs expect that of a DES key; DES itself ignores these bits, so both keys encrypt alike.
    """
    return key.translate(_ODD)


def _expanded(key: bytes) -> bytes:
    if len(key) not in (8, 16, 24):
        raise FormatError("DES key", "has 8, 16 or 24 bytes")
    return (key * 3)[:24]


def _partial() -> FormatError:
    # A kept context would hold a partial block back and put it before the next message.
    return FormatError("DES input", "is not a whole number of 8-byte blocks")


def _whole(blocks: bytes) -> bytes:
    if len(blocks) % BLOCK:
        raise _partial()
    return blocks


def _one_block(iv: bytes) -> bytes:
    if len(iv) != BLOCK:
        raise FormatError("initialisation vector", "has 8 bytes")
    return iv


def ecb_encryptor(key: bytes) -> CipherContext:
    """A context for one thread: who makes it keeps it."""
    return Cipher(TripleDES(_expanded(key)), _ECB).encryptor()


def _ecb_decryptor(key: bytes) -> CipherContext:
    return Cipher(TripleDES(_expanded(key)), _ECB).decryptor()


class Chain:
    """A kept CBC encryptor.

    Its state is the last ciphertext block, which XORed into the next message's first block starts anew.
    """

    def __init__(self, key: bytes) -> None:
        self._key = _expanded(key)
        self._context: CipherContext | None = None
        self._last = _ZERO_BLOCK

    def encrypt(self, blocks: bytes, iv: bytes = _ZERO_BLOCK) -> bytes:
        """Whole blocks in a chain of their own from `iv`."""
        if not blocks:
            return b""
        # Put away while in use: an interrupt between the two steps must not leave a context whose state is unknown.
        context, self._context = self._context, None
        if context is None:
            context, self._last = Cipher(TripleDES(self._key), _CBC_FROM_ZERO).encryptor(), _ZERO_BLOCK
        first = int.from_bytes(blocks[:BLOCK], "big") ^ int.from_bytes(iv, "big") ^ int.from_bytes(self._last, "big")
        ciphertext = context.update(first.to_bytes(BLOCK, "big") + blocks[BLOCK:])
        self._last, self._context = ciphertext[-BLOCK:], context
        return ciphertext


class _Contexts(threading.local):
    """This thread's kept contexts, by key; the least recently used is forgotten."""

    def __init__(self) -> None:
        self.ecb_encryptor = lru_cache(_KEPT)(ecb_encryptor)
        self.ecb_decryptor = lru_cache(_KEPT)(_ecb_decryptor)
        self.cbc_chain = lru_cache(_KEPT)(Chain)


_contexts = _Contexts()

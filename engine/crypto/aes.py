"""AES (FIPS 197) in ECB and CBC, with contexts kept per thread as in `engine.crypto.des`: format 4 PIN blocks, AES
DUKPT and key blocks of version D stand on it."""

from __future__ import annotations

import threading
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from engine.vocabulary.errors import FormatError

BLOCK = 16
_ECB = modes.ECB()
_KEPT = 256


def encrypt_ecb(key: bytes, blocks: bytes) -> bytes:
    """Encrypt each 16-byte block by itself. `key`: 16, 24 or 32 bytes; whole blocks; else `FormatError`."""
    return _contexts.encryptor(key).update(_whole(blocks))


def decrypt_ecb(key: bytes, blocks: bytes) -> bytes:
    """The inverse of `encrypt_ecb`."""
    return _contexts.decryptor(key).update(_whole(blocks))


def once(key: bytes, blocks: bytes) -> bytes:
    """`encrypt_ecb` under a key that does not come again: nothing is kept."""
    return _encryptor(key).update(_whole(blocks))


def once_decrypt(key: bytes, blocks: bytes) -> bytes:
    """`decrypt_ecb` under a key that does not come again: nothing is kept."""
    return _decryptor(key).update(_whole(blocks))


def encrypt_cbc(key: bytes, blocks: bytes, iv: bytes) -> bytes:
    """Encrypt in a chain from `iv` (16 bytes). Whole blocks only."""
    return Cipher(_algorithm(key), modes.CBC(_one_block(iv))).encryptor().update(_whole(blocks))


def decrypt_cbc(key: bytes, blocks: bytes, iv: bytes) -> bytes:
    """The inverse of `encrypt_cbc`."""
    return Cipher(_algorithm(key), modes.CBC(_one_block(iv))).decryptor().update(_whole(blocks))


def encrypt_ctr(key: bytes, text: bytes, counter: bytes) -> bytes:
    """Encrypt, or decrypt, a text of any length under the key stream that begins with `counter` (16 bytes)."""
    return Cipher(_algorithm(key), modes.CTR(_one_block(counter))).encryptor().update(text)


def _algorithm(key: bytes) -> AES:
    if len(key) not in (16, 24, 32):
        raise FormatError("AES key", "has 16, 24 or 32 bytes")
    return AES(key)


def _whole(blocks: bytes) -> bytes:
    # A kept context would hold a partial block back and put it before the next message.
    if len(blocks) % BLOCK:
        raise FormatError("AES input", "is not a whole number of 16-byte blocks")
    return blocks


def _one_block(iv: bytes) -> bytes:
    if len(iv) != BLOCK:
        raise FormatError("initialisation vector", "has 16 bytes")
    return iv


def _encryptor(key: bytes) -> CipherContext:
    return Cipher(_algorithm(key), _ECB).encryptor()


def _decryptor(key: bytes) -> CipherContext:
    return Cipher(_algorithm(key), _ECB).decryptor()


class _Contexts(threading.local):
    """This thread's kept contexts, by key; the least recently used is forgotten."""

    def __init__(self) -> None:
        self.encryptor = lru_cache(_KEPT)(_encryptor)
        self.decryptor = lru_cache(_KEPT)(_decryptor)


_contexts = _Contexts()

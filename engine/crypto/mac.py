"""Message authentication: ISO/IEC 9797-1 algorithm 1 (CBC-MAC) and algorithm 3 (the retail MAC, ANSI X9.19), and CMAC
(NIST SP 800-38B, ISO/IEC 9797-1 algorithm 5).

Algorithm 1 is the last block of a CBC chain. Algorithm 3 is cheaper under a double-length key: the padded message is
chained through single DES under the key's left half K; the last block is then decrypted under the right half K' and
encrypted under K again. So only one block costs three rounds of DES, and exhaustive search meets a double-length key.
CMAC needs no padding rule: it has its own.
"""

from __future__ import annotations

import threading
from enum import Enum
from functools import lru_cache

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from engine.crypto import des
from engine.vocabulary.errors import FormatError

_KEPT = 64


class Padding(Enum):
    """The padding methods of ISO/IEC 9797-1, by their number."""

    ZEROS = 1
    """Zero bytes to a whole block: messages that differ in trailing zeros only have the same MAC."""
    ONE_AND_ZEROS = 2
    """Hexadecimal 80, then zero bytes: unambiguous."""
    LENGTH_AND_ZEROS = 3
    """A block with the length in bits before the message, zero bytes after it: unambiguous."""


def pad(message: bytes, padding: Padding) -> bytes:
    """The message as whole 8-byte blocks, at least one of them besides the length block."""
    if padding is Padding.ONE_AND_ZEROS:
        return message + b"\x80" + bytes(-(len(message) + 1) % des.BLOCK)
    padded = message + bytes(-len(message) % des.BLOCK if message else des.BLOCK)
    if padding is Padding.LENGTH_AND_ZEROS:
        return (len(message) * 8).to_bytes(des.BLOCK, "big") + padded
    return padded


def cbc_mac(key: bytes, message: bytes, padding: Padding) -> bytes:
    """The MAC of algorithm 1, 8 bytes. `key`: 8, 16 or 24 bytes, else `FormatError`."""
    return des.encrypt_cbc(key, pad(message, padding))[-des.BLOCK :]


class RetailMac:
    """Algorithm 3 under one key, 16 bytes, K and K' (else `FormatError`). For one thread: who makes it keeps it."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 16:
            raise FormatError("MAC key", "has 16 bytes")
        self._chain = des.Chain(key[:8])
        # Encrypting the last block under K, decrypting under K' and encrypting under K is triple DES under K K' K.
        self._last = des.ecb_encryptor(key)

    def mac(self, message: bytes, padding: Padding) -> bytes:
        """The MAC, 8 bytes."""
        padded = pad(message, padding)
        last = int.from_bytes(padded[-des.BLOCK :], "big")
        if len(padded) > des.BLOCK:
            last ^= int.from_bytes(self._chain.encrypt(padded[: -des.BLOCK])[-des.BLOCK :], "big")
        return self._last.update(last.to_bytes(des.BLOCK, "big"))


def retail_mac(key: bytes, message: bytes, padding: Padding) -> bytes:
    """The MAC of algorithm 3, 8 bytes. `key`: 16 bytes, K and K'; else `FormatError`."""
    return _contexts.retail(key).mac(message, padding)


def retail_mac_once(key: bytes, message: bytes, padding: Padding) -> bytes:
    """`retail_mac` under a key that does not come again: nothing is kept."""
    return RetailMac(key).mac(message, padding)


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """The CMAC, 16 bytes (RFC 4493). `key`: 16, 24 or 32 bytes, else `FormatError`."""
    # The kept object has its subkeys made; a copy of it saves more than half the work.
    mac = _contexts.aes(key).copy()
    mac.update(message)
    return mac.finalize()


def des_cmac(key: bytes, message: bytes) -> bytes:
    """The CMAC by triple DES, 8 bytes. `key`: 16 or 24 bytes, else `FormatError`."""
    mac = _contexts.des(key).copy()
    mac.update(message)
    return mac.finalize()


def _aes_cmac(key: bytes) -> CMAC:
    if len(key) not in (16, 24, 32):
        raise FormatError("AES key", "has 16, 24 or 32 bytes")
    return CMAC(AES(key))


def _des_cmac(key: bytes) -> CMAC:
    if len(key) not in (16, 24):
        raise FormatError("DES key", "has 16 or 24 bytes")
    return CMAC(TripleDES((key * 2)[:24]))


class _Contexts(threading.local):
    """This thread's kept MACs, by key."""

    def __init__(self) -> None:
        self.retail = lru_cache(_KEPT)(RetailMac)
        self.aes = lru_cache(_KEPT)(_aes_cmac)
        self.des = lru_cache(_KEPT)(_des_cmac)


_contexts = _Contexts()

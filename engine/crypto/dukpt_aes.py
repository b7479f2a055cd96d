"""DUKPT by AES (ANSI X9.24-3): as the triple DES method, with keys for several algorithms from one transaction key.

    KSN, 12 bytes      BDK id 4 bytes | derivation id of the device 4 bytes | counter 32 bits, at most 16 of them set
    derivation data    a block that says what the wanted key is for, its algorithm and length, whose and which

A key is made by encrypting derivation data under the key above it, one block for each 16 bytes of it.
"""

from __future__ import annotations

from enum import IntEnum

from engine.crypto import aes
from engine.vocabulary.errors import FormatError

KSN_LENGTH = 12
_MOST_BITS = 16
_VERSION = b"\x01"
_DERIVATION = 0x8000
_INITIAL = 0x8001


class Use(IntEnum):
    """What a working key is for (X9.24-3, table 2)."""

    PIN = 0x1000
    MAC_REQUEST = 0x2000
    MAC_RESPONSE = 0x2001
    MAC_BOTH_WAYS = 0x2002
    ENCRYPTION_REQUEST = 0x3000
    ENCRYPTION_RESPONSE = 0x3001
    ENCRYPTION_BOTH_WAYS = 0x3002


_ALGORITHMS = {16: 2, 24: 3, 32: 4}
"""The algorithm indicators of AES, by the length of its key in bytes."""


def initial_key(bdk: bytes, ksn: bytes) -> bytes:
    """The initial key of the device that this KSN belongs to, as long as the BDK (16, 24 or 32 bytes); else
    `FormatError`."""
    _require_ksn(ksn)
    return _derive(bdk, _INITIAL, len(bdk), ksn[:8], kept=True)


def transaction_key(initial: bytes, ksn: bytes) -> bytes:
    """The derivation key of the KSN's counter, as long as the initial key.

    `FormatError` for a counter of zero or with more than 16 bits: no transaction has one.
    """
    _require_ksn(ksn)
    counter = int.from_bytes(ksn[8:], "big")
    if not 1 <= counter.bit_count() <= _MOST_BITS:
        raise FormatError("key serial number", "has a counter with one to sixteen bits set")
    key, working, bit = initial, 0, 1 << 31
    while bit:
        if counter & bit:
            working |= bit
            key = _derive(key, _DERIVATION, len(key), ksn[4:8] + working.to_bytes(4, "big"))
        bit >>= 1
    return key


def use_key(transaction: bytes, ksn: bytes, use: Use, length: int = 16) -> bytes:
    """The AES key of `length` bytes that this use of a transaction has. It is not stronger than the transaction key:
    a longer one is refused (`FormatError`)."""
    if length > len(transaction):
        raise FormatError("working key", "is longer than the key it is derived from")
    return _derive(transaction, use, length, ksn[4:12])


def device_key(bdk: bytes, ksn: bytes, use: Use, length: int = 16) -> bytes:
    """The key of one use of one transaction, as the host derives it."""
    return use_key(transaction_key(initial_key(bdk, ksn), ksn), ksn, use, length)


def _require_ksn(ksn: bytes) -> None:
    if len(ksn) != KSN_LENGTH:
        raise FormatError("key serial number", "has 12 bytes")


def _derive(key: bytes, use: int, length: int, identity: bytes, *, kept: bool = False) -> bytes:
    algorithm = _ALGORITHMS.get(length)
    if algorithm is None:
        raise FormatError("AES key", "has 16, 24 or 32 bytes")
    head = use.to_bytes(2, "big") + algorithm.to_bytes(2, "big") + (length * 8).to_bytes(2, "big") + identity
    blocks = b"".join(_VERSION + bytes((number,)) + head for number in range(1, 2 + (length > 16)))
    return (aes.encrypt_ecb if kept else aes.once)(key, blocks)[:length]

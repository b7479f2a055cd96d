"""DUKPT by triple DES (ANSI X9.24-1): a device has a new key for each transaction and can tell none of its old ones.

    KSN, 10 bytes      key set 5 bytes | device 19 bits | counter 21 bits
    BDK                the base derivation key, which the acquirer keeps; one for each key set
    initial key        what a device is loaded with: from BDK and KSN with its counter at zero
    transaction key    from the initial key, one derivation for each set bit of the counter, at most ten bits

A transaction key is never used itself: each use has a variant of it. Data are encrypted under the data variant
encrypted under itself (X9.24-1:2009, A.4.1).
"""

from __future__ import annotations

from enum import Enum

from engine.crypto import des
from engine.vocabulary.errors import FormatError

KSN_LENGTH = 10
_COUNTER_BITS = 21
_COUNTER = (1 << _COUNTER_BITS) - 1
_REGISTER = (1 << 64) - 1
_MOST_BITS = 10
_HALF = 0xC0C0C0C000000000


class Use(Enum):
    """What a transaction key is for, with the variant of it (one half; both are the same)."""

    PIN = 0x00000000000000FF
    MAC_REQUEST = 0x000000000000FF00
    MAC_RESPONSE = 0x00000000FF000000
    ENCRYPTION_REQUEST = 0x0000000000FF0000
    ENCRYPTION_RESPONSE = 0x000000FF00000000


_SELF_ENCRYPTED = frozenset({Use.ENCRYPTION_REQUEST, Use.ENCRYPTION_RESPONSE})
_VARIANTS = {use: (use.value << 64 | use.value).to_bytes(16, "big") for use in Use}


def initial_key(bdk: bytes, ksn: bytes) -> bytes:
    """The initial key, 16 bytes, of the device that this KSN (10 bytes) belongs to. `bdk`: 16 bytes; else
    `FormatError`."""
    if len(bdk) != 16:
        raise FormatError("base derivation key", "has 16 bytes")
    serial = ((_serial(ksn) >> _COUNTER_BITS << _COUNTER_BITS) >> 16).to_bytes(8, "big")
    other = des.xor(bdk, (_HALF << 64 | _HALF).to_bytes(16, "big"))
    return des.encrypt_ecb(bdk, serial) + des.encrypt_ecb(other, serial)


def transaction_key(initial: bytes, ksn: bytes) -> bytes:
    """The key of the KSN's counter, 16 bytes, from the device's initial key (16 bytes).

    `FormatError` for a counter of zero or with more than ten bits: no transaction has one.
    """
    if len(initial) != 16:
        raise FormatError("initial key", "has 16 bytes")
    serial = _serial(ksn)
    counter = serial & _COUNTER
    if not 1 <= counter.bit_count() <= _MOST_BITS:
        raise FormatError("key serial number", "has a counter with one to ten bits set")
    register = serial & _REGISTER & ~_COUNTER
    left, right = int.from_bytes(initial[:8], "big"), int.from_bytes(initial[8:], "big")
    bit = 1 << _COUNTER_BITS - 1
    while bit:
        if counter & bit:
            register |= bit
            left, right = _step(left ^ _HALF, right ^ _HALF, register), _step(left, right, register)
        bit >>= 1
    return (left << 64 | right).to_bytes(16, "big")


def use_key(transaction: bytes, use: Use) -> bytes:
    """The key, 16 bytes, that this use of a transaction has."""
    variant = des.xor(transaction, _VARIANTS[use])
    return des.once(variant, variant) if use in _SELF_ENCRYPTED else variant


def device_key(bdk: bytes, ksn: bytes, use: Use) -> bytes:
    """The key of one use of one transaction, as the host derives it."""
    return use_key(transaction_key(initial_key(bdk, ksn), ksn), use)


def _serial(ksn: bytes) -> int:
    if len(ksn) != KSN_LENGTH:
        raise FormatError("key serial number", "has 10 bytes")
    return int.from_bytes(ksn, "big")


def _step(left: int, right: int, register: int) -> int:
    """One half of the next key: single DES under the left half, between two XORs with the right (X9.24-1, A.2)."""
    encrypted = des.once(left.to_bytes(8, "big"), (register ^ right).to_bytes(8, "big"))
    return int.from_bytes(encrypted, "big") ^ right

"""Message authentication by DES: ISO/IEC 9797-1 algorithm 3, known as the retail MAC (ANSI X9.19).

The padded message is chained through single DES under the key's left half K; the last block is then decrypted under
the right half K' and encrypted under K again. So only one block costs three rounds of DES, and exhaustive search
meets a double-length key.
"""

from __future__ import annotations

from enum import Enum

from engine.crypto import des
from engine.vocabulary.errors import FormatError


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


def retail_mac(key: bytes, message: bytes, padding: Padding) -> bytes:
    """The MAC, 8 bytes. `key`: 16 bytes, K and K'; else `FormatError`."""
    if len(key) != 16:
        raise FormatError("MAC key", "has 16 bytes")
    padded = pad(message, padding)
    chained = des.encrypt_cbc(key[:8], padded[: -des.BLOCK])[-des.BLOCK :] or bytes(des.BLOCK)
    # Encrypting the last block under K, decrypting under K' and encrypting under K is triple DES under K K' K.
    return des.encrypt_ecb(key, des.xor(chained, padded[-des.BLOCK :]))

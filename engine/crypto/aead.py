"""Encryption at rest: AES-256-GCM (NIST SP 800-38D), which keeps a text secret, unchanged, and in its place.

Associated data is not kept with the text but must be the same when it is opened: name there the key and the row it
belongs to, and a sealed text that was moved to another row opens no more. The nonce is 96 random bits, which is safe
for 2**32 texts under one key (SP 800-38D, 8.3).
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.vocabulary.errors import FormatError

KEY_LENGTH = 32
NONCE_LENGTH = 12
_TAG_LENGTH = 16
_KEPT = 64


class SealBroken(Exception):
    """A sealed text does not open: it was changed, moved to another place, or sealed under another key.

    It has no further detail.
    """


def seal(key: bytes, plaintext: bytes, associated: bytes, nonce: bytes | None = None) -> bytes:
    """Nonce (12 bytes), ciphertext and tag (16 bytes), in one.

    `key`: 32 bytes, else `FormatError`. `nonce`: random from the operating system unless given, which published
    vectors need and nothing else should: a nonce used twice under one key gives both texts away.
    """
    nonce = os.urandom(NONCE_LENGTH) if nonce is None else nonce
    return nonce + _contexts.cipher(key).encrypt(nonce, plaintext, associated)


def open_sealed(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """The plaintext; `SealBroken` if key, sealed text or associated data are not those of `seal`."""
    if len(sealed) < NONCE_LENGTH + _TAG_LENGTH:
        raise SealBroken
    try:
        return _contexts.cipher(key).decrypt(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], associated)
    except InvalidTag:
        raise SealBroken from None


def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_LENGTH:
        raise FormatError("AES key", "has 32 bytes")
    return AESGCM(key)


class _Contexts(threading.local):
    """This thread's kept ciphers, by key."""

    def __init__(self) -> None:
        self.cipher = lru_cache(_KEPT)(_cipher)


_contexts = _Contexts()

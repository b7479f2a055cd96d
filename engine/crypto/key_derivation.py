"""Many keys from one: HKDF with SHA-256 (RFC 5869).

The label (`info`) says what a key is for; knowing the keys of some labels tells nothing of the others.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def hkdf_sha256(secret: bytes, *, info: bytes, length: int, salt: bytes = b"") -> bytes:
    """`length` bytes (at most 8160) derived from `secret`, which may have any length but must be hard to guess."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)

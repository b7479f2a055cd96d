"""Card numbers become tokens before they come near a table.

A token is derived from the institution's keyed hash of the card number: the same card has the same token each time,
in every process, and two institutions' tokens of one card have nothing in common. It says nothing about the card to
who lacks the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from engine.crypto.door import Hsm
from engine.vocabulary.identifiers import Pan


@dataclass(frozen=True, slots=True)
class VaultedPan:
    """A card number as it is stored: sealed under `key_id`, found by `token` or `lookup_hash` (32 bytes)."""

    token: UUID
    lookup_hash: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    key_id: str
    first_six: str
    last_four: str


def tokens_of(hsm: Hsm, pans: Sequence[Pan]) -> list[UUID]:
    """The token of each card number, whether it is in the vault or not.

    Asks the HSM once; belongs in the prepare step.
    """
    return [_token(lookup_hash) for lookup_hash in hsm.pan_lookup(pans)]


def tokenise(hsm: Hsm, pans: Sequence[Pan]) -> list[VaultedPan]:
    """Each card number ready to be stored, in order.

    Asks the HSM twice and no database; belongs in the prepare step.
    """
    hashes = hsm.pan_lookup(pans)
    tokens = [_token(lookup_hash) for lookup_hash in hashes]
    sealed = hsm.encrypt_pans(list(zip(tokens, pans, strict=True)))
    return [
        VaultedPan(seal.token, lookup_hash, seal.ciphertext, seal.key_id, pan.clear[:6], pan.clear[-4:])
        for seal, lookup_hash, pan in zip(sealed, hashes, pans, strict=True)
    ]


def _token(lookup_hash: bytes) -> UUID:
    """The hash's first 16 bytes as a UUID of version 8 (RFC 9562, 5.8)."""
    raw = bytearray(lookup_hash[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))

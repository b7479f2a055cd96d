"""What issuers and certification authorities sign for a chip (EMV Book 2, 5 and 6): certificates of public keys, static
application data, and the chip's own dynamic signatures.

Every signed block has the same frame: 6A, format, content, hash (SHA-1, 20 bytes), BC. The hash covers format and
content and whatever the verifier knows besides. A key that is longer than its signer's block has its last bytes beside
the certificate (the remainder).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1

from simulator.chip.rsa import PrivateKey, PublicKey

HEADER, TRAILER = b"\x6a", b"\xbc"
HASH_LENGTH = 20
SHA_1, RSA = b"\x01", b"\x01"
"""Hash and public key algorithm indicators (Book 2, annex B)."""
STATIC, ISSUER, CHIP, DYNAMIC = b"\x03", b"\x02", b"\x04", b"\x05"
"""Signed data formats: static application data, issuer and chip certificate, dynamic application data."""
FILL = b"\xbb"
ISSUER_OVERHEAD, CHIP_OVERHEAD = 36, 42
"""Bytes of a block that a certificate needs besides the key (tables 6 and 14)."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A signed public key, and what of it did not fit in the block (tags 90 and 92, or 9F46 and 9F48)."""

    signed: bytes
    remainder: bytes
    exponent: bytes


def digest(*parts: bytes) -> bytes:
    """SHA-1, 20 bytes: the one hash algorithm of EMV's RSA."""
    return sha1(b"".join(parts), usedforsecurity=False).digest()


def certify_issuer(authority: PrivateKey, key: PublicKey, pan: str, expires: str, *, serial: int) -> Certificate:
    """The issuer's key, signed by the authority (Book 2, table 2). `expires`: MMYY; the issuer identifier is the
    leftmost 8 digits of `pan`."""
    identity = bytes.fromhex(pan[:8])
    room = authority.public.length - ISSUER_OVERHEAD
    return _certify(authority, ISSUER + identity, key, room, _dated(expires, serial))


def certify_chip(
    issuer: PrivateKey, key: PublicKey, pan: str, expires: str, *, serial: int, static: bytes = b""
) -> Certificate:
    """The chip's key (or its PIN encipherment key, without `static`), signed by the issuer (tables 11 and 13).

    `static`: the static data to be authenticated, which the hash covers.
    """
    identity = bytes.fromhex(pan.ljust(20, "F"))
    room = issuer.public.length - CHIP_OVERHEAD
    return _certify(issuer, CHIP + identity, key, room, _dated(expires, serial), static=static)


def sign_static(issuer: PrivateKey, authentication_code: bytes, static: bytes) -> bytes:
    """Signed static application data, tag 93 (table 3). `authentication_code`: the issuer's own 2 bytes (9F45)."""
    fill = FILL * (issuer.public.length - 26)
    return sign(issuer, STATIC + SHA_1 + authentication_code + fill, static)


def sign_dynamic(chip: PrivateKey, dynamic: bytes, terminal: bytes) -> bytes:
    """Signed dynamic application data, tag 9F4B (tables 15 and 18).

    `dynamic`: the chip's dynamic data, at most the key's length less 25; `terminal`: what the hash covers besides.
    """
    fill = FILL * (chip.public.length - len(dynamic) - 25)
    return sign(chip, DYNAMIC + SHA_1 + bytes((len(dynamic),)) + dynamic + fill, terminal)


def sign(key: PrivateKey, content: bytes, besides: bytes) -> bytes:
    """A whole block (annex A2.1): header, content, hash over content and `besides`, trailer; signed."""
    block = HEADER + content + digest(content, besides) + TRAILER
    assert len(block) == key.public.length, "the content fills the block"
    return key.apply(block)


def _dated(expires: str, serial: int) -> bytes:
    return bytes.fromhex(expires) + serial.to_bytes(3, "big")


def _certify(
    signer: PrivateKey, named: bytes, key: PublicKey, room: int, dated: bytes, *, static: bytes = b""
) -> Certificate:
    modulus, exponent = key.modulus_bytes, key.exponent_bytes
    leftmost, remainder = modulus[:room].ljust(room, FILL), modulus[room:]
    lengths = bytes((len(modulus), len(exponent)))
    content = named + dated + SHA_1 + RSA + lengths + leftmost
    return Certificate(sign(signer, content, remainder + exponent + static), remainder, exponent)

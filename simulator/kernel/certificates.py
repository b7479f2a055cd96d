"""Reading what was signed (EMV Book 2, 5 and 6): an issuer's key, a chip's key, static and dynamic
application data. The terminal's side: it has the authorities' public keys and nothing else.

Each function checks what the book lists, in its order, and raises `NotAuthentic` at the first that fails.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.vocabulary.errors import FormatError
from simulator.chip.certificates import (
    CHIP,
    CHIP_OVERHEAD,
    DYNAMIC,
    FILL,
    HASH_LENGTH,
    HEADER,
    ISSUER,
    ISSUER_OVERHEAD,
    RSA,
    SHA_1,
    STATIC,
    TRAILER,
    digest,
)
from simulator.chip.rsa import PublicKey


class NotAuthentic(Exception):
    """A signature or certificate that is not what it should be; the message says which check failed."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A recovered block, without header, hash and trailer."""

    content: bytes
    hash: bytes


def recover(key: PublicKey, signed: bytes, form: bytes) -> Signed:
    """The content of a signed block of this format (annex A2.2): length, trailer, header, format."""
    if len(signed) != key.length:
        raise NotAuthentic("the signature is not as long as its key")
    try:
        block = key.apply(signed)
    except FormatError as fault:
        raise NotAuthentic("the signature is no number below its key's modulus") from fault
    if block[-1:] != TRAILER or block[:1] != HEADER or block[1:2] != form:
        raise NotAuthentic("the signed block has not the header, format or trailer it should have")
    return Signed(block[1 : -1 - HASH_LENGTH], block[-1 - HASH_LENGTH : -1])


def issuer_key(
    authority: PublicKey, certificate: bytes, remainder: bytes, exponent: bytes, *, pan: str, today: str
) -> PublicKey:
    """The issuer's public key (Book 2, 5.3). `today`: YYMM."""
    signed = recover(authority, certificate, ISSUER)
    _require_hash(signed, remainder + exponent)
    identity = signed.content[1:5].hex().upper().rstrip("F")
    if not 3 <= len(identity) <= 8 or not pan.startswith(identity):
        raise NotAuthentic("the issuer certificate is another issuer's")
    return _key(signed.content[5:], authority.length - ISSUER_OVERHEAD, remainder, exponent, today)


def chip_key(
    issuer: PublicKey,
    certificate: bytes,
    remainder: bytes,
    exponent: bytes,
    *,
    pan: str,
    today: str,
    static: bytes = b"",
) -> PublicKey:
    """The chip's public key, or that of its PIN encipherment (Book 2, 6.4). `static` as the records say."""
    signed = recover(issuer, certificate, CHIP)
    _require_hash(signed, remainder + exponent + static)
    if signed.content[1:11].hex().upper().rstrip("F") != pan:
        raise NotAuthentic("the chip certificate is another card's")
    return _key(signed.content[11:], issuer.length - CHIP_OVERHEAD, remainder, exponent, today)


def static_code(issuer: PublicKey, signed_static: bytes, static: bytes) -> bytes:
    """The data authentication code (9F45) of genuine static data (Book 2, 5.4)."""
    signed = recover(issuer, signed_static, STATIC)
    _require_hash(signed, static)
    return signed.content[2:4]


def dynamic_content(chip: PublicKey, signed_dynamic: bytes, terminal: bytes) -> bytes:
    """The chip's dynamic data of a genuine dynamic signature (Book 2, 6.5.2). `terminal`: what the terminal put in."""
    signed = recover(chip, signed_dynamic, DYNAMIC)
    _require_hash(signed, terminal)
    length = signed.content[2]
    if length > chip.length - 25:
        raise NotAuthentic("the dynamic data are longer than their block")
    return signed.content[3 : 3 + length]


def _require_hash(signed: Signed, besides: bytes) -> None:
    if digest(signed.content, besides) != signed.hash:
        raise NotAuthentic("the hash is not that of the signed content")


def _key(content: bytes, room: int, remainder: bytes, exponent: bytes, today: str) -> PublicKey:
    """The key from a certificate's content from its expiry date on: MMYY, serial (3), algorithms, lengths, key."""
    expires = content[:2].hex()
    if expires[2:] + expires[:2] < today:
        raise NotAuthentic("the certificate has expired")
    if content[5:6] != SHA_1 or content[6:7] != RSA:
        raise NotAuthentic("the certificate names an algorithm that is not known")
    length, exponent_length = content[7], content[8]
    if len(exponent) != exponent_length or len(remainder) != max(0, length - room):
        raise NotAuthentic("the certificate's remainder or exponent has another length than it says")
    leftmost = content[9 : 9 + room]
    if leftmost[length:].strip(FILL):
        raise NotAuthentic("the certificate is not filled as it should be")
    return PublicKey(int.from_bytes(leftmost[:length] + remainder, "big"), int.from_bytes(exponent, "big"))

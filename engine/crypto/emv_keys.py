"""The keys of a chip (EMV Book 2, annex A1): the card's master keys from the issuer's, a session's from the card's.

The issuer has one master key for each purpose (cryptograms, script integrity, script confidentiality); none of them is
in any card. DES keys of 16 bytes with odd parity throughout.
"""

from __future__ import annotations

from hashlib import sha1

from engine.crypto import des
from engine.crypto.decimalisation import decimalise
from engine.vocabulary.errors import FormatError

_INVERSE = bytes(range(255, -1, -1))
KEY_LENGTH = 16


def card_master_key_a(issuer_master_key: bytes, pan: str, sequence_number: str = "00") -> bytes:
    """Option A (A1.4.1): from the 16 rightmost digits of PAN and PAN sequence number (2 digits)."""
    return _from_digits(issuer_master_key, _pan_and_sequence(pan, sequence_number)[-16:].zfill(16))


def card_master_key_b(issuer_master_key: bytes, pan: str, sequence_number: str = "00") -> bytes:
    """Option B (A1.4.2): for a PAN of more than 16 digits, from 16 digits of a hash of all of it; else option A."""
    if len(pan) <= 16:
        return card_master_key_a(issuer_master_key, pan, sequence_number)
    digits = _pan_and_sequence(pan, sequence_number)
    hashed = sha1(bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2)), usedforsecurity=False).digest()
    return _from_digits(issuer_master_key, decimalise(hashed, 16))


def common_session_key(card_master_key: bytes, diversifier: bytes) -> bytes:
    """EMV common session key (A1.3.1). `diversifier`: 8 bytes; for cryptograms the ATC and zeros, for scripts the
    cryptogram (`FormatError`)."""
    if len(diversifier) != 8:
        raise FormatError("session key diversifier", "has 8 bytes")
    _require_key(card_master_key)
    head, tail = diversifier[:2], diversifier[3:]
    return des.with_odd_parity(des.once(card_master_key, b"".join((head, b"\xf0", tail, head, b"\x0f", tail))))


def counter_session_key(card_master_key: bytes, counter: bytes) -> bytes:
    """Visa's script session key of CVN 10 and 18: the card's master key XORed with ATC (2 bytes) and its inverse."""
    if len(counter) != 2:
        raise FormatError("application transaction counter", "has 2 bytes")
    _require_key(card_master_key)
    return des.with_odd_parity(des.xor(card_master_key, bytes(6) + counter + bytes(6) + counter.translate(_INVERSE)))


def _from_digits(issuer_master_key: bytes, digits: str) -> bytes:
    _require_key(issuer_master_key)
    block = bytes.fromhex(digits)
    return des.with_odd_parity(des.encrypt_ecb(issuer_master_key, block + block.translate(_INVERSE)))


def _pan_and_sequence(pan: str, sequence_number: str) -> str:
    digits = pan + sequence_number
    if not (12 <= len(pan) <= 19 and len(sequence_number) == 2 and digits.isascii() and digits.isdecimal()):
        raise FormatError("chip key input", "is a PAN of 12 to 19 digits and a sequence number of 2")
    return digits


def _require_key(key: bytes) -> None:
    if len(key) != KEY_LENGTH:
        raise FormatError("chip master key", "has 16 bytes")

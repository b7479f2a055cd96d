"""Secure messaging for issuer scripts (EMV Book 2, 9, format 2): commands that a card obeys because of their MAC, with
data that only the card can read.

The MAC is over the command header, the ATC, the cryptogram of the transaction and the data as sent, so a command is
good for one transaction of one card. Keys: `integrity_key` for the MAC, `confidentiality_key` for the data, both of 16
bytes from `script_key`.
"""

from __future__ import annotations

from engine.crypto import des
from engine.crypto.emv_keys import common_session_key, counter_session_key
from engine.crypto.mac import Padding, pad, retail_mac_once
from engine.crypto.pin_blocks import decode_format_2, encode_format_2, require_pin
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.errors import FormatError

MAC_LENGTH = 8
_MIN_MAC_LENGTH = 4


def script_key(version: CryptogramVersion, card_master_key: bytes, counter: bytes, cryptogram: bytes) -> bytes:
    """The session key of scripts under one of the card's script master keys: by the ATC (2 bytes) for CVN 10 and 18, by
    the cryptogram (8 bytes) for CVN 22."""
    if version is CryptogramVersion.CVN_22:
        return common_session_key(card_master_key, cryptogram)
    return counter_session_key(card_master_key, counter)


def command_mac(
    integrity_key: bytes,
    header: bytes,
    counter: bytes,
    cryptogram: bytes,
    content: bytes = b"",
    *,
    length: int = MAC_LENGTH,
) -> bytes:
    """The MAC of a command, `length` bytes (4 to 8).

    `header`: CLA INS P1 P2 Lc, where Lc counts the data as sent and the MAC; `content`: the data as sent, encrypted
    where they are secret.
    """
    if len(header) != 5 or len(counter) != 2 or len(cryptogram) != 8:
        raise FormatError("script command", "has a header of 5 bytes, an ATC of 2 and a cryptogram of 8")
    if not _MIN_MAC_LENGTH <= length <= MAC_LENGTH:
        raise FormatError("script MAC", "has 4 to 8 bytes")
    return retail_mac_once(integrity_key, header + counter + cryptogram + content, Padding.ONE_AND_ZEROS)[:length]


def encrypt_content(confidentiality_key: bytes, content: bytes) -> bytes:
    """A command's data (at most 255 bytes), encrypted: a length byte, the data, padded by method 2."""
    if len(content) > 255:
        raise FormatError("script data", "has at most 255 bytes")
    return des.once(confidentiality_key, pad(bytes((len(content),)) + content, Padding.ONE_AND_ZEROS))


def decrypt_content(confidentiality_key: bytes, encrypted: bytes) -> bytes:
    """The inverse of `encrypt_content`; `FormatError` when what comes out has not its form."""
    clear = des.once_decrypt(confidentiality_key, encrypted)
    content = clear[1 : 1 + clear[0]] if clear else b""
    if not clear or pad(bytes((len(content),)) + content, Padding.ONE_AND_ZEROS) != clear:
        raise FormatError("script data", "do not open under this key")
    return content


def chip_pin_block(version: CryptogramVersion, cryptogram_master_key: bytes, pin: str) -> bytes:
    """The new PIN as PIN CHANGE carries it to the chip, 8 bytes. `pin`: 4 to 12 digits, else `FormatError`.

    CVN 22: ISO 9564-1 format 2. CVN 10 and 18 (VIS): length, PIN and F, XORed with four bytes of the card's master key
    for cryptograms.
    """
    if version is CryptogramVersion.CVN_22:
        return encode_format_2(pin)
    field = bytes.fromhex(f"{len(require_pin(pin)):02X}{pin}".ljust(16, "F"))
    return des.xor(field, _mask(cryptogram_master_key))


def read_chip_pin_block(version: CryptogramVersion, cryptogram_master_key: bytes, block: bytes) -> str:
    """The PIN in a block of `chip_pin_block`; `FormatError` if there is none."""
    if version is CryptogramVersion.CVN_22:
        return decode_format_2(block)
    if len(block) != des.BLOCK:
        raise FormatError("PIN block", "has 8 bytes")
    field = des.xor(block, _mask(cryptogram_master_key)).hex().upper()
    length = int(field[:2], 16)
    if not 4 <= length <= 12 or field[2 + length :].strip("F"):
        raise FormatError("PIN block", "is not filled as the chip expects it")
    return require_pin(field[2 : 2 + length])


def _mask(cryptogram_master_key: bytes) -> bytes:
    return bytes(4) + cryptogram_master_key[4:8]

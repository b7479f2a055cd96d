"""Key blocks (ASC X9 TR-31:2018, ANSI X9.143, ISO 20038): a key on its way or at rest, bound to what it is for.

    header   16 characters: version, length, usage, algorithm, mode of use, key version, exportability, number of
             optional blocks; then these blocks
    key      its length in bits, itself, random filling; encrypted
    MAC      over the header and the key, so that neither can be changed

The key block protection key gives a key for encryption and one for the MAC. By version:

    A, C     triple DES, both keys by XOR with a constant (C differs in name only); for reading what others have kept
    B        triple DES, both keys derived by CMAC, MAC over the clear key
    D, E     the same by AES, in CBC (D) or counter mode (E)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.constant_time import bytes_eq

from engine.crypto import aes, des
from engine.crypto.mac import Padding, aes_cmac, cbc_mac, des_cmac
from engine.vocabulary.errors import FormatError

HEADER_LENGTH: Final = 16
_VARIANTS = frozenset("AC")
_BY_AES = frozenset("DE")
_VERSIONS = frozenset("ABCDE")
_MAC_LENGTHS = {"A": 4, "B": 8, "C": 4, "D": 16, "E": 16}
_ENCRYPTION, _AUTHENTICATION, _COUNTER_MODE = 0, 1, 2
_DERIVED = {16: (0, 128), 24: (1, 192)}
_DERIVED_AES = {16: (2, 128), 24: (3, 192), 32: (4, 256)}
_HIDDEN_LENGTH = {"T": 24, "A": 32, "H": 64}
_PADDING_BLOCK = "PB"
_HEXADECIMAL = frozenset("0123456789ABCDEF")


@dataclass(frozen=True, slots=True)
class KeyBlockHeader:
    """What a key block says in clear: its version and what its key is for.

    `usage` ("P0" ...), `algorithm` ("T" triple DES, "A" AES, "H" HMAC, "D" DES ...), `mode` ("E" "D" "B" "G" "V" "C"
    "X" "N" ...), `key_version` (2 characters, "00": none), `exportability` ("E" under a trusted key, "N" not, "S" under
    another than a key block); `optional`: (identifier, content) of each optional block.
    """

    version: str
    usage: str
    algorithm: str
    mode: str
    key_version: str = "00"
    exportability: str = "N"
    optional: tuple[tuple[str, str], ...] = ()


def wrap(protection_key: bytes, header: KeyBlockHeader, key: bytes) -> str:
    """The key as a key block. The key's length is hidden up to the usual one of its algorithm.

    `protection_key`: 16 or 24 bytes for versions A, B and C, 16, 24 or 32 for D and E; else `FormatError`.
    """
    _require_protection_key(header.version, protection_key)
    block = 1 if header.version == "E" else _block_of(header.version)
    hidden = max(_HIDDEN_LENGTH.get(header.algorithm, 0), len(key))
    filling = os.urandom(hidden - len(key) + -(2 + hidden) % block)
    clear = (len(key) * 8).to_bytes(2, "big") + key + filling
    text = _header_text(header, 2 * (len(clear) + _MAC_LENGTHS[header.version]))
    if header.version in _VARIANTS:
        encrypted = des.encrypt_cbc(_variant(protection_key, "E"), clear, text[:8].encode())
        return text + (encrypted + _variant_mac(protection_key, text, encrypted)).hex().upper()
    mac = _mac(header.version, protection_key, text.encode() + clear)
    return text + (_encrypted(header.version, protection_key, mac, clear) + mac).hex().upper()


def unwrap(protection_key: bytes, key_block: str) -> tuple[KeyBlockHeader, bytes]:
    """What the block says, and its key. `FormatError` when it was changed, is malformed, or is under another key."""
    header, start = read_header(key_block)
    _require_protection_key(header.version, protection_key)
    body = _body(key_block[start:])
    text, size = key_block[:start], _MAC_LENGTHS[header.version]
    encrypted, mac = body[:-size], body[-size:]
    if len(encrypted) < 3 or (header.version != "E" and len(encrypted) % _block_of(header.version)):
        raise FormatError("key block", "has not the length of an encrypted key")
    if header.version in _VARIANTS:
        right = _variant_mac(protection_key, text, encrypted)
        clear = des.decrypt_cbc(_variant(protection_key, "E"), encrypted, text[:8].encode())
    else:
        clear = _decrypted(header.version, protection_key, mac, encrypted)
        right = _mac(header.version, protection_key, text.encode() + clear)
    if not bytes_eq(right, mac):
        raise FormatError("key block", "was changed, or is under another key")
    bits = int.from_bytes(clear[:2], "big")
    if bits == 0 or bits % 8 or bits // 8 > len(clear) - 2:
        raise FormatError("key block", "says a key length that it has no room for")
    return header, clear[2 : 2 + bits // 8]


def read_header(key_block: str) -> tuple[KeyBlockHeader, int]:
    """What a block says in clear, without belief, and where the encrypted key begins. `FormatError` if malformed."""
    if len(key_block) < HEADER_LENGTH or not (key_block.isascii() and key_block.isprintable()):
        raise FormatError("key block", "is shorter than its header, or not printable")
    if key_block[0] not in _VERSIONS:
        raise FormatError("key block", "is of a version that is not known here")
    if not key_block[1:5].isdecimal() or int(key_block[1:5]) != len(key_block):
        raise FormatError("key block", "is not as long as it says")
    count = key_block[12:14]
    if not (key_block[5:12].isalnum() and count.isdecimal() and key_block[14:16] == "00"):
        raise FormatError("key block", "has a malformed header")
    optional, place = [], HEADER_LENGTH
    for _ in range(int(count)):
        identifier, content, place = _optional_block(key_block, place)
        optional.append((identifier, content))
    header = KeyBlockHeader(
        version=key_block[0],
        usage=key_block[5:7],
        algorithm=key_block[7],
        mode=key_block[8],
        key_version=key_block[9:11],
        exportability=key_block[11],
        optional=tuple(optional),
    )
    return header, place


def _optional_block(key_block: str, place: int) -> tuple[str, str, int]:
    identifier, start = key_block[place : place + 2], place + 4
    length = _hexadecimal_number(key_block[place + 2 : start])
    if length == 0:
        # An extended length: how many digits it has, then itself.
        digits = _hexadecimal_number(key_block[start : start + 2])
        start += 2 + digits
        length = _hexadecimal_number(key_block[start - digits : start])
    end = place + length
    if end < start or end > len(key_block) or len(identifier) != 2:
        raise FormatError("key block", "has a malformed optional block")
    return identifier, key_block[start:end], end


def _hexadecimal_number(digits: str) -> int:
    if not digits or not _HEXADECIMAL.issuperset(digits):
        raise FormatError("key block", "has a malformed optional block")
    return int(digits, 16)


def _header_text(header: KeyBlockHeader, body_length: int) -> str:
    optional = [(identifier, content) for identifier, content in header.optional if identifier != _PADDING_BLOCK]
    texts = [f"{identifier}{_length_of(content)}{content}" for identifier, content in optional]
    size = _block_of(header.version)
    if excess := sum(map(len, texts)) % size:
        # Optional blocks end on a block's border, by a block of filling where they do not by themselves.
        room = size - excess + (size if size - excess < 4 else 0)
        texts.append(f"{_PADDING_BLOCK}{room:02X}{'0' * (room - 4)}")
    length = HEADER_LENGTH + sum(map(len, texts)) + body_length
    fixed = f"{header.usage}{header.algorithm}{header.mode}{header.key_version}{header.exportability}"
    text = f"{header.version}{length:04d}{fixed}{len(texts):02d}00{''.join(texts)}"
    if len(fixed) != 7 or not fixed.isalnum() or not (text.isascii() and text.isprintable()) or length > 9999:
        raise FormatError("key block header", "has a part of another length, or is too long")
    return text


def _length_of(content: str) -> str:
    short = len(content) + 4
    return f"{short:02X}" if short <= 0xFF else f"0004{len(content) + 10:04X}"


def _body(text: str) -> bytes:
    if len(text) % 2 or not _HEXADECIMAL.issuperset(text):
        raise FormatError("key block", "is not hexadecimal where its key is")
    return bytes.fromhex(text)


def _require_protection_key(version: str, key: bytes) -> None:
    if version not in _VERSIONS:
        raise FormatError("key block", "is of a version that is not known here")
    if len(key) not in (_DERIVED_AES if version in _BY_AES else _DERIVED):
        raise FormatError("key block protection key", f"has not a length that version {version} takes")


def _block_of(version: str) -> int:
    return aes.BLOCK if version in _BY_AES else des.BLOCK


def _derived(version: str, key: bytes, purpose: int) -> bytes:
    """A key as long as the protection key, by CMAC in counter mode (TR-31:2018, 5.3.2.1 and 5.3.2.3)."""
    algorithm, bits = (_DERIVED_AES if version in _BY_AES else _DERIVED)[len(key)]
    rest = purpose.to_bytes(2, "big") + b"\0" + algorithm.to_bytes(2, "big") + bits.to_bytes(2, "big")
    make = aes_cmac if version in _BY_AES else des_cmac
    return b"".join(make(key, bytes((number,)) + rest) for number in (1, 2, 3))[: len(key)]


def _mac(version: str, key: bytes, message: bytes) -> bytes:
    make = aes_cmac if version in _BY_AES else des_cmac
    return make(_derived(version, key, _AUTHENTICATION), message)


def _encrypted(version: str, key: bytes, mac: bytes, clear: bytes) -> bytes:
    if version == "E":
        return aes.encrypt_ctr(_derived(version, key, _COUNTER_MODE), clear, mac)
    derived = _derived(version, key, _ENCRYPTION)
    return aes.encrypt_cbc(derived, clear, mac) if version == "D" else des.encrypt_cbc(derived, clear, mac)


def _decrypted(version: str, key: bytes, mac: bytes, encrypted: bytes) -> bytes:
    if version == "E":
        return aes.encrypt_ctr(_derived(version, key, _COUNTER_MODE), encrypted, mac)
    derived = _derived(version, key, _ENCRYPTION)
    return aes.decrypt_cbc(derived, encrypted, mac) if version == "D" else des.decrypt_cbc(derived, encrypted, mac)


def _variant(key: bytes, letter: str) -> bytes:
    return des.xor(key, letter.encode() * len(key))


def _variant_mac(key: bytes, text: str, encrypted: bytes) -> bytes:
    return cbc_mac(_variant(key, "M"), text.encode() + encrypted, Padding.ZEROS)[:4]

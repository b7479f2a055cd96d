"""What chip and issuer prove to each other (EMV Book 2, 8): the application cryptogram (ARQC, TC, AAC) and the issuer's
answer to it (ARPC).

`version` says which keys, data and padding (`engine.vocabulary.emv`).
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Final

from engine.crypto import des
from engine.crypto.emv_keys import card_master_key_a, card_master_key_b, common_session_key
from engine.crypto.mac import Padding, RetailMac
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.errors import FormatError

CRYPTOGRAM_LENGTH: Final = 8
RESPONSE_CODE_LENGTH: Final = 2
STATUS_UPDATE_LENGTH: Final = 4
_KEPT: Final = 64
"""Enough for what a batch asks between a cryptogram and its answer; many more cost more to hold than they save."""
_CVN_10: Final = CryptogramVersion.CVN_10


def card_master_key(version: CryptogramVersion, issuer_master_key: bytes, pan: str, sequence_number: str) -> bytes:
    """The card's master key as this version has it: option A for CVN 10, option B for the others."""
    derive = card_master_key_a if version is _CVN_10 else card_master_key_b
    return derive(issuer_master_key, pan, sequence_number)


def cryptogram_key(version: CryptogramVersion, master_key: bytes, counter: bytes) -> bytes:
    """The key of one transaction's cryptograms: the card's master key itself for CVN 10, else the common session key of
    the ATC (2 bytes)."""
    if len(counter) != 2:
        raise FormatError("application transaction counter", "has 2 bytes")
    if version is _CVN_10:
        return master_key
    return _contexts.session_key(master_key, counter + bytes(6))


def application_cryptogram(version: CryptogramVersion, key: bytes, transaction: bytes) -> bytes:
    """The cryptogram, 8 bytes, over what `engine.vocabulary.emv.cryptogram_input` lays out. `key`: 16 bytes.

    The key's contexts are kept for a while: the answer to the cryptogram comes under the same key.
    """
    padding = Padding.ZEROS if version is _CVN_10 else Padding.ONE_AND_ZEROS
    return _contexts.mac(key).mac(transaction, padding)


def response_cryptogram_1(key: bytes, cryptogram: bytes, response_code: bytes) -> bytes:
    """ARPC by method 1 (8.2.1), 8 bytes: the cryptogram XORed with the authorisation response code (2 bytes, tag 8A),
    encrypted."""
    _require_cryptogram(cryptogram)
    if len(response_code) != RESPONSE_CODE_LENGTH:
        raise FormatError("authorisation response code", "has 2 bytes")
    return des.once(key, des.xor(cryptogram, response_code + bytes(6)))


def response_cryptogram_2(key: bytes, cryptogram: bytes, status_update: bytes, proprietary: bytes = b"") -> bytes:
    """ARPC by method 2 (8.2.2), 4 bytes: a MAC over the cryptogram, the card status update (CSU, 4 bytes) and up to 8
    bytes of the issuer's own."""
    _require_cryptogram(cryptogram)
    if len(status_update) != STATUS_UPDATE_LENGTH:
        raise FormatError("card status update", "has 4 bytes")
    if len(proprietary) > 8:
        raise FormatError("proprietary authentication data", "has at most 8 bytes")
    return _contexts.mac(key).mac(cryptogram + status_update + proprietary, Padding.ONE_AND_ZEROS)[:4]


def _require_cryptogram(cryptogram: bytes) -> None:
    if len(cryptogram) != CRYPTOGRAM_LENGTH:
        raise FormatError("cryptogram", "has 8 bytes")


class _Contexts(threading.local):
    """This thread's kept keys and MACs of chips' transactions, apart from those of the host's own keys; the least
    recently used is forgotten.
    """

    def __init__(self) -> None:
        self.session_key = lru_cache(_KEPT)(common_session_key)
        self.mac = lru_cache(_KEPT)(RetailMac)


_contexts = _Contexts()

"""Key check values: a few bytes by which two people see that they hold the same key, without showing it.

A check value is shown, so it must give nothing away: three bytes for triple DES, five for AES, and no more.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from engine.crypto import des
from engine.vocabulary.errors import FormatError


def kcv_des(key: bytes) -> bytes:
    """A DES key's check value: the first 3 bytes of a zero block encrypted under it (ANSI X9.24-1).

    `key`: 8, 16 or 24 bytes, else `FormatError`.
    """
    return des.encrypt_ecb(key, bytes(des.BLOCK))[:3]


def kcv_aes(key: bytes) -> bytes:
    """An AES key's check value: the first 5 bytes of the CMAC over a zero block (ANSI X9.24-1:2017).

    `key`: 16, 24 or 32 bytes, else `FormatError`.
    """
    if len(key) not in (16, 24, 32):
        raise FormatError("AES key", "has 16, 24 or 32 bytes")
    cmac = CMAC(AES(key))
    cmac.update(bytes(16))
    return cmac.finalize()[:5]

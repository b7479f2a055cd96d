"""The PIN verification value: four digits from which an issuer can tell a right PIN without storing it.

Encrypted under a double-length PIN verification key (PVK) is the transformed security parameter: the 11 rightmost PAN
digits without the check digit, the index of the key (PVKI, 1 to 6 in use), and the PIN's first four digits. Longer
PINs are told apart by their first four digits only; that is a property of the method.
"""

from __future__ import annotations

from engine.crypto import des
from engine.crypto.decimalisation import decimalise
from engine.vocabulary.errors import FormatError


def pin_verification_value(pvk: bytes, pan: str, pvki: str, pin: str) -> str:
    """The Visa PVV, 4 digits.

    `pvk`: 16 bytes; `pan`: 12 to 19 digits; `pvki`: one digit; `pin`: 4 to 12 digits; else `FormatError`.
    """
    digits = pan + pvki + pin
    if not (digits.isdecimal() and digits.isascii() and len(pvki) == 1 and 12 <= len(pan) <= 19):
        raise FormatError("PVV input", "is a PAN of 12 to 19 digits, a key index of one and a PIN")
    if not 4 <= len(pin) <= 12:
        raise FormatError("PIN", "has 4 to 12 digits")
    return value_of_checked(pvk, pan, pvki, pin)


def value_of_checked(pvk: bytes, pan: str, pvki: str, pin: str) -> str:
    """`pin_verification_value` of what its caller has checked already: the HSM, in the middle of many."""
    return decimalise(des.encrypt_ecb(pvk, bytes.fromhex(pan[-12:-1] + pvki + pin[:4])), 4)

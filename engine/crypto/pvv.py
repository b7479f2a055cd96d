"""The PIN verification value: four digits from which an issuer can tell a right PIN without storing it.

Encrypted under a double-length PIN verification key (PVK) is the transformed security parameter: the 11 rightmost PAN
digits without the check digit, the index of the key (PVKI, 1 to 6 in use), and the PIN's first four digits. Longer
PINs are told apart by their first four digits only; that is a property of the method.
"""

from __future__ import annotations

from engine.crypto import des
from engine.crypto.decimalisation import decimalise
from engine.crypto.pin_blocks import require_pin
from engine.vocabulary.errors import FormatError


def pin_verification_value(pvk: bytes, pan: str, pvki: str, pin: str) -> str:
    """The Visa PVV, 4 digits.

    `pvk`: 16 bytes; `pan`: 12 to 19 digits; `pvki`: one digit; `pin`: 4 to 12 digits; else `FormatError`.
    """
    if not (12 <= len(pan) <= 19 and pan.isascii() and pan.isdecimal()):
        raise FormatError("PAN", "has 12 to 19 digits")
    if not (len(pvki) == 1 and pvki.isascii() and pvki.isdecimal()):
        raise FormatError("PVKI", "is one digit")
    parameter = bytes.fromhex(pan[-12:-1] + pvki + require_pin(pin)[:4])
    return decimalise(des.encrypt_ecb(pvk, parameter), 4)

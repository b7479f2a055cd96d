"""Card verification values: three digits that prove that card data came from a card, one algorithm for several places.

| Value | Where it is | Service code | Expiry |
| --- | --- | --- | --- |
| CVV, CVC1 | magnetic stripe | the card's own, such as 101 or 201 | YYMM |
| iCVV | the chip's copy of track 2 | 999, so that chip data makes no stripe | YYMM |
| CVV2, CVC2 | printed on the card | 000 | MMYY |

PAN, expiry and service code, filled with zeros to 32 digits, are two blocks. The first is encrypted under the left
half of the card verification key (CVK), XORed with the second, and the result encrypted under the whole key. Its
first three decimal digits, by two passes, are the value.
"""

from __future__ import annotations

from engine.crypto import des
from engine.crypto.decimalisation import decimalise
from engine.vocabulary.errors import FormatError

CVV2_SERVICE_CODE = "000"
ICVV_SERVICE_CODE = "999"


def card_verification_value(cvk: bytes, pan: str, expiry: str, service_code: str) -> str:
    """The value, 3 digits, over the expiry exactly as given.

    `cvk`: 16 bytes; `pan`: 12 to 19 digits; `expiry`: 4 digits, in the order of the table above (`expiry_as_used`);
    `service_code`: 3 digits; else `FormatError`.
    """
    if len(cvk) != 16:
        raise FormatError("CVK", "has 16 bytes")
    digits = pan + expiry + service_code
    if not (
        12 <= len(pan) <= 19 and len(expiry) == 4 and len(service_code) == 3 and digits.isascii() and digits.isdecimal()
    ):
        raise FormatError("CVV input", "is a PAN of 12 to 19 digits, an expiry of 4 and a service code of 3")
    first = des.encrypt_ecb(cvk[:8], bytes.fromhex(digits[:16]))
    second = int.from_bytes(first, "big") ^ int(digits[16:].ljust(16, "0"), 16)
    return decimalise(des.encrypt_ecb(cvk, second.to_bytes(des.BLOCK, "big")), 3)


def expiry_as_used(expiry_yymm: str, service_code: str) -> str:
    """The expiry in the order that this service code's value is computed over: MMYY for CVV2, YYMM for the others."""
    return expiry_yymm[2:] + expiry_yymm[:2] if service_code == CVV2_SERVICE_CODE else expiry_yymm

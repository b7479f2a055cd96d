"""The dynamic card verification code of contactless magnetic-stripe mode (CVC3): different for each transaction, so a
recorded track is worth nothing.

A MAC over the static track makes an initial value; it, the reader's unpredictable number and the chip's transaction
counter (ATC) are encrypted; the decimal form of the last two bytes ends in the code. The key is the chip's own, from
the issuer's master key for dynamic numbers by option A (`engine.crypto.emv_keys`).
"""

from __future__ import annotations

from engine.crypto import des
from engine.crypto.mac import Padding, retail_mac_once
from engine.vocabulary.errors import FormatError


def track_2_template(pan: str, expiry_yymm: str, service_code: str, discretionary: str) -> bytes:
    """The static track 2 as the chip signs it: PAN, D, expiry, service code, discretionary digits, F to whole bytes.

    The places of code, number and counter in the discretionary digits are zeros. `FormatError` for what is no digit.
    """
    digits = pan + expiry_yymm + service_code + discretionary
    if not (digits.isascii() and digits.isdecimal()) or len(expiry_yymm) != 4 or len(service_code) != 3:
        raise FormatError("track 2", "is PAN, expiry of 4 digits, service code of 3 and discretionary digits")
    text = f"{pan}D{expiry_yymm}{service_code}{discretionary}"
    return bytes.fromhex(text + "F" * (len(text) % 2))


def dynamic_card_verification_code(key: bytes, template: bytes, counter: bytes, number: bytes, length: int = 3) -> str:
    """The code's last `length` digits (1 to 5).

    `key`: the chip's, 16 bytes; `template`: the static track; `counter`: ATC, 2 bytes; `number`: unpredictable number,
    4 bytes; else `FormatError`.
    """
    if len(counter) != 2 or len(number) != 4 or not 1 <= length <= 5:
        raise FormatError("dynamic code input", "is an ATC of 2 bytes, a number of 4, and a length of 1 to 5 digits")
    start = retail_mac_once(key, template, Padding.ONE_AND_ZEROS)[-2:]
    encrypted = des.once(key, start + number + counter)
    return f"{int.from_bytes(encrypted[-2:], 'big'):05d}"[-length:]

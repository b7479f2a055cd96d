"""The IBM 3624 method: a natural PIN that follows from the card number and a key, and an offset that leads from it to
the PIN the cardholder chose. The issuer keeps the offset; without the key it says nothing.

Validation data (16 hexadecimal digits, from the card number) are encrypted under the PIN verification key; each digit
of the result becomes a decimal one by the issuer's decimalisation table. PIN = natural PIN + offset, digit by digit,
modulo 10, so PINs of 4 to 12 digits are verified over their whole length.
"""

from __future__ import annotations

from engine.crypto import des
from engine.vocabulary.errors import FormatError

DECIMALISATION_TABLE = "0123456789012345"
"""The usual one: A to F become 0 to 5."""

_DIGITS = "0123456789ABCDEF"
_SHORTEST, _LONGEST = 4, 12


def validation_digits(pan: str, start: int = 0, length: int = 16, fill: str = "F") -> str:
    """`length` digits of the PAN from position `start`, filled to the right with one hexadecimal digit to 16."""
    if not (1 <= len(pan) <= 19 and pan.isascii() and pan.isdecimal()):
        raise FormatError("PAN", "has 1 to 19 digits")
    if not (0 <= start < 19 and 4 <= length <= 16 and len(fill) == 1 and fill in _DIGITS):
        raise FormatError("validation data", "are 4 to 16 digits of the PAN, filled with one hexadecimal digit")
    return pan[start : start + length].ljust(16, fill)


def natural_pin(pvk: bytes, validation: str, table: str = DECIMALISATION_TABLE, length: int = _LONGEST) -> str:
    """The natural PIN, `length` digits (4 to 12).

    `pvk`: 16 or 24 bytes; `validation`: 16 hexadecimal digits; `table`: 16 decimal digits; else `FormatError`.
    """
    if len(validation) != 16 or validation.strip(_DIGITS):
        raise FormatError("validation data", "are 16 hexadecimal digits")
    if len(table) != 16 or not (table.isascii() and table.isdecimal()):
        raise FormatError("decimalisation table", "has 16 decimal digits")
    if not _SHORTEST <= length <= _LONGEST:
        raise FormatError("PIN", "has 4 to 12 digits")
    encrypted = des.encrypt_ecb(pvk, bytes.fromhex(validation)).hex().upper()
    return encrypted[:length].translate(str.maketrans(_DIGITS, table))


def pin_from_offset(natural: str, offset: str) -> str:
    """The PIN, as long as the offset (4 to 12 digits, not longer than the natural PIN)."""
    return _by_digit(natural, offset, 1)


def offset_of(natural: str, pin: str) -> str:
    """The offset, as long as the PIN (4 to 12 digits)."""
    return _by_digit(natural, pin, -1)


def _by_digit(natural: str, other: str, sign: int) -> str:
    if not (_SHORTEST <= len(other) <= min(len(natural), _LONGEST) and other.isascii() and other.isdecimal()):
        raise FormatError("PIN or offset", "has 4 to 12 digits")
    return "".join(str((int(digit) + sign * int(base)) % 10) for base, digit in zip(natural, other, strict=False))

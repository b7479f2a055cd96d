"""Clear PIN blocks (ISO 9564-1): how a PIN of 4 to 12 digits is laid into 8 bytes before it is encrypted.

Format 0 and 3 bind the PIN to its card number. Sixteen hexadecimal digits, the XOR of two fields:

    PIN field      C N P P P P f f f f f f f f F F     C format, N PIN length, P digits, f digits or fill, F fill
    account field  0 0 0 0 A A A A A A A A A A A A     the 12 rightmost PAN digits without the check digit

Fill is hexadecimal F in format 0; in format 3 each fill digit is random from A to F, so that one PIN has many blocks.
"""

from __future__ import annotations

import secrets

from engine.vocabulary.errors import FormatError

BLOCK = 8
_MIN_PIN, _MAX_PIN = 4, 12
_FORMAT_3_FILL = "ABCDEF"
_MAX_FILL = 14 - _MIN_PIN


def encode_format_0(pin: str, pan: str) -> bytes:
    """The clear format 0 block, 8 bytes. `pin`: 4 to 12 digits, `pan`: 12 to 19 digits, else `FormatError`."""
    return _encode("0", pin, pan, "F" * _MAX_FILL)


def decode_format_0(block: bytes, pan: str) -> str:
    """The PIN in a clear format 0 block of this card; `FormatError` if it is not one."""
    return _decode("0", block, pan, "F")


def encode_format_3(pin: str, pan: str, fill: str | None = None) -> bytes:
    """The clear format 3 block, 8 bytes. `fill`: ten digits A to F; random from the operating system when not given."""
    if fill is None:
        fill = "".join(secrets.choice(_FORMAT_3_FILL) for _ in range(_MAX_FILL))
    if len(fill) != _MAX_FILL or fill.strip(_FORMAT_3_FILL):
        raise FormatError("PIN block fill", "is not ten digits from A to F")
    return _encode("3", pin, pan, fill)


def decode_format_3(block: bytes, pan: str) -> str:
    """The PIN in a clear format 3 block of this card; `FormatError` if it is not one."""
    return _decode("3", block, pan, _FORMAT_3_FILL)


def require_pin(pin: str) -> str:
    """The PIN, if it has 4 to 12 decimal digits (ISO 9564-1); else `FormatError`."""
    if not (_MIN_PIN <= len(pin) <= _MAX_PIN and pin.isascii() and pin.isdecimal()):
        raise FormatError("PIN", "has 4 to 12 digits")
    return pin


def _encode(control: str, pin: str, pan: str, fill: str) -> bytes:
    pin_field = f"{control}{len(require_pin(pin)):X}{pin}{fill[: 14 - len(pin)]}"
    return (int(pin_field, 16) ^ _account_field(pan)).to_bytes(BLOCK, "big")


def _decode(control: str, block: bytes, pan: str, fill: str) -> str:
    if len(block) != BLOCK:
        raise FormatError("PIN block", "has 8 bytes")
    field = f"{int.from_bytes(block, 'big') ^ _account_field(pan):016X}"
    if field[0] != control:
        raise FormatError("PIN block", f"is not of format {control}")
    length = int(field[1], 16)
    if not _MIN_PIN <= length <= _MAX_PIN:
        raise FormatError("PIN block", "gives a PIN length outside 4 to 12")
    pin = field[2 : 2 + length]
    if not pin.isdecimal():
        raise FormatError("PIN block", "has a PIN digit above 9")
    if field[2 + length :].strip(fill):
        raise FormatError("PIN block", "is filled with a digit that its format does not allow")
    return pin


def _account_field(pan: str) -> int:
    # A PAN of 12 digits has 11 without the check digit: the field is right justified and zero filled, as an integer
    # is anyway.
    if not (12 <= len(pan) <= 19 and pan.isascii() and pan.isdecimal()):
        raise FormatError("PAN", "has 12 to 19 digits")
    return int(pan[-13:-1], 16)

"""PIN blocks (ISO 9564-1): how a PIN of 4 to 12 digits is laid into 8 bytes, or 16, before it is encrypted.

Formats 0 and 3 bind the PIN to its card number. Sixteen hexadecimal digits, the XOR of two fields:

    PIN field      C N P P P P f f f f f f f f F F     C format, N PIN length, P digits, f digits or fill, F fill
    account field  0 0 0 0 A A A A A A A A A A A A     the 12 rightmost PAN digits without the check digit

Fill is hexadecimal F in format 0; in format 3 each fill digit is random from A to F, so that one PIN has many blocks.

Format 1 knows no card number: control digit, length, PIN, and a transaction field of any digits. Format 2 is the same
filled with F; only a chip sees it. Format 4 is for AES: a field of 16 bytes (4 N, PIN, A to the half, 8 random bytes)
is encrypted, XORed with a field of the card number, and encrypted again, so this module does that too.
"""

from __future__ import annotations

import os
import secrets

from engine.crypto import aes
from engine.vocabulary.errors import FormatError

BLOCK = 8
_MIN_PIN, _MAX_PIN = 4, 12
_ENDS = {f"{length:X}": 2 + length for length in range(_MIN_PIN, _MAX_PIN + 1)}
"""Where a PIN ends in its field, by the digit that gives its length."""
_HEADS = {length: f"0{length:X}" for length in range(_MIN_PIN, _MAX_PIN + 1)}
"""How a block of format 0 begins, by the length of its PIN."""
_FORMAT_3_FILL = "ABCDEF"
_MAX_FILL = 14 - _MIN_PIN


def encode_format_0(pin: str, pan: str) -> bytes:
    """The clear format 0 block, 8 bytes. `pin`: 4 to 12 digits, `pan`: 12 to 19 digits, else `FormatError`."""
    return _encode("0", pin, pan, "F" * _MAX_FILL)


def decode_format_0(block: bytes, pan: str) -> str:
    """The PIN in a clear format 0 block of this card; `FormatError` if it is not one."""
    account_field = _account_field(pan)
    field = "%016X" % (int.from_bytes(block, "big") ^ account_field)
    # A PIN has no F: what is left without the filling must be as long as it says. If not, `_read` says what is wrong.
    pin = field[2:].rstrip("F")
    if field[:2] == _HEADS.get(len(pin)) and pin.isdecimal() and len(block) == BLOCK:
        return pin
    return _read("0", block, account_field, "F")


def encode_format_3(pin: str, pan: str, fill: str | None = None) -> bytes:
    """The clear format 3 block, 8 bytes. `fill`: ten digits A to F; random from the operating system when not given."""
    if fill is None:
        fill = "".join(secrets.choice(_FORMAT_3_FILL) for _ in range(_MAX_FILL))
    if len(fill) != _MAX_FILL or fill.strip(_FORMAT_3_FILL):
        raise FormatError("PIN block fill", "is not ten digits from A to F")
    return _encode("3", pin, pan, fill)


def decode_format_3(block: bytes, pan: str) -> str:
    """The PIN in a clear format 3 block of this card; `FormatError` if it is not one."""
    return _read("3", block, _account_field(pan), _FORMAT_3_FILL)


def encode_format_1(pin: str, fill: str | None = None) -> bytes:
    """The clear format 1 block, 8 bytes. `fill`: ten hexadecimal digits, of which the last that fit are the transaction
    field; random from the operating system when not given."""
    if fill is None:
        fill = os.urandom(_MAX_FILL // 2).hex()
    return bytes.fromhex(f"1{len(require_pin(pin)):X}{pin}{fill[len(pin) - _MIN_PIN :]}")


def decode_format_1(block: bytes) -> str:
    """The PIN in a clear format 1 block; `FormatError` if it is not one."""
    return _read("1", block, 0, "0123456789ABCDEF")


def encode_format_2(pin: str) -> bytes:
    """The format 2 block, 8 bytes, as VERIFY and PIN CHANGE carry it to a chip."""
    return bytes.fromhex(f"2{len(require_pin(pin)):X}{pin}".ljust(16, "F"))


def decode_format_2(block: bytes) -> str:
    """The PIN in a format 2 block; `FormatError` if it is not one."""
    return _read("2", block, 0, "F")


def encrypt_format_4(key: bytes, pin: str, pan: str, random_part: bytes | None = None) -> bytes:
    """The encrypted format 4 block, 16 bytes.

    `key`: AES; `pan`: 1 to 19 digits; `random_part`: 8 bytes, from the operating system when not given.
    """
    random_part = os.urandom(8) if random_part is None else random_part
    if len(random_part) != 8:
        raise FormatError("PIN block fill", "has 8 bytes")
    pin_field = bytes.fromhex(f"4{len(require_pin(pin)):X}{pin}".ljust(16, "A")) + random_part
    return aes.encrypt_ecb(key, _xor(aes.encrypt_ecb(key, pin_field), account_field_4(pan)))


def decrypt_format_4(key: bytes, block: bytes, pan: str) -> str:
    """The PIN in an encrypted format 4 block of this card; `FormatError` if it is not one."""
    if len(block) != aes.BLOCK:
        raise FormatError("PIN block", "has 16 bytes in format 4")
    pin_field = aes.decrypt_ecb(key, _xor(aes.decrypt_ecb(key, block), account_field_4(pan)))
    return _read("4", pin_field[:BLOCK], 0, "A")


def account_field_4(pan: str) -> bytes:
    """The card number's field of format 4, 16 bytes: its length less 12, the digits (12 at least, zeros before), zeros
    after."""
    if not (1 <= len(pan) <= 19 and pan.isascii() and pan.isdecimal()):
        raise FormatError("PAN", "has 1 to 19 digits")
    return bytes.fromhex(f"{max(len(pan) - 12, 0)}{pan.rjust(12, '0')}".ljust(32, "0"))


def require_pin(pin: str) -> str:
    """The PIN, if it has 4 to 12 decimal digits (ISO 9564-1); else `FormatError`."""
    if not (_MIN_PIN <= len(pin) <= _MAX_PIN and pin.isascii() and pin.isdecimal()):
        raise FormatError("PIN", "has 4 to 12 digits")
    return pin


def _encode(control: str, pin: str, pan: str, fill: str) -> bytes:
    pin_field = f"{control}{len(require_pin(pin)):X}{pin}{fill[: 14 - len(pin)]}"
    return (int(pin_field, 16) ^ _account_field(pan)).to_bytes(BLOCK, "big")


def _read(control: str, block: bytes, account_field: int, fill: str) -> str:
    if len(block) != BLOCK:
        raise FormatError("PIN block", "has 8 bytes")
    field = "%016X" % (int.from_bytes(block, "big") ^ account_field)
    if field[0] != control:
        raise FormatError("PIN block", f"is not of format {control}")
    end = _ENDS.get(field[1])
    if end is None:
        raise FormatError("PIN block", "gives a PIN length outside 4 to 12")
    pin = field[2:end]
    if not pin.isdecimal():
        raise FormatError("PIN block", "has a PIN digit above 9")
    if field[end:].lstrip(fill):
        raise FormatError("PIN block", "is filled with a digit that its format does not allow")
    return pin


def _account_field(pan: str) -> int:
    # A PAN of 12 digits has 11 without the check digit: the field is right justified and zero filled, as an integer
    # is anyway.
    if pan.isdecimal() and pan.isascii() and 12 <= len(pan) <= 19:
        return int(pan[-13:-1], 16)
    raise FormatError("PAN", "has 12 to 19 digits")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(aes.BLOCK, "big")

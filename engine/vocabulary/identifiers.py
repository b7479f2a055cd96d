"""Identifiers: derived from (scope, key, first-seen date), so that a retry finds its own; card numbers that cannot be
shown by accident.

An identifier made twice from the same request is the same identifier: the unique constraint on it is the second guard
after the idempotency key. Its first four bytes are the day it was first seen, so that rows of one day lie together in
an index.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import blake2b
from typing import final
from uuid import UUID, SafeUUID

_SEPARATOR = "\x1f"
_bare_uuid = object.__new__
_set = object.__setattr__


def uuid_of(number: int) -> UUID:
    """The UUID of a number of 128 bits, unchecked: what `UUID(int=number)` gives, in a third of the time."""
    made = _bare_uuid(UUID)
    _set(made, "int", number)
    _set(made, "is_safe", SafeUUID.unknown)
    return made


_VERSION_8 = 0x8000 << 64 | 0x8 << 60
_FREE = ~(0xF000 << 64 | 0xC << 60)


def derive_id(scope: str, *key: str | int, on: date) -> UUID:
    """A UUID (RFC 9562 version 8) from a scope ("bank/authorization"), a key and the date the key was first seen.

    The same arguments give the same UUID everywhere. Layout: 4 bytes day number (proleptic Gregorian ordinal), 12
    bytes BLAKE2b.
    """
    material = _SEPARATOR.join((scope, *map(str, key), on.isoformat())).encode()
    raw = on.toordinal().to_bytes(4, "big") + blake2b(material, digest_size=12).digest()
    return uuid_of(int.from_bytes(raw, "big") & _FREE | _VERSION_8)


STATIC = date(1, 1, 1)
"""The date of identifiers that belong to no day: chart accounts, customers, merchants, cards."""


def network_reference(acquirer_id: str, terminal_id: str, stan: str, transmitted_at: datetime) -> str:
    """The network's own reference of a transaction (DE 63 in simnet): 15 characters, `S` and 14 of base 32 (70 bits).

    Derived from what a request (0100) and the original data of its reversal (DE 90) both carry, so that a reversal
    which overtakes its request names the same transaction.
    """
    material = _SEPARATOR.join((acquirer_id, terminal_id.strip(), stan, transmitted_at.isoformat())).encode()
    return "S" + b32encode(blake2b(material, digest_size=9).digest()).decode()[:14]


@final
@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that must never be shown or stored (PIN block, track 2, CVV2).

    `clear` gives it; `str` and `repr` mask it.
    """

    clear: str

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


@final
@dataclass(frozen=True, slots=True, repr=False)
class Pan:
    """A primary account number (DE 2, ISO/IEC 7812: 12 to 19 digits).

    `clear` gives the digits; shown as first six and last four.
    """

    clear: str

    def __post_init__(self) -> None:
        if not (12 <= len(self.clear) <= 19 and self.clear.isascii() and self.clear.isdigit()):
            raise ValueError("a card number has 12 to 19 digits")

    @property
    def masked(self) -> str:
        """First six, last four, stars between."""
        return mask_pan(self.clear)

    def __repr__(self) -> str:
        return f"Pan({self.masked})"

    def __str__(self) -> str:
        return self.masked


def mask_pan(digits: str) -> str:
    """`"4000001234562345"` -> `"400000******2345"` (PCI DSS: at most first six and last four may be shown)."""
    return digits[:6] + "*" * max(0, len(digits) - 10) + digits[-4:]


def luhn_check_digit(digits: str) -> str:
    """The check digit (ISO/IEC 7812-1 annex B) that completes `digits`."""
    doubled = (int(d) * 2 if i % 2 == 0 else int(d) for i, d in enumerate(reversed(digits)))
    return str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    return len(digits) > 1 and digits.isdigit() and luhn_check_digit(digits[:-1]) == digits[-1]


def luhn_complete(digits: Iterable[str]) -> str:
    """The digits with their check digit appended."""
    text = "".join(digits)
    return text + luhn_check_digit(text)

"""Questions about PINs. An encrypted PIN block goes in, never a clear PIN."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

from engine.crypto.door.keys import Ksn
from engine.vocabulary.identifiers import Pan


class PinBlockFormat(IntEnum):
    """How a PIN lies in its block (ISO 9564-1). Format 2 is the chip's own and does not travel."""

    ISO_0 = 0
    ISO_1 = 1
    ISO_3 = 3
    ISO_4 = 4
    """Of 16 bytes, under AES keys: it does not fit DE 52."""


PinSource = str | Ksn
"""What a PIN block comes under: the key of a zone (by its pair's name), or of a device's transaction (DUKPT)."""


class PinVerdict(Enum):
    """What an HSM says about a PIN."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNREADABLE = "unreadable"
    """No PIN block of this card under this zone's key: damaged, or encrypted under another key.

    Says nothing about the cardholder.
    """


@dataclass(frozen=True, slots=True)
class PinTranslation:
    """Take a PIN block (encrypted, 8 bytes, or 16 in format 4) from a zone's or device's key to another zone's.

    Formats: by the key unless given, 4 under an AES key and 0 under a triple DES key. What leaves is of format 0, 3 or
    4.
    """

    pin_block: bytes = field(repr=False)
    pan: Pan
    from_zone: PinSource
    to_zone: str
    from_format: PinBlockFormat | None = None
    to_format: PinBlockFormat | None = None


@dataclass(frozen=True, slots=True)
class PinVerification:
    """Is the PIN in this block the one that the card's PVV was made of?

    `pvv` has 4 digits, `pvki` (the index of its key) is "1" to "6". Format: as in `PinTranslation`.
    """

    pin_block: bytes = field(repr=False)
    pan: Pan
    zone: PinSource
    pvki: str
    pvv: str = field(repr=False)
    format: PinBlockFormat | None = None


@dataclass(frozen=True, slots=True)
class PinOffsetVerification:
    """Is the PIN in this block the natural PIN of the card plus this offset (IBM 3624)?

    `offset` has as many digits as the PIN, 4 to 12. Format: as in `PinTranslation`.
    """

    pin_block: bytes = field(repr=False)
    pan: Pan
    zone: PinSource
    offset: str = field(repr=False)
    format: PinBlockFormat | None = None


@dataclass(frozen=True, slots=True)
class PinSelection:
    """The cardholder sets or changes a PIN: what the issuer keeps of the one in this block is its PVV under `pvki`."""

    pin_block: bytes = field(repr=False)
    pan: Pan
    zone: PinSource
    pvki: str = "1"
    format: PinBlockFormat | None = None

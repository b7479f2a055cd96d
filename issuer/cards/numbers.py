"""Card numbers and stripes of this issuer, as they are made. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan, luhn_complete

_TRACK_2 = re.compile(r";?([0-9]{12,19})[=D]([0-9]{4})([0-9]{3})([0-9]*)[?F]?")
_DISCRETIONARY = re.compile(r"([0-9])([0-9]{4})([0-9]{3})0*")

SERVICE_CODE = "201"
"""ISO/IEC 7813: international, chip to be used where possible; normal authorization; no restrictions."""
CHIP_SERVICE_CODES = frozenset("26")
"""First digit of the service code of a card with a chip."""


def card_number(account_range: str, sequence: int, length: int = 16) -> Pan:
    """The card number of an account range and a sequence from 0, with its check digit (ISO/IEC 7812-1 annex B).

    `("40000100", 7)` -> `4000010000000076`: range, sequence filled with zeros, check digit, `length` digits in all.
    `ValueError` when the sequence does not fit.
    """
    room = length - len(account_range) - 1
    digits = str(sequence).zfill(room)
    if sequence < 0 or len(digits) > room:
        raise ValueError(f"the account range {account_range} has no card number {sequence}")
    return Pan(luhn_complete(account_range + digits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Track2:
    """Track 2 (ISO/IEC 7813) of a card of this issuer, or a chip's copy of it (EMV tag 57).

    The discretionary digits are PVKI (1), PVV (4) and CVV (3); a chip's copy has the iCVV, made for service code
    999, there.
    """

    pan: Pan
    expiry: str
    """YYMM."""
    service_code: str
    cvv: str = field(repr=False)
    pvki: str = "0"
    """0: the stripe says nothing about the PIN."""
    pvv: str = field(default="0000", repr=False)

    @property
    def text(self) -> str:
        """As DE 35 carries it, without sentinels."""
        return f"{self.pan.clear}={self.expiry}{self.service_code}{self.pvki}{self.pvv}{self.cvv}"


def read_track_2(text: str) -> Track2:
    """The stripe's parts, sentinels allowed, `=` or `D` between. `FormatError` (DE 35) when it is none of ours; its
    bytes are not repeated."""
    found = _TRACK_2.fullmatch(text)
    own = found and _DISCRETIONARY.fullmatch(found[4])
    if not found or not own:
        raise FormatError("DE 35", "is not track 2 of this issuer's layout")
    return Track2(pan=Pan(found[1]), expiry=found[2], service_code=found[3], pvki=own[1], pvv=own[2], cvv=own[3])

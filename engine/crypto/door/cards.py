"""Questions about card numbers and what is printed, written or computed beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan


class PanUnreadable(BezantError):
    """A stored card number does not open: it was changed or moved, or the master key is another. Names its token."""


@dataclass(frozen=True, slots=True)
class CvvVerification:
    """Is this the card's CVV (the stripe's service code), iCVV (999) or CVV2 (000)?

    `expiry_yymm` is year first for all three.
    """

    pan: Pan
    expiry_yymm: str
    service_code: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DynamicCvvVerification:
    """Is this the code (CVC3, 3 digits) that the chip made for this transaction of contactless magnetic-stripe mode?

    `track`: the static track as the chip signs it (`engine.crypto.dynamic_cvv`); `counter`: ATC, 2 bytes; `number`: the
    reader's unpredictable number, 4 bytes; `key_index`: the issuer key's version.
    """

    pan: Pan
    track: bytes = field(repr=False)
    counter: bytes
    number: bytes
    value: str = field(repr=False)
    sequence_number: str = "00"
    key_index: int = 1


@dataclass(frozen=True, slots=True)
class SealedPan:
    """An encrypted card number, the name of the key that opens it, and the token of the row that it belongs to."""

    token: UUID
    key_id: str
    ciphertext: bytes

"""The HSM's door, as the rest of the house sees it: the questions that may be asked, and the shape of the answers.

Behind it stands `engine.crypto.hsm.SoftwareHsm`, or some day a machine of another maker across a network. That is why
questions come in lists, why the door is asked outside of transactions only, and why a malformed item never spoils its
list: it has an answer of its own. An `Hsm` belongs to one institution and knows the keys of that institution and of
the zones and links it is one end of, no others. No answer holds a key or a clear PIN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol
from uuid import UUID

from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan


class KeyRefused(BezantError):
    """The key asked for is unknown to this HSM, belongs to someone else, or has another usage.

    Names the key, never shows it.
    """


class PanUnreadable(BezantError):
    """A stored card number does not open: it was changed or moved, or the master key is another. Names its token."""


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
    """Take a PIN block (encrypted, 8 bytes, DE 52, ISO 9564-1 format 0) from one zone's key to another's."""

    pin_block: bytes = field(repr=False)
    pan: Pan
    from_zone: str
    to_zone: str


@dataclass(frozen=True, slots=True)
class PinVerification:
    """Is the PIN in this block (encrypted, 8 bytes, format 0) the one that the card's PVV was made of?

    `pvv` has 4 digits, `pvki` (the index of its key) is "1" to "6".
    """

    pin_block: bytes = field(repr=False)
    pan: Pan
    zone: str
    pvki: str
    pvv: str = field(repr=False)


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
class SealedPan:
    """An encrypted card number, the name of the key that opens it, and the token of the row that it belongs to."""

    token: UUID
    key_id: str
    ciphertext: bytes


class Hsm(Protocol):
    """The one holder of keys.

    Lists in, lists of the same length and order out. Any method may raise `KeyRefused`, for the whole list.
    """

    def translate_pin_blocks(self, translations: Sequence[PinTranslation]) -> list[bytes | None]:
        """The blocks under the other zone's key, 8 bytes each.

        None for one that is no PIN block of its card under its first zone's key.
        """
        ...

    def verify_pins(self, verifications: Sequence[PinVerification]) -> list[PinVerdict]:
        """A verdict for each PIN."""
        ...

    def verify_cvvs(self, verifications: Sequence[CvvVerification]) -> list[bool]:
        """Whether each value is right; a malformed one is not."""
        ...

    def make_cvv(self, pan: Pan, expiry_yymm: str, service_code: str) -> str:
        """The 3 digits that personalisation puts on stripe, chip (999) or card (000).

        `FormatError` if the arguments have no such form.
        """
        ...

    def make_pvv(self, pan: Pan, pin: str, pvki: str = "1") -> str:
        """The 4 digits that the issuer keeps of a PIN.

        Asked at personalisation, the one place where a clear PIN goes in. `FormatError` if it has not 4 to 12 digits.
        """
        ...

    def encrypt_pans(self, pans: Sequence[tuple[UUID, Pan]]) -> list[SealedPan]:
        """Card numbers sealed under the current key, each bound to its token: it opens with that token only."""
        ...

    def decrypt_pans(self, sealed: Sequence[SealedPan]) -> list[Pan]:
        """The card numbers; `PanUnreadable` if one of them does not open."""
        ...

    def pan_lookup(self, pans: Sequence[Pan]) -> list[bytes]:
        """A keyed hash of each card number, 32 bytes: the same for the same card, of no use to who lacks the key."""
        ...

    def fingerprint(self, materials: Sequence[bytes]) -> list[bytes]:
        """A keyed hash of each request's identifying fields, 32 bytes, to compare a repeat with its original."""
        ...

    def mac(self, link: str, messages: Sequence[bytes]) -> list[bytes]:
        """The MAC of each message on a link, 8 bytes (DE 64 or 128)."""
        ...

    def verify_mac(self, link: str, messages: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """Whether each (message, MAC) of a link belongs together."""
        ...

"""The door itself. Behind it stands `engine.crypto.hsm.SoftwareHsm`, or some day a machine of another maker across a
network. That is why questions come in lists, why the door is asked outside of transactions only (in `prepare` and
`seal`), and why a malformed item never spoils its list: it has an answer of its own. An `Hsm` belongs to one
institution and knows the keys of that institution and of the zones and links it is one end of, no others. No answer
holds a clear key or a clear PIN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from engine.crypto.door.cards import CvvVerification, DynamicCvvVerification, SealedPan
from engine.crypto.door.chips import (
    CardKeys,
    ChipCard,
    CryptogramVerification,
    PinChangeCommand,
    ResponseCryptogram,
    ScriptCommand,
)
from engine.crypto.door.keys import ExchangedKey, KeyUsage, Ksn
from engine.crypto.door.pins import (
    PinOffsetVerification,
    PinSelection,
    PinTranslation,
    PinVerdict,
    PinVerification,
)
from engine.vocabulary.identifiers import Pan


class Hsm(Protocol):
    """The one holder of keys.

    Lists in, lists of the same length and order out. Any method may raise `KeyRefused`, for the whole list.
    """

    # PINs

    def translate_pin_blocks(self, translations: Sequence[PinTranslation]) -> list[bytes | None]:
        """The blocks under the other zone's key, 8 bytes each, 16 in format 4.

        None for one that is no PIN block of its card under its first key.
        """
        ...

    def verify_pins(self, verifications: Sequence[PinVerification | PinOffsetVerification]) -> list[PinVerdict]:
        """A verdict for each PIN."""
        ...

    def select_pins(self, selections: Sequence[PinSelection]) -> list[str | None]:
        """The PVV, 4 digits, of each PIN that a cardholder has chosen; None for an unreadable block."""
        ...

    def make_pvv(self, pan: Pan, pin: str, pvki: str = "1") -> str:
        """The 4 digits that the issuer keeps of a PIN.

        Asked at personalisation, the one place where a clear PIN goes in. `FormatError` if it has not 4 to 12 digits.
        """
        ...

    # Cards

    def verify_cvvs(self, verifications: Sequence[CvvVerification]) -> list[bool]:
        """Whether each value is right; a malformed one is not."""
        ...

    def verify_dynamic_cvvs(self, verifications: Sequence[DynamicCvvVerification]) -> list[bool]:
        """Whether each code is right; a malformed one is not."""
        ...

    def make_cvv(self, pan: Pan, expiry_yymm: str, service_code: str) -> str:
        """The 3 digits that personalisation puts on stripe, chip (999) or card (000).

        `FormatError` if the arguments have no such form.
        """
        ...

    # Chips

    def verify_cryptograms(self, verifications: Sequence[CryptogramVerification]) -> list[bool]:
        """Whether each chip made its cryptogram; a malformed question has the answer no."""
        ...

    def make_arpcs(self, answers: Sequence[ResponseCryptogram]) -> list[bytes]:
        """The ARPC of each answer, 8 bytes for CVN 10, else 4.

        `FormatError` for a malformed one: our own answers have the right form.
        """
        ...

    def make_scripts(self, commands: Sequence[ScriptCommand | PinChangeCommand]) -> list[bytes | None]:
        """Each command as the chip gets it (tag 86): header with length, data, MAC of 8 bytes.

        None for a PIN change whose PIN block is unreadable; `FormatError` for a command of another form.
        """
        ...

    def make_card_keys(self, zone: str, cards: Sequence[ChipCard], *, by_option_b: bool = True) -> list[CardKeys]:
        """The master keys of new chips as key blocks under the zone master key of this pair.

        By EMV's option B (CVN 18 and 22), or A (CVN 10): they differ for card numbers of more than 16 digits.
        """
        ...

    # Card numbers at rest

    def encrypt_pans(self, pans: Sequence[tuple[UUID, Pan]]) -> list[SealedPan]:
        """Card numbers sealed under the current key, each bound to its token: it opens with that token only."""
        ...

    def decrypt_pans(self, sealed: Sequence[SealedPan]) -> list[Pan]:
        """The card numbers; `PanUnreadable` if one of them does not open."""
        ...

    def pan_lookup(self, pans: Sequence[Pan], version: int | None = None) -> list[bytes]:
        """A keyed hash of each card number, 32 bytes: the same for the same card, of no use to who lacks the key.

        By the current key, or by an earlier or coming version of it.
        """
        ...

    def fingerprint(self, materials: Sequence[bytes]) -> list[bytes]:
        """A keyed hash of each request's identifying fields, 32 bytes, to compare a repeat with its original."""
        ...

    # Messages

    def mac(self, link: str | Ksn, messages: Sequence[bytes]) -> list[bytes]:
        """The MAC of each message on a link, or of each answer to a device, 8 bytes (DE 64 or 128).

        By the algorithm of the link's key: ISO/IEC 9797-1 algorithm 1 or 3 (padding method 2), or CMAC. A device under
        triple DES has algorithm 3 with padding method 1, one under AES CMAC (ANSI X9.24).
        """
        ...

    def verify_mac(self, link: str | Ksn, messages: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """Whether each (message, MAC of 8 bytes) of a link, or of a device, belongs together.

        A device's MAC may have 4 bytes. While a link's key changes both the old and the new one count.
        """
        ...

    def decrypt_from_devices(self, texts: Sequence[tuple[Ksn, bytes]]) -> list[bytes | None]:
        """What devices encrypted under the data keys of their transactions (CBC from zero): tracks, card numbers.

        None for one that is not whole blocks.
        """
        ...

    # Keys

    def key_versions(self, usage: KeyUsage, owner: str | None = None) -> list[int]:
        """The versions of a key that this HSM holds, the current one first. `owner`: this institution, or a pair."""
        ...

    def refresh(self) -> None:
        """Take up what other processes of the institution have done to its keys."""
        ...

    def make_zone_key(self, pair: str, usage: KeyUsage) -> ExchangedKey:
        """A new key for a zone (`PIN_ZONE`) or link (`MAC`), pending: it opens what comes and makes nothing until it is
        activated. Under the pair's zone master key, for the other side. A key that is pending already is given again.
        """
        ...

    def import_zone_key(
        self, pair: str, usage: KeyUsage, key_block: str, check_value: str | None = None
    ) -> ExchangedKey:
        """Keep a key that the other side made, pending. The same one again changes nothing.

        `KeyRefused` when the block does not open under the pair's zone master key, is of another usage, or has another
        check value. Returns it with the check value to answer with.
        """
        ...

    def activate_zone_key(self, pair: str, usage: KeyUsage, version: int) -> None:
        """From here on this version makes what leaves; the one before still opens what comes, earlier ones no more.

        Once the other side is known to hold it. An active one again changes nothing; a version not held: `KeyRefused`.
        """
        ...

"""The HSM's part for PINs. A clear PIN lives here for the time of one question."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from engine.crypto import des, dukpt_aes, dukpt_tdes, pin_blocks
from engine.crypto.des import decrypt_ecb
from engine.crypto.door.keys import KeyRefused, KeyUsage, Ksn
from engine.crypto.door.pins import (
    PinBlockFormat,
    PinOffsetVerification,
    PinSelection,
    PinSource,
    PinTranslation,
    PinVerdict,
    PinVerification,
)
from engine.crypto.hsm.keyring import KeyRing
from engine.crypto.keys import Key
from engine.crypto.pin_blocks import decode_format_0
from engine.crypto.pin_offset import natural_pin, offset_of, validation_digits
from engine.crypto.pvv import pin_verification_value, value_of_checked
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.identifiers import Pan

_PVKIS = {str(version): version for version in range(1, 7)}
_ZONE, _PVK = KeyUsage.PIN_ZONE, KeyUsage.PIN_VERIFICATION
_ISO_0, _ISO_1, _ISO_3, _ISO_4 = PinBlockFormat.ISO_0, PinBlockFormat.ISO_1, PinBlockFormat.ISO_3, PinBlockFormat.ISO_4


class PinDesk:
    """What each method answers is said at the door (`engine.crypto.door.Hsm`)."""

    _ring: KeyRing

    def translate_pin_blocks(self, translations: Sequence[PinTranslation]) -> list[bytes | None]:
        """See `Hsm`. A block is opened and checked on the way, as a hardware HSM does."""
        return [self._translate(translation) for translation in translations]

    def verify_pins(self, verifications: Sequence[PinVerification | PinOffsetVerification]) -> list[PinVerdict]:
        """See `Hsm`."""
        return [
            self._verify_value(one) if isinstance(one, PinVerification) else self._verify_offset(one)
            for one in verifications
        ]

    def select_pins(self, selections: Sequence[PinSelection]) -> list[str | None]:
        """See `Hsm`."""
        return [self._select(selection) for selection in selections]

    def make_pvv(self, pan: Pan, pin: str, pvki: str = "1") -> str:
        """See `Hsm`."""
        return pin_verification_value(self._pvk(pvki), pan.clear, pvki, pin)

    def make_pin_offset(self, pan: Pan, pin: str) -> str:
        """The IBM 3624 offset of a PIN at personalisation, as long as the PIN."""
        key = self._ring.current(KeyUsage.PIN_OFFSET, self._ring.institution)
        return offset_of(_natural_pin(key, pan, len(pin_blocks.require_pin(pin))), pin)

    def _translate(self, asked: PinTranslation) -> bytes | None:
        to_key = self._ring.current(_ZONE, asked.to_zone)
        to_format = asked.to_format
        if to_format is None:
            to_format = _ISO_4 if to_key.algorithm == "A" else _ISO_0
        elif to_format is _ISO_1:
            raise BezantError("A PIN block leaves in format 0, 3 or 4: format 1 has lost its card number.")
        if (to_format is _ISO_4) is not (to_key.algorithm == "A"):
            raise BezantError(
                f"The zone {asked.to_zone} takes no PIN blocks of format {to_format}: its key is of another."
            )
        opened = self._open(asked.from_zone, asked.pin_block, asked.pan, asked.from_format)
        if opened is None:
            return None
        pin, block_0 = opened
        value = to_key.value_for(_ZONE)
        if to_format is _ISO_0:
            return des.encrypt_ecb(value, block_0 or pin_blocks.encode_format_0(pin, asked.pan.clear))
        if to_format is _ISO_3:
            return des.encrypt_ecb(value, pin_blocks.encode_format_3(pin, asked.pan.clear))
        return pin_blocks.encrypt_format_4(value, pin, asked.pan.clear)

    def _verify_value(self, asked: PinVerification) -> PinVerdict:
        pvk, pan = self._pvk(asked.pvki), asked.pan
        opened = self._open(asked.zone, asked.pin_block, pan, asked.format)
        if opened is None:
            return PinVerdict.UNREADABLE
        right = value_of_checked(pvk, pan.clear, asked.pvki, opened[0])
        said = asked.pvv
        return PinVerdict.CORRECT if said.isascii() and hmac.compare_digest(right, said) else PinVerdict.WRONG

    def _verify_offset(self, asked: PinOffsetVerification) -> PinVerdict:
        pin = self.open_pin(asked.zone, asked.pin_block, asked.pan, asked.format)
        if pin is None:
            return PinVerdict.UNREADABLE
        for key in self._ring.candidates(KeyUsage.PIN_OFFSET, self._ring.institution):
            right = offset_of(_natural_pin(key, asked.pan, len(pin)), pin)
            if hmac.compare_digest(right.encode(), asked.offset.encode()):
                return PinVerdict.CORRECT
        return PinVerdict.WRONG

    def _select(self, asked: PinSelection) -> str | None:
        pvk = self._pvk(asked.pvki)
        pin = self.open_pin(asked.zone, asked.pin_block, asked.pan, asked.format)
        return None if pin is None else pin_verification_value(pvk, asked.pan.clear, asked.pvki, pin)

    def _pvk(self, pvki: str) -> bytes:
        version = _PVKIS.get(pvki)
        if version is None:
            raise KeyRefused(f"{self._ring.institution} holds PIN verification keys of index 1 to 6 only")
        return self._ring.exact(_PVK, self._ring.institution, version).value_for(_PVK)

    def open_pin(self, source: PinSource, block: bytes, pan: Pan, of: PinBlockFormat | None) -> str | None:
        """The PIN in an encrypted block, within the HSM; None when no key of the source opens it."""
        opened = self._open(source, block, pan, of)
        return None if opened is None else opened[0]

    def _open(self, source: PinSource, block: bytes, pan: Pan, of: PinBlockFormat | None) -> _Opened | None:
        if isinstance(source, Ksn):
            return self._open_from_device(source, block, pan, of)
        for key in self._ring.candidates(_ZONE, source):
            if (opened := _open_from_zone(key, block, pan, of)) is not None:
                return opened
        # Another process may have taken a new key of the zone meanwhile.
        return self._open(source, block, pan, of) if self._ring.refresh() else None

    def _open_from_device(self, ksn: Ksn, block: bytes, pan: Pan, of: PinBlockFormat | None) -> _Opened | None:
        usage = KeyUsage.DEVICE_BASE_AES if ksn.by_aes else KeyUsage.DEVICE_BASE_TDES
        try:
            bdk = self._ring.exact(usage, self._ring.institution, ksn.key_set).value_for(usage)
            if ksn.by_aes:
                key = dukpt_aes.device_key(bdk, ksn.value, dukpt_aes.Use.PIN)
                return _read_format_4(key, block, pan, of)
            key = dukpt_tdes.device_key(bdk, ksn.value, dukpt_tdes.Use.PIN)
            return _read(des.once_decrypt(key, block), pan, of)
        except (FormatError, KeyRefused):
            # A key set that nobody knows is the device's fault, not the list's.
            return None


_Opened = tuple[str, bytes | None]
"""A PIN, and its clear block where it came in one of format 0 already."""


def _natural_pin(key: Key, pan: Pan, length: int) -> str:
    """Validation data are the 12 rightmost digits of the card number without the check digit."""
    return natural_pin(key.value_for(KeyUsage.PIN_OFFSET), validation_digits(pan.clear[-13:-1]), length=length)


def _open_from_zone(key: Key, block: bytes, pan: Pan, of: PinBlockFormat | None) -> _Opened | None:
    value = key.value_for(_ZONE)
    try:
        if key.algorithm == "A":
            return _read_format_4(value, block, pan, of)
        clear = decrypt_ecb(value, block)
        # What nearly all come in first.
        return (decode_format_0(clear, pan.clear), clear) if of is None else _read(clear, pan, of)
    except FormatError:
        return None


def _read_format_4(key: bytes, block: bytes, pan: Pan, of: PinBlockFormat | None) -> _Opened | None:
    return (pin_blocks.decrypt_format_4(key, block, pan.clear), None) if of in (None, _ISO_4) else None


def _read(clear: bytes, pan: Pan, of: PinBlockFormat | None) -> _Opened | None:
    if of is None or of is _ISO_0:
        return pin_blocks.decode_format_0(clear, pan.clear), clear
    if of is _ISO_1:
        return pin_blocks.decode_format_1(clear), None
    return (pin_blocks.decode_format_3(clear, pan.clear), None) if of is _ISO_3 else None

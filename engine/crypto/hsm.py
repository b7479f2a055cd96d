"""The HSM in software: the one object that holds keys and sees clear PINs.

What each method answers is said at the door (`engine.crypto.door.Hsm`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from cryptography.hazmat.primitives.constant_time import bytes_eq

from engine.crypto import aead, des
from engine.crypto.cvv import card_verification_value, expiry_as_used
from engine.crypto.door import (
    CvvVerification,
    Hsm,
    KeyRefused,
    PanUnreadable,
    PinTranslation,
    PinVerdict,
    PinVerification,
    SealedPan,
)
from engine.crypto.keyed_hash import hmac_sha256
from engine.crypto.keys import Key, KeyName, KeyUsage, derive_key
from engine.crypto.mac import Padding, retail_mac
from engine.crypto.pin_blocks import decode_format_0
from engine.crypto.pvv import pin_verification_value
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan

_PVKIS = frozenset("123456")


class SoftwareHsm(Hsm):
    """An institution's HSM, its keys derived from a master key. May be used by several threads.

    `current_versions` gives the version that new work uses, 1 where a usage is not in it; what earlier versions
    encrypted still opens.
    """

    def __init__(
        self, institution: str, master_key: bytes, current_versions: Mapping[KeyUsage, int] = MappingProxyType({})
    ) -> None:
        self._institution = institution
        self._master_key = master_key
        self._current_versions = dict(current_versions)
        self._keys: dict[tuple[KeyUsage, str, int], Key] = {}
        # A master key or name that cannot serve is refused at start, not by the first card.
        self._own(KeyUsage.FINGERPRINT)

    def __repr__(self) -> str:
        return f"SoftwareHsm({self._institution}, keys masked)"

    def translate_pin_blocks(self, translations: Sequence[PinTranslation]) -> list[bytes | None]:
        """See `Hsm`. The block is opened and checked on the way, as a real HSM does; it stays of format 0."""
        return [self._translate(translation) for translation in translations]

    def verify_pins(self, verifications: Sequence[PinVerification]) -> list[PinVerdict]:
        """See `Hsm`."""
        return [self._verify_pin(verification) for verification in verifications]

    def verify_cvvs(self, verifications: Sequence[CvvVerification]) -> list[bool]:
        """See `Hsm`."""
        return [self._verify_cvv(verification) for verification in verifications]

    def make_cvv(self, pan: Pan, expiry_yymm: str, service_code: str) -> str:
        """See `Hsm`."""
        cvk = self._own(KeyUsage.CARD_VERIFICATION)
        return card_verification_value(cvk, pan.clear, expiry_as_used(expiry_yymm, service_code), service_code)

    def make_pvv(self, pan: Pan, pin: str, pvki: str = "1") -> str:
        """See `Hsm`."""
        return pin_verification_value(self._pvk(pvki), pan.clear, pvki, pin)

    def encrypt_pans(self, pans: Sequence[tuple[UUID, Pan]]) -> list[SealedPan]:
        """See `Hsm`."""
        key = self._own(KeyUsage.PAN_ENCRYPTION)
        key_id = KeyName(self._institution, KeyUsage.PAN_ENCRYPTION, self._version(KeyUsage.PAN_ENCRYPTION)).key_id
        return [
            SealedPan(token, key_id, aead.seal(key, pan.clear.encode(), _associated(token, key_id)))
            for token, pan in pans
        ]

    def decrypt_pans(self, sealed: Sequence[SealedPan]) -> list[Pan]:
        """See `Hsm`."""
        return [self._decrypt_pan(item) for item in sealed]

    def pan_lookup(self, pans: Sequence[Pan]) -> list[bytes]:
        """See `Hsm`."""
        key = self._own(KeyUsage.PAN_LOOKUP)
        return [hmac_sha256(key, pan.clear.encode()) for pan in pans]

    def fingerprint(self, materials: Sequence[bytes]) -> list[bytes]:
        """See `Hsm`."""
        key = self._own(KeyUsage.FINGERPRINT)
        return [hmac_sha256(key, material) for material in materials]

    def mac(self, link: str, messages: Sequence[bytes]) -> list[bytes]:
        """See `Hsm`. ISO/IEC 9797-1 algorithm 3, padding method 2, all 8 bytes."""
        key = self._shared(KeyUsage.MAC, link)
        return [retail_mac(key, message, Padding.ONE_AND_ZEROS) for message in messages]

    def verify_mac(self, link: str, messages: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """See `Hsm`."""
        expected = self.mac(link, [message for message, _ in messages])
        return [bytes_eq(right, mac) for right, (_, mac) in zip(expected, messages, strict=True)]

    def _translate(self, asked: PinTranslation) -> bytes | None:
        from_key = self._shared(KeyUsage.PIN_ZONE, asked.from_zone)
        to_key = self._shared(KeyUsage.PIN_ZONE, asked.to_zone)
        try:
            clear_block = des.decrypt_ecb(from_key, asked.pin_block)
            decode_format_0(clear_block, asked.pan.clear)
        except FormatError:
            return None
        return des.encrypt_ecb(to_key, clear_block)

    def _verify_pin(self, asked: PinVerification) -> PinVerdict:
        zone_key = self._shared(KeyUsage.PIN_ZONE, asked.zone)
        pvk = self._pvk(asked.pvki)
        try:
            pin = decode_format_0(des.decrypt_ecb(zone_key, asked.pin_block), asked.pan.clear)
        except FormatError:
            return PinVerdict.UNREADABLE
        right = pin_verification_value(pvk, asked.pan.clear, asked.pvki, pin)
        return PinVerdict.CORRECT if bytes_eq(right.encode(), asked.pvv.encode()) else PinVerdict.WRONG

    def _verify_cvv(self, asked: CvvVerification) -> bool:
        try:
            right = self.make_cvv(asked.pan, asked.expiry_yymm, asked.service_code)
        except FormatError:
            return False
        return bytes_eq(right.encode(), asked.value.encode())

    def _decrypt_pan(self, item: SealedPan) -> Pan:
        name = KeyName.from_key_id(item.key_id)
        if name.owner != self._institution:
            raise KeyRefused(f"{self._institution} holds no key {item.key_id}")
        key = self._key(name.usage, name.owner, name.version).value_for(KeyUsage.PAN_ENCRYPTION)
        try:
            return Pan(aead.open_sealed(key, item.ciphertext, _associated(item.token, item.key_id)).decode())
        except aead.SealBroken:
            raise PanUnreadable(
                f"the card number of token {item.token} does not open under the key {item.key_id}: "
                "its row was changed, or the master key is not the one it was stored under"
            ) from None

    def _version(self, usage: KeyUsage) -> int:
        return self._current_versions.get(usage, 1)

    def _own(self, usage: KeyUsage) -> bytes:
        return self._key(usage, self._institution, self._version(usage)).value_for(usage)

    def _pvk(self, pvki: str) -> bytes:
        if pvki not in _PVKIS:
            raise KeyRefused(f"{self._institution} holds PIN verification keys of index 1 to 6 only")
        usage = KeyUsage.PIN_VERIFICATION
        return self._key(usage, self._institution, int(pvki)).value_for(usage)

    def _shared(self, usage: KeyUsage, pair: str) -> bytes:
        return self._key(usage, pair, 1).value_for(usage)

    def _key(self, usage: KeyUsage, owner: str, version: int) -> Key:
        key = self._keys.get((usage, owner, version))
        if key is None:
            key = self._keys[usage, owner, version] = derive_key(self._master_key, self._held(usage, owner, version))
        return key

    def _held(self, usage: KeyUsage, owner: str, version: int) -> KeyName:
        """The key's name, if this institution holds it; else `KeyRefused`."""
        name = KeyName(owner, usage, version)
        if usage in (KeyUsage.PIN_ZONE, KeyUsage.MAC):
            parties = owner.split("/")
            held = len(parties) == 2 and parties == sorted(parties) and self._institution in parties
        else:
            newest = len(_PVKIS) if usage is KeyUsage.PIN_VERIFICATION else self._version(usage)
            held = owner == self._institution and version <= newest
        if not held:
            raise KeyRefused(f"{self._institution} holds no key {name.key_id}")
        return name


def _associated(token: UUID, key_id: str) -> bytes:
    return token.bytes + key_id.encode()

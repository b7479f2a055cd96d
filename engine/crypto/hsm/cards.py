"""The HSM's part for card verification values, card numbers at rest, and keyed hashes."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from uuid import UUID

from engine.crypto import aead
from engine.crypto.cvv import card_verification_value, expiry_as_used
from engine.crypto.door.cards import CvvVerification, DynamicCvvVerification, PanUnreadable, SealedPan
from engine.crypto.door.keys import KeyName, KeyRefused, KeyUsage
from engine.crypto.dynamic_cvv import dynamic_card_verification_code
from engine.crypto.emv_keys import card_master_key_a
from engine.crypto.hsm.keyring import KeyRing
from engine.crypto.keyed_hash import hmac_sha256
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan

_CVK = KeyUsage.CARD_VERIFICATION


class CardDesk:
    """What each method answers is said at the door (`engine.crypto.door.Hsm`)."""

    _ring: KeyRing

    def verify_cvvs(self, verifications: Sequence[CvvVerification]) -> list[bool]:
        """See `Hsm`. A card that was made under an earlier key verifies under it."""
        return [self._verify_cvv(verification) for verification in verifications]

    def verify_dynamic_cvvs(self, verifications: Sequence[DynamicCvvVerification]) -> list[bool]:
        """See `Hsm`."""
        return [self._verify_dynamic(verification) for verification in verifications]

    def make_cvv(self, pan: Pan, expiry_yymm: str, service_code: str) -> str:
        """See `Hsm`."""
        cvk = self._own(_CVK)
        return card_verification_value(cvk, pan.clear, expiry_as_used(expiry_yymm, service_code), service_code)

    def encrypt_pans(self, pans: Sequence[tuple[UUID, Pan]]) -> list[SealedPan]:
        """See `Hsm`."""
        current = self._ring.current(KeyUsage.PAN_ENCRYPTION, self._ring.institution)
        key, key_id = current.value_for(KeyUsage.PAN_ENCRYPTION), current.name.key_id
        return [
            SealedPan(token, key_id, aead.seal(key, pan.clear.encode(), _associated(token, key_id)))
            for token, pan in pans
        ]

    def decrypt_pans(self, sealed: Sequence[SealedPan]) -> list[Pan]:
        """See `Hsm`."""
        return [self._decrypt_pan(item) for item in sealed]

    def pan_lookup(self, pans: Sequence[Pan], version: int | None = None) -> list[bytes]:
        """See `Hsm`."""
        usage, owner = KeyUsage.PAN_LOOKUP, self._ring.institution
        found = self._ring.current(usage, owner) if version is None else self._ring.exact(usage, owner, version)
        key = found.value_for(usage)
        return [hmac_sha256(key, pan.clear.encode()) for pan in pans]

    def fingerprint(self, materials: Sequence[bytes]) -> list[bytes]:
        """See `Hsm`."""
        key = self._own(KeyUsage.FINGERPRINT)
        return [hmac_sha256(key, material) for material in materials]

    def _verify_cvv(self, asked: CvvVerification) -> bool:
        expiry, said = expiry_as_used(asked.expiry_yymm, asked.service_code), asked.value.encode()
        for key in self._ring.candidates(_CVK, self._ring.institution):
            try:
                right = card_verification_value(key.value_for(_CVK), asked.pan.clear, expiry, asked.service_code)
            except FormatError:
                return False
            if hmac.compare_digest(right.encode(), said):
                return True
        return False

    def _verify_dynamic(self, asked: DynamicCvvVerification) -> bool:
        usage = KeyUsage.CHIP_DYNAMIC_NUMBER
        try:
            issuer = self._ring.exact(usage, self._ring.institution, asked.key_index).value_for(usage)
            chip = card_master_key_a(issuer, asked.pan.clear, asked.sequence_number)
            right = dynamic_card_verification_code(chip, asked.track, asked.counter, asked.number)
        except (FormatError, KeyRefused):
            # A key index that nobody knows comes from the card, and spoils no other.
            return False
        return hmac.compare_digest(right.encode(), asked.value.encode())

    def _decrypt_pan(self, item: SealedPan) -> Pan:
        name = KeyName.from_key_id(item.key_id)
        key = self._ring.exact(name.usage, name.owner, name.version).value_for(KeyUsage.PAN_ENCRYPTION)
        try:
            return Pan(aead.open_sealed(key, item.ciphertext, _associated(item.token, item.key_id)).decode())
        except aead.SealBroken:
            raise PanUnreadable(
                f"the card number of token {item.token} does not open under the key {item.key_id}: its row was changed"
            ) from None

    def _own(self, usage: KeyUsage) -> bytes:
        return self._ring.current(usage, self._ring.institution).value_for(usage)


def _associated(token: UUID, key_id: str) -> bytes:
    return token.bytes + key_id.encode()

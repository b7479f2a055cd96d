"""The HSM's part for messages: MACs of links and devices, and what devices encrypt."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from engine.crypto import aes, des, dukpt_aes, dukpt_tdes
from engine.crypto.door.keys import KeyRefused, KeyUsage, Ksn
from engine.crypto.hsm.keyring import KeyRing
from engine.crypto.keys import Key
from engine.crypto.mac import Padding, aes_cmac, cbc_mac, des_cmac, retail_mac, retail_mac_once
from engine.vocabulary.errors import FormatError

_MAC_LENGTH = 8
_DEVICE_MAC_LENGTHS = (4, 8)


class MessageDesk:
    """What each method answers is said at the door (`engine.crypto.door.Hsm`)."""

    _ring: KeyRing

    def mac(self, link: str | Ksn, messages: Sequence[bytes]) -> list[bytes]:
        """See `Hsm`."""
        if isinstance(link, Ksn):
            return [self._device_mac(link, message, request=False) for message in messages]
        key = self._ring.current(KeyUsage.MAC, link)
        return [_mac(key, message) for message in messages]

    def verify_mac(self, link: str | Ksn, messages: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """See `Hsm`."""
        if isinstance(link, Ksn):
            return [self._verify_device(link, message, mac) for message, mac in messages]
        verdicts = self._verdicts(link, messages)
        if not all(verdicts) and self._ring.refresh():
            # Another process may have taken a new key of the link meanwhile.
            return self._verdicts(link, messages)
        return verdicts

    def decrypt_from_devices(self, texts: Sequence[tuple[Ksn, bytes]]) -> list[bytes | None]:
        """See `Hsm`."""
        return [self._decrypt(ksn, text) for ksn, text in texts]

    def _verdicts(self, link: str, messages: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        keys = self._ring.candidates(KeyUsage.MAC, link)
        return [any(hmac.compare_digest(_mac(key, message), mac) for key in keys) for message, mac in messages]

    def _verify_device(self, ksn: Ksn, message: bytes, mac: bytes) -> bool:
        if len(mac) not in _DEVICE_MAC_LENGTHS:
            return False
        try:
            return hmac.compare_digest(self._device_mac(ksn, message, request=True)[: len(mac)], mac)
        except (FormatError, KeyRefused):
            # A serial number that nobody knows comes from the device, and spoils no other.
            return False

    def _device_mac(self, ksn: Ksn, message: bytes, *, request: bool) -> bytes:
        if ksn.by_aes:
            by_aes = dukpt_aes.Use.MAC_REQUEST if request else dukpt_aes.Use.MAC_RESPONSE
            return aes_cmac(dukpt_aes.device_key(self._bdk(ksn), ksn.value, by_aes), message)[:_MAC_LENGTH]
        by_des = dukpt_tdes.Use.MAC_REQUEST if request else dukpt_tdes.Use.MAC_RESPONSE
        return retail_mac_once(dukpt_tdes.device_key(self._bdk(ksn), ksn.value, by_des), message, Padding.ZEROS)

    def _decrypt(self, ksn: Ksn, text: bytes) -> bytes | None:
        try:
            if ksn.by_aes:
                key = dukpt_aes.device_key(self._bdk(ksn), ksn.value, dukpt_aes.Use.ENCRYPTION_REQUEST)
                return aes.decrypt_cbc(key, text, bytes(aes.BLOCK))
            key = dukpt_tdes.device_key(self._bdk(ksn), ksn.value, dukpt_tdes.Use.ENCRYPTION_REQUEST)
            return des.decrypt_cbc(key, text)
        except (FormatError, KeyRefused):
            return None

    def _bdk(self, ksn: Ksn) -> bytes:
        usage = KeyUsage.DEVICE_BASE_AES if ksn.by_aes else KeyUsage.DEVICE_BASE_TDES
        return self._ring.exact(usage, self._ring.institution, ksn.key_set).value_for(usage)


def _mac(key: Key, message: bytes) -> bytes:
    """The MAC of a link's message, 8 bytes, by the algorithm that the key's block names."""
    value = key.value_for(KeyUsage.MAC)
    if key.code == "M3":
        return retail_mac(value, message, Padding.ONE_AND_ZEROS)
    if key.code == "M1":
        return cbc_mac(value, message, Padding.ONE_AND_ZEROS)
    return (aes_cmac if key.algorithm == "A" else des_cmac)(value, message)[:_MAC_LENGTH]

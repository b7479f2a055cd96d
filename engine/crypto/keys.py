"""Keys and their names: whose, what for, which version. A key answers for its one usage and shows itself to nobody.

All keys of an institution come from a master key that the caller gives. A key that two institutions share is owned by
the pair, which is how both ends derive the same one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from engine.crypto import des
from engine.crypto.door import KeyRefused
from engine.crypto.key_derivation import hkdf_sha256

TEST_MASTER_KEY = bytes.fromhex("7e57" * 16)
"""The master key of the test profile, obviously no secret: "7e57" reads "test"."""

_MIN_MASTER_LENGTH = 32
_PARTY = r"[A-Za-z0-9_.-]{1,40}"
_OWNER = re.compile(rf"{_PARTY}(/{_PARTY})?")
_KEY_ID = re.compile(rf"(?P<owner>{_PARTY}(?:/{_PARTY})?):(?P<usage>[a-z_]+):(?P<version>[1-9][0-9]{{0,8}})")


class KeyUsage(StrEnum):
    """The one thing that a key may do (in brackets its usage code in a TR-31 key block)."""

    PIN_ZONE = "pin_zone"
    """PIN blocks between two parties (P0)."""
    PIN_VERIFICATION = "pin_verification"
    """PVVs (V2); its version is the PVKI."""
    CARD_VERIFICATION = "card_verification"
    """CVV, iCVV, CVV2 (C0)."""
    MAC = "mac"
    """Messages between two parties (M3)."""
    PAN_ENCRYPTION = "pan_encryption"
    """Card numbers at rest (D0)."""
    PAN_LOOKUP = "pan_lookup"
    """Finding a card number by its keyed hash (M7)."""
    FINGERPRINT = "fingerprint"
    """Comparing a repeated request with its original (M7)."""


_DES_USAGES = frozenset({KeyUsage.PIN_ZONE, KeyUsage.PIN_VERIFICATION, KeyUsage.CARD_VERIFICATION, KeyUsage.MAC})


@dataclass(frozen=True, slots=True)
class KeyName:
    """A key's name: its owner (an institution, or a pair as `pair_name` gives it), usage and version from 1."""

    owner: str
    usage: KeyUsage
    version: int

    def __post_init__(self) -> None:
        if not _OWNER.fullmatch(self.owner) or not 1 <= self.version <= 999_999_999:
            raise KeyRefused("a key's owner is an institution or a pair 'first/second', and its version counts from 1")

    @property
    def key_id(self) -> str:
        """The name as it is stored beside what the key encrypted: `bank:pan_encryption:1`."""
        return f"{self.owner}:{self.usage}:{self.version}"

    @classmethod
    def from_key_id(cls, key_id: str) -> KeyName:
        """The name that `key_id` is the text of; `KeyRefused` if it is none."""
        found = _KEY_ID.fullmatch(key_id)
        if found is None or found["usage"] not in list(KeyUsage):
            raise KeyRefused("a key id has the form 'owner:usage:version'")
        return cls(found["owner"], KeyUsage(found["usage"]), int(found["version"]))


@dataclass(frozen=True, slots=True)
class Key:
    """A key with its name. Its bytes are given to code that says what for."""

    name: KeyName
    _value: bytes = field(repr=False)

    def value_for(self, usage: KeyUsage) -> bytes:
        """The key's bytes, if it has this usage; else `KeyRefused`."""
        if self.name.usage is not usage:
            raise KeyRefused(f"the key {self.name.key_id} cannot be used for {usage}")
        return self._value


def derive_key(master_key: bytes, name: KeyName) -> Key:
    """The key of this name under a master key of at least 32 bytes (else `KeyRefused`).

    DES keys have 16 bytes of odd parity, AES and HMAC keys 32.
    """
    if len(master_key) < _MIN_MASTER_LENGTH:
        raise KeyRefused(f"the master key is too short: it needs {_MIN_MASTER_LENGTH} bytes or more")
    info = b"bezant key 1:" + name.key_id.encode()
    if name.usage in _DES_USAGES:
        return Key(name, des.with_odd_parity(hkdf_sha256(master_key, info=info, length=16)))
    return Key(name, hkdf_sha256(master_key, info=info, length=32))


def pair_name(one: str, other: str) -> str:
    """The name of what two parties share, a PIN zone or a link, the same from both ends: `acquirer/simnet`."""
    return "/".join(sorted((one, other)))


def is_test_key(master_key: bytes) -> bool:
    """Whether this is the master key of tests, which production refuses."""
    return master_key == TEST_MASTER_KEY


def zone_key_of_test_world(master_key: bytes, zone: str) -> bytes:
    """The clear PIN zone key, 16 bytes, that a simulated PIN pad or bank is loaded with.

    `KeyRefused` unless the master key is a test key.
    """
    if not is_test_key(master_key):
        raise KeyRefused("zone keys leave the HSM in the test world only, and this master key is not a test key")
    return derive_key(master_key, KeyName(zone, KeyUsage.PIN_ZONE, 1)).value_for(KeyUsage.PIN_ZONE)

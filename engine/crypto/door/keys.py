"""Keys as they are spoken of outside the HSM: whose, what for, which version; never their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from engine.vocabulary.errors import BezantError, FormatError

_PARTY = r"[A-Za-z0-9_.-]{1,40}"
_OWNER = re.compile(rf"{_PARTY}(/{_PARTY})?")
_KEY_ID = re.compile(rf"(?P<owner>{_PARTY}(?:/{_PARTY})?):(?P<usage>[a-z_]+):(?P<version>[1-9][0-9]{{0,8}})")


class KeyRefused(BezantError):
    """The key asked for is unknown to this HSM, belongs to someone else, or has another usage.

    Names the key, never shows it.
    """


class KeyUsage(StrEnum):
    """The one thing that a key may do (in brackets its usage code in a TR-31 key block)."""

    PIN_ZONE = "pin_zone"
    """PIN blocks between two parties (P0)."""
    MAC = "mac"
    """Messages between two parties (M1, M3 or M6: the block says by which algorithm)."""
    ZONE_MASTER = "zone_master"
    """Key blocks between two parties (K1)."""
    PIN_VERIFICATION = "pin_verification"
    """PVVs (V2); its version is the PVKI."""
    PIN_OFFSET = "pin_offset"
    """IBM 3624 offsets (V1)."""
    CARD_VERIFICATION = "card_verification"
    """CVV, iCVV, CVV2 (C0)."""
    CHIP_CRYPTOGRAM = "chip_cryptogram"
    """Chips' master keys for ARQC and ARPC (E0); its version is the key index that a chip names in tag 9F10."""
    CHIP_CONFIDENTIALITY = "chip_confidentiality"
    """Chips' master keys for the data of scripts (E1); version as above."""
    CHIP_INTEGRITY = "chip_integrity"
    """Chips' master keys for the MAC of scripts (E2); version as above."""
    CHIP_DYNAMIC_NUMBER = "chip_dynamic_number"
    """Chips' keys for dynamic card verification codes (E4); version as above."""
    DEVICE_BASE_TDES = "device_base_tdes"
    """Base derivation key of terminals under DUKPT by triple DES (B0); its version is the key set of their KSNs."""
    DEVICE_BASE_AES = "device_base_aes"
    """The same by AES (B0)."""
    PAN_ENCRYPTION = "pan_encryption"
    """Card numbers at rest (D0)."""
    PAN_LOOKUP = "pan_lookup"
    """Finding a card number by its keyed hash (M7)."""
    FINGERPRINT = "fingerprint"
    """Comparing a repeated request with its original (M7)."""


PAIR_USAGES = frozenset({KeyUsage.PIN_ZONE, KeyUsage.MAC, KeyUsage.ZONE_MASTER})
"""What two parties share: its owner is a pair."""


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


def pair_name(one: str, other: str) -> str:
    """The name of what two parties share, a PIN zone or a link, the same from both ends: `acquirer/simnet`."""
    return "/".join(sorted((one, other)))


@dataclass(frozen=True, slots=True)
class Ksn:
    """A device's key serial number: 10 bytes under DUKPT by triple DES, 12 by AES; else `FormatError`.

    Two bytes of it say which key set, which is the version of the base derivation key: bytes 4 and 5 of a KSN by triple
    DES, bytes 3 and 4 of one by AES.
    """

    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) not in (10, 12):
            raise FormatError("key serial number", "has 10 bytes, or 12 under AES")

    @property
    def by_aes(self) -> bool:
        """Whether the device derives its keys by AES."""
        return len(self.value) == 12

    @property
    def key_set(self) -> int:
        """The version of the base derivation key that the device's keys come from."""
        return int.from_bytes(self.value[2:4] if self.by_aes else self.value[3:5], "big")


@dataclass(frozen=True, slots=True)
class ExchangedKey:
    """A key on its way to the other party of a pair: a TR-31 key block under their zone master key.

    `check_value`: 6 or 10 hexadecimal digits, by which the other side says that it holds the same key.
    """

    name: KeyName
    key_block: str
    check_value: str


class KeyState(StrEnum):
    """Where a version of a key is in its life."""

    PENDING = "pending"
    """Opens what is under it, since the other side may use it already; makes nothing yet."""
    CURRENT = "current"
    """Makes what is new. One version of a key, or each of those that are asked for by version."""
    ACCEPTED = "accepted"
    """Makes nothing new; opens what is under it."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is kept: its block under the local master key, its check value (hexadecimal) and its state."""

    name: KeyName
    key_block: str
    check_value: str
    state: KeyState


class KeyStore(Protocol):
    """Where the key blocks of one institution are kept. Several processes may use one store at once."""

    def read(self) -> Sequence[KeyRecord]:
        """All of them."""
        ...

    def add(self, record: KeyRecord) -> KeyRecord:
        """Keep it; what is kept under this name already stays, and is returned."""
        ...

    def change(self, states: Mapping[KeyName, KeyState]) -> None:
        """Give these keys these states, all at once."""
        ...

    def remove(self, name: KeyName) -> None:
        """Forget a key for good."""
        ...

"""Keys with their values: what each usage is in a key block, check values, and the keys of tests.

A key answers for its one usage and shows itself to nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from engine.crypto import des
from engine.crypto.door.keys import PAIR_USAGES, KeyName, KeyRefused, KeyUsage
from engine.crypto.dukpt_aes import initial_key as initial_key_aes
from engine.crypto.dukpt_tdes import initial_key as initial_key_tdes
from engine.crypto.kcv import kcv_aes, kcv_des
from engine.crypto.key_blocks import KeyBlockHeader
from engine.crypto.key_derivation import hkdf_sha256
from engine.crypto.keyed_hash import hmac_sha256

TEST_MASTER_KEY: Final = bytes.fromhex("7e57" * 16)
"""The master key of the test profile, obviously no secret: "7e57" reads "test"."""

MASTER_KEY_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class BlockUse:
    """What a usage is in a key block: the usage codes that it may have (the first unless told otherwise), algorithm,
    length in bytes, mode of use, exportability."""

    codes: tuple[str, ...]
    algorithm: str
    length: int
    mode: str
    exportability: str = "N"


BLOCK_USES: Mapping[KeyUsage, BlockUse] = {
    KeyUsage.PIN_ZONE: BlockUse(("P0",), "T", 16, "B", "E"),
    KeyUsage.MAC: BlockUse(("M3", "M1", "M6"), "T", 16, "C", "E"),
    KeyUsage.ZONE_MASTER: BlockUse(("K1",), "A", 32, "B"),
    KeyUsage.PIN_VERIFICATION: BlockUse(("V2",), "T", 16, "C"),
    KeyUsage.PIN_OFFSET: BlockUse(("V1",), "T", 16, "C"),
    KeyUsage.CARD_VERIFICATION: BlockUse(("C0",), "T", 16, "C"),
    KeyUsage.CHIP_CRYPTOGRAM: BlockUse(("E0",), "T", 16, "X"),
    KeyUsage.CHIP_CONFIDENTIALITY: BlockUse(("E1",), "T", 16, "X"),
    KeyUsage.CHIP_INTEGRITY: BlockUse(("E2",), "T", 16, "X"),
    KeyUsage.CHIP_DYNAMIC_NUMBER: BlockUse(("E4",), "T", 16, "X"),
    KeyUsage.DEVICE_BASE_TDES: BlockUse(("B0",), "T", 16, "X", "E"),
    KeyUsage.DEVICE_BASE_AES: BlockUse(("B0",), "A", 16, "X", "E"),
    KeyUsage.PAN_ENCRYPTION: BlockUse(("D0",), "A", 32, "B"),
    KeyUsage.PAN_LOOKUP: BlockUse(("M7",), "H", 32, "C"),
    KeyUsage.FINGERPRINT: BlockUse(("M7",), "H", 32, "C"),
}

KEY_LENGTHS: Mapping[str, tuple[int, ...]] = {"T": (16, 24), "A": (16, 24, 32), "H": (32,)}
"""The lengths that a key may have, in bytes, by its algorithm."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key with its name, algorithm ("T" triple DES, "A" AES, "H" HMAC) and usage code (TR-31).

    Its bytes are given to code that says what for.
    """

    name: KeyName
    algorithm: str
    code: str
    _value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        use = BLOCK_USES[self.name.usage]
        # Of the usages a pair may run by triple DES or AES; a CMAC runs by either, the other MACs by DES.
        algorithms = "TA" if self.name.usage in PAIR_USAGES and self.code not in ("M1", "M3") else use.algorithm
        if self.code not in use.codes or self.algorithm not in algorithms:
            raise KeyRefused(f"the key block of {self.name.key_id} says another usage: a key has one")
        if len(self._value) not in KEY_LENGTHS[self.algorithm]:
            raise KeyRefused(f"the key {self.name.key_id} has not a length that its algorithm takes")

    def value_for(self, usage: KeyUsage) -> bytes:
        """The key's bytes, if it has this usage; else `KeyRefused`."""
        if self.name.usage is not usage:
            raise KeyRefused(f"the key {self.name.key_id} cannot be used for {usage}")
        return self._value

    @property
    def check_value(self) -> str:
        """By which two people see that they hold the same key: 6 hexadecimal digits for triple DES, else 10."""
        if self.algorithm == "T":
            return kcv_des(self._value).hex().upper()
        value = kcv_aes(self._value) if self.algorithm == "A" else hmac_sha256(self._value, b"")[:5]
        return value.hex().upper()

    def header(self, version: str, optional: tuple[tuple[str, str], ...] = ()) -> KeyBlockHeader:
        """What its key block of this version (B or D) says in clear."""
        use = BLOCK_USES[self.name.usage]
        number = f"{self.name.version % 100:02d}"
        return KeyBlockHeader(version, self.code, self.algorithm, use.mode, number, use.exportability, optional)


def key_of(name: KeyName, value: bytes, algorithm: str | None = None, code: str | None = None) -> Key:
    """The key of this name with this value, as its usage has it unless told otherwise. DES keys get odd parity."""
    use = BLOCK_USES[name.usage]
    algorithm = algorithm or use.algorithm
    return Key(name, algorithm, code or use.codes[0], des.with_odd_parity(value) if algorithm == "T" else value)


def random_key(name: KeyName, algorithm: str | None = None, code: str | None = None) -> Key:
    """A new key from the operating system's randomness."""
    use = BLOCK_USES[name.usage]
    length = use.length if algorithm in (None, use.algorithm) else {"T": 16, "A": 32}.get(algorithm or "", 32)
    return key_of(name, os.urandom(length), algorithm, code)


def derive_key(master_key: bytes, name: KeyName) -> Key:
    """The key of this name in the test world, under a master key of 32 bytes (else `KeyRefused`)."""
    require_master_key(master_key)
    info = b"bezant key 1:" + name.key_id.encode()
    return key_of(name, hkdf_sha256(master_key, info=info, length=BLOCK_USES[name.usage].length))


def local_master_key(master_key: bytes) -> bytes:
    """The AES key, 32 bytes, that an installation's key blocks are under, from its master key."""
    require_master_key(master_key)
    return hkdf_sha256(master_key, info=b"bezant local master key 1", length=32)


def require_master_key(master_key: bytes) -> None:
    """`KeyRefused` for less than 32 bytes."""
    if len(master_key) < MASTER_KEY_LENGTH:
        raise KeyRefused(f"the master key is too short: it needs {MASTER_KEY_LENGTH} bytes or more")


def is_test_key(master_key: bytes) -> bool:
    """Whether this is the master key of tests, which production refuses."""
    return master_key == TEST_MASTER_KEY


_PUBLISHED = frozenset(
    des.with_odd_parity(bytes.fromhex(digits))
    for digits in (
        "0123456789ABCDEFFEDCBA9876543210",
        "FEDCBA98765432100123456789ABCDEF",
        "0123456789ABCDEF0123456789ABCDEF",
        "FEDCBA9876543210F1F1F1F1F1F1F1F1",
        "2B7E151628AED2A6ABF7158809CF4F3C",
        "000102030405060708090A0B0C0D0E0F",
        "00112233445566778899AABBCCDDEEFF",
    )
)


def is_published(key: Key) -> bool:
    """Whether anybody may know this key: one of the test world's, one of the standards' examples, or one of few
    different bytes."""
    value = key.value_for(key.name.usage)
    if len(set(value)) < 4 or des.with_odd_parity(value)[:16] in _PUBLISHED:
        return True
    of_test_world = KeyName(key.name.owner, key.name.usage, key.name.version)
    return derive_key(TEST_MASTER_KEY, of_test_world).value_for(key.name.usage) == value


def key_of_test_world(master_key: bytes, name: KeyName) -> bytes:
    """A clear key that a simulated PIN pad, chip or bank is loaded with.

    `KeyRefused` unless the master key is a test key.
    """
    if not is_test_key(master_key):
        raise KeyRefused("keys leave the HSM in clear in the test world only, and this master key is not a test key")
    return derive_key(master_key, name).value_for(name.usage)


def zone_key_of_test_world(master_key: bytes, zone: str, usage: KeyUsage = KeyUsage.PIN_ZONE) -> bytes:
    """The clear key of a zone (for PIN blocks, 16 bytes, unless another usage is given) in its first version."""
    return key_of_test_world(master_key, KeyName(zone, usage, 1))


def device_key_of_test_world(master_key: bytes, acquirer: str, ksn: bytes) -> bytes:
    """The initial key, 16 bytes, that a simulated terminal with this KSN (10 bytes, or 12 under AES) is loaded with."""
    if len(ksn) == 12:
        return initial_key_aes(key_of_test_world(master_key, KeyName(acquirer, KeyUsage.DEVICE_BASE_AES, 1)), ksn)
    return initial_key_tdes(key_of_test_world(master_key, KeyName(acquirer, KeyUsage.DEVICE_BASE_TDES, 1)), ksn)

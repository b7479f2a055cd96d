"""The HSM's part for keys that two institutions exchange: key blocks under their zone master key.

The zone master key is theirs from a ceremony (`bezant keys`). One side makes a key and sends it; the other imports it
and answers with its check value; then both activate it. In between either may see what is under the other's newer or
older key, so pending and former keys open what comes.
"""

from __future__ import annotations

from engine.crypto.door.keys import PAIR_USAGES, ExchangedKey, KeyName, KeyRefused, KeyState, KeyUsage
from engine.crypto.hsm.keyring import KeyRing
from engine.crypto.key_blocks import KeyBlockHeader, unwrap, wrap
from engine.crypto.keys import Key, key_of, random_key
from engine.vocabulary.errors import FormatError


class ExchangeDesk:
    """What each method answers is said at the door (`engine.crypto.door.Hsm`)."""

    _ring: KeyRing

    def key_versions(self, usage: KeyUsage, owner: str | None = None) -> list[int]:
        """See `Hsm`."""
        owner = self._ring.institution if owner is None else owner
        return [key.name.version for key in self._ring.candidates(usage, owner)]

    def refresh(self) -> None:
        """See `Hsm`."""
        self._ring.refresh()

    def make_zone_key(self, pair: str, usage: KeyUsage) -> ExchangedKey:
        """See `Hsm`."""
        protection = self._protection(pair, usage)
        held = self._ring.candidates(usage, pair)
        pending = next((key for key in held if self._ring.state(key.name) is KeyState.PENDING), None)
        if pending is None:
            name = KeyName(pair, usage, max(key.name.version for key in held) + 1)
            self._ring.add(random_key(name, held[0].algorithm, held[0].code), KeyState.PENDING)
            pending = self._ring.exact(usage, pair, name.version)
        return under_zone_master(protection, pending)

    def import_zone_key(
        self, pair: str, usage: KeyUsage, key_block: str, check_value: str | None = None
    ) -> ExchangedKey:
        """See `Hsm`."""
        protection = self._protection(pair, usage)
        header, value = opened_under_zone_master(protection, key_block)
        held = self._ring.candidates(usage, pair)
        again = next((key for key in held if key.value_for(usage) == value), None)
        key = again or key_of(self._next(pair, usage, header), value, header.algorithm, header.usage)
        if check_value is not None and check_value.upper() != key.check_value:
            raise KeyRefused(f"the {usage} key that came for {pair} has another check value than was said")
        if again is None:
            self._ring.add(key, KeyState.PENDING)
        return ExchangedKey(key.name, key_block, key.check_value)

    def activate_zone_key(self, pair: str, usage: KeyUsage, version: int) -> None:
        """See `Hsm`."""
        if usage not in PAIR_USAGES:
            raise KeyRefused(f"a {usage} key is not a pair's: it is rotated, not activated")
        activate(self._ring, self._ring.exact(usage, pair, version).name)

    def _protection(self, pair: str, usage: KeyUsage) -> Key:
        if usage not in (KeyUsage.PIN_ZONE, KeyUsage.MAC):
            raise KeyRefused(f"keys of usage {usage} are not exchanged by message")
        return self._ring.current(KeyUsage.ZONE_MASTER, pair)

    def _next(self, pair: str, usage: KeyUsage, header: KeyBlockHeader) -> KeyName:
        """The version that both sides count: the next one with the block's two digits of it."""
        newest = max(key.name.version for key in self._ring.candidates(usage, pair))
        if not header.key_version.isdecimal():
            return KeyName(pair, usage, newest + 1)
        return KeyName(pair, usage, newest + 1 + (int(header.key_version) - newest - 1) % 100)


def activate(ring: KeyRing, name: KeyName) -> None:
    """Make this the current key of its usage and owner; the one before stays accepted, a pair's earlier ones go."""
    held = ring.candidates(name.usage, name.owner)
    current = [key.name for key in held if ring.state(key.name) is KeyState.CURRENT]
    if name in current:
        return
    ring.change({name: KeyState.CURRENT} | dict.fromkeys(current, KeyState.ACCEPTED))
    if name.usage in PAIR_USAGES:
        for key in held:
            if key.name not in (name, *current) and key.name.version < name.version:
                ring.remove(key.name)


def under_zone_master(protection: Key, key: Key) -> ExchangedKey:
    """A key as its block under a zone master key: version D under AES, B under triple DES.

    `KeyRefused` for an AES or HMAC key under triple DES: a key is not wrapped under a weaker one.
    """
    version = "D" if protection.algorithm == "A" else "B"
    if version == "B" and key.algorithm != "T":
        raise KeyRefused(f"{key.name.key_id} cannot leave under {protection.name.key_id}: that key is the weaker one")
    master = protection.value_for(KeyUsage.ZONE_MASTER)
    block = wrap(master, key.header(version), key.value_for(key.name.usage))
    return ExchangedKey(key.name, block, key.check_value)


def opened_under_zone_master(protection: Key, key_block: str) -> tuple[KeyBlockHeader, bytes]:
    """What came in a key block under a zone master key; `KeyRefused` unless it is of version B or D and opens."""
    try:
        header, value = unwrap(protection.value_for(KeyUsage.ZONE_MASTER), key_block)
    except FormatError as wrong:
        raise KeyRefused(f"the key block under {protection.name.key_id} is refused: {wrong}") from None
    if header.version not in "BD":
        raise KeyRefused("key blocks are exchanged in version B or D: in A and C their keys are bound too weakly")
    return header, value

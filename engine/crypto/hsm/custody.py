"""Key custody: keys are made, taken in by components or blocks, given out, rotated and retired. For people and their
commands (`bezant keys`), not for requests.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import reduce

from engine.crypto import des
from engine.crypto.door.keys import PAIR_USAGES, ExchangedKey, KeyName, KeyRecord, KeyRefused, KeyState, KeyUsage
from engine.crypto.hsm.exchange import activate, opened_under_zone_master, under_zone_master
from engine.crypto.hsm.keyring import KeyRing
from engine.crypto.keys import BLOCK_USES, KEY_LENGTHS, Key, key_of, random_key

_FEWEST_COMPONENTS = 2


class Custody:
    """The custody of one institution's keys. A key is shown in components to their custodians, and never otherwise."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def records(self) -> list[KeyRecord]:
        """Every key that is held, with check value and state."""
        self._ring.refresh()
        return self._ring.records()

    def has(self, usage: KeyUsage, owner: str) -> bool:
        """Whether a key of this usage and owner is held, or is the test world's."""
        return self._ring.of_test_world or bool(self._versions(usage, owner))

    def provide(self, usage: KeyUsage, owner: str, *, derived: bool = False) -> None:
        """A first key where there is none: random, or as it followed from the master key before key blocks."""
        if not self.has(usage, owner):
            name = KeyName(owner, usage, 1)
            self._ring.add(self._ring.derived(name) if derived else random_key(name), KeyState.CURRENT)

    def share(self, usage: KeyUsage, pair: str, other: Custody) -> None:
        """The other institution of the pair, of the same installation, gets our current key where it has none."""
        if not other.has(usage, pair):
            other._ring.add(self._ring.current(usage, pair), KeyState.CURRENT)

    def generate(self, usage: KeyUsage, owner: str | None = None) -> KeyRecord:
        """A new random key: the first version is current, a later one pending until it is activated."""
        return self._take(random_key(self._next(usage, owner)))

    def rotate(self, usage: KeyUsage, owner: str | None = None) -> KeyRecord:
        """A new random key that is current at once; the one before stays accepted."""
        record = self.generate(usage, owner)
        self.activate(record.name)
        return self._record(record.name)

    def activate(self, name: KeyName) -> None:
        """Make a version current; the one before stays accepted."""
        self._ring.exact(name.usage, name.owner, name.version)
        activate(self._ring, name)

    def retire(self, name: KeyName) -> None:
        """Forget a version that nothing is under any more. `KeyRefused` for the current one."""
        self._ring.exact(name.usage, name.owner, name.version)
        if self._ring.state(name) is KeyState.CURRENT:
            raise KeyRefused(f"{name.key_id} is the current key: rotate it before it is retired")
        self._ring.remove(name)

    def components(self, usage: KeyUsage, owner: str | None, count: int) -> tuple[KeyRecord, list[tuple[bytes, str]]]:
        """A new key together with its components, one for each custodian, with the check value of each.

        XORed together they are the key; any of them alone says nothing. This is the only time they exist.
        """
        if not _FEWEST_COMPONENTS <= count <= 9:
            raise KeyRefused("a key has 2 to 9 components, one for each custodian")
        name = self._next(usage, owner)
        use = BLOCK_USES[usage]
        parts = [os.urandom(use.length) for _ in range(count)]
        if use.algorithm == "T":
            parts = [des.with_odd_parity(part) for part in parts]
        record = self._take(key_of(name, reduce(des.xor, parts)))
        return record, [(part, key_of(name, part).check_value) for part in parts]

    def import_components(
        self, usage: KeyUsage, owner: str | None, components: Sequence[bytes], check_value: str
    ) -> KeyRecord:
        """The key whose components these are, in a ceremony. `check_value`: what the key must have, hexadecimal.

        `KeyRefused` when there are fewer than two, they differ in length, two are the same, or the check value is not
        that.
        """
        if len(components) < _FEWEST_COMPONENTS or len(set(components)) != len(components):
            raise KeyRefused("a key is put together from at least two components, no two of them the same")
        if len({len(component) for component in components}) != 1:
            raise KeyRefused("the components of a key have one length")
        value = reduce(des.xor, components)
        name = self._next(usage, owner)
        # Two parties may run a key by either cipher: its check value, which each makes in its own way, says by which.
        algorithms = "TA" if usage in PAIR_USAGES else BLOCK_USES[usage].algorithm
        keys = [
            key_of(name, value, one, "M6" if (usage, one) == (KeyUsage.MAC, "A") else None)
            for one in algorithms
            if len(value) in KEY_LENGTHS[one]
        ]
        if not keys:
            raise KeyRefused(f"the components have not the length of a {usage} key")
        return self._checked(
            next((key for key in keys if key.check_value == check_value.upper()), keys[0]), check_value
        )

    def import_block(
        self, usage: KeyUsage, owner: str | None, key_block: str, pair: str, check_value: str | None = None
    ) -> KeyRecord:
        """The key in a block of version B or D under the zone master key of this pair."""
        protection = self._ring.current(KeyUsage.ZONE_MASTER, pair)
        header, value = opened_under_zone_master(protection, key_block)
        key = key_of(self._next(usage, owner), value, header.algorithm, header.usage)
        return self._checked(key, check_value or key.check_value)

    def export(self, name: KeyName, pair: str) -> ExchangedKey:
        """The key as a block under the zone master key of this pair.

        `KeyRefused` for a key that was made to stay: pair keys and base derivation keys leave, no others.
        """
        key = self._ring.exact(name.usage, name.owner, name.version)
        if BLOCK_USES[name.usage].exportability != "E":
            raise KeyRefused(f"{name.key_id} is not exportable: {name.usage} keys stay where they were made")
        if name.usage in PAIR_USAGES and name.owner != pair:
            raise KeyRefused(f"{name.key_id} is of another pair than {pair}")
        return under_zone_master(self._ring.current(KeyUsage.ZONE_MASTER, pair), key)

    def _next(self, usage: KeyUsage, owner: str | None) -> KeyName:
        owner = self._ring.institution if owner is None else owner
        self._ring.refresh()
        if self._ring.of_test_world and not self._versions(usage, owner):
            # The test world's first key is issued as it is needed: a later one must not come before it.
            self._ring.candidates(usage, owner)
        name = KeyName(owner, usage, max(self._versions(usage, owner), default=0) + 1)
        self._ring.require_own(name)
        return name

    def _versions(self, usage: KeyUsage, owner: str) -> list[int]:
        return [one.name.version for one in self._ring.records() if (one.name.usage, one.name.owner) == (usage, owner)]

    def _checked(self, key: Key, check_value: str) -> KeyRecord:
        if check_value.upper() != key.check_value:
            raise KeyRefused(f"the key has another check value than {check_value.upper()}: nothing was taken in")
        return self._take(key)

    def _take(self, key: Key) -> KeyRecord:
        state = KeyState.CURRENT if key.name.version == 1 else KeyState.PENDING
        record = self._ring.add(key, state)
        if record.check_value != key.check_value:
            raise KeyRefused(f"{key.name.key_id} was made by somebody else at the same time: try again")
        return record

    def _record(self, name: KeyName) -> KeyRecord:
        return next(one for one in self._ring.records() if one.name == name)

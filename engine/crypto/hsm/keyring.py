"""The keys that an HSM holds: key blocks opened under the local master key, found by usage, owner and version.

What is kept is TR-31 blocks of version D, each labelled with its key's name, so that a block under another name, usage
or master key does not open. The test world's keys are issued when first asked for, the same each time; elsewhere a key
that is missing is refused by name.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from engine.crypto.door.keys import (
    PAIR_USAGES,
    KeyName,
    KeyRecord,
    KeyRefused,
    KeyState,
    KeyStore,
    KeyUsage,
)
from engine.crypto.key_blocks import unwrap, wrap
from engine.crypto.keys import Key, derive_key, is_published, is_test_key, key_of, local_master_key
from engine.vocabulary.errors import FormatError

KEPT_AS: Final = "D"
_LABEL = "LB"
_PVKIS = range(1, 7)


class KeysInMemory(KeyStore):
    """A store that is gone with its process."""

    def __init__(self) -> None:
        self._records: dict[KeyName, KeyRecord] = {}

    def read(self) -> Sequence[KeyRecord]:
        """See `KeyStore`."""
        return list(self._records.values())

    def add(self, record: KeyRecord) -> KeyRecord:
        """See `KeyStore`."""
        return self._records.setdefault(record.name, record)

    def change(self, states: Mapping[KeyName, KeyState]) -> None:
        """See `KeyStore`."""
        for name, state in states.items():
            self._records[name] = replace(self._records[name], state=state)

    def remove(self, name: KeyName) -> None:
        """See `KeyStore`."""
        self._records.pop(name, None)


class KeyRing:
    """The keys of one institution. May be used by several threads; `refresh` takes up what other processes did."""

    def __init__(self, institution: str, master_key: bytes, store: KeyStore, *, production: bool = False) -> None:
        """`production` refuses keys that anybody may know. `KeyRefused` for a master key or name that cannot serve."""
        self.institution = institution
        self._local_master_key = local_master_key(master_key)
        self.of_test_world = is_test_key(master_key)
        self.derived = partial(derive_key, master_key)
        """The key of a name as it follows from the master key: the test world's, and that of times before blocks."""
        self._store = store
        self._production = production
        self._lock = threading.RLock()
        self._records: dict[KeyName, KeyRecord] = {}
        self._opened: dict[KeyName, Key] = {}
        # What requests ask by, made whole at each change.
        self._candidates: dict[tuple[KeyUsage, str], tuple[Key, ...]] = {}
        self._current: dict[tuple[KeyUsage, str], Key] = {}
        self._exact: dict[tuple[KeyUsage, str, int], Key] = {}
        KeyName(institution, KeyUsage.FINGERPRINT, 1)
        self.refresh()

    def __repr__(self) -> str:
        return f"KeyRing({self.institution}, keys masked)"

    def records(self) -> list[KeyRecord]:
        """Every key that is held, by owner, usage and version."""
        return sorted(self._records.values(), key=lambda one: (one.name.owner, one.name.usage, one.name.version))

    def refresh(self) -> bool:
        """Read the store again. Whether anything had changed. A block that does not open is `KeyRefused`, by name."""
        with self._lock:
            kept = {record.name: record for record in self._store.read()}
            if kept == self._records:
                return False
            opened = {
                name: self._opened[name]
                if name in self._opened and self._records[name].key_block == record.key_block
                else self._open(record)
                for name, record in kept.items()
            }
            self._take(kept, opened)
            return True

    def candidates(self, usage: KeyUsage, owner: str) -> tuple[Key, ...]:
        """The keys that may have made what comes: the current one first, then the newest. `KeyRefused` if none."""
        found = self._candidates.get((usage, owner))
        return found if found is not None else self._found(KeyName(owner, usage, 1), exact=False)

    def current(self, usage: KeyUsage, owner: str) -> Key:
        """The key that makes what is new; `KeyRefused` if there is none."""
        found = self._current.get((usage, owner))
        if found is None:
            self.candidates(usage, owner)
            found = self._current.get((usage, owner))
        if found is None:
            raise KeyRefused(f"{self.institution} has no current {usage} key of {owner}: activate one")
        return found

    def exact(self, usage: KeyUsage, owner: str, version: int) -> Key:
        """The key of this version, in whatever state; `KeyRefused` if it is not held."""
        found = self._exact.get((usage, owner, version))
        return found if found is not None else self._found(KeyName(owner, usage, version), exact=True)[0]

    def add(self, key: Key, state: KeyState) -> KeyRecord:
        """Keep a key. What is kept under its name already stays, and is returned."""
        self.require_own(key.name)
        if self._production and is_published(key):
            raise KeyRefused(f"the production profile refuses {key.name.key_id}: it is a published test key")
        value = key.value_for(key.name.usage)
        block = wrap(self._local_master_key, key.header(KEPT_AS, ((_LABEL, key.name.key_id),)), value)
        record = self._store.add(KeyRecord(key.name, block, key.check_value, state))
        self.refresh()
        return record

    def change(self, states: Mapping[KeyName, KeyState]) -> None:
        """Give these keys these states, all at once."""
        self._store.change(states)
        self.refresh()

    def remove(self, name: KeyName) -> None:
        """Forget a key for good."""
        self._store.remove(name)
        self.refresh()

    def state(self, name: KeyName) -> KeyState:
        """The state of a key that is held."""
        return self._records[name].state

    def require_own(self, name: KeyName) -> None:
        """`KeyRefused` for a key that is neither this institution's nor of a pair that it belongs to."""
        if name.usage in PAIR_USAGES:
            parties = name.owner.split("/")
            own = len(parties) == 2 and parties == sorted(parties) and self.institution in parties
        else:
            own = name.owner == self.institution
        if not own:
            raise KeyRefused(f"{self.institution} holds no key {name.key_id}")

    def _found(self, name: KeyName, *, exact: bool) -> tuple[Key, ...]:
        """What the store has by now, or the test world issues; else `KeyRefused`."""
        self.require_own(name)
        with self._lock:
            self.refresh()
            if name not in self._opened and (exact or not self._candidates.get((name.usage, name.owner))):
                self._issue(name)
            return (self._opened[name],) if exact else self._candidates[name.usage, name.owner]

    def _issue(self, name: KeyName) -> None:
        issued = name.version == 1 or (name.usage is KeyUsage.PIN_VERIFICATION and name.version in _PVKIS)
        if not (self.of_test_world and issued):
            raise KeyRefused(
                f"{self.institution} holds no key {name.key_id} (see `bezant keys list {self.institution}`)"
            )
        # A further PVKI must not become the one that new cards get.
        state = KeyState.CURRENT if name.version == 1 else KeyState.ACCEPTED
        self.add(self.derived(name), state)

    def _open(self, record: KeyRecord) -> Key:
        name = record.name
        try:
            header, value = unwrap(self._local_master_key, record.key_block)
            if dict(header.optional).get(_LABEL) != name.key_id:
                raise FormatError("key block", "is of another key")
            key = key_of(name, value, header.algorithm, header.usage)
        except FormatError:
            raise KeyRefused(
                f"the key block of {name.key_id} does not open: it was changed, or the master key is not the one it was"
                " kept under"
            ) from None
        if self._production and is_published(key):
            raise KeyRefused(f"the production profile refuses {name.key_id}: it is a published test key")
        return key

    def _take(self, records: dict[KeyName, KeyRecord], opened: dict[KeyName, Key]) -> None:
        grouped: dict[tuple[KeyUsage, str], list[Key]] = {}
        for name, key in opened.items():
            grouped.setdefault((name.usage, name.owner), []).append(key)
        for keys in grouped.values():
            keys.sort(key=lambda key: (records[key.name].state is not KeyState.CURRENT, -key.name.version))
        # Readers take no lock: each sees the old ones or the new ones.
        self._records, self._opened = records, opened
        self._candidates = {place: tuple(keys) for place, keys in grouped.items()}
        self._exact = {(name.usage, name.owner, name.version): key for name, key in opened.items()}
        self._current = {
            place: keys[0] for place, keys in grouped.items() if records[keys[0].name].state is KeyState.CURRENT
        }

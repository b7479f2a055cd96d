"""The vault's keys are replaced in the middle of traffic: what is new goes under the new key at once, what is there
follows in batches, and the old key is forgotten when nothing is under it.

Several processes write meanwhile. Each holds the versions of the keys (rows of `key_blocks`) while it writes, so that a
change of them waits for those who know only the old ones, and whoever comes after it sees the new (`Vault.keep`). It
may be stopped anywhere and asked for again: states of keys and rows say what is left. Two at once do the same work.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy import Engine

from engine.crypto.door import Hsm, KeyName, KeyRecord, KeyRefused, KeyState, KeyUsage
from engine.vault import store

BATCH = 1_000
"""Card numbers in one transaction."""


class Custody(Protocol):
    """What a rotation asks of the custody of the institution's keys."""

    def records(self) -> Sequence[KeyRecord]:
        """Every key that is held."""
        ...

    def generate(self, usage: KeyUsage) -> KeyRecord:
        """A new key, pending unless it is the first."""
        ...

    def activate(self, name: KeyName) -> None:
        """Make a key current; the one before stays accepted."""
        ...

    def retire(self, name: KeyName) -> None:
        """Forget a key. `KeyRefused` when it is not held, or current."""
        ...


def rotate_encryption(engine: Engine, hsm: Hsm, custody: Custody, batch: int = BATCH) -> Generator[str, None, None]:
    """A new key for card numbers at rest, every one of which is sealed anew. Tells its progress in sentences."""
    usage = KeyUsage.PAN_ENCRYPTION
    yield _begun(custody, usage)
    if pending := _of_state(custody, usage, KeyState.PENDING):
        custody.activate(pending[-1].name)
    (current,) = _of_state(custody, usage, KeyState.CURRENT)
    yield f"{current.name.key_id} is current, KCV {current.check_value}."
    moved = 0
    while True:
        with engine.begin() as connection:
            page = store.page_under_other_keys(connection, current.name.key_id, batch)
            cards = zip(page, hsm.decrypt_pans(page), strict=True)
            store.reseal(connection, hsm.encrypt_pans([(sealed.token, pan) for sealed, pan in cards]))
        if not page:
            break
        moved += len(page)
        yield f"{moved} card numbers sealed anew."
    yield from _forgotten(custody, usage)


def rotate_lookup(engine: Engine, hsm: Hsm, custody: Custody, batch: int = BATCH) -> Generator[str, None, None]:
    """A new key to find card numbers by. While both are held either finds each, and new ones are stored under both."""
    usage = KeyUsage.PAN_LOOKUP
    yield _begun(custody, usage)
    if pending := _of_state(custody, usage, KeyState.PENDING):
        with engine.begin() as connection:
            store.wait_for_writers(connection)
        yield from _found_by(engine, hsm, pending[-1].name.version, batch)
        custody.activate(pending[-1].name)
    (current,) = _of_state(custody, usage, KeyState.CURRENT)
    yield f"{current.name.key_id} is current, KCV {current.check_value}."
    # The key first: as long as it is held, card numbers are stored under it.
    yield from _forgotten(custody, usage)
    forgotten = 0
    while True:
        with engine.begin() as connection:
            deleted = store.forget_lookups(connection, current.name.version, batch)
        if not deleted:
            break
        forgotten += deleted
        yield f"{forgotten} hashes under earlier keys deleted."


def _begun(custody: Custody, usage: KeyUsage) -> str:
    """Make the new version, unless a rotation that was stopped has left one to be finished."""
    if _of_state(custody, usage, KeyState.PENDING) or _of_state(custody, usage, KeyState.ACCEPTED):
        return f"The rotation of {usage} that was begun goes on."
    record = custody.generate(usage)
    if record.state is KeyState.CURRENT:
        # The institution had none before.
        return f"{record.name.key_id} is the first."
    return f"{record.name.key_id} is made, KCV {record.check_value}."


def _found_by(engine: Engine, hsm: Hsm, version: int, batch: int) -> Iterator[str]:
    hsm.refresh()
    after, done = UUID(int=0), 0
    while True:
        with engine.begin() as connection:
            page = store.page_not_found_by(connection, version, after, batch)
            cards = {pan: token for token, pan in store.reveal(connection, hsm, page).items()}
            store.save_lookups(connection, hsm, cards, version)
        if not page:
            return
        after, done = page[-1], done + len(page)
        yield f"{done} card numbers found by version {version}."


def _forgotten(custody: Custody, usage: KeyUsage) -> Iterator[str]:
    for record in _of_state(custody, usage, KeyState.ACCEPTED):
        try:
            custody.retire(record.name)
        except KeyRefused:
            if record.name in [one.name for one in custody.records()]:
                raise
            # Another rotation has just done it.
        yield f"{record.name.key_id} is forgotten: nothing is under it."


def _of_state(custody: Custody, usage: KeyUsage, state: KeyState) -> list[KeyRecord]:
    own = [one for one in custody.records() if one.name.usage is usage]
    return [one for one in own if one.state is state]

"""Card numbers become tokens before they come near a table.

A card number's token is given to it once, when it is first seen, and stays its token while keys come and go. It is
taken from the card's keyed hash of that moment, so that writers of the same new card agree; two institutions' tokens of
one card have nothing in common. Found it is by a keyed hash under any version of the look-up key that is held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from engine.crypto.door import Hsm, KeyRefused
from engine.vault import store
from engine.vocabulary.identifiers import Pan

_LARGEST_MEMORY = 50_000
"""How many card numbers' tokens a process remembers; beyond it the memory begins anew."""
_TRIES = 5
"""How often keys may change under one asker."""


class Vault:
    """One institution's vault, in one process. Asked in `prepare`, outside any transaction. Threads may share it."""

    def __init__(self, hsm: Hsm, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        """`read` opens a connection of the institution's."""
        self._hsm = hsm
        self._read = read
        # By keyed hash, so that no card number lies in memory. What is in the vault never changes its token.
        self._known: dict[bytes, UUID] = {}

    def tokens_of(self, pans: Sequence[Pan]) -> list[UUID]:
        """The token of each card number; of one that is not in the vault, the token that it would be given now.

        Asks the HSM once, and the database about cards that this process has not met.
        """
        return self._asked_again(lambda: self._tokens_of(pans))

    def keep(self, pans: Sequence[Pan], at: datetime) -> list[UUID]:
        """The token of each card number, all of which are in the vault now; in a transaction of its own.

        A card number alone in the vault is harmless, and keeping it again changes nothing.
        """
        return self._asked_again(lambda: self._keep(pans, at))

    def _tokens_of(self, pans: Sequence[Pan]) -> list[UUID]:
        hashes = self._hsm.pan_lookup(pans)
        tokens = self._known
        missing = self._missing(pans, hashes)
        if missing:
            found = self._find(missing)
            if len(found) < len(missing):
                # Found by a version of the key that only others know of by now?
                self._hsm.refresh()
                found |= self._find([pan for pan in missing if pan not in found])
            tokens = self._remembered(pans, hashes, found)
        return [tokens.get(key) or given_token(key) for key in hashes]

    def _keep(self, pans: Sequence[Pan], at: datetime) -> list[UUID]:
        hashes = self._hsm.pan_lookup(pans)
        tokens = self._known
        missing = self._missing(pans, hashes)
        for _ in range(_TRIES):
            if not missing:
                break
            known = store.known_versions(self._hsm)
            with self._read() as connection:
                held = store.hold_versions(connection)
                if held == known or not any(held.values()):
                    found = store.find(connection, self._hsm, missing)
                    new = [pan for pan in missing if pan not in found]
                    given = dict(zip(new, map(given_token, self._hsm.pan_lookup(new)), strict=True))
                    store.save_new(connection, self._hsm, given, at)
                    connection.commit()
                    tokens = self._remembered(pans, hashes, found | given)
                    break
            # Another process has changed the keys. What is new goes under the new ones.
            self._hsm.refresh()
        else:
            raise KeyRefused("the vault's keys are changed faster than card numbers can be stored: try again")
        return [tokens[key] for key in hashes]

    def _find(self, pans: Sequence[Pan]) -> dict[Pan, UUID]:
        with self._read() as connection:
            return store.find(connection, self._hsm, pans)

    def _missing(self, pans: Sequence[Pan], hashes: Sequence[bytes]) -> list[Pan]:
        known = self._known
        return list(dict.fromkeys(pan for pan, key in zip(pans, hashes, strict=True) if key not in known))

    def _remembered(self, pans: Sequence[Pan], hashes: Sequence[bytes], found: dict[Pan, UUID]) -> dict[bytes, UUID]:
        """The tokens that this asker needs, now remembered."""
        known = self._known
        known.update({key: found[pan] for pan, key in zip(pans, hashes, strict=True) if pan in found})
        if len(known) > _LARGEST_MEMORY:
            self._known = {}
        return known

    def _asked_again(self, ask: Callable[[], list[UUID]]) -> list[UUID]:
        """The answer; once more when a version of a key was forgotten between two questions."""
        try:
            return ask()
        except KeyRefused:
            self._hsm.refresh()
            return ask()


def given_token(lookup_hash: bytes) -> UUID:
    """The token of a card number that is first seen now: its hash's first 16 bytes as a UUID of version 8 (RFC 9562,
    5.8)."""
    raw = bytearray(lookup_hash[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))

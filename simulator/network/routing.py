"""Which issuer a card belongs to, by account range; and card numbers on their way into the network's vault.

Asked in `prepare`, without locks: a range that is opened is never moved. A card number alone in the vault is harmless,
so it is stored in a transaction of its own, before the decision that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from engine.runtime.stage import Outside
from engine.vault import store as vault
from engine.vault.vault import tokenise, tokens_of
from engine.vocabulary.identifiers import Pan
from simulator.network.members.decide import PREFIX_LENGTHS
from simulator.network.members.store import read_issuers

LARGEST_MEMORY: Final = 50_000
"""How many tokens are known to be in the vault without asking; beyond it the memory begins anew."""


class Routing:
    """For one institution in one process; its writer threads may share it."""

    def __init__(self) -> None:
        self._kept: set[UUID] = set()

    def route(self, outside: Outside, pans: Sequence[Pan], at: datetime) -> list[tuple[UUID, str | None]]:
        """For each card its token, now in the vault, and its issuer's member id (None: no range holds it).

        Two calls of the HSM and two statements at most, however many cards there are.
        """
        if not pans:
            return []
        tokens = tokens_of(outside.hsm, pans)
        new = {token: pan for token, pan in zip(tokens, pans, strict=True) if token not in self._kept}
        with outside.read() as connection:
            if new:
                vault.save_new(connection, tokenise(outside.hsm, list(new.values())), at)
                connection.commit()
            issuers = read_issuers(connection, {prefix for pan in pans for prefix in prefixes_of(pan)})
        if len(self._kept) + len(new) > LARGEST_MEMORY:
            self._kept = set()
        self._kept |= new.keys()
        return [(token, issuer_of(issuers, pan)) for token, pan in zip(tokens, pans, strict=True)]


def prefixes_of(pan: Pan) -> list[str]:
    """The prefixes that an account range of this card could have, longest first."""
    return [pan.clear[:length] for length in reversed(PREFIX_LENGTHS)]


def issuer_of(issuers: Mapping[str, str], pan: Pan) -> str | None:
    """The member whose range holds the card; of two the one with the longer prefix. None: nobody's."""
    return next((issuers[prefix] for prefix in prefixes_of(pan) if prefix in issuers), None)

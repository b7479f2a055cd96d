"""Which issuer a card belongs to, by account range; and card numbers on their way into the network's vault.

Asked in `prepare`, without locks: a range that is opened is never moved. A card number alone in the vault is harmless,
so it is stored in a transaction of its own, before the decision that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from engine.runtime.stage import Outside
from engine.vocabulary.identifiers import Pan
from simulator.network.members.decide import PREFIX_LENGTHS
from simulator.network.members.store import read_issuers


def route(outside: Outside, pans: Sequence[Pan], at: datetime) -> list[tuple[UUID, str | None]]:
    """For each card its token, now in the vault, and its issuer's member id (None: no range holds it).

    A fixed number of questions to HSM and database, however many cards there are.
    """
    if not pans:
        return []
    tokens = outside.vault.keep(pans, at)
    with outside.read() as connection:
        issuers = read_issuers(connection, {prefix for pan in pans for prefix in prefixes_of(pan)})
    return [(token, issuer_of(issuers, pan)) for token, pan in zip(tokens, pans, strict=True)]


def prefixes_of(pan: Pan) -> list[str]:
    """The prefixes that an account range of this card could have, longest first."""
    return [pan.clear[:length] for length in reversed(PREFIX_LENGTHS)]


def issuer_of(issuers: Mapping[str, str], pan: Pan) -> str | None:
    """The member whose range holds the card; of two the one with the longer prefix. None: nobody's."""
    return next((issuers[prefix] for prefix in prefixes_of(pan) if prefix in issuers), None)

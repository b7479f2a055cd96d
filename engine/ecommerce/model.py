"""Traces of payments that come over the internet: nouns, facts and requests.

A card message is identified by its terminal, its trace number and its time. A shop on the internet has a reference of
its own instead, and asks again under it when an answer was lost: the trace that it was given first must then be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.money import Money

LARGEST_STAN = 999_999
"""DE 11 has six digits; after this comes 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCounter:
    """The last trace number (DE 11) given to a payment over the internet on behalf of a terminal."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    terminal_id: str
    last_stan: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceAssigned(Event):
    """A payment over the internet has its trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignTrace:
    """Give a payment its trace. `reference` is the merchant's own; card and amount are there to tell it from another.

    Answered "assigned" with the facts terminal_id, stan and transmitted_at (whole seconds, as DE 7 has them), or
    "refused": unknown_merchant, when no merchant goes by `merchant_id`.
    """

    merchant_id: str
    reference: str
    pan: Pan
    expiry: str
    amount: Money


KEYS: Mapping[type, KeyRule] = {
    AssignTrace: KeyRule("assign_trace", ("merchant_id", "reference"), ("pan", "expiry", "amount")),
}

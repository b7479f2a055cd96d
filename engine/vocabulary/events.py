"""Events: facts, in the past tense, each with the noun as it stands after the fact.

A stage's `model.py` declares its own events as subclasses of `Event`; the journal keeps them append-only. Because an
event carries its noun whole, folding a decision is the same for all stages: put the subject of each event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol
from uuid import UUID


class Noun(Protocol):
    """What a stage keeps: a frozen dataclass with an identifier, one row of one table."""

    ALSO_BY: ClassVar[tuple[str, ...]]
    """Names of other fields under which the noun is looked up (each unique)."""

    @property
    def id(self) -> UUID:
        """The noun's identifier."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact. `subject` is the noun after it; `reasons` say why, most important first."""

    subject: Noun
    reasons: tuple[str, ...] = ()

"""The shape of every decision: `decide(state, request, now) -> Decision`, and the state it is taken on. Pure.

`State` is what one batch holds under lock: the nouns that its requests name. The shell owns it; `decide` reads it and
never changes it; `evolve` (runtime) folds a decision into it, so that request n sees the state after request n-1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from engine.vocabulary.events import Event, Noun
from engine.vocabulary.postings import Posting

N = TypeVar("N", bound=Noun)
Json = str | int | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the asker is told, and told again if it asks again.

    `code` is DE 39 for card messages, else a word ("sent", "refused").

    `reasons` are in order of precedence. `facts` are JSON values and hold no card number and no secret: they are
    stored.
    """

    code: str
    reasons: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """Something to be said to another institution (by `member_id`) or, with our own, to another stage of this one.

    `durable` messages (files, bank transfers) wait in the outbox until delivered; others leave from memory, once, and
    a timer is what notices their loss.
    """

    to: str
    body: Any
    durable: bool = False


@dataclass(frozen=True, slots=True)
class Timer:
    """At `due_at` the stage is asked `TimerFired(subject_id, name)`. One per (subject, name): set again, it moves."""

    subject_id: UUID
    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class TimerCancelled:
    """The timer is no longer wanted."""

    subject_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The request that a due timer becomes.

    Its key is all three fields: however many processes fire it, it takes effect once.
    """

    subject_id: UUID
    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class AnswerTo:
    """An answer to an earlier request whose decision had left it open, named by that request's idempotency key."""

    key: UUID
    answer: Answer


class Decision(NamedTuple):
    """What follows from a request: facts, money, words to others, timers, and the answer (None while it is still open).

    A named tuple, for every request makes one; always written with its fields' names.
    `answers` closes requests that earlier decisions had left open.
    """

    events: tuple[Event, ...] = ()
    postings: tuple[Posting, ...] = ()
    messages: tuple[Message, ...] = ()
    timers: tuple[Timer | TimerCancelled, ...] = ()
    answer: Answer | None = None
    answers: tuple[AnswerTo, ...] = ()


class State:
    """The nouns of one batch, by kind and identifier, and by the other fields that a noun's `ALSO_BY` names.

    Identifiers are looked up by their number: the hash of an `int` is made in C, that of a `UUID` in Python.
    """

    __slots__ = ("_also_by", "_nouns")

    def __init__(self, nouns: Iterable[Noun] = ()) -> None:
        self._nouns: defaultdict[type, dict[int, Any]] = defaultdict(dict)
        self._also_by: dict[tuple[type, str, object], UUID] = {}
        for noun in nouns:
            self.put(noun)

    def get(self, kind: type[N], identifier: UUID | None) -> N | None:
        """The noun, or None where there is none (yet)."""
        if identifier is None:
            return None
        found: N | None = self._nouns[kind].get(identifier.int)
        return found

    def need(self, kind: type[N], identifier: UUID) -> N:
        """The noun; its absence is a bug of `load`."""
        noun = self.get(kind, identifier)
        assert noun is not None, f"{kind.__name__} was not loaded"
        return noun

    def find(self, kind: type[N], field_name: str, value: object) -> N | None:
        """The noun whose `field_name` (one of its `ALSO_BY`) is `value`."""
        return self.get(kind, self._also_by.get((kind, field_name, value)))

    def put(self, noun: Noun) -> None:
        """Keep this version of the noun."""
        kind = type(noun)
        self._nouns[kind][noun.id.int] = noun
        for name in kind.ALSO_BY:
            if (value := getattr(noun, name)) is not None:
                self._also_by[kind, name, value] = noun.id

    def of(self, kind: type[N]) -> dict[int, N]:
        """The nouns of a kind that are held, by the number of their identifier, as they stand now and will stand."""
        return self._nouns[kind]

    def all(self, kind: type[N]) -> list[N]:
        """Every noun of a kind that is held, in order of loading."""
        return list(self._nouns[kind].values())

"""Journals: nouns, facts and requests.

A journal is a set of postings that stand or fall together, under a reference of the asker's. Nothing that stands is
changed: a correction is a journal of its own that turns an earlier one round and names it, once. A hold is a journal
like any other, from an account to its held counterpart, and its release the same the other way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.decision import Json
from engine.vocabulary.events import Event
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.postings import Posting

MOST_POSTINGS = 10_000
"""Of one request, a journal or a chain: it is written by one transaction, under the locks of all its accounts."""
CORRECTION = "correction"
"""The kind of the postings of a correction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A journal that was posted. `lines` are its postings as JSON values; `corrects` is the journal it turns round."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ("corrects",)

    id: UUID
    reference: str
    corrects: UUID | None
    lines: tuple[Mapping[str, Json], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPosted(Event):
    """A journal stands, whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostJournal:
    """Post these, all or none. A posting without a subject is about the journal.

    Answered "ok" with the fact journal_id, or with the outcome that refuses it and, as the fact posting, which of the
    postings does not pass, counted from 0.
    """

    reference: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        assert all(posting.corrects is None for posting in self.postings), "a correction has a request of its own"

    @property
    def content(self) -> str:
        """What another journal of the same reference would have to equal."""
        return json.dumps(lines_of(self.postings), sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectJournal:
    """Turn the journal of the reference `corrects` round: the same amounts the other way, from its last posting to
    its first, effective on a date of their own. `forced` lets it pass limits.

    Answered as `PostJournal` is.
    """

    reference: str
    corrects: str
    effective_on: date
    forced: bool = False

    @property
    def content(self) -> str:
        """As `PostJournal.content`."""
        return f"{self.corrects}\x1f{self.effective_on}\x1f{self.forced}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedJournals:
    """A chain: all of these journals stand or none does. A later one may correct an earlier one.

    Answered "ok" or with the outcome of the journal that is refused; the fact journals gives each one's reference,
    outcome and journal_id: where one is refused, it has its own outcome and the others are `linked_failed`. Under a
    new reference the same chain may be asked for again.
    """

    reference: str
    journals: tuple[PostJournal | CorrectJournal, ...]

    @property
    def content(self) -> str:
        """As `PostJournal.content`."""
        return "\x1e".join(f"{type(one).__name__}\x1f{one.reference}\x1f{one.content}" for one in self.journals)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    """Open an account and, where the chart has one, its held counterpart. `maximum_minor` limits the ledger balance.

    Answered "ok" with the fact account_id, or with the outcome that refuses it.
    """

    reference: str
    code: int
    asset: str
    owner_id: UUID | None = None
    maximum_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAccount:
    """Close an account that holds nothing, with its held counterpart. Who was refused may ask again under another
    reference.

    Answered "ok", or with the outcome that refuses it.
    """

    reference: str
    account_id: UUID


JournalRequest = PostJournal | CorrectJournal
Request = PostJournal | CorrectJournal | LinkedJournals | OpenAccount | CloseAccount

KEYS: Mapping[type, KeyRule] = {
    PostJournal: KeyRule("journal", ("reference",), ("content",)),
    CorrectJournal: KeyRule("journal_correction", ("reference",), ("content",)),
    LinkedJournals: KeyRule("journal_chain", ("reference",), ("content",)),
    OpenAccount: KeyRule("account", ("reference",), ("code", "asset", "owner_id", "maximum_minor")),
    CloseAccount: KeyRule("account_closing", ("reference",), ("account_id",)),
}


def lines_of(postings: Iterable[Posting]) -> tuple[Mapping[str, Json], ...]:
    """Postings as JSON values, what `postings_of` reads."""
    return tuple(
        {
            "debit": str(posting.debit),
            "credit": str(posting.credit),
            "amount_minor": posting.amount_minor,
            "kind": posting.kind,
            "effective_on": posting.effective_on.isoformat(),
            "subject_id": None if posting.subject_id is None else str(posting.subject_id),
            "forced": posting.forced,
        }
        for posting in postings
    )


def postings_of(journal: Journal) -> tuple[Posting, ...]:
    """The postings of a journal, as they were posted."""
    return tuple(_posting(journal, line) for line in journal.lines)


def _posting(journal: Journal, line: Mapping[str, Json]) -> Posting:
    match line:
        case {
            "debit": str(debit),
            "credit": str(credit),
            "amount_minor": int(amount_minor),
            "kind": str(kind),
            "effective_on": str(effective_on),
            "subject_id": str() | None as subject,
            "forced": bool(forced),
        }:
            return Posting(
                debit=UUID(debit),
                credit=UUID(credit),
                amount_minor=amount_minor,
                kind=kind,
                effective_on=date.fromisoformat(effective_on),
                subject_id=journal.id if subject is None else UUID(subject),
                forced=forced,
                corrects=journal.corrects,
            )
    raise AssertionError("a journal's lines are what `lines_of` writes")

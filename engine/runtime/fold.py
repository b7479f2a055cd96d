"""The fold: what the decisions of one batch add up to, and the statements that write it.

Request n is decided on the state after request n-1. What comes of all of them is written set-based, in one order: the
stages' nouns, accounts, entries, events, timers, outbox, keys, and the batch with its digest. The statements go to a
connection whose rows are locked, or into a parcel, for accounts that nobody has locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from engine.database.nouns import NounRows
from engine.database.pipeline import Parcel
from engine.ledger import chain, rules
from engine.ledger import store as ledger
from engine.ledger.model import Account, Entry
from engine.runtime import idempotency, journal, outbox, timers
from engine.runtime.stage import Stage, Submission
from engine.vocabulary.decision import Answer, Decision, Message, N, State, Timer, TimerCancelled, TimerFired
from engine.vocabulary.identifiers import derive_id


class Asked(NamedTuple):
    """A request of a batch: as it was submitted, as `prepare` completed it, and its fingerprint."""

    submission: Submission
    prepared: Any
    fingerprint: bytes


@dataclass(slots=True)
class Fold:
    """What the decisions of one batch add up to. Identifiers are kept by their numbers, whose hash is made in C."""

    state: State
    tables: Mapping[type, NounRows[Any]]
    asked: list[Asked] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    events: list[journal.Recorded] = field(default_factory=list)
    # Of each kind the nouns that are new, and those that were there and changed.
    new: defaultdict[type, set[int]] = field(default_factory=lambda: defaultdict(set))
    changed: defaultdict[type, set[int]] = field(default_factory=lambda: defaultdict(set))
    timers: list[Timer | TimerCancelled] = field(default_factory=list)
    fired: list[TimerFired] = field(default_factory=list)
    messages: list[tuple[Stage, Message]] = field(default_factory=list)
    queued: list[outbox.Queued] = field(default_factory=list)
    own: dict[int, Answer | None] = field(default_factory=dict)
    """Of each request of the batch its answer."""
    answered: dict[UUID, Answer] = field(default_factory=dict)
    """Answers to requests that an earlier decision, of this batch or before, had left open."""

    def decide_all(self, asked: Iterable[Asked], known: Mapping[int, object]) -> None:
        """Decide those whose keys are not `known`, by number, in order; of requests with one key the first. Raises
        what a bug raises.
        """
        for one in asked:
            number = one.submission.key.int
            if number not in known and number not in self.own:
                self._decide(one)

    def _decide(self, asked: Asked) -> None:
        one = asked.submission
        decision = one.stage.decide(self.state, asked.prepared, one.now)
        for event in decision.events:
            subject, kind = event.subject, type(event.subject)
            assert kind is Account or kind in self.tables, f"no table for {kind.__name__}"
            number = subject.id.int
            if number not in self.new[kind]:
                (self.changed if number in self.state.of(kind) else self.new)[kind].add(number)
        evolve(self.state, decision)
        if decision.events:
            self.events.extend(journal.recorded(one.key, decision.events, one.now))
        if decision.postings:
            entries = rules.post(self.state, one.key, decision.postings, one.now)
            self.entries.extend(entries)
            touched = self.changed[Account]
            for entry in entries:
                touched.add(entry.debit.int)
                touched.add(entry.credit.int)
        if isinstance(one.request, TimerFired):
            self.fired.append(one.request)
        if decision.timers:
            self.timers.extend(decision.timers)
        for line, message in enumerate(decision.messages):
            if message.durable:
                identity = derive_id("outbox", str(one.key), line, on=one.now.date())
                self.queued.append(outbox.Queued(identity, message))
            else:
                self.messages.append((one.stage, message))
        self.own[one.key.int] = decision.answer
        for other in decision.answers:
            self.answered[other.key] = other.answer
            if other.key.int in self.own:
                self.own[other.key.int] = other.answer
        self.asked.append(asked)

    def write(
        self,
        connection: Connection | Parcel,
        at: datetime,
        *,
        place: tuple[int, int],
        previous: bytes,
        assumed: Mapping[int, Account] | None = None,
    ) -> bytes:
        """Write all, as batch `place` = (chain, sequence) after the digest `previous`; its own digest.

        `assumed`: the accounts that the decisions were made on, by number, where they are not locked.
        """
        opened = self.new[Account]
        touched = self._nouns(Account, self.changed[Account] - opened)
        if assumed is not None:
            # Accounts come before all else here too: a copy of the request that goes by locks waits for them.
            assert isinstance(connection, Parcel) and not opened, "who opens accounts loads rows"
            ledger.update_unmoved(connection, assumed, touched)
            self._presume(connection)
        for kind, rows in self.tables.items():
            rows.insert(connection, self._nouns(kind, self.new[kind]))
            rows.update(connection, self._nouns(kind, self.changed[kind]))
        if not isinstance(connection, Parcel):
            ledger.write_accounts(connection, self._nouns(Account, opened), touched)
        entries = ledger.append(connection, self.entries, place)
        events = journal.write(connection, self.events, place)
        timers.write(connection, self.fired, self.timers)
        outbox.write(connection, self.queued, at)
        seen = [idempotency.Seen.of(one, printed, self.own[one.key.int], at) for one, _, printed in self.asked]
        earlier = {key: answer for key, answer in self.answered.items() if key.int not in self.own}
        idempotency.write(connection, seen, earlier, at)
        digest = chain.digest(previous, entries, events)
        ledger.write_batch(connection, place, digest, (len(self.entries), len(self.events)), at)
        return digest

    def _presume(self, parcel: Parcel) -> None:
        by_stage: dict[str, tuple[Stage, list[tuple[Any, Answer | None]]]] = {}
        for one, prepared, _ in self.asked:
            if one.stage.presume is not None:
                pair = (prepared, self.own[one.key.int])
                by_stage.setdefault(one.stage.name, (one.stage, []))[1].append(pair)
        for stage, answered in by_stage.values():
            assert stage.presume is not None
            stage.presume(parcel, answered)

    @property
    def next_timer_at(self) -> datetime | None:
        """The first instant at which one of its timers is due."""
        return min((change.due_at for change in self.timers if isinstance(change, Timer)), default=None)

    def _nouns(self, kind: type[N], numbers: Iterable[int]) -> list[N]:
        """In order of their identifiers: the order in which everybody writes."""
        held = self.state.of(kind)
        return [held[number] for number in sorted(numbers)]


def evolve(state: State, decision: Decision) -> State:
    """Fold a decision's facts into the state: the subject of each event is the noun from now on.

    (Postings are folded by the ledger's rules.)
    """
    for event in decision.events:
        state.put(event.subject)
    return state

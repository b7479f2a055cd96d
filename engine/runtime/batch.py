"""The batch: one transaction for many requests.

Load under lock, fold `decide` over them in order, write set-based, commit.

A batch of n gives the same facts as n batches of one. What fails for reasons outside (deadlock, lost connection) is
tried again a bounded number of times; the idempotency keys make that safe even when the error came at COMMIT. What
fails by a bug rolls back, runs one by one, and costs only the culprit: it is answered 96 and set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event as Pause
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Column, Connection, DateTime, Engine, Table, Text, Uuid

from engine.database.connections import is_duplicate, is_transient
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger import rules
from engine.ledger import store as ledger
from engine.ledger.model import Account, Entry
from engine.runtime import idempotency, journal, outbox, timers
from engine.runtime.stage import Outside, Stage, Submission
from engine.vocabulary.decision import Answer, Decision, Message, State, TimerFired
from engine.vocabulary.identifiers import derive_id
from engine.vocabulary.responses import ResponseCode

KEY_REUSED = "key_reused"
"""Answer code: the idempotency key was used before with other content."""
UNAVAILABLE = "unavailable"
"""Answer code: the books could not be reached; whether the request took effect is answered by asking again with its
key.
"""

ATTEMPTS = 8
"""How often a batch is tried when the database fails; waits double from FIRST_WAIT_S, about 6 s in all."""
FIRST_WAIT_S = 0.025

set_aside = Table(
    "set_aside",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Written:
    """What a batch came to: each submission's answer (None while open), answers to earlier requests by key, and what
    to send, by stage.
    """

    answers: Sequence[tuple[Submission, Answer | None]] = ()
    answered: Mapping[UUID, Answer] = field(default_factory=dict)
    messages: Sequence[tuple[Stage, Message]] = ()
    events: int = 0
    next_timer_at: datetime | None = None
    queued: int = 0


@dataclass(slots=True)
class _Fold:
    """What the decisions of one batch add up to."""

    entries: list[Entry] = field(default_factory=list)
    events: list[journal.Recorded] = field(default_factory=list)
    changed: dict[tuple[type, UUID], Any] = field(default_factory=dict)
    timers: list[Any] = field(default_factory=list)
    fired: list[TimerFired] = field(default_factory=list)
    messages: list[tuple[Stage, Message]] = field(default_factory=list)
    queued: list[outbox.Queued] = field(default_factory=list)
    own: dict[UUID, Answer | None] = field(default_factory=dict)
    answered: dict[UUID, Answer] = field(default_factory=dict)


class Writer:
    """One writer session: one thread, one chain of batches. Not shared between threads."""

    def __init__(self, engine: Engine, outside: Outside, stages: Sequence[Stage], now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._outside = outside
        self._stages = tuple(stages)
        self._now = now
        self._chain: tuple[int, int, bytes] | None = None
        self._tables: dict[type, NounRows[Any]] = {rows.kind: rows for stage in stages for rows in stage.nouns}
        self._pause = Pause()

    def run(self, submissions: Sequence[Submission]) -> Written:
        """Decide and write these submissions, in order. Never raises for what one request did (see above)."""
        if not submissions:
            return Written()
        try:
            return self._tried(submissions)
        except Exception as error:
            if is_transient(error):
                log.error("database unavailable", institution=self._outside.institution.name, requests=len(submissions))
                return Written([(one, Answer(UNAVAILABLE)) for one in submissions])
            return self._isolated(submissions, error)

    def _tried(self, submissions: Sequence[Submission]) -> Written:
        wait_s = FIRST_WAIT_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._written(submissions)
            except Exception as error:
                # Whether the batch was committed may be unknown: a new chain, and the keys tell.
                self._chain = None
                if attempt == ATTEMPTS or not (is_transient(error) or is_duplicate(error)):
                    raise
                self._pause.wait(wait_s)
                wait_s *= 2
        raise AssertionError("unreachable")

    def _isolated(self, submissions: Sequence[Submission], error: Exception) -> Written:
        if len(submissions) == 1:
            return self._set_aside(submissions[0], error)
        parts = [self.run([one]) for one in submissions]
        due = [part.next_timer_at for part in parts if part.next_timer_at is not None]
        return Written(
            [pair for part in parts for pair in part.answers],
            {key: answer for part in parts for key, answer in part.answered.items()},
            [message for part in parts for message in part.messages],
            sum(part.events for part in parts),
            min(due, default=None),
            sum(part.queued for part in parts),
        )

    def _set_aside(self, culprit: Submission, error: Exception) -> Written:
        answer = Answer(ResponseCode.SYSTEM_MALFUNCTION, ("system_malfunction",))
        # The class and the place are enough to find a bug; an exception's text could quote what must not be logged.
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f"{place.tb_frame.f_globals.get('__name__')}:{place.tb_lineno}"
        told = f"{type(error).__name__} at {where}" + (f": {error}" if isinstance(error, AssertionError) else "")
        log.error("request set aside", stage=culprit.stage.name, key=str(culprit.key), error=told)
        seen = idempotency.Seen(
            culprit.key, culprit.stage.name, type(culprit.request).__name__, b"", culprit.now, answer
        )
        with self._engine.begin() as connection:
            if not idempotency.known(connection, [culprit.key]):
                idempotency.write(connection, [seen], {}, self._now())
                connection.execute(
                    set_aside.insert(),
                    {
                        "id": culprit.key,
                        "stage": culprit.stage.name,
                        "request": repr(culprit.request),
                        "error": told,
                        "occurred_at": culprit.now,
                    },
                )
            if isinstance(culprit.request, TimerFired):
                timers.write(connection, [culprit.request], [])
        return Written([(culprit, answer)], {culprit.key: answer})

    def _written(self, submissions: Sequence[Submission]) -> Written:
        prepared = self._prepared(submissions)
        prints = self._outside.hsm.fingerprint([one.fingerprint_material for one in submissions])
        fingerprints = {one.key: printed for one, printed in reversed(list(zip(submissions, prints, strict=True)))}
        with self._engine.connect() as connection:
            place, previous = self._place(connection)
            known = idempotency.known(connection, [one.key for one in submissions])
            fresh: dict[UUID, Submission] = {}
            for one in submissions:
                if one.key not in known:
                    fresh.setdefault(one.key, one)
            state = self._loaded(connection, list(fresh.values()), prepared)
            held = state.keys()
            fold = _Fold()
            for one in fresh.values():
                self._decided(state, one, prepared[id(one)], fold)
            if fresh:
                at = self._now()
                self._write(connection, state, held, fold, place=place, at=at)
                idempotency.write(
                    connection,
                    [
                        idempotency.Seen(
                            key, one.stage.name, type(one.request).__name__, fingerprints[key], one.now, fold.own[key]
                        )
                        for key, one in fresh.items()
                    ],
                    {key: answer for key, answer in fold.answered.items() if key not in fresh},
                    at,
                )
                batch_digest = journal.digest(previous, fold.entries, fold.events)
                connection.execute(
                    ledger.batches.insert(),
                    {
                        "chain": place[0],
                        "sequence": place[1],
                        "digest": batch_digest,
                        "entry_count": len(fold.entries),
                        "event_count": len(fold.events),
                        "recorded_at": at,
                    },
                )
                connection.commit()
                self._chain = (*place, batch_digest)
        answers: list[tuple[Submission, Answer | None]] = []
        for one, printed in zip(submissions, prints, strict=True):
            if (earlier := known.get(one.key)) is not None:
                same = earlier.fingerprint in (printed, b"")
                answers.append((one, earlier.answer if same else Answer(KEY_REUSED, (KEY_REUSED,))))
            elif fingerprints[one.key] == printed:
                answers.append((one, fold.own[one.key]))
            else:
                answers.append((one, Answer(KEY_REUSED, (KEY_REUSED,))))
        due = [change.due_at for change in fold.timers if hasattr(change, "due_at")]
        return Written(
            answers, fold.answered, fold.messages, len(fold.events), min(due, default=None), len(fold.queued)
        )

    def _prepared(self, submissions: Sequence[Submission]) -> dict[int, Any]:
        prepared: dict[int, Any] = {}
        for stage in self._stages:
            own = [one for one in submissions if one.stage is stage]
            if own:
                facts = stage.prepare(self._outside, [one.request for one in own])
                prepared.update((id(one), fact) for one, fact in zip(own, facts, strict=True))
        assert len(prepared) == len(submissions), "a submission names a stage that this writer does not have"
        return prepared

    def _place(self, connection: Connection) -> tuple[tuple[int, int], bytes]:
        if self._chain is None:
            number, head = ledger.open_chain(connection, self._now())
            connection.commit()
            self._chain = (number, 0, head)
        number, sequence, previous = self._chain
        return (number, sequence + 1), previous

    def _loaded(self, connection: Connection, fresh: Sequence[Submission], prepared: Mapping[int, Any]) -> State:
        state = State()
        accounts: set[UUID] = set()
        by_stage: list[tuple[Stage, list[Any]]] = []
        for stage in self._stages:
            own = [prepared[id(one)] for one in fresh if one.stage is stage]
            if own:
                by_stage.append((stage, own))
                accounts |= stage.load(connection, own, state)
        ledger.load(connection, accounts, state)
        for stage, own in by_stage:
            stage.recheck(connection, own, state)
        return state

    def _decided(self, state: State, one: Submission, prepared: Any, fold: _Fold) -> None:
        decision = one.stage.decide(state, prepared, one.now)
        evolve(state, decision)
        entries = rules.post(state, one.key, decision.postings, one.now)
        fold.entries.extend(entries)
        fold.events.extend(journal.recorded(one.key, decision.events, one.now))
        for event in decision.events:
            subject = event.subject
            assert isinstance(subject, Account) or type(subject) in self._tables, (
                f"no table for {type(subject).__name__}"
            )
            fold.changed[type(subject), subject.id] = None
        for entry in entries:
            fold.changed[Account, entry.debit] = fold.changed[Account, entry.credit] = None
        if isinstance(one.request, TimerFired):
            fold.fired.append(one.request)
        fold.timers.extend(decision.timers)
        for line, message in enumerate(decision.messages):
            if message.durable:
                identity = derive_id("outbox", str(one.key), line, on=one.now.date())
                fold.queued.append(outbox.Queued(identity, message))
            else:
                fold.messages.append((one.stage, message))
        fold.own[one.key] = decision.answer
        if decision.answer is not None:
            fold.answered[one.key] = decision.answer
        for other in decision.answers:
            fold.answered[other.key] = other.answer
            if other.key in fold.own:
                fold.own[other.key] = other.answer

    def _write(
        self,
        connection: Connection,
        state: State,
        held: frozenset[tuple[type, UUID]],
        fold: _Fold,
        *,
        place: tuple[int, int],
        at: datetime,
    ) -> None:
        by_kind: dict[type, tuple[list[Any], list[Any]]] = {}
        for kind, identifier in sorted(fold.changed, key=lambda one: one[1]):
            new, changed = by_kind.setdefault(kind, ([], []))
            (changed if (kind, identifier) in held else new).append(state.need(kind, identifier))
        for kind, rows in self._tables.items():
            if kind in by_kind:
                new, changed = by_kind[kind]
                rows.insert(connection, new)
                rows.update(connection, changed)
        opened, touched = by_kind.get(Account, ([], []))
        ledger.write(connection, opened, touched, fold.entries, place)
        journal.write(connection, fold.events, place)
        timers.write(connection, fold.fired, fold.timers)
        outbox.write(connection, fold.queued, at)


def evolve(state: State, decision: Decision) -> State:
    """Fold a decision's facts into the state: the subject of each event is the noun from now on.

    (Postings are folded by the ledger's rules.)
    """
    for event in decision.events:
        state.put(event.subject)
    return state

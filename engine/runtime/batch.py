"""The batch: one transaction for many requests.

Load under lock, fold `decide` over them in order, write set-based, commit. Whatever the number of requests, the
database is waited for once to lock accounts and tell which keys it knows, once for all writes and the commit, and for
what stages load of their own.

A batch of n gives the same facts as n batches of one. What fails for reasons outside (deadlock, lost connection) is
tried again a bounded number of times; the idempotency keys make that safe even when the error came at COMMIT. What
fails by a bug rolls back, runs one by one, and costs only the culprit: it is answered 96 and set aside.
"""

from __future__ import annotations

from collections import defaultdict
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
from engine.database.pipeline import pipelined
from engine.database.tables import metadata
from engine.ledger import chain, rules
from engine.ledger import store as ledger
from engine.ledger.model import Account, Entry
from engine.runtime import idempotency, journal, outbox, timers
from engine.runtime.stage import Outside, Stage, Submission
from engine.vocabulary.decision import Answer, Decision, Message, N, State, TimerFired
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
    # Of each kind the numbers of the identifiers of nouns that are new, and of nouns that were there and changed.
    new: defaultdict[type, set[int]] = field(default_factory=lambda: defaultdict(set))
    changed: defaultdict[type, set[int]] = field(default_factory=lambda: defaultdict(set))
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
            if not is_transient(error):
                try:
                    return self._isolated(submissions, error)
                except Exception as another:
                    # The database may be gone, or another writer first, while a culprit is set aside.
                    if not (is_transient(another) or is_duplicate(another)):
                        raise
        log.error("database unavailable", institution=self._outside.institution.name, requests=len(submissions))
        return Written([(one, Answer(UNAVAILABLE)) for one in submissions])

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
        at = self._now()
        log.error("request set aside", stage=culprit.stage.name, key=str(culprit.key), error=told)
        seen = idempotency.Seen.of(culprit, b"", answer, at)
        with self._engine.begin() as connection:
            if not idempotency.known(connection, [culprit.key]):
                idempotency.write(connection, [seen], {}, at)
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
        # Of requests with one key the first counts; the others hear what it hears.
        first: dict[UUID, tuple[Submission, Any, bytes]] = {}
        for asked in zip(submissions, prepared, prints, strict=True):
            first.setdefault(asked[0].key, asked)
        fold = _Fold()
        with self._engine.connect() as connection:
            place, previous = self._place(connection)
            state, known = self._loaded(connection, first)
            fresh = [asked for key, asked in first.items() if key not in known] if known else list(first.values())
            for one, facts, _ in fresh:
                self._decided(state, one, facts, fold)
            if fresh:
                self._chain = (*place, self._write(connection, state, fold, fresh, place=place, previous=previous))
        answers: list[tuple[Submission, Answer | None]] = []
        for one, printed in zip(submissions, prints, strict=True):
            earlier = known.get(one.key) if known else None
            if (first[one.key][2] if earlier is None else earlier.fingerprint or printed) != printed:
                answers.append((one, Answer(KEY_REUSED, (KEY_REUSED,))))
            else:
                answers.append((one, fold.own[one.key] if earlier is None else earlier.answer))
        due = [change.due_at for change in fold.timers if hasattr(change, "due_at")]
        return Written(
            answers, fold.answered, fold.messages, len(fold.events), min(due, default=None), len(fold.queued)
        )

    def _prepared(self, submissions: Sequence[Submission]) -> list[Any]:
        by_stage: dict[str, list[int]] = {}
        for at, one in enumerate(submissions):
            by_stage.setdefault(one.stage.name, []).append(at)
        prepared: list[Any] = [None] * len(submissions)
        for stage in self._stages:
            if places := by_stage.pop(stage.name, None):
                facts = stage.prepare(self._outside, [submissions[at].request for at in places])
                for at, fact in zip(places, facts, strict=True):
                    prepared[at] = fact
        assert not by_stage, "a submission names a stage that this writer does not have"
        return prepared

    def _place(self, connection: Connection) -> tuple[tuple[int, int], bytes]:
        if self._chain is None:
            number, head = ledger.open_chain(connection, self._now())
            connection.commit()
            self._chain = (number, 0, head)
        number, sequence, previous = self._chain
        return (number, sequence + 1), previous

    def _loaded(
        self, connection: Connection, first: Mapping[UUID, tuple[Submission, Any, bytes]]
    ) -> tuple[State, dict[UUID, idempotency.Known]]:
        state = State()
        accounts: set[UUID] = set()
        by_name: dict[str, list[Any]] = {}
        for one, facts, _ in first.values():
            by_name.setdefault(one.stage.name, []).append(facts)
        by_stage = [(stage, by_name[stage.name]) for stage in self._stages if stage.name in by_name]
        for stage, own in by_stage:
            accounts |= stage.load(connection, own, state)
        # Keys are asked for under the locks: who waited for one behind another copy of its request finds the answer.
        with pipelined(connection):
            locked = ledger.lock(connection, accounts) if accounts else None
            asked = idempotency.ask(connection, list(first))
        if locked is not None:
            ledger.put(locked, state)
        for stage, own in by_stage:
            stage.recheck(connection, own, state)
        return state, idempotency.told(asked)

    def _decided(self, state: State, one: Submission, prepared: Any, fold: _Fold) -> None:
        decision = one.stage.decide(state, prepared, one.now)
        for event in decision.events:
            subject, kind = event.subject, type(event.subject)
            assert kind is Account or kind in self._tables, f"no table for {kind.__name__}"
            number = subject.id.int
            if number not in fold.new[kind]:
                (fold.changed if number in state.of(kind) else fold.new)[kind].add(number)
        evolve(state, decision)
        if decision.events:
            fold.events.extend(journal.recorded(one.key, decision.events, one.now))
        if decision.postings:
            entries = rules.post(state, one.key, decision.postings, one.now)
            fold.entries.extend(entries)
            touched = fold.changed[Account]
            for entry in entries:
                touched.add(entry.debit.int)
                touched.add(entry.credit.int)
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
        fold: _Fold,
        fresh: Sequence[tuple[Submission, Any, bytes]],
        *,
        place: tuple[int, int],
        previous: bytes,
    ) -> bytes:
        """Write all and commit; the batch's digest. The database works on what has been sent while the rest is made."""
        at = self._now()
        with pipelined(connection, committing=True):
            for kind, rows in self._tables.items():
                rows.insert(connection, _nouns(state, kind, fold.new[kind]))
                rows.update(connection, _nouns(state, kind, fold.changed[kind]))
            opened = fold.new[Account]
            touched = fold.changed[Account] - opened
            entry_arrays = ledger.write(
                connection, _nouns(state, Account, opened), _nouns(state, Account, touched), fold.entries, place
            )
            event_arrays = journal.write(connection, fold.events, place)
            timers.write(connection, fold.fired, fold.timers)
            outbox.write(connection, fold.queued, at)
            idempotency.write(
                connection,
                [idempotency.Seen.of(one, printed, fold.own[one.key], at) for one, _, printed in fresh],
                {key: answer for key, answer in fold.answered.items() if key not in fold.own},
                at,
            )
            digest = chain.digest(previous, entry_arrays, event_arrays)
            ledger.write_batch(connection, place, digest, (len(fold.entries), len(fold.events)), at)
        return digest


def _nouns(state: State, kind: type[N], numbers: set[int]) -> list[N]:
    """The nouns of these numbers, in order of their identifiers: the order in which everybody writes."""
    held = state.of(kind)
    return [held[number] for number in sorted(numbers)]


def evolve(state: State, decision: Decision) -> State:
    """Fold a decision's facts into the state: the subject of each event is the noun from now on.

    (Postings are folded by the ledger's rules.)
    """
    for event in decision.events:
        state.put(event.subject)
    return state

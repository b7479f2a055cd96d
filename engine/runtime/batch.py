"""The batch: one transaction for many requests.

Load under lock, fold `decide` over them in order, write set-based, commit. Whatever the number of requests, the
database is waited for once to lock accounts and tell which keys it knows, once for all writes and the commit, and for
what stages load of their own.

Requests that name their accounts themselves need less: they are decided on what the writer remembers of these
accounts, while the batch before is being written, and the write fails if one of them has moved since. Then, and for a
while after, batches go by locks: where several writers share accounts there is little to remember.

A batch of n gives the same facts as n batches of one. What fails for reasons outside (deadlock, lost connection) is
tried again a bounded number of times; the idempotency keys make that safe even when the error came at COMMIT. What
fails by a bug rolls back, runs one by one, and costs only the culprit: it is answered 96 and set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event as Pause
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Column, Connection, DateTime, Engine, Table, Text, Uuid

from engine.database.connections import has_moved, is_duplicate, is_transient, sqlstate
from engine.database.nouns import NounRows
from engine.database.pipeline import Parcel, pipelined
from engine.database.tables import metadata
from engine.ledger import store as ledger
from engine.ledger.model import Account
from engine.runtime import idempotency, timers
from engine.runtime.fold import Asked, Fold
from engine.runtime.intake import Intake
from engine.runtime.memory import Memory
from engine.runtime.stage import Outside, Stage, Submission
from engine.vocabulary.decision import Answer, Message, State, TimerFired
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
class _Drawn:
    """A batch that is decided, and written or about to be: what it comes to once that is committed."""

    submissions: Sequence[Submission]
    written: Written
    before: tuple[int, int, bytes]
    """Where the writer's chain stood when it was decided."""
    parcel: Parcel | None
    connection: Connection | None = None
    failure: Exception | None = None


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
        self._memory = Memory() if any(stage.named is not None for stage in stages) else None
        self._from_memory = False  # whether the last batch was such that it could be decided so

    def run(self, submissions: Sequence[Submission]) -> Written:
        """Decide and write these submissions, in order. Never raises for what one request did (see above)."""
        if not submissions:
            return Written()
        drawn = self._drawn(submissions)
        if drawn is None:
            return self._by_locks(submissions)
        self._post(drawn)
        return self._read(drawn)

    def turns(self, intake: Intake, most: int) -> Iterator[Written]:
        """Batches of at most `most` as they come, until the intake is closed; what each comes to, in order. Raises no
        more than `run`.

        While one batch is being written the next is decided, if it can be decided from memory.
        """
        posted: _Drawn | None = None
        try:
            while (batch := self._taken(intake, most, posted)) or posted is not None:
                drawn = self._drawn(batch) if batch else None
                earlier, under_way, posted = None, posted, None
                if under_way is not None:
                    earlier = self._read(under_way)
                    if under_way.failure is not None:
                        drawn = None  # it was decided on a batch that has failed
                if drawn is not None:
                    self._post(drawn)
                    posted = drawn
                if earlier is not None:
                    yield earlier
                if batch and drawn is None:
                    yield self._by_locks(batch)
        finally:
            if posted is not None:  # whoever took the batches has gone: what became of this one nobody hears
                with suppress(Exception):
                    self._read(posted)

    def _taken(self, intake: Intake, most: int, posted: _Drawn | None) -> Sequence[Submission]:
        if posted is not None:
            return intake.take(most, wait=False, beside=len(posted.submissions))
        return intake.take(most, beside=0 if self._from_memory else None)

    # --- from memory ---

    def _drawn(self, submissions: Sequence[Submission]) -> _Drawn | None:
        """This batch decided from memory; None where it has to go by locks."""
        memory, before = self._memory, self._chain
        if memory is None or before is None or not memory.trusted():
            return None
        try:
            by_stage = self._by_stage(submissions)
            named: list[int] = []
            for stage, places in by_stage:
                if stage.named is None or (numbers := stage.named([submissions[at].request for at in places])) is None:
                    self._from_memory = False
                    return None
                named += numbers
            prepared, prints = self._prepared(submissions, by_stage)
            assumed = memory.accounts(named, self._outside.read)
            self._from_memory = True
            return self._decided(memory, before, list(map(Asked, submissions, prepared, prints)), assumed)
        except Exception as error:
            # By locks it comes to the same, and is dealt with there.
            log.info("batch goes by locks", error=type(error).__name__)
            memory.clear()
            self._chain = before
            return None

    def _decided(
        self, memory: Memory, before: tuple[int, int, bytes], asked: Sequence[Asked], assumed: dict[int, Account]
    ) -> _Drawn:
        submissions = [one.submission for one in asked]
        known = memory.known(submissions)
        state = State()
        state.of(Account).update(assumed)
        fold = Fold(state, self._tables)
        fold.decide_all(asked, known)
        if not fold.asked:
            return _Drawn(submissions, _written(fold, asked, known), before, None)
        parcel = Parcel()
        number, sequence, previous = before
        place = (number, sequence + 1)
        digest = fold.write(parcel, self._now(), place=place, previous=previous, assumed=assumed)
        # The next is decided on this one before it is known to stand.
        self._chain = (*place, digest)
        memory.keep(fold)
        return _Drawn(submissions, _written(fold, asked, known), before, parcel)

    def _post(self, drawn: _Drawn) -> None:
        if drawn.parcel is not None:
            try:
                drawn.connection = self._engine.connect()
                drawn.parcel.post(drawn.connection)
            except Exception as error:
                drawn.failure = error

    def _read(self, posted: _Drawn) -> Written:
        """What a batch that is on its way came to; by locks, if it failed."""
        assert self._memory is not None, "only what is decided from memory is posted"
        if posted.parcel is not None and posted.failure is None:
            try:
                posted.parcel.read()
            except Exception as error:
                posted.failure = error
        failure, connection = posted.failure, posted.connection
        if failure is None:
            self._memory.succeeded()
        else:
            # First of all: whatever comes next must not build on what may not be there.
            self._forget()
            if has_moved(failure) or is_duplicate(failure):
                self._chain = posted.before  # nothing of it was written
            if has_moved(failure) or is_duplicate(failure) or is_transient(failure):
                self._memory.failed()
        if connection is not None:
            with suppress(Exception):  # one that is dead, or was left half-way: the pool makes another
                if failure is not None and sqlstate(failure) is None:
                    connection.invalidate()
                connection.close()
        return posted.written if failure is None else self._by_locks(posted.submissions)

    def _forget(self) -> None:
        """Whether the last batch was committed may be unknown: a new chain, and the keys tell."""
        self._chain = None
        if self._memory is not None:
            self._memory.clear()

    # --- by locks ---

    def _by_locks(self, submissions: Sequence[Submission]) -> Written:
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
                return self._locked(submissions)
            except Exception as error:
                self._forget()
                if attempt == ATTEMPTS or not (is_transient(error) or is_duplicate(error)):
                    raise
                self._pause.wait(wait_s)
                wait_s *= 2
        raise AssertionError("unreachable")

    def _isolated(self, submissions: Sequence[Submission], error: Exception) -> Written:
        if len(submissions) == 1:
            return self._set_aside(submissions[0], error)
        parts = [self._by_locks([one]) for one in submissions]
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

    def _locked(self, submissions: Sequence[Submission]) -> Written:
        by_stage = self._by_stage(submissions)
        prepared, prints = self._prepared(submissions, by_stage)
        asked = list(map(Asked, submissions, prepared, prints))
        state = State()
        fold = Fold(state, self._tables)
        with self._engine.connect() as connection:
            place, previous = self._place(connection)
            known = self._loaded(connection, asked, state)
            fold.decide_all(asked, known)
            if fold.asked:
                # The database works on what has been sent while the rest is made.
                with pipelined(connection, committing=True):
                    digest = fold.write(connection, self._now(), place=place, previous=previous)
                self._chain = (*place, digest)
                if self._memory is not None and all(stage.named is not None for stage, _ in by_stage):
                    self._memory.keep(fold)
        return _written(fold, asked, known)

    def _place(self, connection: Connection) -> tuple[tuple[int, int], bytes]:
        if self._chain is None:
            number, head = ledger.open_chain(connection, self._now())
            connection.commit()
            self._chain = (number, 0, head)
        number, sequence, previous = self._chain
        return (number, sequence + 1), previous

    def _loaded(self, connection: Connection, asked: Sequence[Asked], state: State) -> dict[int, idempotency.Known]:
        # Of requests with one key the first counts.
        first = {one.submission.key.int: one for one in reversed(asked)}
        by_stage: list[tuple[Stage, list[Any]]] = []
        for stage in self._stages:
            if own := [
                one.prepared for one in asked if one.submission.stage is stage and first[one.submission.key.int] is one
            ]:
                by_stage.append((stage, own))
        accounts: set[UUID] = set()
        for stage, own in by_stage:
            accounts |= stage.load(connection, own, state)
        # Keys are asked for under the locks: who waited for one behind another copy of its request finds the answer.
        with pipelined(connection):
            locked = ledger.lock(connection, accounts) if accounts else None
            keys = idempotency.ask(connection, [one.submission.key for one in asked])
        if locked is not None:
            ledger.put(locked, state)
        for stage, own in by_stage:
            stage.recheck(connection, own, state)
        return {key.int: known for key, known in idempotency.told(keys).items()}

    # --- both ways ---

    def _by_stage(self, submissions: Sequence[Submission]) -> list[tuple[Stage, list[int]]]:
        """The places of each stage's submissions, stages in their order."""
        places: dict[str, list[int]] = {}
        for at, one in enumerate(submissions):
            places.setdefault(one.stage.name, []).append(at)
        by_stage = [(stage, places.pop(stage.name)) for stage in self._stages if stage.name in places]
        assert not places, "a submission names a stage that this writer does not have"
        return by_stage

    def _prepared(
        self, submissions: Sequence[Submission], by_stage: Sequence[tuple[Stage, Sequence[int]]]
    ) -> tuple[list[Any], list[bytes]]:
        """What `prepare` makes of each, and their fingerprints: the HSM is asked before anything is locked."""
        prepared: list[Any] = [None] * len(submissions)
        for stage, places in by_stage:
            facts = stage.prepare(self._outside, [submissions[at].request for at in places])
            for at, fact in zip(places, facts, strict=True):
                prepared[at] = fact
        return prepared, self._outside.hsm.fingerprint([one.fingerprint_material for one in submissions])


def _written(fold: Fold, asked: Sequence[Asked], known: Mapping[int, idempotency.Known]) -> Written:
    """What a batch comes to. Of requests with one key the first counts; the others hear what it hears, or, with other
    content, that the key was used.
    """
    answers: list[tuple[Submission, Answer | None]] = []
    first: dict[int, bytes] = {}
    for one, _, printed in asked:
        number = one.key.int
        earlier = known.get(number)
        expected = first.setdefault(number, printed) if earlier is None else earlier.fingerprint or printed
        if expected != printed:
            answers.append((one, Answer(KEY_REUSED, (KEY_REUSED,))))
        else:
            answers.append((one, fold.own[number] if earlier is None else earlier.answer))
    return Written(answers, fold.answered, fold.messages, len(fold.events), fold.next_timer_at, len(fold.queued))

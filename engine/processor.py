"""The door:

`submit(request)` and `tick()`. Wires stages, intake, writer, timers and outbox of one institution together.

One processor is one institution in one process. Several processes of an institution may run against one database;
what keeps them apart is row locks and idempotency keys, never being alone.

Two ways to run it: `serve` takes batches from the intake until `stop` (a worker thread of a host), `step` runs one
batch of all that waits, in key order (the simulator, which decides when time moves). Either way a whole batch is
handed back by one call of `hand_over`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from threading import Lock, Thread
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine

from engine.database.connections import is_transient
from engine.database.institutions import Institution
from engine.ports import Activity, Clock, Hsm, Network, NoActivity
from engine.runtime import idempotency, outbox, timers
from engine.runtime.batch import Writer, Written
from engine.runtime.intake import Intake, IntakeFull
from engine.runtime.stage import Outside, Reply, Stage, Submission
from engine.vocabulary.decision import Answer, Message, TimerFired
from engine.vocabulary.keys import KEYS, KeyRule, fingerprint_material, key_of

LARGEST_BATCH = 1_000
"""Beyond this a batch's latency grows and its rate hardly does (docs/decisions)."""

log = structlog.get_logger()

HandOver = Callable[[Callable[[], None]], object]


def _at_once(call: Callable[[], None]) -> None:
    call()


class Processor:
    """One institution's processor. Thread-safe where it says so."""

    def __init__(
        self,
        *,
        institution: Institution,
        stages: Sequence[Stage],
        engine: Engine,
        hsm: Hsm,
        clock: Clock,
        network: Network,
        hand_over: HandOver | None = None,
        activity: Activity | None = None,
        capacity: int = 20_000,
        partitions: int = 1,
    ) -> None:
        """`capacity` is how many requests may wait; `partitions` how many writers share the work, each with an intake
        of its own. A request goes to the writer of its owner (`Stage.owner_of`), which keeps them on disjoint rows.
        """
        self.institution = institution
        self.engine = engine
        self.clock = clock
        self.outside = Outside(institution, hsm, engine.connect)
        self._stages = tuple(stages)
        self._network = network
        self._hand_over = hand_over or _at_once
        self._activity = activity or NoActivity()
        self._intakes = tuple(Intake(capacity // partitions) for _ in range(partitions))
        self._writers = tuple(self._new_writer() for _ in range(partitions))
        self._by_kind: dict[type, tuple[Stage, KeyRule]] = {
            kind: (stage, rule) for stage in stages for kind, rule in stage.keys.items()
        }
        self._by_timer = {name: stage for stage in stages for name in stage.timers}
        self._direct_writer = self._new_writer()
        self._direct = Lock()
        self._waiting: dict[UUID, list[Reply]] = defaultdict(list)
        self._waiting_lock = Lock()
        self._firing: set[TimerFired] = set()
        self._next_due: datetime | None = None
        self._next_due_known = False

    # --- requests ---

    def submit(self, request: Any, reply: Reply | None = None) -> UUID:
        """Queue a request; its key. `reply` is called once with the answer, maybe several decisions later. Any thread.

        Raises `IntakeFull` when too many wait.
        """
        submission = self._submission(request, reply)
        self._intake_of(submission).put(submission)
        return submission.key

    async def ask(self, request: Any) -> Answer:
        """Submit, and wait for the answer, without holding up the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()

        def tell(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        def answered(answer: Answer) -> None:
            loop.call_soon_threadsafe(tell, answer)

        self.submit(request, answered)
        return await future

    def execute(self, requests: Iterable[Any]) -> list[Answer | None]:
        """Decide these at once in the calling thread, in batches; their answers in order (None: still open).

        For jobs and tools.
        """
        answers: list[Answer | None] = []
        batch: list[Submission] = []
        with self._direct:
            for request in requests:
                batch.append(self._submission(request, None))
                if len(batch) == LARGEST_BATCH:
                    answers += self._run(self._direct_writer, batch)
                    batch = []
            answers += self._run(self._direct_writer, batch)
        return answers

    # --- running ---

    @property
    def waiting(self) -> int:
        """How many requests wait in the intake."""
        return sum(map(len, self._intakes))

    def step(self) -> int:
        """One batch of everything that waits (one for each partition), in key order; how many requests there were.

        The simulator's way.
        """
        every = [sorted(intake.drain(), key=lambda one: one.key) for intake in self._intakes]
        for writer, drained in zip(self._writers, every, strict=True):
            self._run(writer, drained)
        return sum(map(len, every))

    def serve(self) -> None:
        """Batches as they come, until `stop`. Runs in a thread of its own; starts one for each further partition."""
        first, *others = [
            Thread(target=self._serve, args=pair) for pair in zip(self._intakes, self._writers, strict=True)
        ]
        for other in others:
            other.start()
        first.run()
        for other in others:
            other.join()

    def stop(self) -> None:
        """Refuse new requests; `serve` ends once those that wait are answered."""
        for intake in self._intakes:
            intake.close()

    def tick(self) -> int:
        """Submit the timers that are due and deliver what waits in the outbox; how many timers. Any thread.

        Who waits here for an answer that another process of the institution has decided hears it now. Raises
        `IntakeFull`; the timers that found no room are submitted by a later tick.
        """
        now = self.clock.now()
        with self.engine.begin() as connection:
            due = [one for one in timers.due(connection, now, LARGEST_BATCH) if one not in self._firing]
            if replies := self._answered_elsewhere(connection):
                self._activity.began()
                self._hand_over(lambda: self._leave(replies, ()))
        for fired in due:
            self._firing.add(fired)
            try:
                self.submit(fired)
            except IntakeFull:
                self._firing.discard(fired)
                raise
        with self.engine.begin() as connection:
            outbox.deliver(connection, now, self._network.deliver)
        self._next_due_known = False
        return len(due)

    def next_due(self) -> datetime | None:
        """When `tick` has something to do next, as far as this process has written or seen."""
        if not self._next_due_known:
            with self.engine.begin() as connection:
                every = (timers.next_due(connection), outbox.next_due(connection))
            self._next_due = min((one for one in every if one is not None), default=None)
            self._next_due_known = True
        return self._next_due

    # --- inside ---

    def _serve(self, intake: Intake, writer: Writer) -> None:
        for written in writer.turns(intake, LARGEST_BATCH):
            self._hand_back(written)

    def _intake_of(self, submission: Submission) -> Intake:
        if len(self._intakes) == 1 or isinstance(submission.request, TimerFired):
            return self._intakes[0]
        owner = submission.stage.owner_of(submission.request)
        return self._intakes[0 if owner is None else owner.int % len(self._intakes)]

    def _new_writer(self) -> Writer:
        return Writer(self.engine, self.outside, self._stages, self.clock.now)

    def _submission(self, request: Any, reply: Reply | None) -> Submission:
        if isinstance(request, TimerFired):
            stage, rule = self._by_timer[request.name], KEYS[TimerFired]
        else:
            stage, rule = self._by_kind[type(request)]
        key = key_of(rule, request)
        return Submission(request, stage, self.clock.now(), key, fingerprint_material(rule, request), reply)

    def _run(self, writer: Writer, batch: Sequence[Submission]) -> list[Answer | None]:
        if not batch:
            return []
        written = writer.run(batch)
        self._hand_back(written)
        return [answer for _, answer in written.answers]

    def _hand_back(self, written: Written) -> None:
        if self._firing:
            self._firing.difference_update(
                one.request for one, _ in written.answers if isinstance(one.request, TimerFired)
            )
        if written.next_timer_at is not None or written.queued:
            self._next_due_known = False
        replies = self._replies(written)
        leaving = self._sealed(written)
        self._activity.began()
        self._hand_over(lambda: self._leave(replies, leaving))
        if written.queued:
            with self.engine.begin() as connection:
                outbox.deliver(connection, self.clock.now(), self._network.deliver)

    def _replies(self, written: Written) -> list[tuple[Reply, Answer]]:
        replies: list[tuple[Reply, Answer]] = []  # to requests that earlier batches had left open
        told: list[tuple[Submission, Answer]] = []
        with self._waiting_lock:
            for submission, answer in written.answers:
                if submission.reply is None:
                    continue
                if answer is None:
                    self._waiting[submission.key].append(submission.reply)
                else:
                    told.append((submission, answer))
            for key, answer in written.answered.items():
                replies += [(reply, answer) for reply in self._waiting.pop(key, ())]
        own = [one.reply for one, _ in told if one.reply is not None]
        return [*zip(own, self._sealed_answers(told), strict=True), *replies]

    def _answered_elsewhere(self, connection: Connection) -> list[tuple[Reply, Answer]]:
        with self._waiting_lock:
            waiting = list(self._waiting)
        known = idempotency.known(connection, waiting) if waiting else {}
        with self._waiting_lock:
            return [
                (reply, seen.answer)
                for key, seen in known.items()
                if seen.answer is not None
                for reply in self._waiting.pop(key, ())
            ]

    def _sealed_answers(self, told: Sequence[tuple[Submission, Answer]]) -> list[Answer]:
        answers = [answer for _, answer in told]
        for stage in self._stages:
            if stage.seal_answers is None:
                continue
            places = [at for at, (one, _) in enumerate(told) if one.stage is stage]
            try:
                sealed = stage.seal_answers(self.outside, [(told[at][0].request, told[at][1]) for at in places])
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("answers leave unsealed: the database is away", stage=stage.name, answers=len(places))
                continue
            for at, answer in zip(places, sealed, strict=True):
                answers[at] = answer
        return answers

    def _sealed(self, written: Written) -> list[Message]:
        leaving: list[Message] = []
        for stage in self._stages:
            own = [message for of, message in written.messages if of is stage]
            if not own:
                continue
            try:
                leaving += stage.seal(self.outside, own)
            except Exception as error:
                if not is_transient(error):
                    raise
                # The decision stands, and its messages are lost like a packet: their timers notice.
                log.warning("messages lost: the database is away", stage=stage.name, messages=len(own))
        return leaving

    def _leave(self, replies: Sequence[tuple[Reply, Answer]], leaving: Sequence[Message]) -> None:
        try:
            for reply, answer in replies:
                reply(answer)
            for message in leaving:
                if message.to == self.institution.member_id:
                    self.submit(message.body)
                else:
                    self._network.send(message)
        finally:
            self._activity.ended()

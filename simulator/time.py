"""The world's time: a clock that only the simulator moves, a count of what is under way, and a sequencer between them.

Time moves when nothing is under way: no frame between two sockets, no answer on its way back, nothing waiting in an
intake. That is known from counters, never from sleeping. What is due within one instant goes in together, so that
batches are exercised; what an instant causes is over before the next begins.

Hard cases, each with its test: work that wakes other work after the count has fallen to zero; an instant whose work
makes more work for the same instant; an alarm cancelled before it rings; two institutions deciding at once (their
results leave together, in order of name); work that never ends (a sentence, not a hang); a peer outside this program,
whose work nobody here can count (a bound in real time).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from inspect import isawaitable
from itertools import count
from threading import Lock
from typing import Any, Final, Protocol

from engine.vocabulary.errors import BezantError

PATIENCE_S: Final = 30
"""Real seconds after which work that has begun and not ended is taken for stuck."""
OUTSIDE_PATIENCE_S: Final = 5
"""Real seconds that a program outside this one may think about one request before it counts as silent."""
ROUNDS_PER_INSTANT: Final = 10_000
"""More rounds than this at one instant are work that makes itself."""
_QUIET_PASSES: Final = 3
"""Passes of the event loop without new work after which the world is idle: a reply takes two to wake its asker."""


class WorldStuck(BezantError):
    """Something has begun and does not end; the sentence says how much of what."""


class Activity:
    """How much is under way (`engine.ports.Activity`). Any thread may count; one event loop may wait."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way = 0
        self._begun = 0
        self._outside: dict[str, int] = {}
        self._loop = asyncio.get_running_loop()
        self._zero = asyncio.Event()
        self._zero.set()

    @property
    def under_way(self) -> int:
        """What has begun and not ended."""
        return self._under_way

    def began(self) -> None:
        """Something is on its way."""
        with self._lock:
            self._under_way += 1
            self._begun += 1

    def ended(self) -> None:
        """It has arrived."""
        with self._lock:
            assert self._under_way > 0, "more work ended than began"
            self._under_way -= 1
            idle = self._under_way == 0
        if idle:
            self._loop.call_soon_threadsafe(self._zero.set)

    @contextmanager
    def parked(self) -> Iterator[None]:
        """Around a wait for something that only moving time, or a step, can bring: who waits is not under way."""
        self.ended()
        try:
            yield
        finally:
            self.began()

    def outside(self, peer: str) -> Callable[[], None]:
        """A request has gone to a program that nobody here can see into; call what is returned when its reply is in.

        After OUTSIDE_PATIENCE_S it counts as silent, and time moves on. Call on the event loop.
        """
        self.began()
        self._outside[peer] = self._outside.get(peer, 0) + 1
        over = False

        def done() -> None:
            nonlocal over
            if not over:
                over = True
                bound.cancel()
                self._outside[peer] -= 1
                self.ended()

        bound = self._loop.call_later(OUTSIDE_PATIENCE_S, done)
        return done

    async def wait_idle(self, within_s: int = PATIENCE_S) -> None:
        """Return when nothing is under way or about to be. Raises `WorldStuck` after `within_s` real seconds."""
        try:
            async with asyncio.timeout(within_s):
                while not await self._stays_idle():
                    pass
        except TimeoutError:
            waiting = ", ".join(f"{peer}: {number}" for peer, number in sorted(self._outside.items()) if number)
            raise WorldStuck(
                f"the world does not rest: {self._under_way} pieces of work have not ended in {within_s} seconds"
                f" ({self._begun} had begun{'; outside: ' + waiting if waiting else ''})"
            ) from None

    async def _stays_idle(self) -> bool:
        while self._under_way:
            self._zero.clear()
            await self._zero.wait()
        begun = self._begun
        for _ in range(_QUIET_PASSES):
            await asyncio.sleep(0)
        return self._begun == begun


class VirtualClock:
    """The world's time (`engine.ports.Clock`), in UTC. Stands still until the sequencer moves it, forward only."""

    def __init__(self, start: datetime, activity: Activity) -> None:
        assert start.utcoffset() is not None, "the world's time has a zone"
        self._now = start.astimezone(UTC)
        self._activity = activity
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        """The instant."""
        return self._now

    async def sleep_until(self, at: datetime) -> None:
        """Return when the clock has reached `at`."""
        if at <= self._now:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (at, next(self._order), woken))
        await woken

    def next_waking(self) -> datetime | None:
        """When the first sleeper wants to be woken; None while nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def move_to(self, at: datetime) -> None:
        """It is `at` now. Whoever sleeps until then wakes, and counts as under way until its next wait."""
        assert at >= self._now, "time moves forward only"
        self._now = at.astimezone(UTC)
        loop = asyncio.get_running_loop()
        while (due := self.next_waking()) is not None and due <= at:
            woken = heappop(self._sleepers)[2]
            self._activity.began()
            woken.set_result(None)
            loop.call_soon(self._activity.ended)


class Deciding(Protocol):
    """What the sequencer needs of a `Processor`."""

    @property
    def waiting(self) -> int:
        """Requests in the intake."""
        ...

    def step(self) -> int:
        """Decide everything that waits, in one batch."""
        ...

    def tick(self) -> int:
        """Submit due timers, deliver the outbox."""
        ...

    def next_due(self) -> datetime | None:
        """When `tick` has something to do."""
        ...


class Scheduled(Protocol):
    """What the sequencer needs of a `Scheduler`."""

    def next_due(self) -> datetime | None:
        """When the next job is due."""
        ...

    def run_due(self, now: datetime) -> Sequence[object]:
        """Run the jobs due by now."""
        ...


Action = Callable[[], object]
"""What is done at an instant; awaited if it returns something to await."""


@dataclass(slots=True)
class _Member:
    name: str
    processor: Deciding
    scheduler: Scheduled | None
    jobs_due: datetime | None = None


class Sequencer:
    """Plays the world: actions, batches, timers and jobs, instant by instant. Made and used on one event loop."""

    def __init__(self, clock: VirtualClock, activity: Activity) -> None:
        self.clock = clock
        self.activity = activity
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._members: dict[str, _Member] = {}
        self._handed: dict[str, list[Callable[[], None]]] = {}
        self._holding = False
        self._actions: list[tuple[datetime, str, int, Action]] = []
        self._order = count()
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="institution")

    def hand_over(self, name: str) -> Callable[[Callable[[], None]], None]:
        """The `hand_over` of the processor of that name: results are kept until the whole round is done."""

        def over(call: Callable[[], None]) -> None:
            with self._lock:
                self._handed.setdefault(name, []).append(call)
                holding = self._holding
            if not holding:
                self._loop.call_soon_threadsafe(self._release)

        return over

    def join(self, name: str, processor: Deciding, scheduler: Scheduled | None = None) -> None:
        """An institution takes part from now on; again under one name replaces it."""
        self._members[name] = _Member(name, processor, scheduler, None if scheduler is None else scheduler.next_due())

    def leave(self, name: str) -> None:
        """An institution takes no part any more (a bank that was replaced, a process that was killed)."""
        self._members.pop(name, None)

    def at(self, instant: datetime, key: str, action: Action) -> None:
        """Have `action` done at `instant` (now, if that has passed), among others of that instant in order of `key`."""
        heappush(self._actions, (max(instant, self.clock.now()), key, next(self._order), action))

    async def run(self, until: datetime) -> None:
        """Play everything due up to and including `until`; afterwards it is `until`, and all is quiet.

        Raises `WorldStuck` when an instant does not come to an end, and whatever an action, a step or a job raises.
        """
        while True:
            await self._instant()
            following = self._following()
            if following is None or following > until:
                break
            self.clock.move_to(following)
        if until > self.clock.now():
            self.clock.move_to(until)
            await self._instant()

    async def settle(self) -> None:
        """Let everything that is under way end, at the present instant."""
        while True:
            await self.activity.wait_idle()
            waiting = [member for member in self._in_order() if member.processor.waiting]
            if not waiting:
                return
            await self._together([member.processor.step for member in waiting])

    async def do(self, call: Callable[[], object]) -> None:
        """Run something that blocks in a worker thread, and let everything that it causes end."""
        await self._together([call])
        await self.settle()

    def close(self) -> None:
        """Let the worker threads go."""
        self._threads.shutdown()

    async def _instant(self) -> None:
        now = self.clock.now()
        for _ in range(ROUNDS_PER_INSTANT):
            await self.settle()
            if not (await self._act(now) or await self._tick(now) or await self._run_jobs(now)):
                return
        raise WorldStuck(f"the work of {now.isoformat()} makes itself: {ROUNDS_PER_INSTANT} rounds and no end")

    async def _act(self, now: datetime) -> bool:
        due: list[Action] = []
        while self._actions and self._actions[0][0] <= now:
            due.append(heappop(self._actions)[3])
        for action in due:
            doing = action()
            if isawaitable(doing):
                await doing
        return bool(due)

    async def _tick(self, now: datetime) -> bool:
        ticked = False
        for member in self._in_order():
            due = member.processor.next_due()
            if due is not None and due <= now:
                await self._together([member.processor.tick])
                ticked = True
        return ticked

    async def _run_jobs(self, now: datetime) -> bool:
        ran = False
        for member in self._in_order():
            if member.scheduler is not None and member.jobs_due is not None and member.jobs_due <= now:
                scheduler = member.scheduler
                await self._together([lambda of=scheduler: of.run_due(now)])  # type: ignore[misc]
                member.jobs_due = scheduler.next_due()
                await self.settle()
                ran = True
        return ran

    async def _together(self, calls: Sequence[Callable[[], Any]]) -> None:
        """Run these in threads at once; what they hand over is released when all are done, in order of name."""
        with self._lock:
            self._holding = True
        try:
            results = await asyncio.gather(
                *(self._loop.run_in_executor(self._threads, call) for call in calls), return_exceptions=True
            )
        finally:
            with self._lock:
                self._holding = False
            self._release()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _release(self) -> None:
        with self._lock:
            handed, self._handed = self._handed, {}
        for name in sorted(handed):
            for call in handed[name]:
                call()

    def _in_order(self) -> list[_Member]:
        return [self._members[name] for name in sorted(self._members)]

    def _following(self) -> datetime | None:
        due = [member.processor.next_due() for member in self._members.values()]
        due += [member.jobs_due for member in self._members.values()]
        due += [self.clock.next_waking(), self._actions[0][0] if self._actions else None]
        return min((instant for instant in due if instant is not None), default=None)

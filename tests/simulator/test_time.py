"""The world's time: it moves only when nothing is under way, and what is due within one instant goes in together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from simulator import time
from simulator.time import Activity, Sequencer, VirtualClock, WorldStuck

START = datetime(2026, 2, 10, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Fake:
    """An institution whose requests are functions: a step runs those that wait and hands their results over."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.requests: list[Callable[[], None]] = []
        self.batches: list[tuple[datetime, int]] = []
        self.due: datetime | None = None
        self.ticks: list[datetime] = []
        self.hold_up: threading.Event | None = None
        world.sequencer.join(name, self)

    @property
    def waiting(self) -> int:
        return len(self.requests)

    def step(self) -> int:
        if self.hold_up is not None:
            assert self.hold_up.wait(10)
        drained, self.requests = self.requests, []
        self.batches.append((self.world.clock.now(), len(drained)))
        self.world.activity.began()

        def leave() -> None:
            for request in drained:
                request()
            self.world.activity.ended()

        self.world.sequencer.hand_over(self.name)(leave)
        return len(drained)

    def tick(self) -> int:
        self.ticks.append(self.world.clock.now())
        self.due = None
        return 1

    def next_due(self) -> datetime | None:
        return self.due


class World:
    def __init__(self) -> None:
        self.activity = Activity()
        self.clock = VirtualClock(START, self.activity)
        self.sequencer = Sequencer(self.clock, self.activity)


def play(story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        world = World()
        await asyncio.wait_for(story(world), 20)
        world.sequencer.close()

    asyncio.run(told())


def test_actions_happen_at_their_instant_in_order_of_their_keys() -> None:
    async def story(world: World) -> None:
        done: list[tuple[datetime, str]] = []
        for minutes, key in ((2, "a"), (1, "z"), (1, "b"), (0, "x")):
            world.sequencer.at(
                START + minutes * MINUTE,
                key,
                lambda key=key: done.append((world.clock.now(), key)),  # type: ignore[misc]
            )
        await world.sequencer.run(START + 5 * MINUTE)
        assert done == [(START, "x"), (START + MINUTE, "b"), (START + MINUTE, "z"), (START + 2 * MINUTE, "a")]
        assert world.clock.now() == START + 5 * MINUTE

    play(story)


def test_what_is_due_within_one_instant_goes_in_together_and_its_consequences_come_before_the_next() -> None:
    async def story(world: World) -> None:
        bank, net = Fake(world, "bank"), Fake(world, "net")
        order: list[str] = []

        def send(name: str) -> None:
            net.requests.append(lambda: bank.requests.append(lambda: order.append(name)))

        for name in "cab":
            world.sequencer.at(START, name, lambda name=name: send(name))  # type: ignore[misc]
        world.sequencer.at(START + MINUTE, "later", lambda: order.append("later"))
        await world.sequencer.run(START + MINUTE)
        assert net.batches == [(START, 3)]
        assert bank.batches == [(START, 3)]
        assert order == ["a", "b", "c", "later"]

    play(story)


def test_results_of_institutions_that_decide_at_once_leave_together_in_order_of_name() -> None:
    async def story(world: World) -> None:
        slow, fast = Fake(world, "a_slow"), Fake(world, "b_fast")
        slow.hold_up = threading.Event()
        left: list[str] = []
        slow.requests.append(lambda: left.append("a_slow"))
        fast.requests.append(lambda: left.append("b_fast"))

        async def watch() -> None:
            while not fast.batches:
                await asyncio.sleep(0)
            assert left == [], "the fast one's results wait for the round's end"
            assert slow.hold_up is not None
            slow.hold_up.set()

        await asyncio.gather(world.sequencer.settle(), watch())
        assert left == ["a_slow", "b_fast"]

    play(story)


def test_time_waits_for_work_that_is_counted_from_another_thread() -> None:
    async def story(world: World) -> None:
        world.activity.began()
        moved: list[datetime] = []
        world.sequencer.at(START + MINUTE, "next", lambda: moved.append(world.clock.now()))
        run = asyncio.create_task(world.sequencer.run(START + MINUTE))
        for _ in range(20):
            await asyncio.sleep(0)
        assert moved == []
        threading.Thread(target=world.activity.ended).start()
        await run
        assert moved == [START + MINUTE]

    play(story)


def test_a_task_woken_by_an_answer_is_heard_before_time_moves() -> None:
    async def story(world: World) -> None:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        heard: list[tuple[str, datetime]] = []

        async def ask() -> None:
            heard.append((await answer, world.clock.now()))

        asking = asyncio.create_task(ask())
        bank = Fake(world, "bank")
        loop = asyncio.get_running_loop()

        def reply() -> None:
            loop.call_soon_threadsafe(answer.set_result, "sent")

        bank.requests.append(reply)
        world.sequencer.at(START + MINUTE, "next", lambda: heard.append(("moved", world.clock.now())))
        await world.sequencer.run(START + MINUTE)
        await asking
        assert heard == [("sent", START), ("moved", START + MINUTE)]

    play(story)


def test_sleepers_wake_in_order_and_cancelled_ones_never() -> None:
    async def story(world: World) -> None:
        woke: list[str] = []

        async def sleep(name: str, minutes: int) -> None:
            await world.clock.sleep_until(START + minutes * MINUTE)
            woke.append(f"{name} {world.clock.now():%H:%M}")

        tasks = [asyncio.create_task(sleep(*one)) for one in (("b", 3), ("a", 1), ("cancelled", 2), ("now", 0))]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.sleep(0)
        await world.sequencer.run(START + 2 * MINUTE)
        assert woke == ["now 06:00", "a 06:01"]
        assert world.clock.next_waking() == START + 3 * MINUTE
        await world.sequencer.run(START + 9 * MINUTE)
        assert woke == ["now 06:00", "a 06:01", "b 06:03"]
        assert world.clock.next_waking() is None

    play(story)


def test_timers_and_jobs_are_due_in_virtual_time() -> None:
    class Jobs:
        def __init__(self, first: datetime) -> None:
            self.next: datetime | None = first
            self.ran: list[datetime] = []

        def next_due(self) -> datetime | None:
            return self.next

        def run_due(self, now: datetime) -> Sequence[object]:
            self.ran.append(now)
            self.next = now + timedelta(days=1)
            return ()

    async def story(world: World) -> None:
        bank = Fake(world, "bank")
        jobs = Jobs(START + 7 * MINUTE)
        world.sequencer.join("bank", bank, jobs)
        bank.due = START + 3 * MINUTE
        await world.sequencer.run(START + timedelta(days=2))
        assert bank.ticks == [START + 3 * MINUTE]
        assert jobs.ran == [START + 7 * MINUTE, START + 7 * MINUTE + timedelta(days=1)]

    play(story)


def test_a_replaced_institution_is_left_alone() -> None:
    async def story(world: World) -> None:
        bank = Fake(world, "bank")
        bank.requests.append(lambda: None)
        world.sequencer.leave("bank")
        await world.sequencer.run(START + MINUTE)
        assert bank.batches == []

    play(story)


def test_what_a_step_raises_ends_the_run() -> None:
    class Broken(Fake):
        def step(self) -> int:
            raise ValueError("broken")

    async def story(world: World) -> None:
        Broken(world, "bank").requests.append(lambda: None)
        with pytest.raises(ValueError, match="broken"):
            await world.sequencer.run(START + MINUTE)

    play(story)


def test_work_that_never_ends_is_told_with_its_count() -> None:
    async def story(world: World) -> None:
        world.activity.began()
        world.activity.began()
        with pytest.raises(WorldStuck, match="2 pieces of work have not ended in 0 seconds"):
            await world.activity.wait_idle(within_s=0)
        world.activity.ended()
        with world.activity.parked():
            await world.activity.wait_idle(within_s=1)
        assert world.activity.under_way == 1

    play(story)


def test_an_instant_that_makes_its_own_work_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "ROUNDS_PER_INSTANT", 20)

    async def story(world: World) -> None:
        def again() -> None:
            world.sequencer.at(START, "again", again)

        again()
        with pytest.raises(WorldStuck, match="makes itself: 20 rounds"):
            await world.sequencer.run(START + MINUTE)

    play(story)


def test_a_peer_outside_is_waited_for_until_it_answers_or_is_taken_for_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "OUTSIDE_PATIENCE_S", 0)

    async def story(world: World) -> None:
        answered = world.activity.outside("southbank")
        assert world.activity.under_way == 1
        answered()
        answered()
        assert world.activity.under_way == 0
        world.activity.outside("southbank")
        await world.activity.wait_idle(within_s=5)

    play(story)


def test_time_moves_forward_only() -> None:
    async def story(world: World) -> None:
        with pytest.raises(AssertionError, match="forward only"):
            world.clock.move_to(START - MINUTE)

    play(story)

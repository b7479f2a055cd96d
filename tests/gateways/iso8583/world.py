"""What the tests of links live in: a clock that moves by hand, a count of what is under way, and a loop that reports
every bug."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from gateways.iso8583.dialling import dial
from gateways.iso8583.links import Conversation, Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.wires import Wires

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class ManualClock:
    """Stands still until `advance`."""

    def __init__(self) -> None:
        self._now = START
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._serial = 0

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, at: datetime) -> None:
        if at > self._now:
            self._serial += 1
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._sleepers, (at, self._serial, woken))
            await woken

    @property
    def next_due(self) -> datetime | None:
        return min((at for at, _, woken in self._sleepers if not woken.done()), default=None)

    def move_to(self, at: datetime) -> bool:
        """Whether anybody was woken."""
        self._now = max(self._now, at)
        woke = False
        while self._sleepers and self._sleepers[0][0] <= self._now:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)
                woke = True
        return woke


class Counted:
    """An `Activity` that can be waited for."""

    def __init__(self) -> None:
        self.under_way = 0
        self.begun = 0
        self._changed = asyncio.Event()

    def began(self) -> None:
        self.under_way += 1
        self.begun += 1

    def ended(self) -> None:
        assert self.under_way > 0, "ended more often than begun"
        self.under_way -= 1
        self._changed.set()

    async def idle(self) -> None:
        while self.under_way:
            self._changed.clear()
            await self._changed.wait()


class World:
    """Clock, activity and wires of one test."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.activity = Counted()
        self.wires = Wires(self.activity)

    async def idle(self) -> None:
        await self.activity.idle()

    async def advance(self, step: timedelta) -> None:
        """Let time pass: what falls due happens in order, and what it causes is over before the next."""
        until = self.clock.now() + step
        await self.idle()
        while (due := self.clock.next_due) is not None and due <= until:
            self.clock.move_to(due)
            self.wires.settle()
            await self.idle()
        self.clock.move_to(until)

    async def listen(self, on_link: Callable[[Link], Conversation], **options: Any) -> Listener:
        listener = Listener("127.0.0.1", 0, on_link, clock=self.clock, wires=self.wires, **options)
        await listener.start()
        return listener

    async def dial(self, listener: Listener, on_link: Callable[[Link], Conversation], **options: Any) -> Link:
        return await dial(*listener.address, on_link, clock=self.clock, wires=self.wires, **options)


class Heard:
    """A conversation that keeps what it hears, and does with each frame what it is told."""

    def __init__(self, link: Link, reaction: Callable[[Link, bytes], object] = lambda link, frame: None) -> None:
        self.link = link
        self.reaction = reaction
        self.frames: list[bytes] = []
        self.lost: list[str] = []

    def on_frame(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.reaction(self.link, frame)

    def on_lost(self, reason: str) -> None:
        self.lost.append(reason)


def play(story: Callable[[World], Awaitable[None]]) -> list[BaseException]:
    """Run a story in a world of its own; the bugs its links reported. Nothing may be under way at the end."""
    bugs: list[BaseException] = []

    async def told() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: bugs.append(context["exception"]))
        world = World()
        await asyncio.wait_for(_whole(story, world), timeout=20)

    asyncio.run(told())
    return bugs


async def _whole(story: Callable[[World], Awaitable[None]], world: World) -> None:
    await story(world)
    await world.idle()

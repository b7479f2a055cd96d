"""Load on a processor's public door: so many requests in flight all the time, each answer followed by the next request.

The same in the benchmark's own process and in one of its own (`python -m benchmarks.load`), for writers side by side.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from statistics import median, quantiles
from threading import Thread
from time import perf_counter

from rich.console import Console

from api.clock import MachineClock
from api.interpreter import settle
from api.settings import load_settings
from api.system import System, opened
from benchmarks.transfers import TRANSFERS, Transfer, account_of
from engine.database.institutions import Institution
from engine.processor import Processor
from engine.vocabulary.decision import Answer, Message
from engine.vocabulary.errors import BezantError

LARGEST_MINOR = 100
MOST_A_SECOND = 60_000
"""More transfers than this nobody answers in a second."""


@dataclass(slots=True)
class Heard:
    """What came of a run: how many were answered in `seconds`, and how long each took."""

    seconds: float
    latencies_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> int:
        """Answers a second."""
        return int(len(self.latencies_s) / self.seconds)

    @property
    def mean_us(self) -> int:
        """The mean latency: what pgbench reports, too."""
        return int(sum(self.latencies_s) / len(self.latencies_s) * 1e6)

    @property
    def median_us(self) -> int:
        """The median latency."""
        return int(median(self.latencies_s) * 1e6)

    @property
    def slowest_us(self) -> int:
        """What 99 of 100 stay below."""
        return int(quantiles(self.latencies_s, n=100)[98] * 1e6)


class Load:
    """Transfers between accounts `first` to `last`, chosen by chance from one seed."""

    def __init__(self, processor: Processor, first: int, last: int, name: str) -> None:
        """`name` keeps the references of several loads apart."""
        self._processor = processor
        self._random = Random(name)
        self._accounts = [account_of(number) for number in range(first, last + 1)]
        self._name = name
        self._numbers = count(1)

    async def run(self, in_flight: int, seconds: float, *, hot: bool = False) -> Heard:
        """With so many in flight; `hot`: one account takes part in each of them."""
        heard, finished = Heard(seconds), asyncio.Event()
        # Whoever asks has a machine of its own in life: what can be made beforehand is.
        drawn = [self._next(hot) for _ in range(in_flight + int(MOST_A_SECOND * seconds))]
        gc.freeze()
        loop, ended = asyncio.get_running_loop(), []
        ends_at = perf_counter() + seconds

        def send() -> None:
            sent_at = perf_counter()

            def answered(answer: Answer) -> None:
                assert answer.code == "ok", answer
                now = perf_counter()
                if now < ends_at:
                    heard.latencies_s.append(now - sent_at)
                    send()
                else:
                    ended.append(now)
                    if len(ended) == in_flight:
                        loop.call_soon_threadsafe(finished.set)

            self._processor.submit(drawn.pop(), answered)

        for _ in range(in_flight):
            send()
        await finished.wait()
        return heard

    def _next(self, hot: bool) -> Transfer:
        chance, accounts = self._random.random, self._accounts
        some = int(chance() * len(accounts))
        other = 0 if hot else int(chance() * len(accounts))
        number = next(self._numbers)
        if some == other:
            some = other - 1
        # The hot account is credited and debited in turns, so that it never runs dry.
        if hot and number % 2:
            some, other = other, some
        return Transfer(f"{self._name} {number}", accounts[some], accounts[other], 1 + int(chance() * LARGEST_MINOR))


class Nowhere:
    """A network for who sends nothing."""

    def send(self, message: Message) -> None:
        """Nothing is sent."""

    def deliver(self, message: Message) -> bool:
        """Nothing is delivered."""
        return True


@contextmanager
def serving(system: System, institution: Institution, *, by_loop: bool = False) -> Iterator[Processor]:
    """A processor of the institution with a writer thread.

    Answers are heard, and followed by the next request, in that thread, as if whoever asks had a machine of its own;
    `by_loop`: in the event loop that runs now, as in a host, two hops between threads a request.
    """
    settle()
    processor = Processor(
        institution=institution,
        stages=(TRANSFERS,),
        engine=system.database.institution(institution.name),
        hsm=system.hsm(institution),
        clock=MachineClock(),
        network=Nowhere(),
        hand_over=asyncio.get_running_loop().call_soon_threadsafe if by_loop else None,
    )
    writer = Thread(target=processor.serve)
    writer.start()
    try:
        yield processor
    finally:
        processor.stop()
        writer.join()


async def _beside(name: str, first: int, last: int, seconds: float) -> None:
    """Run once for each line that comes in, "in_flight name", the name its own; say "ready", then each time how many
    were answered a second.
    """
    console = Console(highlight=False)
    with opened(load_settings()) as system, serving(system, system.institution(name)) as processor:
        console.print("ready")
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            in_flight, _, run = line.partition(" ")
            heard = await Load(processor, first, last, f"{run} {first}").run(int(in_flight), seconds)
            console.print(heard.rate)


if __name__ == "__main__":
    try:
        first, last = map(int, sys.argv[2:4])
        asyncio.run(_beside(sys.argv[1], first, last, float(sys.argv[4])))
    except BezantError as problem:
        sys.exit(str(problem))

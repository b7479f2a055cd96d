"""Hosts: institutions that run freely in one process, each with its writer thread, timers, jobs and wires.

A host runs until a signal ends it, and stops in order: nothing new is taken, what waits is decided and answered, the
links are closed. What is still open then (an 0100 without its 0110) is finished by the timers of the next process.

Trouble does not end it. While the database is away requests stay unanswered, as if they had been lost, and everything
that repeats tries again, less and less often, saying so in the log; an embedded server that crashed is started again.
Two things do end it: a port that is busy, at the start, and a writer that fails, for nobody would decide any more.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI

from api.app import create_app, create_metrics_app
from api.clock import WorldClock, machine_now
from api.doors import Doors
from api.heartbeats import Heartbeat
from api.interpreter import settle
from api.members import NETWORK_ID
from api.roles import Host, MemberHost, Place
from api.settings import Settings
from api.system import Seat, System
from api.tokens import Tokens
from engine.database.connections import is_transient
from engine.database.institutions import Institution
from engine.vocabulary.errors import BezantError
from gateways.iso8583.links import CannotListen, PortBusy
from gateways.iso8583.wires import Wires

TICK_WITHIN = timedelta(seconds=1)
"""Timers that another process of the institution has set are seen this soon."""
TICK_APART = timedelta(milliseconds=50)
JOBS_WITHIN = timedelta(seconds=30)
"""A run that failed, or that another process holds, is looked at again this soon."""
CLOCK_WITHIN = timedelta(seconds=1)
KEYS_WITHIN = timedelta(seconds=5)
"""A key that another process has made, activated or retired is taken up this soon."""
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=30)
"""After trouble: how long to wait, doubling from the one to the other."""
THREADS_EACH = 4
"""For each institution: its writer, keys, timers and jobs."""

Turn = Callable[[], datetime]
"""Something that a host does over and over, in a thread; returns when it wants to be done again."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Duty:
    """What a process does for an institution: speak through `host` (None: to nobody), fire timers, run jobs."""

    institution: Institution
    host: Callable[[Place], Host] | None
    ticks: bool = True
    jobs: bool = False


class Standing:
    """The institutions of one process. An async context manager: entered when all of them stand."""

    def __init__(
        self,
        system: System,
        duties: Sequence[Duty],
        *,
        wires: Wires | None = None,
        heartbeats: Sequence[Heartbeat] = (),
    ) -> None:
        """`duties` in the order to start in: who listens before who dials."""
        self.clock: WorldClock
        self.seats: dict[str, Seat] = {}
        self.hosts: dict[str, Host] = {}
        self._system = system
        self._duties = tuple(duties)
        self.wires = wires or Wires()
        self._heartbeats = tuple(heartbeats)
        self._threads = ThreadPoolExecutor(THREADS_EACH * len(duties) + 1, thread_name_prefix="host")
        self._writers: dict[str, asyncio.Future[None]] = {}
        self._repeating: list[asyncio.Task[None]] = []
        self._troubled: set[str] = set()

    async def __aenter__(self) -> Self:
        """Start. Raises `BezantError` for what a person can put right, and leaves nothing running then."""
        settle()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop in order."""
        await self._stop()
        log.info("stopped", institutions=sorted(self.seats))

    async def until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set. Raises what made a writer fail."""
        stopped: asyncio.Future[object] = asyncio.ensure_future(stop.wait())
        writers: list[asyncio.Future[Any]] = list(self._writers.values())
        await asyncio.wait([stopped, *writers], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for writer in self._writers.values():
            if writer.done():
                writer.result()

    async def becomes_well(self, stop: asyncio.Event) -> bool:
        """Wait until all is well, or until `stop` is set; whether it is well. The heartbeats say so by then, too."""
        while not (self.well or stop.is_set()):
            await self.clock.sleep_until(self.clock.now() + TICK_APART)
        await self._in_thread(self._beat)
        return self.well

    @property
    def well(self) -> bool:
        """Whether all that repeats succeeds, and who dials the network is signed on."""
        diallers = [host for host in self.hosts.values() if isinstance(host, MemberHost)]
        return not self._troubled and all(host.reachable(NETWORK_ID) for host in diallers)

    async def _start(self) -> None:
        first = self._duties[0].institution.name
        self.clock = await self._in_thread(lambda: WorldClock(self._system.database.institution(first)))
        for duty in self._duties:
            await self._seat(duty)
        self._repeating += [asyncio.create_task(self._repeat(what, turn)) for what, turn in self._turns()]

    async def _stop(self) -> None:
        for task in self._repeating:
            task.cancel()
        for seat in self.seats.values():
            seat.processor.stop()
        # Their answers are on the loop before they end, and leave before the links are closed.
        await asyncio.gather(*self._repeating, *self._writers.values(), return_exceptions=True)
        for host in reversed(self.hosts.values()):
            await host.close()
        # A job's step that is under way comes to its end.
        await asyncio.to_thread(self._threads.shutdown)
        for heartbeat in self._heartbeats:
            heartbeat.stop()

    async def _seat(self, duty: Duty) -> None:
        name = duty.institution.name
        loop = asyncio.get_running_loop()
        self.seats[name] = seat = await self._in_thread(
            lambda: self._system.seat(duty.institution, clock=self.clock, hand_over=loop.call_soon_threadsafe)
        )
        self._writers[name] = loop.run_in_executor(self._threads, seat.processor.serve)
        if duty.host is not None:
            place = Place(
                duty.institution, seat.processor, self.clock, self.wires, self._system.settings, seat.keys(self.wires)
            )
            self.hosts[name] = seat.outward.host = host = duty.host(place)
            await host.start()

    def _turns(self) -> Iterator[tuple[str, Turn]]:
        yield "the clock", self._keep_time
        for duty in self._duties:
            seat = self.seats[duty.institution.name]
            yield f"the keys of {duty.institution.name}", partial(self._refresh_keys, seat)
            if duty.ticks:
                yield f"the timers of {duty.institution.name}", partial(self._tick, seat)
            if duty.jobs:
                yield f"the jobs of {duty.institution.name}", partial(self._run_jobs, seat)

    def _keep_time(self) -> datetime:
        try:
            self.clock.refresh()
        except Exception as error:
            if is_transient(error):
                self._system.revive()
            raise
        self._beat()
        return self.clock.now() + CLOCK_WITHIN

    def _beat(self) -> None:
        if self.well:
            for heartbeat in self._heartbeats:
                heartbeat.beat(machine_now())

    def _tick(self, seat: Seat) -> datetime:
        seat.processor.tick()
        now, due = self.clock.now(), seat.processor.next_due()
        latest = now + TICK_WITHIN
        # A timer that was just submitted is due until it is decided.
        return max(min(due or latest, latest), now + TICK_APART)

    def _refresh_keys(self, seat: Seat) -> datetime:
        seat.processor.outside.hsm.refresh()
        return self.clock.now() + KEYS_WITHIN

    def _run_jobs(self, seat: Seat) -> datetime:
        seat.scheduler.run_due(self.clock.now())
        latest = self.clock.now() + JOBS_WITHIN
        return min(seat.scheduler.next_due() or latest, latest)

    async def _repeat(self, what: str, turn: Turn) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                again = await self._in_thread(turn)
            except Exception as error:
                self._troubled.add(what)
                _tell(what, error, wait)
                again = self.clock.now() + wait
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                if what in self._troubled:
                    self._troubled.remove(what)
                    log.info("trouble is over", what=what)
                wait = FIRST_WAIT
            await self.clock.sleep_until(again)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class HttpHost:
    """An HTTP interface in this process. An async context manager: entered when it listens."""

    def __init__(self, app: FastAPI, host: str, port: int, setting: str = "BEZANT_API_PORT") -> None:
        """Port 0 takes a free one; `port` says which. `setting` is what chooses it, for when it is busy."""
        self.port = port
        self._place = (host, port)
        self._setting = setting
        self._server = _Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
        )
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Listen. Raises `PortBusy` or `CannotListen`."""
        listening = self._listening()
        self.port = listening.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve([listening]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Accept no more, answer what was asked, end."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    def _listening(self) -> socket.socket:
        host, port = self._place
        try:
            return socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortBusy(
                    f"port {port} on {host} is busy: stop the other program or choose another port with {self._setting}"
                ) from None
            raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}") from None


def http_host(standing: Standing, acquirer: str, bank: str, settings: Settings) -> HttpHost:
    """The HTTP interface before two institutions that stand in this process."""
    doors = Doors(
        acquirer=standing.seats[acquirer].processor,
        bank=standing.seats[bank].processor,
        clock=standing.clock,
        tokens=Tokens(settings.master_key_bytes()),
        well=lambda: standing.well,
        wires=standing.wires,
    )
    return HttpHost(create_app(doors), settings.listen_host, settings.api_port)


def metrics_host(standing: Standing, settings: Settings) -> HttpHost:
    """What the links of this process count, over HTTP, where no other HTTP interface is."""
    app = create_metrics_app(standing.wires)
    return HttpHost(app, settings.listen_host, settings.metrics_port, "BEZANT_METRICS_PORT")


class _Server(uvicorn.Server):
    """Signals are the host's, not the HTTP interface's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _tell(what: str, error: Exception, wait: timedelta) -> None:
    if isinstance(error, BezantError):
        log.warning("trouble", what=what, reason=str(error), next_try_s=wait.seconds)
    elif is_transient(error):
        log.warning("trouble", what=what, reason="the database is away", next_try_s=wait.seconds)
    elif isinstance(error, OSError):
        log.warning("trouble", what=what, reason=f"{error.strerror}: {error.filename}", next_try_s=wait.seconds)
    else:
        log.error("trouble", what=what, reason="a bug of ours", next_try_s=wait.seconds, exc_info=error)


@contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set. The second signal of a kind does what it always did."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked, number)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

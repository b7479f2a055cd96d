"""Hosts run freely: they decide, fire timers, run jobs, outlive their database, and stop in order."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from api.clock import MachineClock
from api.health import heartbeats, http_trouble, trouble
from api.heartbeats import Heartbeat
from api.hosts import Duty, HttpHost, Standing, stopping
from api.roles import AcquirerHost
from engine.database.connections import Database
from engine.database.institutions import move_clock_offset
from engine.database.schema import upgrade_public
from engine.database.server import EmbeddedServer
from engine.processor import Processor
from engine.runtime.jobs import Job, JobContext, Step
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import decode, encode
from gateways.iso8583.links import Link, PortBusy
from gateways.iso8583.listening import Listener
from gateways.iso8583.replies import reply_to
from gateways.iso8583.specifications import SIMNET
from gateways.iso8583.wires import Wires
from tests.api.processes import free_ports
from tests.api.standing_world import Installation, install
from tests.conftest import ROLE_SECRET
from tests.engine.runtime.purse import Ask, OpenPurse, Settle

SOON_S = 20
"""Real seconds within which everything here happens, by far."""


@pytest.fixture(scope="module")
def installation(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(database, "standing", tmp_path_factory.mktemp("standing"))


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Play a story on a loop of its own."""

    async def whole() -> None:
        await asyncio.wait_for(story(), SOON_S)

    asyncio.run(whole())


async def true(condition: Callable[[], bool]) -> None:
    """Return when it is: what another thread does tells nobody."""
    while not condition():
        await asyncio.sleep(0.01)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("host")]


def test_requests_are_decided_and_messages_leave_by_the_host(installation: Installation) -> None:
    async def story() -> None:
        async with Standing(installation.system, [installation.duty()]) as standing:
            processor = standing.seats["standing"].processor
            assert (await processor.ask(OpenPurse("ann", 100))).code == "opened"
            asking = asyncio.create_task(processor.ask(Ask("first")))
            (board,) = installation.boards
            await true(lambda: len(board.sent) == 1)
            assert (await processor.ask(Settle("first"))).code == "settled"
            assert (await asking).code == "done"
        assert board.notes == ["started", "closed"]
        assert threads() == []

    installation.boards.clear()
    run(story)


def test_timers_fire_when_the_worlds_clock_is_moved(installation: Installation) -> None:
    async def story() -> None:
        async with Standing(installation.system, [installation.duty()]) as standing:
            asking = asyncio.create_task(standing.seats["standing"].processor.ask(Ask("moved")))
            await true(lambda: len(installation.boards[-1].sent) == 1)
            with installation.system.database.institution("standing").begin() as connection:
                move_clock_offset(connection, 61_000_000)
            assert (await asking).code == "late"

    run(story)


def test_what_waits_when_the_host_stops_is_decided_and_answered_before_it_hangs_up(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    run_batch = Processor._run

    def slowly(self: Processor, *arguments: object) -> list[Answer | None]:
        held.wait(SOON_S)
        return run_batch(self, *arguments)  # type: ignore[arg-type]

    async def story() -> None:
        heard: list[Answer] = []
        standing = Standing(installation.system, [installation.duty()])
        async with standing:
            monkeypatch.setattr(Processor, "_run", slowly)
            processor, (board,) = standing.seats["standing"].processor, installation.boards
            for owner in ("bob", "cid", "dan"):
                processor.submit(OpenPurse(owner, 1), heard.append)
            asyncio.get_running_loop().call_later(0.1, held.set)
            closed_after: list[int] = []
            monkeypatch.setattr(board, "notes", _Noting(lambda: closed_after.append(len(heard))))
        assert [answer.code for answer in heard] == ["opened"] * 3
        assert closed_after == [3]

    installation.boards.clear()
    run(story)


class _Noting(list[str]):
    """Calls back when something is noted."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self._call = call

    def append(self, note: str) -> None:
        self._call()


def test_a_stopped_host_takes_nothing_more(installation: Installation) -> None:
    async def story() -> None:
        async with Standing(installation.system, [installation.duty()]) as standing:
            processor = standing.seats["standing"].processor
        with pytest.raises(BezantError, match="try again later"):
            processor.submit(OpenPurse("eve", 1))

    run(story)


def test_a_port_that_is_busy_leaves_nothing_running(installation: Installation) -> None:
    async def story() -> None:
        duty = installation.duty(trouble=PortBusy("port 1 on 127.0.0.1 is busy"))
        with pytest.raises(PortBusy):
            async with Standing(installation.system, [duty]):
                raise AssertionError("it stands")
        assert installation.boards[-1].notes == ["started", "closed"]
        assert threads() == []

    run(story)


def test_a_writer_that_fails_ends_the_host(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: Processor, *_arguments: object) -> None:
        raise AssertionError("a bug")

    async def story() -> None:
        with pytest.raises(AssertionError, match="a bug"):
            async with Standing(installation.system, [installation.duty()]) as standing:
                monkeypatch.setattr(Processor, "_hand_back", broken)
                standing.seats["standing"].processor.submit(OpenPurse("fay", 1))
                await standing.until(asyncio.Event())

    run(story)


def test_a_signal_ends_it(installation: Installation) -> None:
    async def story() -> None:
        with stopping() as stop:
            async with Standing(installation.system, [installation.duty()]) as standing:
                os.kill(os.getpid(), signal.SIGTERM)
                await standing.until(stop)

    run(story)


def test_a_heart_beats_while_all_is_well_and_not_after(installation: Installation) -> None:
    heartbeat = Heartbeat(installation.system.settings.data_folder, "issuer-standing")

    async def story() -> None:
        async with Standing(installation.system, [installation.duty()], heartbeats=[heartbeat]) as standing:
            await true(heartbeat.path.exists)
            assert standing.well
        assert not heartbeat.path.exists()

    run(story)


class _Network:
    """The other end of a member's link: gives every request the same response code (DE 39), and notes its member."""

    def __init__(self, response_code: ResponseCode, asked: list[str]) -> None:
        self._response_code = response_code
        self._asked = asked

    def met(self, link: Link) -> _Network:
        self._link = link
        return self

    def on_frame(self, frame: bytes) -> None:
        fields = decode(frame, SIMNET)
        self._link.send(encode(reply_to(fields, self._response_code), SIMNET))
        self._asked.append(fields["33"])

    def on_lost(self, reason: str) -> None:
        """Nothing is left to do."""


@pytest.mark.parametrize("response_code", [ResponseCode.APPROVED, ResponseCode.ROUTING_UNKNOWN])
def test_an_acquirer_is_well_only_when_the_network_has_signed_it_on(
    installation: Installation, response_code: ResponseCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_on = response_code is ResponseCode.APPROVED

    async def story() -> None:
        asked: list[str] = []
        network = Listener("127.0.0.1", 0, _Network(response_code, asked).met, clock=MachineClock(), wires=Wires())
        await network.start()
        settings = installation.system.settings.model_copy(
            update={"network_port": network.address[1], "pos_port": int(free_ports()["BEZANT_POS_PORT"])}
        )
        monkeypatch.setattr(installation.system, "settings", settings)
        (left,) = heartbeats("acquirer", "bank", settings)
        duty = Duty(installation.institution, AcquirerHost)
        async with Standing(installation.system, [duty], heartbeats=[left]) as standing:
            await true(lambda: bool(asked))
            if signed_on:
                await true(left.path.exists)
            assert standing.well is signed_on
            found = await trouble("acquirer", "bank", settings)
            assert (found is None) is signed_on
            assert signed_on or (found is not None and "is it signed on to the network?" in found)
        assert await trouble("acquirer", "bank", settings) is not None
        await network.close()

    run(story)


def test_jobs_are_run_and_one_that_fails_is_tried_again(database: Database, tmp_path: Path) -> None:
    tries: list[str] = []

    def step(context: JobContext) -> int:
        tries.append(str(context.business_date))
        if len(tries) == 1:
            raise BezantError("not yet")
        return 1

    installation = install(database, "working", tmp_path, (Job("note", "08:30", (Step("note", step),)),))

    async def story() -> None:
        async with Standing(installation.system, [installation.duty(jobs=True)]) as standing:
            await true(lambda: not standing.well)
            await true(lambda: bool(standing.seats["working"].scheduler.history(1)[0].finished_at))
            await true(lambda: standing.well)
        assert tries[0] == tries[1] == "2026-03-02"

    run(story)


def test_a_host_outlives_its_database_and_starts_it_again(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "postgresql")
    with server as url:
        database = Database(url, ROLE_SECRET)
        upgrade_public(database)
        installation = install(database, "living", tmp_path, revive=server.start)

        async def story() -> None:
            async with Standing(installation.system, [installation.duty()]) as standing:
                processor = standing.seats["living"].processor
                assert (await processor.ask(OpenPurse("ann", 100))).code == "opened"
                _crash(tmp_path / "postgresql")
                await true(lambda: not standing.well)
                answer = Answer("unavailable")
                while answer.code == "unavailable":
                    answer = await processor.ask(OpenPurse("bob", 50))
                assert answer.code == "opened"
                await true(lambda: standing.well)

        run(story)
        database.dispose()


def test_http_is_served_until_the_end_and_a_busy_port_is_one_sentence() -> None:
    app = FastAPI()

    @app.get("/health")
    def health() -> str:
        return "well"

    async def story() -> None:
        async with HttpHost(app, "127.0.0.1", 0) as served:
            port = served.port
            assert await asyncio.to_thread(http_trouble, "127.0.0.1", port) is None
            with pytest.raises(PortBusy, match=f"port {port} on 127.0.0.1 is busy: .* BEZANT_API_PORT"):
                async with HttpHost(app, "127.0.0.1", port):
                    raise AssertionError("it listens")
        found = await asyncio.to_thread(http_trouble, "127.0.0.1", port)
        assert found == f"nobody answers at 127.0.0.1 port {port} (ConnectionRefusedError)"

    run(story)


def _crash(folder: Path) -> None:
    """Kill the server of a data folder at once, as a crash would."""
    number = int((folder / "cluster" / "postmaster.pid").read_text().split()[0])
    os.kill(number, signal.SIGKILL)

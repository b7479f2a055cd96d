"""Four processes write into one book for a minute while they and the database server are killed, again and again.

Hard cases, all of which come up: killed before COMMIT, between COMMIT and the answer, and while the answer is written
down; the server gone before, at or after COMMIT; the same request on its way from several processes when one of them
dies. Whatever was acknowledged stands once, with that answer; whatever was not stands at most once, and asking again
tells.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic
from typing import IO
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from api import cli
from api.clock import MachineClock, machine_now
from api.settings import Settings
from api.system import MEMBERS, OUR_BANK, System, role_secret
from engine.accounts.model import OpenCustomer
from engine.database.connections import Database
from engine.database.server import EmbeddedServer
from engine.processor import Processor
from engine.transfers.model import KEYS, SendMoney
from engine.vocabulary.keys import key_of
from tests.slow.writer import CUSTOMERS, IN_FLIGHT, acknowledged_in, handle_of, request_of, told

ROOT = Path(__file__).parents[2]
SEED = 20260302
SECONDS = 60
WRITERS = 4
PEOPLE = 40
OPENING_MINOR = 3_000
"""Little enough that some transfers are refused: those answers must stay the same as well."""


@dataclass(slots=True)
class Writer:
    """One of the writers: a process that is started again whenever it is found dead."""

    number: int
    folder: Path
    settings: Settings
    log: IO[bytes]
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def have_running(self) -> None:
        """Start it unless it runs."""
        if self.process is None or self.process.poll() is not None:
            assert self.settings.database_url is not None
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.slow.writer", str(self.folder), str(self.number), str(SEED)],
                env={
                    **os.environ,
                    "BEZANT_DATABASE_URL": self.settings.database_url.get_secret_value(),
                    "BEZANT_DATA_FOLDER": str(self.settings.data_folder),
                },
                cwd=ROOT,
                stdout=self.log,
                stderr=self.log,
            )

    def kill(self) -> None:
        """SIGKILL, and gone."""
        if self.process is not None:
            self.kills += self.process.poll() is None
            self.process.kill()
            self.process.wait()

    @property
    def acknowledged(self) -> dict[int, str]:
        """What it has been told."""
        return acknowledged_in(self.folder / f"writer {self.number}")


@dataclass(slots=True)
class Havoc:
    """What is killed, and when: by chance, from the seed."""

    writers: Sequence[Writer]
    server: EmbeddedServer
    postmaster: Path
    server_kills: int = 0
    chance: Random = field(default_factory=lambda: Random(SEED))

    def wreak(self) -> None:
        """For `SECONDS`, at least; nothing of ours runs afterwards."""
        pause, end = Event(), monotonic() + SECONDS
        try:
            while monotonic() < end:
                for writer in self.writers:
                    writer.have_running()
                pause.wait(self.chance.uniform(0.3, 3))
                if self.chance.randrange(6) == 0:
                    self._kill_server()
                else:
                    for writer in self.chance.sample(self.writers, self.chance.choice((1, 1, 2))):
                        writer.kill()
        finally:
            for writer in self.writers:
                writer.kill()

    def _kill_server(self) -> None:
        os.kill(int(self.postmaster.read_text().split()[0]), signal.SIGKILL)
        self.server_kills += 1
        Event().wait(self.chance.choice((0, 0, 1, 8)))  # eight seconds: longer than a writer keeps trying
        self.server.start()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_acknowledged_stands_once_whoever_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedServer(tmp_path / "postgresql")
    with server as url, (tmp_path / "writers.log").open("ab") as log:
        settings = Settings(data_folder=tmp_path, database_url=SecretStr(url))
        with _opened(settings, url) as system:
            customers = _open_bank(system)
        (tmp_path / CUSTOMERS).write_text("\n".join(map(str, customers)))
        writers = [Writer(number, tmp_path, settings, log) for number in range(WRITERS)]
        havoc = Havoc(writers, server, tmp_path / "postgresql" / "cluster" / "postmaster.pid")
        havoc.wreak()
        assert havoc.server_kills >= 2 and all(writer.kills >= 2 for writer in writers), "there was havoc"
        with _opened(settings, url) as system:
            _prove(system, writers, customers)
        monkeypatch.setenv("BEZANT_DATABASE_URL", url)
        monkeypatch.setenv("BEZANT_DATA_FOLDER", str(tmp_path))
        assert cli.run(["audit"]) == 0
    assert "Traceback" not in (tmp_path / "writers.log").read_text()


@contextmanager
def _opened(settings: Settings, url: str) -> Iterator[System]:
    database = Database(url, role_secret(settings))
    try:
        yield System(settings, database, settings.data_folder / "files")
    finally:
        database.dispose()


def _open_bank(system: System) -> list[UUID]:
    """Our bank with its customers; their identifiers."""
    system.set_up(tuple(member for member in MEMBERS if member.name == OUR_BANK), machine_now())
    answers = system.seat(system.institution(OUR_BANK), clock=MachineClock()).processor.execute(
        OpenCustomer(handle=handle_of(place), name="A customer", opening_deposit_minor=OPENING_MINOR)
        for place in range(PEOPLE)
    )
    return [UUID(str(answer.facts["customer_id"])) for answer in answers if answer is not None]


def _prove(system: System, writers: Sequence[Writer], customers: Sequence[UUID]) -> None:
    """Ask again for everything that was ever asked: answers as acknowledged, effects as answered, once each."""
    processor = system.seat(system.institution(OUR_BANK), clock=MachineClock()).processor
    before = _effects(processor)
    assert set(before.values()) == {1}, "nothing has happened twice"
    words: dict[UUID, str] = {}
    unheard: set[UUID] = set()
    for writer in writers:
        acknowledged = writer.acknowledged
        assert len(acknowledged) > 10 * IN_FLIGHT
        numbers = range(max(acknowledged) + 2 * IN_FLIGHT)
        requests = [request_of(SEED, writer.number, number, customers) for number in numbers]
        for number, request, answer in zip(numbers, requests, processor.execute(requests), strict=True):
            assert answer is not None and answer.code in ("sent", "refused"), answer
            word, key = told(answer), key_of(KEYS[SendMoney], request)
            assert acknowledged.get(number, word) == word, "another answer than before"
            assert words.setdefault(key, word) == word, "all writers hear the same"
            if number not in acknowledged and key in before:
                unheard.add(key)
    assert unheard, "somebody was killed between COMMIT and the answer"
    sent = {key for key, word in words.items() if '"code": "sent"' in word}
    assert _effects(processor) == Counter(sent), "each that was sent moved money once, nothing else did"
    assert len(sent) < len(words), "some were refused"
    with processor.engine.connect() as connection:
        assert connection.execute(text("select count(*) from set_aside")).scalar() == 0


def _effects(processor: Processor) -> Counter[UUID]:
    """How many entries there are of each request for a transfer."""
    with processor.engine.connect() as connection:
        rows = connection.execute(
            text("select request_id, count(*) as times from entries where kind = 'transfer' group by request_id")
        )
        return Counter({row.request_id: row.times for row in rows})

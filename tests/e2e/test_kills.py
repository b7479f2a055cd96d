"""Processes killed with -9 during traffic: the issuer between commit and reply, and the database server.

Hard cases: a hold that is in the books while nobody was told (the network gives the request up and reverses it); a
request that was sent and never read; a repeat that arrives while all this is open (joins, and hears the one answer);
a batch whose COMMIT may or may not have happened (its keys tell). What a terminal was told is what the books say.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, cycle
from pathlib import Path
from typing import IO

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from api.settings import Settings
from api.system import OUR_ACQUIRER, OUR_BANK, System, role_secret
from engine.database.connections import Database
from engine.database.server import EmbeddedServer
from engine.vocabulary.errors import BezantError
from issuer.authorization.holds import HOLD
from tests.e2e.conftest import settings_of
from tests.e2e.terminal import Card, Fields, Terminal, answers
from tests.e2e.world import Opened, World, findings, open_world, settle, until

ROOT = Path(__file__).parents[2]
ISSUERS_PATIENCE = timedelta(seconds=16)
"""After this the network has given a silent issuer up."""
EVERYBODYS_PATIENCE = timedelta(minutes=1)
"""After this the acquirer has given everything up, too."""
REPEATED = timedelta(minutes=10)
"""After this whatever was not acknowledged has been told again."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One with a database server of its own, which may be killed."""

    system: System
    server: EmbeddedServer
    opened: Opened

    @property
    def settings(self) -> Settings:
        return self.system.settings

    def kill_database(self) -> None:
        """SIGKILL to the server's first process; its others end when they notice."""
        pid_file = self.settings.data_folder / "postgresql" / "cluster" / "postmaster.pid"
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    server = EmbeddedServer(tmp_path / "postgresql")
    with server as url:
        settings = settings_of(tmp_path).model_copy(update={"database_url": SecretStr(url)})
        database = Database(url, role_secret(settings))
        system = System(settings, database, tmp_path / "files", server.start)
        yield Installation(system, server, open_world(system))
        database.dispose()


@dataclass(slots=True)
class Till:
    """A terminal with a memory: what it has asked and what it was answered, by trace number."""

    terminal: Terminal
    cards: Iterable[Card]
    asked: dict[tuple[str, str], Fields] = field(default_factory=dict)
    heard: dict[tuple[str, str], Fields] = field(default_factory=dict)
    _amounts: Iterator[int] = field(default_factory=lambda: count(1_000))

    def sell(self, number: int) -> None:
        """So many new purchases at once, every other one with a PIN. Answers are not waited for."""
        requests = []
        for amount_minor, card in zip((next(self._amounts) for _ in range(number)), self.cards, strict=False):
            with_pin = amount_minor % 2
            make = self.terminal.purchase_with_pin if with_pin else self.terminal.purchase
            requests.append(make(card, amount_minor))
        self.asked |= {answers(request): request for request in requests}
        self.terminal.send(*requests)

    def repeat(self) -> None:
        """Ask again for everything that has no answer."""
        self.terminal.send(*(self.terminal.repeat(self.asked[key]) for key in self.open))

    @property
    def open(self) -> list[tuple[str, str]]:
        """What has no answer."""
        return [key for key in self.asked if key not in self.heard]

    def listen(self, within_s: float = 0.3) -> None:
        """Take the answers that come, until all have come or none comes for a while. A second one must be the first."""
        while self.open:
            try:
                reply = self.terminal.receive(within_s)
            except TimeoutError:
                return
            assert self.heard.setdefault(answers(reply), reply) == reply, "two answers to one request differ"

    def listen_for(self, number: int) -> None:
        """Take so many answers."""
        for _ in range(number):
            reply = self.terminal.receive()
            self.heard[answers(reply)] = reply

    def asks_again(self) -> bool:
        """Repeat what is open, and listen; whether nothing is open."""
        self.repeat()
        return self.all_answered()

    def all_answered(self) -> bool:
        """Listen; whether nothing is open."""
        self.listen()
        return not self.open

    @property
    def approved(self) -> dict[str, int]:
        """What was approved, in minor units, by the network's reference."""
        return {reply["63"]: int(reply["4"]) for reply in self.heard.values() if reply["39"] == "00"}


@contextmanager
def running(program: list[str], settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours as a process, with the settings of the installation in its environment."""
    assert settings.database_url is not None
    environment = {
        **os.environ,
        "BEZANT_DATABASE_URL": settings.database_url.get_secret_value(),
        "BEZANT_DATA_FOLDER": str(settings.data_folder),
        "BEZANT_NETWORK_PORT": str(settings.network_port),
    }
    told: IO[bytes]
    with log.open("ab") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", *program], env=environment, cwd=ROOT, stdout=told, stderr=told
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def prove(world: World, till: Till) -> None:
    """What the terminal was told is what is in the books, once; nothing is open; every proof holds."""
    # In this order: whoever has an acknowledgement has passed the reversal on.
    open_at_acquirer = "select count(*) from payments where reversal_state = 'sent'"
    until(lambda: world.value(OUR_ACQUIRER, open_at_acquirer) == 0, "the network acknowledges every reversal")
    open_at_network = "select count(*) from reversals where state <> 'acknowledged'"
    until(lambda: world.value("simnet", open_at_network) == 0, "the issuer acknowledges every reversal")
    held = world.rows(
        OUR_BANK, "select network_reference, held_left_minor from authorizations where state = 'approved'"
    )
    assert dict(held) == till.approved
    captured = world.rows(
        OUR_ACQUIRER, "select network_reference, captured_minor from payments where state = 'captured'"
    )
    assert dict(captured) == till.approved
    assert world.value(OUR_ACQUIRER, "select count(*) from payments") == len(till.asked)
    assert world.rows(OUR_ACQUIRER, "select id from payments where state = 'pending'") == []
    placed_twice = "select subject_id from entries where kind = :hold group by subject_id having count(*) > 1"
    assert world.rows(OUR_BANK, placed_twice, hold=HOLD) == []
    assert findings(world.system) == []


def settle_and_prove(installation: Installation, spent_minor: int) -> None:
    """The night after, without wires: what was approved is cleared, settled and paid, and proven again."""
    settle(installation.system)
    assert findings(installation.system) == []
    brought = sum(
        person.opening_minor + (person.savings_minor or 0) for person in installation.opened.population.of(OUR_BANK)
    )
    with installation.system.database.institution(OUR_BANK).connect() as connection:
        rows = connection.exec_driver_sql(
            "select state, count(*), sum(presented_minor) from authorizations group by state order by state"
        ).all()
    cleared = {state: int(presented) for state, _, presented in rows if presented}
    assert cleared == {"cleared": spent_minor}
    assert brought > spent_minor


def _sell_until_killed(world: World, till: Till, settings: Settings, log: Path, batches: int) -> None:
    """Serve the bank until it has committed so many batches, the last of which nobody hears of."""
    with running(["tests.e2e.crashing_issuer", str(batches)], settings, log) as crashing:
        world.wait_signed_on(OUR_BANK)
        while crashing.poll() is None:
            till.sell(6)
            till.listen()
        assert crashing.returncode == -signal.SIGKILL
    until(lambda: not world.signed_on(OUR_BANK), "the network has noticed")


@pytest.mark.parametrize("network_gives_up", [False, True], ids=["restarted in time", "restarted too late"])
def test_an_issuer_killed_between_commit_and_reply_doubles_nothing(
    installation: Installation, tmp_path: Path, network_gives_up: bool
) -> None:
    settings, log = installation.settings, tmp_path / "issuer.log"
    others = (OUR_BANK, "northbank", "southbank")
    with World(installation.system, installation.opened, elsewhere=others) as world, world.terminal() as terminal:
        till = Till(terminal, cycle(installation.opened.cards[OUR_BANK]))
        _sell_until_killed(world, till, settings, log, 5)
        assert till.approved and till.open, "some heard an answer, and some were decided on and never heard of it"
        till.repeat()
        if network_gives_up:
            world.move(ISSUERS_PATIENCE)
            until(till.all_answered, "the network has given the issuer up")
        with running(["api", "serve", "issuer", "--institution", OUR_BANK], settings, log):
            world.wait_signed_on(OUR_BANK)
            till.sell(20)
            world.move(ISSUERS_PATIENCE)
            until(till.all_answered, "all is answered")
            world.move(REPEATED)
            prove(world, till)
        reversed_holds = "select count(*) from authorizations where state = 'reversed'"
        assert world.value(OUR_BANK, reversed_holds) > 0, "what was committed and never told has been taken back"
    settle_and_prove(installation, sum(till.approved.values()))
    assert "Traceback" not in log.read_text()


def _moved(world: World, by: timedelta) -> bool:
    """Move the world's clock; whether that could be written down."""
    try:
        world.move(by)
    except (BezantError, OperationalError):
        return False
    return True


def _kill_database_during_traffic(installation: Installation, world: World, till: Till) -> None:
    """Sixty under way, some of them answered, the rest somewhere between three institutions."""
    till.sell(60)
    till.listen_for(3)
    installation.kill_database()
    till.listen()
    until(lambda: _moved(world, EVERYBODYS_PATIENCE), "the hosts have started the server again")
    until(till.asks_again, "all is answered")


def test_a_database_killed_during_traffic_doubles_and_loses_nothing(installation: Installation) -> None:
    with World(installation.system, installation.opened) as world, world.terminal() as terminal:
        till = Till(terminal, cycle(installation.opened.cards[OUR_BANK]))
        till.sell(10)
        until(till.all_answered, "answers before the crash")
        _kill_database_during_traffic(installation, world, till)
        till.sell(20)
        until(till.all_answered, "answers after the crash")
        world.move(REPEATED)
        prove(world, till)
    settle_and_prove(installation, sum(till.approved.values()))


@pytest.mark.slow
def test_a_database_killed_again_and_again_doubles_and_loses_nothing(installation: Installation) -> None:
    with World(installation.system, installation.opened) as world, world.terminal() as terminal:
        till = Till(terminal, cycle(installation.opened.cards[OUR_BANK]))
        for _ in range(5):
            _kill_database_during_traffic(installation, world, till)
        world.move(REPEATED)
        prove(world, till)
    settle_and_prove(installation, sum(till.approved.values()))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_issuer_killed_again_and_again_doubles_nothing(installation: Installation, tmp_path: Path) -> None:
    settings, log = installation.settings, tmp_path / "issuer.log"
    others = (OUR_BANK, "northbank", "southbank")
    with World(installation.system, installation.opened, elsewhere=others) as world, world.terminal() as terminal:
        till = Till(terminal, cycle(installation.opened.cards[OUR_BANK]))
        for batches in range(1, 9):
            _sell_until_killed(world, till, settings, log, batches)
            world.move(ISSUERS_PATIENCE)
        with running(["api", "serve", "issuer", "--institution", OUR_BANK], settings, log):
            world.wait_signed_on(OUR_BANK)
            world.move(REPEATED)
            until(till.asks_again, "all is answered")
            prove(world, till)
    settle_and_prove(installation, sum(till.approved.values()))

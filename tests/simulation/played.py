"""A small day, played once for all tests that look at what it left: rows, files, statements, log lines.

It is the smallest day of `bezant demo` on which everything happens that can. The world's own watcher at the terminals
tells what was said there, so that tests know every secret that was used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import structlog
from pydantic import SecretStr

from api.audit import Verdict, audit
from api.logs import set_up_logs
from api.settings import Settings
from api.system import System, opened, role_secret
from engine.database.connections import Database
from engine.database.fresh import fresh_database
from simulator.auditor import Auditor
from simulator.chance import Chance
from simulator.day import BEGINS_AT, plan
from simulator.faults import Fate, FaultPlan
from simulator.playing import Record, play
from simulator.population import populate
from simulator.terminals import TerminalRequest
from simulator.town import Town
from tests.simulation.conftest import EVENTFUL

DATABASE = "bezant_played_day"
_SET_UP = "opening the institutions"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDay:
    """What is left of it. The database stays until the run ends; nobody is connected to it."""

    settings: Settings
    files: Path
    record: Record
    requests: tuple[TerminalRequest, ...]
    """What terminals sent, with every secret in it, repeats included."""
    statements: tuple[str, ...]
    """Each statement that was sent since the institutions were set up, once, in the order of its first time."""
    log: str
    """Every line of every library, as it would have been shown."""
    told: str
    """The same before anything was masked."""
    verdicts: tuple[Verdict, ...]

    @contextmanager
    def system(self) -> Iterator[System]:
        """The installation, as any program would open it."""
        with opened(self.settings) as system:
            yield system


class _Listening(Auditor):
    """The auditor, who also remembers what was said."""

    def __init__(self, record: Record, town: Town) -> None:
        super().__init__(record.population, record.day, record.faults, town.clock.now)
        self.requests: list[TerminalRequest] = []

    def sent(self, request: TerminalRequest, frame: bytes, fate: Fate) -> None:
        self.requests.append(request)
        super().sent(request, frame, fate)


class _Unmasked(logging.Handler):
    """Log lines as they were handed over, with their fields."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.msg} {record.args} {record.exc_info}")


class _Statements:
    """Hears every statement; keeps those since it was told to."""

    def __init__(self) -> None:
        self.kept: dict[str, None] = {}
        self.listening = False

    def __call__(self, statement: str) -> None:
        if self.listening:
            self.kept[statement] = None


def play_day(server_url: str, folder: Path) -> PlayedDay:
    """Play it in a database and a folder of its own."""
    url = fresh_database(server_url, DATABASE)
    settings = Settings(data_folder=folder, database_url=SecretStr(url), log_level="debug")
    statements, unmasked, shown = _Statements(), _Unmasked(), StringIO()
    database = Database(url, role_secret(settings), statements)
    system = System(settings, database, folder / "files")
    with _logging_to(shown, unmasked):
        record, requests = asyncio.run(_play(system, statements))
        verdicts = tuple(audit(system, system.institutions()))
    database.dispose()
    return PlayedDay(
        settings=settings,
        files=system.files_folder,
        record=record,
        requests=tuple(requests),
        statements=tuple(statements.kept),
        log=shown.getvalue(),
        told="\n".join(unmasked.lines),
        verdicts=verdicts,
    )


async def _play(system: System, statements: _Statements) -> tuple[Record, list[TerminalRequest]]:
    chance, level = Chance(EVENTFUL["seed"]), EVENTFUL["level"]
    population = populate(chance)
    day = plan(chance, population, EVENTFUL["payments"], level)
    record = Record(population, day, FaultPlan(chance, level, day.silences))

    def tell(what: str) -> None:
        statements.listening = what != _SET_UP

    async with Town(system, population, BEGINS_AT) as town:
        auditor = _Listening(record, town)
        await play(town, record, auditor, tell)
    return record, auditor.requests


@contextmanager
def _logging_to(shown: StringIO, unmasked: logging.Handler) -> Iterator[None]:
    """Everything that is logged, from debug on; afterwards the log is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    set_up_logs("debug", "json", shown)
    root.addHandler(unmasked)
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.reset_defaults()

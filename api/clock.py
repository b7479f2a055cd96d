"""The world's clock of a running installation: the machine's, plus an offset that all processes read from the database.

The machine's own clock serves what lies outside the world as well: heartbeats, which one process leaves for another.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from engine.database.institutions import read_clock_offset

LONGEST_SLEEP_S = 1
"""A sleeper looks again this often, because the offset may have been moved."""


def machine_now() -> datetime:
    """The machine's clock, UTC: for what concerns processes and not the world."""
    return datetime.now(UTC)


class MachineClock:
    """The machine's clock as a port: for tools that stand outside the world, and for what the world's is made of."""

    def now(self) -> datetime:
        """The instant, UTC."""
        return machine_now()

    async def sleep_until(self, at: datetime) -> None:
        """Return when it is `at`, be it by waiting or because the clock was moved."""
        while (left := (at - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, LONGEST_SLEEP_S))


class WorldClock(MachineClock):
    """Time as the installation has it. `refresh` reads the offset again; it only grows."""

    def __init__(self, engine: Engine) -> None:
        """Reads the offset at once, as any institution or the owner. Raises `DatabaseUnavailable`."""
        self._engine = engine
        self._offset = timedelta()
        self.refresh()

    def refresh(self) -> None:
        """Read the offset. Any thread."""
        with self._engine.connect() as connection:
            self._offset = timedelta(microseconds=read_clock_offset(connection))

    def now(self) -> datetime:
        """The instant, UTC."""
        return super().now() + self._offset

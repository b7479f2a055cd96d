"""An issuing bank that dies as if by kill -9 between commit and reply: `python -m tests.e2e.crashing_issuer 5`.

The production host of `api.hosts`, with one thing replaced: where the fifth batch, committed, would be handed over to
leave, the process ends. Settings come from the environment, as for `bezant serve issuer`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime

from api.hosts import Duty, Standing, stopping
from api.roles import MemberHost
from api.settings import load_settings
from api.system import OUR_BANK, Seat, System, role_secret
from engine.database.connections import Database
from engine.database.institutions import Institution
from engine.ports import Activity, Clock
from engine.processor import HandOver


class CrashingSystem(System):
    """Seats institutions whose process is killed after so many batches are committed."""

    batches_left: int

    def seat(
        self,
        institution: Institution,
        *,
        clock: Clock,
        since: datetime | None = None,
        hand_over: HandOver | None = None,
        activity: Activity | None = None,
    ) -> Seat:
        """See `System.seat`."""
        assert hand_over is not None, "a host hands its batches over"

        def killed(call: Callable[[], None]) -> object:
            self.batches_left -= 1
            if self.batches_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return hand_over(call)

        return super().seat(institution, clock=clock, since=since, hand_over=killed, activity=activity)


async def _serve(system: System) -> None:
    with stopping() as stop:
        async with Standing(system, [Duty(system.institution(OUR_BANK), MemberHost)]) as standing:
            await standing.until(stop)


def main(batches: int) -> None:
    """Serve our bank until the crash."""
    settings = load_settings()
    assert settings.database_url is not None, "the database is somebody else's"
    database = Database(settings.database_url.get_secret_value(), role_secret(settings))
    system = CrashingSystem(settings, database, settings.data_folder / "files")
    system.batches_left = batches
    asyncio.run(_serve(system))


if __name__ == "__main__":
    main(int(sys.argv[1]))

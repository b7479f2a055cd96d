"""A call at an instant of the clock: what timeouts and echoes are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from engine.ports import Clock
from gateways.iso8583.wires import Wires


class Alarm:
    """Calls `ring` once, when `clock` has reached `at`, unless cancelled before. Keep a reference to it as long as it
    matters."""

    __slots__ = ("_task",)

    def __init__(self, clock: Clock, at: datetime, ring: Callable[[], None], wires: Wires) -> None:
        async def wait() -> None:
            await clock.sleep_until(at)
            ring()

        self._task = asyncio.get_running_loop().create_task(wait())
        # Until the task has run its first step the clock does not know of this alarm, and must not run past it.
        wires.settle()

    def cancel(self) -> None:
        """Never ring. Harmless after it has rung, and from within `ring`."""
        if not self._task.done() and asyncio.current_task() is not self._task:
            self._task.cancel()

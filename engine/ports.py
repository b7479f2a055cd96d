"""What the engine needs from outside, as Protocols: time, the network, the bank rail, the HSM.

`api/system.py` wires them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from engine.crypto.door import Hsm, KeyRefused, KeyUsage, pair_name
from engine.vocabulary.clearing import ClearingRecord, R
from engine.vocabulary.decision import Answer, Message
from engine.vocabulary.files import FileTotals
from engine.vocabulary.settlement import D, SettlementDocument

__all__ = [
    "Activity",
    "ClearingFormat",
    "Clock",
    "Door",
    "Hsm",
    "KeyRefused",
    "KeyUsage",
    "Network",
    "NoActivity",
    "SettlementFormat",
    "pair_name",
]


class Clock(Protocol):
    """The world's time. Timeouts, echoes, backoffs and schedules read no other."""

    def now(self) -> datetime:
        """The instant, in UTC, aware."""
        ...

    async def sleep_until(self, at: datetime) -> None:
        """Return when the clock has reached `at`."""
        ...


class Activity(Protocol):
    """Counts work under way, so that a simulator may know when the world is idle.

    Each `began` is met by one `ended`. Thread-safe.
    """

    def began(self) -> None:
        """Something (a frame, a call) is on its way."""
        ...

    def ended(self) -> None:
        """It has arrived, and what it caused has begun or is queued."""
        ...


class NoActivity:
    """Counts nothing: outside the simulator nobody asks."""

    def began(self) -> None:
        """Nothing."""

    def ended(self) -> None:
        """Nothing."""


class Door(Protocol):
    """The way in: an institution's processor, as a gateway sees it."""

    def submit(self, request: Any, reply: Callable[[Answer], None] | None = None) -> UUID:
        """Queue a request; `reply` hears its answer once. Any thread. Raises `BezantError` when too many wait."""
        ...


class Network(Protocol):
    """The way to other institutions."""

    def send(self, message: Message) -> None:
        """Send once, from memory. Not connected counts as lost: the sender's timer notices."""
        ...

    def deliver(self, message: Message) -> bool:
        """Hand over a durable message (a file). True when the other side has it; False to be tried again."""
        ...


class ClearingFormat(Protocol):
    """The shape of clearing files: header, records, trailer with totals."""

    def write(self, path: Path, totals: FileTotals, records: Iterable[ClearingRecord]) -> None:
        """Write a whole file, its records taken one by one."""
        ...

    def read(
        self, path: Path, kind: type[R], check: Callable[[FileTotals, R], None] = ...
    ) -> tuple[FileTotals, Iterable[R]]:
        """Prove a whole file, whose records are of one kind, and give them to be read one by one, as often as needed.

        `FormatError` when a record is malformed, of another kind, or refused by `check` (which raises it; it is told
        what the header claims), or when the totals do not match: then nothing of it counts.
        """
        ...


class SettlementFormat(Protocol):
    """The shape of settlement files: the documents of `engine.vocabulary.settlement`."""

    def write(self, path: Path, document: SettlementDocument) -> None:
        """Write a whole file. The document says its name (`file_name`) and how it is registered (`totals`)."""
        ...

    def read(self, path: Path, kind: type[D]) -> D:
        """Read a whole file of this kind.

        `FormatError` naming line and field when a record is malformed or the totals do not match.
        """
        ...

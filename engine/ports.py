"""What the engine needs from outside, as Protocols: time, the network, the bank rail, the HSM. `api/system.py` wires them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from engine.crypto.door import Hsm
from engine.vocabulary.decision import Message

__all__ = ["Activity", "BankRail", "Clock", "Hsm", "Network", "NoActivity"]


class Clock(Protocol):
    """The world's time. Timeouts, echoes, backoffs and schedules read no other."""

    def now(self) -> datetime:
        """The instant, in UTC, aware."""
        ...

    async def sleep_until(self, at: datetime) -> None:
        """Return when the clock has reached `at`."""
        ...


class Activity(Protocol):
    """Counts work under way, so that a simulator may know when the world is idle. Each `began` is met by one `ended`. Thread-safe."""

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


class Network(Protocol):
    """The way to other institutions."""

    def send(self, message: Message) -> None:
        """Send once, from memory. Not connected counts as lost: the sender's timer notices."""
        ...

    def deliver(self, message: Message) -> bool:
        """Hand over a durable message (a file). True when the other side has it; False to be tried again."""
        ...


class BankRail(Protocol):
    """The way to outside bank accounts."""

    def pay(self, message: Message) -> bool:
        """Hand over a payment instruction. True when the rail has it; the rail ignores one that it already has."""
        ...

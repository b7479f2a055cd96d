"""What goes wrong on the wires, decided by the seed: messages lost, late and doubled, and a bank that falls silent.

Each message is decided by name (wire, the transaction's reference, message type, and how often this has been seen), so
that the order in which frames happen to arrive changes nothing. Repeats are decided anew: a loss never lasts for ever.
Every fault is kept, with how the payment that it hit ended.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from simulator.chance import Chance


class Level(StrEnum):
    """How much goes wrong."""

    NONE = "none"
    USUAL = "usual"
    HEAVY = "heavy"


class FaultKind(StrEnum):
    """What goes wrong."""

    LOST_REQUEST = "lost request"
    LOST_REPLY = "lost reply"
    LATE_REPLY = "late reply"
    DOUBLED = "doubled message"
    SILENT_BANK = "silent bank"


class Wire(StrEnum):
    """Where. The issuer's end of the network is a wire for each bank."""

    TERMINAL = "terminal-acquirer"
    ISSUER = "network-issuer"


class Action(StrEnum):
    """What becomes of one message."""

    PASS = "pass"  # noqa: S105, no password
    LOSE = "lose"
    DOUBLE = "double"
    DELAY = "delay"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one message; `delay` for those that come late."""

    action: Action = Action.PASS
    delay: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Silence:
    """A bank answers nothing from `start` until `end`."""

    bank: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Injected:
    """One fault that happened. `repetition` counts messages of one type about one transaction, from 0."""

    at: datetime
    reference: str
    wire: Wire
    message_type: str
    repetition: int
    kind: FaultKind


_OF_TEN_THOUSAND: Final = {
    Level.NONE: {},
    Level.USUAL: {
        FaultKind.LOST_REQUEST: 60,
        FaultKind.LOST_REPLY: 60,
        FaultKind.LATE_REPLY: 50,
        FaultKind.DOUBLED: 80,
    },
    Level.HEAVY: {
        FaultKind.LOST_REQUEST: 400,
        FaultKind.LOST_REPLY: 400,
        FaultKind.LATE_REPLY: 300,
        FaultKind.DOUBLED: 500,
    },
}
"""Of ten thousand messages of the fitting direction on each wire, how many meet which fault."""
_ON_REQUESTS: Final = (FaultKind.LOST_REQUEST, FaultKind.DOUBLED)
_ON_REPLIES: Final = (FaultKind.LOST_REPLY, FaultKind.LATE_REPLY)
_LATE_BY: Final = {Wire.TERMINAL: timedelta(seconds=50), Wire.ISSUER: timedelta(seconds=20)}
"""Beyond who waits: a terminal 45 seconds, the network 15."""
_FATES: Final = {
    FaultKind.LOST_REQUEST: Action.LOSE,
    FaultKind.LOST_REPLY: Action.LOSE,
    FaultKind.SILENT_BANK: Action.LOSE,
    FaultKind.LATE_REPLY: Action.DELAY,
    FaultKind.DOUBLED: Action.DOUBLE,
}


class FaultPlan:
    """Decides and remembers. For one event loop."""

    def __init__(self, chance: Chance, level: Level, silences: tuple[Silence, ...] = ()) -> None:
        self._chance = chance
        self._rates = _OF_TEN_THOUSAND[level]
        self._silences = silences
        self._seen: Counter[tuple[Wire, str, str]] = Counter()
        self._injected: dict[str, list[Injected]] = defaultdict(list)

    def fate(self, wire: Wire, reference: str, message_type: str, now: datetime, bank: str = "") -> Fate:
        """What becomes of this message. `bank` is the one at the other end of an issuer's wire."""
        place = (wire, reference, message_type)
        repetition = self._seen[place]
        self._seen[place] += 1
        kind = self._silent(bank, now) or self._drawn(wire, reference, message_type, repetition)
        if kind is None:
            return Fate()
        self._injected[reference].append(
            Injected(
                at=now, reference=reference, wire=wire, message_type=message_type, repetition=repetition, kind=kind
            )
        )
        action = _FATES[kind]
        return Fate(action, _LATE_BY[wire] if action is Action.DELAY else timedelta())

    def messages(self) -> dict[tuple[Wire, str], int]:
        """How many messages of each type were put on each wire, lost ones included and doubled ones once."""
        counted: Counter[tuple[Wire, str]] = Counter()
        for (wire, _, message_type), times in self._seen.items():
            counted[wire, message_type] += times
        return dict(sorted(counted.items()))

    def injected(self) -> list[Injected]:
        """Every fault so far, in order of time and transaction."""
        return sorted(one for about in self._injected.values() for one in about)

    def about(self, reference: str) -> list[Injected]:
        """The faults that hit one transaction, in order."""
        return sorted(self._injected.get(reference, ()))

    def _silent(self, bank: str, now: datetime) -> FaultKind | None:
        silent = any(one.bank == bank and one.start <= now < one.end for one in self._silences)
        return FaultKind.SILENT_BANK if silent else None

    def _drawn(self, wire: Wire, reference: str, message_type: str, repetition: int) -> FaultKind | None:
        if not self._rates:
            return None
        drawn = self._chance.below(f"fault/{wire}/{reference}/{message_type}/{repetition}", 10_000)
        for kind in _ON_REPLIES if message_type[2] in "13" else _ON_REQUESTS:
            drawn -= self._rates[kind]
            if drawn < 0:
                return kind
        return None

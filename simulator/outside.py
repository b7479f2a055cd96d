"""Banks that other programs play: the seam for putting one's own box in the place of a simulated one.

Nobody here can see what such a program is doing, so the world waits in real time for its answer to each request, a few
seconds at most; then it counts as silent, and the network's timer does what it does for any silent bank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime

from gateways.iso8583.replies import is_reply, reply_type
from simulator.faults import Action, Fate, Wire
from simulator.network.wire import WireFaults
from simulator.time import Activity


class OutsideBanks:
    """Stands before the faults of the network's wires, and counts what outside banks were asked and did not answer."""

    def __init__(self, faults: WireFaults, activity: Activity, banks: Collection[str]) -> None:
        self._faults = faults
        self._activity = activity
        self._banks = frozenset(banks)
        self._asked: dict[tuple[str, str], list[Callable[[], None]]] = defaultdict(list)

    def fate(self, wire: Wire, reference: str, message_type: str, now: datetime, bank: str = "") -> Fate:
        """The faults' answer, for every message."""
        fate = self._faults.fate(wire, reference, message_type, now, bank)
        if bank in self._banks:
            if is_reply(message_type):
                for answered in self._asked.pop((reference, message_type), ()):
                    answered()
            elif fate.action is not Action.LOSE:
                self._asked[reference, reply_type(message_type)].append(self._activity.outside(bank))
        return fate

"""Who still has a frame coming: the count of frames on their way between two links of one process, kept for each end
of a connection.

A simulator may move time only when nothing is on its way. A frame counts from `send` until the other side has handled
it. Who ends the count when the connection is lost in between? The sender cannot know what arrived, so the count
belongs to the end that receives: that end counts down for each frame it handled, and settles the rest when it is lost
itself. A frame sent to an end already lost is never counted. The making and the ending of a connection count like a
frame to each end. Hence each count is ended exactly once, whichever side closes, breaks or is destroyed first.

Both ends are known before a byte can flow: the dialler binds its own address and registers both, if a listener of
this process has the other. Ends of connections with other programs are not counted; nobody here could end them. For
one event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.ports import Activity, NoActivity

if TYPE_CHECKING:
    from gateways.iso8583.links import Link

Address = tuple[str, int]
"""Host (numeric) and port, as sockets name themselves."""

_ANY_HOST = frozenset({"0.0.0.0", "::"})  # noqa: S104, compared with, not bound to
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


class End:
    """One end of a connection, and how many frames are on their way to it."""

    __slots__ = ("_activity", "_lost", "undelivered")

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._lost = False
        self.undelivered = 0

    def sent(self) -> None:
        """A frame leaves for this end."""
        if not self._lost:
            self.undelivered += 1
            self._activity.began()

    def delivered(self) -> None:
        """This end has handled one. Frames that nobody counted (from another program) change nothing."""
        if self.undelivered:
            self.undelivered -= 1
            self._activity.ended()

    def lose(self) -> None:
        """This end is gone: what was on its way will never be delivered."""
        self._lost = True
        while self.undelivered:
            self.delivered()


class Wires:
    """The connections of one process. Links that share it see each other's ends."""

    def __init__(self, activity: Activity | None = None) -> None:
        self.activity: Activity = activity or NoActivity()
        self.links: set[Link] = set()
        """Those that are up, with their counters."""
        self.gone: dict[str, dict[str, int]] = {}
        """What links that are gone have counted, by place and count."""
        self._ends: dict[tuple[Address, Address], End] = {}
        self._listening: set[Address] = set()
        self._unclaimed: set[tuple[Address, Address]] = set()

    def listen(self, address: Address) -> None:
        """A listener of this process is about to accept at `address`."""
        self._listening.add(address)

    def unlisten(self, address: Address) -> None:
        """It accepts no more: connections that it had not taken yet are lost."""
        self._listening.discard(address)
        for local, remote in [key for key in self._unclaimed if _same_place(key[0], address)]:
            self.lose(local, remote)

    def is_ours(self, address: Address) -> bool:
        """Whether a listener of this process accepts at `address`."""
        return any(_same_place(address, listening) for listening in self._listening)

    def expect(self, local: Address, remote: Address) -> None:
        """A dialler bound to `local` is about to connect to our own listener at `remote`.

        The connection itself counts as one frame on its way to each end, until that end has claimed it.
        """
        for key in ((local, remote), (remote, local)):
            self._ends[key] = end = End(self.activity)
            self._unclaimed.add(key)
            end.sent()

    def claim(self, local: Address, remote: Address) -> tuple[End, End | None]:
        """A connection is made: this end, and the other one if it is in this process."""
        self._unclaimed.discard((local, remote))
        end = self._ends.setdefault((local, remote), End(self.activity))
        return end, self._ends.get((remote, local))

    def lose(self, local: Address, remote: Address) -> None:
        """A connection was lost, or never made, at this end."""
        self._unclaimed.discard((local, remote))
        if (end := self._ends.pop((local, remote), None)) is not None:
            end.lose()

    def settle(self) -> None:
        """Count as busy until what is already scheduled on the loop has taken its next step.

        For the gap between waking a task (by a future) and its next wait on the clock, in which the world would look
        idle.
        """
        self.activity.began()
        asyncio.get_running_loop().call_soon(self.activity.ended)


def _same_place(address: Address, listening: Address) -> bool:
    if address[1] != listening[1]:
        return False
    return address[0] == listening[0] or (listening[0] in _ANY_HOST and address[0] in _LOOPBACK)

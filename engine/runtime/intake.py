"""The intake: a bounded queue in front of a writer.

Full means refused at once; a lone request never waits for company.
"""

from __future__ import annotations

from collections import deque
from threading import Condition

from engine.runtime.stage import Submission
from engine.vocabulary.errors import BezantError

WORTH_HALVING = 32
"""Fewer requests than this share one commit rather than two."""


class IntakeFull(BezantError):
    """More requests wait than the intake holds: try again later."""


class Intake:
    """Submissions in order of arrival. Any thread may put; one writer takes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[Submission] = deque()
        self._arrived = Condition()
        self._open = True

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, submission: Submission) -> None:
        """Queue one; `IntakeFull` when there is no room, or no longer anybody who takes."""
        with self._arrived:
            if not self._open or len(self._waiting) >= self._capacity:
                raise IntakeFull(f"too many requests wait ({len(self._waiting)}); try again later")
            self._waiting.append(submission)
            self._arrived.notify()

    def take(self, most: int, *, wait: bool = True, beside: int | None = None) -> list[Submission]:
        """Wait until there is something, then all of it, at most `most`. Empty only once the intake is closed, or at
        once without `wait`.

        `beside`: so many are being written meanwhile. Then half of all that is under way is taken, so that two halves
        take turns, one decided while the other is written; small batches are not halved.
        """
        with self._arrived:
            if wait:
                self._arrived.wait_for(lambda: self._waiting or not self._open)
            waiting = len(self._waiting)
            if beside is not None:
                most = min(most, max(WORTH_HALVING, (waiting + beside + 1) // 2))
            return [self._waiting.popleft() for _ in range(min(most, waiting))]

    def drain(self) -> list[Submission]:
        """Everything that waits at this moment, without waiting for more."""
        with self._arrived:
            drained = list(self._waiting)
            self._waiting.clear()
            return drained

    def close(self) -> None:
        """Refuse what comes from now on, and let the writer go once the queue is empty."""
        with self._arrived:
            self._open = False
            self._arrived.notify_all()

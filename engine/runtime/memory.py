"""What a writer remembers of its own work: accounts as it has left them, and what it has answered.

Remembered is not known: another writer may have moved an account since, or have seen a key. The write that follows
from a memory says what it assumed and fails where that is no longer so (`ledger.write_unmoved`; the unique constraint
on keys). After a failure the writer goes by locks for a while, longer each time, so that writers who share accounts
do not work in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

from sqlalchemy import Connection

from engine.database.pipeline import pipelined
from engine.ledger import store as ledger
from engine.ledger.model import Account
from engine.runtime.fold import Fold
from engine.runtime.idempotency import Known
from engine.runtime.stage import Submission
from engine.vocabulary.identifiers import uuid_of

MOST_ACCOUNTS = 100_000
"""In each of two generations: about 50 MB."""
MOST_ANSWERS = 10_000
"""As above: copies of a request come soon after it."""
LONGEST_SPELL = 64
"""The most batches in a row that go by locks because of one failure."""

T = TypeVar("T")


class Memory:
    """One writer's. Not shared between threads."""

    def __init__(self) -> None:
        self._accounts: _Recent[Account] = _Recent(MOST_ACCOUNTS)
        self._answers: _Recent[Known] = _Recent(MOST_ANSWERS)
        self._spell = self._left = 0

    def trusted(self) -> bool:
        """Whether the next batch may be decided from memory. Each time it says no brings the end of a spell nearer."""
        if self._left:
            self._left -= 1
            return False
        return True

    def failed(self) -> None:
        """A batch met other writers: forget all, and go by locks for twice as long as after the last failure."""
        self.clear()
        self._spell = self._left = min(max(1, 2 * self._spell), LONGEST_SPELL)

    def succeeded(self) -> None:
        """A batch stands as it was decided."""
        self._spell = max(0, self._spell - 1)

    def clear(self) -> None:
        """Forget all."""
        self._accounts.clear()
        self._answers.clear()

    def accounts(
        self, numbers: Iterable[int], read: Callable[[], AbstractContextManager[Connection]]
    ) -> dict[int, Account]:
        """These accounts and their held counterparts, by number; those not remembered are read, without a lock. What
        does not exist is not in it.
        """
        found = self._accounts.those(numbers)
        for _ in range(2):  # the accounts, then their counterparts
            wanted = {number for number in numbers if number not in found}
            if wanted:
                # One round trip: the transaction begins and ends with the question.
                with read() as connection, pipelined(connection, committing=True):
                    asked = ledger.ask(connection, list(map(uuid_of, wanted)))
                for account in ledger.told(asked):
                    found[account.id.int] = account
            numbers = [account.held_id.int for account in found.values() if account.held_id is not None]
            if not numbers:
                break
            found |= self._accounts.those(number for number in numbers if number not in found)
        return found

    def known(self, submissions: Sequence[Submission]) -> dict[int, Known]:
        """What was answered to these keys, by number, as far as it is remembered."""
        return self._answers.those(one.key.int for one in submissions)

    def keep(self, fold: Fold) -> None:
        """Remember what a batch has left behind."""
        self._accounts.put(fold.state.of(Account))
        own = fold.own
        self._answers.put(
            {
                number: Known(asked.fingerprint, answer)
                for asked in fold.asked
                if (answer := own[number := asked.submission.key.int]) is not None
            }
        )


class _Recent(Generic[T]):
    """The newest values by number: two generations, of which the older goes when the younger is full."""

    __slots__ = ("_most", "_older", "_younger")

    def __init__(self, most: int) -> None:
        self._most = most
        self._younger: dict[int, T] = {}
        self._older: dict[int, T] = {}

    def those(self, numbers: Iterable[int]) -> dict[int, T]:
        younger, older = self._younger, self._older
        found: dict[int, T] = {}
        for number in numbers:
            value = younger.get(number)
            if value is None and older:
                value = older.get(number)
            if value is not None:
                found[number] = value
        return found

    def put(self, values: dict[int, T]) -> None:
        if len(self._younger) > self._most:
            self._older, self._younger = self._younger, {}
        self._younger.update(values)

    def clear(self) -> None:
        self._younger.clear()
        self._older.clear()

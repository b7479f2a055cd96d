"""What the shell asks of a stage: how to prepare, load, decide and seal, and which nouns it writes.

The shell knows no more of it.

`engine/processor.py` and `issuer/processor.py` list the stages of each role: the one place where the order of things
can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from engine.database.institutions import Institution
from engine.database.nouns import NounRows
from engine.database.pipeline import Parcel
from engine.ports import Hsm
from engine.vault.vault import Vault
from engine.vocabulary.decision import Answer, Decision, Message, State
from engine.vocabulary.keys import KeyRule


@dataclass(frozen=True, slots=True)
class Outside:
    """What `prepare` and `seal` may ask, outside any transaction: the HSM, the vault, rows without a lock."""

    institution: Institution
    hsm: Hsm
    read: Callable[[], AbstractContextManager[Connection]]
    vault: Vault = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vault", Vault(self.hsm, self.read))


Prepare = Callable[[Outside, Sequence[Any]], Sequence[Any]]
Load = Callable[[Connection, Sequence[Any], State], set[UUID]]
Recheck = Callable[[Connection, Sequence[Any], State], None]
Decide = Callable[[State, Any, datetime], Decision]
Seal = Callable[[Outside, Sequence[Message]], Sequence[Message]]
SealAnswers = Callable[[Outside, Sequence[tuple[Any, Answer]]], Sequence[Answer]]
OwnerOf = Callable[[Any], UUID | None]
Named = Callable[[Sequence[Any]], list[int] | None]
Presume = Callable[[Parcel, Sequence[tuple[Any, Answer | None]]], None]


def _as_they_are(outside: Outside, items: Sequence[Any]) -> Sequence[Any]:
    return items


def _as_loaded(connection: Connection, items: Sequence[Any], state: State) -> None:
    return None


def _nobodys(request: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of one role.

    `keys`: the kinds of request it answers, with their idempotency rule; `timers`: the names of the timers it sets.
    `prepare` turns requests into what `decide` sees (the request with the HSM's verdicts as facts), one for one.
    `load` locks the stage's rows for all of them, puts the nouns into the state, and returns the identifiers of the
    accounts that the decisions may touch (their held counterparts come along). `recheck` reads, once those accounts
    are locked, rows that are only appended, which nobody can lock: what the accounts' last owner wrote is seen.
    `nouns`: the tables of the nouns that its events carry. `seal` completes messages that leave (PIN translation),
    after commit; `seal_answers` does so for answers to requests of this stage, each told with its request, whenever
    they leave: what it adds is not stored. `owner_of` says whose a request is (a customer, an account), where several
    writers share the work: those of one owner go to one writer. Right it is without, for what keeps writers apart are
    locks.
    `named`: the numbers of the accounts that these requests may touch, where the requests themselves say so and
    `decide` needs no row of the stage's own; None where rows have to be loaded. Such batches are decided from memory.
    `presume`: what such decisions took for granted beyond their accounts, as statements that fail where it is not so,
    for requests with their answers; sent once the accounts are locked.
    """

    name: str
    keys: Mapping[type, KeyRule]
    load: Load
    decide: Decide
    nouns: tuple[NounRows[Any], ...] = ()
    timers: tuple[str, ...] = ()
    prepare: Prepare = _as_they_are
    recheck: Recheck = _as_loaded
    seal: Seal = field(default=_as_they_are)
    seal_answers: SealAnswers | None = None
    owner_of: OwnerOf = _nobodys
    named: Named | None = None
    presume: Presume | None = None


Reply = Callable[[Answer], None]


class Submission(NamedTuple):
    """A request on its way through the shell; a tuple, because every request makes one.

    `now` is stamped at intake; `key` and `fingerprint` identify it; `reply` hears the answer.
    """

    request: Any
    stage: Stage
    now: datetime
    key: UUID
    fingerprint_material: bytes
    reply: Reply | None = None

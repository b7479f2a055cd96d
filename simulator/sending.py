"""Files on their way out: written, registered, and queued for the recipient, each once.

Hard cases: a crash after any of the three (the step runs again: the same file under the same name, the register knows
it, and the queue's key is the file's identity); a recipient that is away (the outbox tries again).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from engine.runtime.batch import KEY_REUSED, UNAVAILABLE
from engine.runtime.files import register
from engine.runtime.jobs import JobContext
from engine.runtime.stage import Stage
from engine.vocabulary.decision import Answer, Decision, Message, State
from engine.vocabulary.errors import BezantError
from engine.vocabulary.files import FileTotals, Outgoing
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.responses import ResponseCode


@dataclass(frozen=True, slots=True)
class SendFile:
    """Hand a file that stands in `out` to its recipient."""

    file_id: str
    name: str
    kind: str
    recipient_id: str


KEYS: Mapping[type, KeyRule] = {SendFile: KeyRule("file", ("file_id",), ("name", "kind", "recipient_id"))}


def send(context: JobContext, totals: FileTotals, name: str, fill: Callable[[Path], None]) -> None:
    """Have `fill` write the file called `name` (its first word is the kind), register it, and queue it."""
    assert name.startswith(f"{totals.kind}-"), "a file's name begins with its kind"
    path = context.files.write(name, fill)
    with context.engine.begin() as connection:
        register(connection, totals, path, "out", state="sent", at=context.now)
    decided(context, [SendFile(totals.file_id, name, totals.kind, totals.recipient_id)])


def decided(context: JobContext, requests: Sequence[Any]) -> int:
    """Decide these; how many there were. `BezantError` when one of them could not be: the step is run again."""
    for answer in context.execute(requests):
        assert answer is not None, "a job's requests are answered at once"
        if answer.code in {UNAVAILABLE, KEY_REUSED, ResponseCode.SYSTEM_MALFUNCTION}:
            raise BezantError(f"{context.institution.name}: a step of a job was not decided ({answer.code})")
    return len(requests)


def decide(state: State, request: SendFile, now: datetime) -> Decision:
    """Into the outbox."""
    leaving = Message(request.recipient_id, Outgoing(request.name, request.kind), durable=True)
    return Decision(messages=(leaving,), answer=Answer("queued"))


def load(connection: Connection, prepared: Sequence[SendFile], state: State) -> set[UUID]:
    """Nothing: a file has no rows of its own but the register's."""
    return set()


SENDING = Stage(name="sending", keys=KEYS, load=load, decide=decide)

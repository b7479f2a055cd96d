"""One number for a world: a digest over the facts of all institutions, the same for the same seed on every run.

Facts are the events, the money that moved, and the answers that were given, each in the order of its own key. What says
how the world was recorded and not what happened in it is left out: batches, chains, running numbers, recording times,
balances after an entry (they follow from the entries), fingerprints and ciphertext.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

_FACTS: Final = {
    "events": "select request_id, line, kind, subject_kind, subject_id, reasons, snapshot, occurred_at"
    " from events order by request_id, line",
    "entries": "select request_id, line, debit, credit, amount_minor, kind, subject_id, effective_on, forced, corrects,"
    " occurred_at from entries order by request_id, line",
    "answers": "select id, stage, kind, answer, first_seen_at from requests order by id",
}
_AT_A_TIME: Final = 5_000


def world_hash(institutions: Mapping[str, Engine]) -> str:
    """32 hexadecimal digits over the facts of these institutions, by name. Reads what is committed."""
    digest = blake2b(digest_size=16)
    for name in sorted(institutions):
        digest.update(f"{name}\x1d".encode())
        with institutions[name].connect() as connection:
            for line in _lines(connection):
                digest.update(line)
    return digest.hexdigest()


def _lines(connection: Connection) -> Iterable[bytes]:
    for facts, query in _FACTS.items():
        yield f"{facts}\x1d".encode()
        rows = connection.execution_options(yield_per=_AT_A_TIME).execute(text(query))
        for row in rows:
            yield ("\x1f".join(_text(value) for value in row) + "\x1e").encode()


def _text(value: Any) -> str:
    """A value as text that depends neither on the order in which a mapping was made nor on a session's time zone."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_text(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_text(one) for one in value) + "]"
    return str(value)

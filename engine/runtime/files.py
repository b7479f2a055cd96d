"""Files between institutions: folders with atomic hand-over, and a register so that a file takes effect once or is
refused whole.

Each institution has `out`, `in`, `done` and `refused`. Files carry clear card numbers: folders are 0700, files 0600.
A file appears in `in` by a rename, so it is never seen half written. The register knows a file by its identity and
its digest: the same file again changes nothing, another file under a used identity is refused.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import blake2b
from pathlib import Path

import structlog
from sqlalchemy import BigInteger, Column, Connection, Date, DateTime, Integer, LargeBinary, Table, Text, text

from engine.database.tables import metadata
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals, Outgoing

files = Table(
    "files",
    metadata,
    Column("file_id", Text, primary_key=True),
    Column("direction", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sender_id", Text, nullable=False),
    Column("recipient_id", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("record_count", Integer, nullable=False),
    Column("amount_total_minor", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
)

FOLDERS = ("out", "in", "done", "refused")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Files:
    """The folders of one institution under the exchange's root."""

    root: Path
    institution: str

    def folder(self, which: str) -> Path:
        """One of FOLDERS, made on first use, for its owner only."""
        assert which in FOLDERS
        path = self.root / self.institution / which
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def write(self, name: str, fill: Callable[[Path], None]) -> Path:
        """Have `fill` write the file beside its place, then put it in `out` at once, mode 0600; the path."""
        target = self.folder("out") / name
        draft = target.with_suffix(target.suffix + ".part")
        draft.touch(mode=0o600)
        fill(draft)
        draft.chmod(0o600)
        draft.replace(target)
        return target

    def arrived(self, kind: str) -> list[Path]:
        """Files of a kind (the name's first word) that wait in `in`, in order of name."""
        return sorted(path for path in self.folder("in").glob(f"{kind}-*") if path.suffix != ".part")

    def move(self, path: Path, which: str) -> Path:
        """Put a file away into `done` or `refused`."""
        return path.replace(self.folder(which) / path.name)


def hand_over(sender: Files, recipient: Files, outgoing: Outgoing) -> bool:
    """Copy a file from the sender's `out` to the recipient's `in`, atomically.

    Again is harmless. False if it is not there.
    """
    source = sender.folder("out") / outgoing.name
    if not source.exists():
        return False
    draft = recipient.folder("in") / (outgoing.name + ".part")
    with (
        source.open("rb") as reading,
        os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writing,
    ):
        shutil.copyfileobj(reading, writing)
    draft.replace(recipient.folder("in") / outgoing.name)
    return True


_MARK = text(
    "update files set state = :state, reason = coalesce(:reason, reason)"
    " where direction = 'out' and name = :name and kind = :kind and state = :before"
)
_MARKED = text(
    "select name, business_date from files where direction = 'out' and kind = :kind and state = :state"
    " order by business_date, name"
)


def mark_sent(
    connection: Connection, kind: str, name: str, *, before: str, state: str, reason: str | None = None
) -> bool:
    """Note what has become of a file of ours that was in the state `before`. False if there is none such."""
    values = {"state": state, "reason": reason, "name": name, "kind": kind, "before": before}
    return connection.execute(_MARK, values).rowcount > 0


def sent_in_state(connection: Connection, kind: str, state: str) -> list[tuple[str, date]]:
    """Name and business date of our files of a kind that are in a state, oldest first."""
    return [(row.name, row.business_date) for row in connection.execute(_MARKED, {"kind": kind, "state": state})]


def digest_of(path: Path) -> bytes:
    """BLAKE2b of the content, 32 bytes, in bounded memory."""
    state = blake2b(digest_size=32)
    with path.open("rb") as reading:
        while chunk := reading.read(1 << 20):
            state.update(chunk)
    return state.digest()


def register(
    connection: Connection,
    totals: FileTotals,
    path: Path,
    direction: str,
    *,
    state: str,
    at: datetime,
    reason: str | None = None,
) -> str:
    """Note a file; the state it now has. A file known under this identity with another content is a FormatError."""
    digest = digest_of(path)
    row = connection.execute(
        text("select digest, state from files where file_id = :id and direction = :direction for update"),
        {"id": totals.file_id, "direction": direction},
    ).first()
    if row is not None:
        if bytes(row.digest) != digest:
            raise FormatError("file identity", f"{totals.file_id} was used before for another file")
        if row.state not in {state, "done"}:
            connection.execute(
                text("update files set state = :state where file_id = :id and direction = :direction"),
                {"state": state, "id": totals.file_id, "direction": direction},
            )
            return state
        return str(row.state)
    connection.execute(
        files.insert(),
        {
            "file_id": totals.file_id,
            "direction": direction,
            "name": path.name,
            "kind": totals.kind,
            "sender_id": totals.sender_id,
            "recipient_id": totals.recipient_id,
            "business_date": totals.business_date,
            "record_count": totals.record_count,
            "amount_total_minor": totals.amount_total_minor,
            "digest": digest,
            "state": state,
            "reason": reason,
            "recorded_at": at,
        },
    )
    return state

"""The hash chain: the digest of a batch, over the lines of its rows and the digest before it (BLAKE2b, 32 bytes).

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

GENESIS = bytes(32)
"""What stands before the first batch of the first chain."""

ENTRY_COLUMNS = (
    "request_id",
    "line",
    "debit",
    "credit",
    "amount_minor",
    "kind",
    "subject_id",
    "effective_on",
    "forced",
    "corrects",
    "debit_number",
    "credit_number",
    "debit_after",
    "credit_after",
    "debit_held_after",
    "credit_held_after",
    "occurred_at",
)
EVENT_COLUMNS = ("request_id", "line", "kind", "subject_kind", "subject_id", "reasons", "snapshot", "occurred_at")


def digest(previous: bytes, entry_lines: Iterable[bytes], event_lines: Iterable[bytes]) -> bytes:
    """The digest of one batch: the one before, its entries in order, its events in order."""
    state = blake2b(previous, digest_size=32)
    for lines in (entry_lines, event_lines):
        for line in lines:
            state.update(line)
        state.update(b"\x1d")
    return state.digest()


def line_of(columns: tuple[str, ...], row: Mapping[str, Any]) -> bytes:
    """A row as the bytes that are digested: the same before it is written and after it is read."""
    return ("\x1f".join(_text(row[column]) for column in columns) + "\x1e").encode()


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)

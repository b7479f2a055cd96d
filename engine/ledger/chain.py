"""The hash chain: the digest of a batch, over the columns of its rows and the digest before it (BLAKE2b, 32 bytes).

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

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


def digest(previous: bytes, entries: Sequence[str], events: Sequence[str]) -> bytes:
    """The digest of one batch: the one before, then its entries and its events in order, each as the array literals of
    the columns above (`Rows.arrays`; none for no rows), which is the text that the database is sent.
    """
    state = blake2b(previous, digest_size=32)
    for arrays in (entries, events):
        for array in arrays:
            state.update(array.encode())
            state.update(b"\x1e")
        state.update(b"\x1d")
    return state.digest()

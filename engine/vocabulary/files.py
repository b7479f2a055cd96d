"""Files between institutions, as words: what leaves (`Outgoing`) and what a file says of itself (`FileTotals`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file that is ready in the sender's out folder, to be handed to the recipient.

    Delivered at least once; its name is its identity.
    """

    name: str
    kind: str

    def as_json(self) -> dict[str, str]:
        """As it waits in the outbox."""
        return {"name": self.name, "kind": self.kind}

    @staticmethod
    def from_json(stored: Mapping[str, str]) -> Outgoing:
        """As it was queued."""
        return Outgoing(stored["name"], stored["kind"])


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTotals:
    """Header and trailer of a file between members.

    `file_id` is unique for the sender for ever; `record_count` counts detail records, `amount_total_minor` sums their
    amounts without sign (a hash total, as IPM trailers have it).
    """

    file_id: str
    kind: str
    sender_id: str
    recipient_id: str
    business_date: date
    record_count: int
    amount_total_minor: int

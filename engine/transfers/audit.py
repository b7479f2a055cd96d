"""What the rows of transfers must prove."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from engine.ledger.audit import Proof

_UNLIKE = text(
    "select t.id, t.amount_minor, count(e.subject_id) as entries, coalesce(sum(e.amount_minor), 0) as moved"
    " from transfers t left join entries e on e.subject_id = t.id and e.kind = 'transfer'"
    " group by t.id, t.amount_minor"
    " having count(e.subject_id) <> 1 or sum(e.amount_minor) <> t.amount_minor order by t.id"
)
_UNPAID = text(
    "select r.id, r.state, count(t.id) as transfers from money_requests r left join transfers t on t.request_id = r.id"
    " group by r.id, r.state having count(t.id) <> case r.state when 'paid' then 1 else 0 end order by r.id"
)


def _one_entry(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_UNLIKE):
        yield f"transfer {row.id} of {row.amount_minor}: {row.entries} entries move {row.moved}"


def _paid_once(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_UNPAID):
        yield f"request for money {row.id} is {row.state}, paid by {row.transfers} transfers"


TRANSFER_PROOFS = (
    Proof("each transfer moved its amount once", _one_entry),
    Proof("each paid request was paid once", _paid_once),
)
"""What the rows of transfers must prove."""

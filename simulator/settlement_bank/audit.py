"""What the settlement bank must prove of its rows, beside what every book must."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from engine.database.institutions import Institution
from engine.ledger.audit import Figure, Proof, figures

_GAPS = text(
    "select statement_id, expected, opening_minor, before, closing_minor, moved from ("
    " select s.*, row_number() over w as expected, coalesce(lag(closing_minor) over w, 0) as before,"
    " (select coalesce(sum((line ->> 'amount_minor')::bigint), 0) from jsonb_array_elements(s.lines) line) as moved"
    " from bank_statements s window w as (partition by deposit, asset order by number)"
    ") run where number <> expected or opening_minor <> before or opening_minor + moved <> closing_minor"
    " order by statement_id"
)
_UNEXPLAINED = text(
    "select e.chain, e.sequence, e.position from entries e left join movements m on m.id = e.subject_id"
    " where m.id is null or m.amount_minor <> e.amount_minor order by 1, 2, 3"
)
_UNBOOKED = text(
    "select m.id, m.kind, m.state, count(e.subject_id) as entries from movements m"
    " left join entries e on e.subject_id = m.id group by m.id, m.kind, m.state"
    " having count(e.subject_id) <> case when m.state = 'returned' then 2 else 1 end order by m.id"
)


_FIGURES = text(
    "select 'closing of statement ' || :bank || '-' || statement_id as about, closing_minor as amount_minor,"
    " null as cycle from bank_statements order by 1"
)


def settlement_bank_figures(institution: Institution, connection: Connection) -> list[Figure]:
    """What depositors have in their books as well."""
    return figures(connection, _FIGURES, bank=institution.member_id)


def _statements(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_GAPS):
        yield (
            f"statement {row.statement_id}: opens with {row.opening_minor} after {row.before}, moves {row.moved}"
            f" and closes with {row.closing_minor}"
        )


def _movements(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_UNEXPLAINED):
        yield f"entry {row.chain}/{row.sequence}/{row.position} is not what its movement says"
    for row in connection.execute(_UNBOOKED):
        yield f"movement {row.id} ({row.kind}, {row.state}) has {row.entries} entries"


SETTLEMENT_BANK_PROOFS = (
    Proof("statements follow each other without a gap", _statements),
    Proof("every entry is a movement, and every movement is booked", _movements),
)
"""What the settlement bank's book must prove."""

"""A book that is there already: accounts, and deposits into them in turns, by set-based SQL, such that the audit holds.

The chain's digests are the program's own, over the rows as they are read back.
"""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, text

from api.system import System
from engine.database.bulk import Rows
from engine.database.institutions import Institution
from engine.ledger import chain
from engine.ledger.chart import EQUITY, SAVINGS
from engine.ledger.store import batches, entries

BATCH = 1_000
PAGE = 20_000

_FILL = (
    """
insert into accounts (id, code, asset, balance_minor, minimum_minor, floor_minor, entry_count, closed)
select md5('account ' || n)::uuid, case when n = 0 then cast(:equity as int) else cast(:savings as int) end, 'USD',
       cast(:deposit as bigint) * case when n = 0 then -:entries else :entries / :accounts end,
       case when n > 0 then 0 end, case when n > 0 then 0 end,
       case when n = 0 then cast(:entries as bigint) else :entries / :accounts end, false
from generate_series(0, :accounts) n
""",
    """
insert into requests (id, stage, kind, fingerprint, code, answer, first_seen_at, answered_at)
select md5('deposit ' || n)::uuid, 'filling', 'Deposit', '', 'ok', '{"code": "ok", "facts": {}, "reasons": []}',
       :at, :at
from generate_series(0, :entries - 1) n
""",
    """
insert into entries (chain, sequence, position, request_id, line, debit, credit, amount_minor, kind, effective_on,
                     forced, debit_number, credit_number, debit_after, credit_after, occurred_at)
select 1, n / :batch + 1, n % :batch, md5('deposit ' || n)::uuid, 0, md5('account 0')::uuid,
       md5('account ' || n % :accounts + 1)::uuid, :deposit, 'deposit', cast(:at as date), false, n + 1,
       n / :accounts + 1, -(n + 1) * cast(:deposit as bigint), (n / :accounts + 1) * cast(:deposit as bigint), :at
from generate_series(0, :entries - 1) n
""",
    "insert into chains (id, opened_at) values (1, :at)",
)


def fill(system: System, institution: Institution, *, accounts: int, deposits: int, deposit_minor: int) -> None:
    """Open accounts 1 to `accounts`, each with as many `deposits` of `deposit_minor`, out of account 0."""
    opened_at = datetime.fromisoformat("2026-01-05T08:00:00+00:00")
    count = accounts * deposits
    with system.database.owner().begin() as connection:
        connection.exec_driver_sql(f"set local search_path to {institution.schema_name}")
        values = {
            "equity": EQUITY,
            "savings": SAVINGS,
            "deposit": deposit_minor,
            "entries": count,
            "accounts": accounts,
            "batch": BATCH,
            "at": opened_at,
        }
        for statement in _FILL:
            connection.execute(text(statement), values)
        register(connection, count, opened_at)
    with system.database.owner().connect() as connection:
        plain = connection.execution_options(isolation_level="AUTOCOMMIT")
        for table in ("accounts", "entries", "requests", "batches"):
            plain.exec_driver_sql(f"vacuum analyze {institution.schema_name}.{table}")


def register(connection: Connection, count: int, at: datetime) -> None:
    """Give the first `count` entries of chain 1 their batches, with digests."""
    rows, digest = Rows(entries), chain.GENESIS
    for first in range(1, -(-count // BATCH) + 1, PAGE // BATCH):
        found = connection.execute(
            text(
                f"select sequence, {', '.join(chain.ENTRY_COLUMNS)} from entries"  # noqa: S608, constants of `chain`
                " where chain = 1 and sequence between :first and :last order by sequence, position"
            ),
            {"first": first, "last": first + PAGE // BATCH - 1},
        )
        for sequence, own in groupby(found, key=itemgetter(0)):
            lines = [row[1:] for row in own]
            digest = chain.digest(digest, rows.arrays(chain.ENTRY_COLUMNS, zip(*lines, strict=True)), ())
            connection.execute(
                batches.insert(),
                {
                    "chain": 1,
                    "sequence": sequence,
                    "digest": digest,
                    "entry_count": len(lines),
                    "event_count": 0,
                    "recorded_at": at,
                },
            )

"""The audit of a large book: it finishes, names what is wrong, and takes as much memory as that of an empty one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text

from api.audit import MOST
from api.settings import Settings
from api.system import MEMBERS, OUR_BANK, System, role_secret
from engine.database.bulk import Rows, by_column
from engine.database.connections import Database
from engine.database.tables import metadata
from engine.ledger import chain
from engine.ledger.chart import EQUITY
from tests.conftest import OPENED_AT

ROOT = Path(__file__).parents[2]
ENTRIES = 1_000_000
ACCOUNTS = 10_000
BATCH = 500
PAGE = 20
GROWTH_KB = 48 * 1024
"""How much more than for an empty book; the rows of the large one are several hundred megabytes."""
PROGRAM = """
import resource
import sys

from api import cli

status = cli.run(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""

# Accounts in a ring, each pays the next one a unit, round after round. The first of a round pays before it is paid.
_RING = (
    f"""
create temporary table ring on commit drop as
select n, n / {BATCH} + 1 as sequence, n % {BATCH} as position, md5('request ' || n)::uuid as request_id,
       md5('account ' || payer)::uuid as payer, md5('account ' || (payer + 1) % {ACCOUNTS})::uuid as payee,
       2 * round as before, payer = 0 as first, payer + 1 = {ACCOUNTS} as last, '{OPENED_AT}'::timestamptz as at
from generate_series(0, {ENTRIES} - 1) n, lateral (select n / {ACCOUNTS} as round, n % {ACCOUNTS} as payer) of
""",
    f"""
insert into accounts (id, code, asset, balance_minor, entry_count, closed)
select payer, {EQUITY}, 'USD', 0, {2 * ENTRIES // ACCOUNTS}, false from ring where before = 0
""",
    """
insert into requests (id, stage, kind, fingerprint, code, answer, first_seen_at, answered_at)
select request_id, 'ring', 'Pay', '', 'paid', '{"code": "paid", "reasons": [], "facts": {}}', at, at from ring
""",
    """
insert into entries (chain, sequence, position, request_id, line, debit, credit, amount_minor, kind, effective_on,
                     forced, debit_number, credit_number, debit_after, credit_after, occurred_at)
select 1, sequence, position, request_id, 0, payer, payee, 1, 'ring', '2026-03-02', false,
       before + case when first then 1 else 2 end, before + case when last then 2 else 1 end,
       case when first then -1 else 0 end, case when last then 0 else 1 end, at
from ring order by n
""",
    """
insert into events (chain, sequence, position, request_id, line, kind, subject_kind, subject_id, reasons, snapshot,
                    occurred_at)
select 1, sequence, position, request_id, 0, 'Paid', 'Payment', payer, '',
       format('{"amount_minor": 1, "id": "%s", "note": "round after round", "state": "sent"}', request_id), at
from ring order by n
""",
    f"insert into chains values (1, null, null, '{OPENED_AT}')",
)


@dataclass(frozen=True, slots=True)
class Installation:
    """One with a large book, our bank's, and empty ones."""

    settings: Settings
    database: Database


@pytest.fixture(scope="module")
def installation(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Its large book filled by plain SQL: `ENTRIES` entries, as many events, and their chain."""
    folder = tmp_path_factory.mktemp("installation")
    settings = Settings(data_folder=folder, database_url=SecretStr(database_url))
    database = Database(database_url, role_secret(settings))
    System(settings, database, folder / "files").set_up(MEMBERS, OPENED_AT)
    with database.owner().begin() as connection:
        _fill(connection)
    with database.owner().connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("vacuum analyze")
    yield Installation(settings, database)
    database.dispose()


def _fill(connection: Connection) -> None:
    connection.exec_driver_sql("set local search_path to i_bank")
    for statement in _RING:
        connection.execute(text(statement))
    previous = chain.GENESIS
    for first in range(1, ENTRIES // BATCH + 1, PAGE):
        entries = _arrays(connection, "entries", chain.ENTRY_COLUMNS, first)
        events = _arrays(connection, "events", chain.EVENT_COLUMNS, first)
        for sequence in range(first, first + PAGE):
            previous = chain.digest(previous, entries[sequence], events[sequence])
            connection.execute(
                text("insert into batches values (1, :sequence, :digest, :size, :size, :at)"),
                {"sequence": sequence, "digest": previous, "size": BATCH, "at": OPENED_AT},
            )


def _arrays(connection: Connection, table: str, columns: tuple[str, ...], first: int) -> dict[int, tuple[str, ...]]:
    lines: defaultdict[int, list[dict[str, object]]] = defaultdict(list)
    statement = text(f"select * from {table} where sequence between :first and :last order by sequence, position")
    for row in connection.execute(statement, {"first": first, "last": first + PAGE - 1}).mappings():
        lines[row["sequence"]].append(dict(row))
    rows = Rows(metadata.tables[table])
    return {sequence: rows.arrays(columns, by_column(own, columns)) for sequence, own in lines.items()}


def audited(installation: Installation, institution: str) -> tuple[int, str, int]:
    """`bezant audit` of an institution as a process: its status, what it said, and its peak memory in kilobytes."""
    url = installation.database.owner().url.render_as_string(hide_password=False)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "audit", "--institution", institution],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "BEZANT_DATABASE_URL": url,
            "BEZANT_DATA_FOLDER": str(installation.settings.data_folder),
            "COLUMNS": "200",
        },
    )
    said, _, peak = ran.stdout.rpartition("peak ")
    return ran.returncode, said + ran.stderr, int(peak)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_large_book_is_proven_in_the_memory_of_an_empty_one(installation: Installation) -> None:
    status, said, small = audited(installation, "northbank")
    assert status == 0, said
    status, said, large = audited(installation, OUR_BANK)
    assert status == 0, said
    assert large - small < GROWTH_KB


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_large_book_that_is_wrong_in_every_row_is_named_in_bounded_memory(installation: Installation) -> None:
    with installation.database.owner().begin() as connection:
        connection.exec_driver_sql("set local search_path to i_bank")
        connection.exec_driver_sql("update entries set credit_after = credit_after + 1")
        connection.exec_driver_sql("delete from requests")
    _, _, small = audited(installation, "northbank")
    status, said, large = audited(installation, OUR_BANK)
    assert status == 1
    assert f"each request took effect once: and {2 * ENTRIES - MOST} more" in said
    assert large - small < GROWTH_KB

"""What an institution's login role may not do, tried as that role on the tables that the migrations have made: read
another's, change what is only appended to, define anything.
"""

from __future__ import annotations

from itertools import permutations

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from api.settings import Settings
from api.system import MEMBERS, System
from engine.database.connections import Database, sqlstate
from engine.database.institutions import Institution
from tests.conftest import OPENED_AT

INSUFFICIENT_PRIVILEGE = "42501"
APPENDED = {
    "issuer": {"batches", "chains", "closes", "entries", "events", "transfers"},
    "acquirer": {"batches", "chains", "closes", "entries", "events"},
    "network": {"batches", "chains", "closes", "entries", "events"},
    "settlement_bank": {"batches", "chains", "closes", "entries", "events"},
}
"""By role of an institution: what at least must be append-only."""


@pytest.fixture(scope="module")
def system(database: Database, tmp_path_factory: pytest.TempPathFactory) -> System:
    """The institutions of the world, set up as a person would have them."""
    folder = tmp_path_factory.mktemp("roles")
    system = System(Settings(data_folder=folder), database, folder / "files")
    system.set_up(MEMBERS, OPENED_AT)
    return system


@pytest.mark.parametrize(("one", "other"), list(permutations(MEMBERS, 2)), ids=lambda member: member.name)
def test_nobody_reads_another_institutions_tables(system: System, one: Institution, other: Institution) -> None:
    tables = _tables(system, other)
    assert {"accounts", "entries", "events", "requests", "pans"} <= set(tables)
    with system.database.institution(one.name).connect() as connection:
        for table in tables:
            assert _refused(connection, f'select 1 from {other.schema_name}."{table}" limit 1')


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_nobody_changes_or_deletes_what_is_appended(system: System, member: Institution) -> None:
    appended = {
        table.name
        for part in system.role_of(member).parts
        for table in part.metadata.sorted_tables
        if table.info.get("append_only")
    }
    assert appended >= APPENDED[member.role]
    with system.database.institution(member.name).connect() as connection:
        for table in sorted(appended):
            connection.execute(text(f'select * from "{table}"'))
            column = connection.execute(_FIRST_COLUMN, {"table": table}).scalar_one()
            assert _refused(connection, f'update "{table}" set "{column}" = "{column}"')
            assert _refused(connection, f'delete from "{table}"')
            assert _refused(connection, f'truncate "{table}"')


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_nobody_changes_which_revision_the_tables_are_or_who_is_a_member(system: System, member: Institution) -> None:
    with system.database.institution(member.name).connect() as connection:
        assert _refused(connection, "delete from alembic_version")
        assert _refused(connection, "delete from public.institutions")
        assert _refused(connection, "create table mine (id integer)")
        assert _refused(connection, "create table public.mine (id integer)")
        assert _refused(connection, "alter table entries disable trigger all")


def _tables(system: System, institution: Institution) -> list[str]:
    with system.database.owner().connect() as connection:
        return list(connection.execute(_TABLES, {"schema": institution.schema_name}).scalars())


_TABLES = text("select tablename from pg_tables where schemaname = :schema and tablename <> 'alembic_version'")
_FIRST_COLUMN = text(
    "select attname from pg_attribute where attrelid = cast(:table as regclass) and attnum > 0 order by attnum limit 1"
)


def _refused(connection: Connection, statement: str) -> bool:
    """Whether the role lacks the right. Any other error is not what is asked."""
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError as error:
        assert sqlstate(error) == INSUFFICIENT_PRIVILEGE, error
        return True
    finally:
        connection.rollback()
    return False

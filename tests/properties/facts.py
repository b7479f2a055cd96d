"""Everything that an institution has written down, without what says how it was written: batches, chains, ciphertext.

Two installations that were asked the same must then be the same, row for row.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, text

from engine.database.connections import Database
from engine.database.institutions import Institution

_OF_RECORDING = frozenset({"chain", "sequence", "position", "ciphertext"})
_ABOUT_BATCHES = frozenset({"chains", "batches", "closes"})
_VAULT = "pans"
"""Kept before a batch is decided, and harmless alone: when it was says how it was recorded."""

Facts = dict[str, list[str]]


def facts(engine: Engine) -> Facts:
    """Each table's rows as text, in an order of their own."""
    with engine.connect() as connection:
        return {table: sorted(_rows(connection, table)) for table in _tables(connection) if table not in _ABOUT_BATCHES}


def tables_that_differ(ones: Facts, others: Facts) -> dict[str, set[str]]:
    """The rows that only one of them has, by table."""
    assert ones.keys() == others.keys()
    return {name: alone for name in ones if (alone := set(ones[name]) ^ set(others[name]))}


def forget(database: Database, institution: Institution) -> None:
    """Empty all of an institution's tables, as the owner."""
    with database.owner().begin() as connection:
        connection.exec_driver_sql(f"set local search_path to {institution.schema_name}")
        for table in _tables(connection):
            connection.exec_driver_sql(f'delete from "{table}"')


def _tables(connection: Connection) -> list[str]:
    found = connection.execute(text("select tablename from pg_tables where schemaname = current_schema() order by 1"))
    return list(found.scalars())


def _rows(connection: Connection, table: str) -> Iterable[str]:
    hidden = _OF_RECORDING | {"created_at"} if table == _VAULT else _OF_RECORDING
    for row in connection.exec_driver_sql(f'select * from "{table}"').mappings():
        yield repr([(name, value) for name, value in row.items() if name not in hidden])

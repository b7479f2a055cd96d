"""Statements in a pipeline: one round trip, the first failure told, nothing left half done, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Connection, text

from engine.database.connections import Database, is_transient, sqlstate
from engine.database.pipeline import pipelined, send

_INSERT = "insert into kept (id) select unnest(%s::bigint[])"
_COUNT = "select count(*) from kept"
_SELECT = "select id, id % 2 = %s::int as odd from kept order by id"


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.owner().connect() as connection:
        connection.execute(text("create table if not exists public.kept (id bigint primary key)"))
        connection.execute(text("truncate public.kept"))
        connection.commit()
        yield connection


def count(connection: Connection) -> int:
    """How many rows others see: asked in a transaction of its own."""
    connection.rollback()
    ((number,),) = send(connection, _COUNT, ()).fetchall()
    connection.rollback()
    return int(number)


def test_one_statement_alone_is_part_of_the_connections_transaction(connection: Connection) -> None:
    assert send(connection, _INSERT, ("{1,2}",)).rowcount == 2
    assert connection.execute(text(_COUNT)).scalar() == 2, "the same transaction"
    assert count(connection) == 0, "rolled back"


def test_what_a_pipeline_gave_can_be_had_when_it_has_ended(connection: Connection) -> None:
    with pipelined(connection):
        inserted = send(connection, _INSERT, ("{1,2,3}",))
        selected = send(connection, _SELECT, ("1",))
        assert inserted.rowcount == -1, "not known yet"
    assert inserted.rowcount == 3
    assert selected.columns == ("id", "odd") and selected.fetchall() == [(1, True), (2, False), (3, True)]
    assert count(connection) == 0


def test_a_pipeline_commits_with_the_same_round_trip(connection: Connection) -> None:
    with pipelined(connection, committing=True):
        send(connection, _INSERT, ("{1}",))
    assert not connection.in_transaction() and count(connection) == 1


def test_the_first_failure_is_told_and_nothing_of_the_pipeline_stands(connection: Connection) -> None:
    with pytest.raises(psycopg.Error) as problem, pipelined(connection, committing=True):
        send(connection, _INSERT, ("{1}",))
        send(connection, _INSERT, ("{2,1}",))
        send(connection, "select 1 / %s::int", ("0",))
    assert sqlstate(problem.value) == "23505", "the first of two"
    assert count(connection) == 0
    with pipelined(connection, committing=True):
        send(connection, _INSERT, ("{1}",))
        send(connection, "select 1 / %s::int", ("1",))
    assert count(connection) == 1, "the connection goes on, with what was prepared before the failure and what was not"


def test_a_block_that_raises_commits_nothing(connection: Connection) -> None:
    with pytest.raises(ZeroDivisionError), pipelined(connection, committing=True):
        send(connection, _INSERT, ("{1}",))
        _ = 1 // 0
    assert count(connection) == 0


def test_more_than_any_buffer_holds_goes_through(connection: Connection) -> None:
    many = "{" + ",".join(map(str, range(200_000))) + "}"
    with pipelined(connection):
        inserted = send(connection, _INSERT, (many,))
        selected = send(connection, _SELECT, ("1",))
    assert inserted.rowcount == len(selected.fetchall()) == 200_000


def test_a_connection_lost_on_the_way_is_worth_another_try(database: Database, connection: Connection) -> None:
    ((own,),) = send(connection, "select pg_backend_pid()", ()).fetchall()
    with database.owner().begin() as other:
        other.execute(text("select pg_terminate_backend(:own)"), {"own": own})
    with pytest.raises(psycopg.Error) as problem, pipelined(connection, committing=True):
        send(connection, _INSERT, ("{1}",))
    assert is_transient(problem.value)
    connection.invalidate()
    connection.rollback()
    assert send(connection, _COUNT, ()).fetchall() == [(0,)]

"""Connections: errors by their SQLSTATE, unreachable databases in one sentence, every statement told to who asks."""

from __future__ import annotations

import socket

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from engine.database.connections import (
    Database,
    DatabaseUnavailable,
    UnknownInstitution,
    is_duplicate,
    is_transient,
    sqlstate,
)
from engine.database.pipeline import pipelined, send


def raised(database: Database, *statements: str) -> DBAPIError:
    with database.owner().connect() as connection, pytest.raises(DBAPIError) as problem:
        for statement in statements:
            connection.execute(text(statement))
    return problem.value


def signal(state: str) -> str:
    return f"do $$ begin raise exception using errcode = '{state}'; end $$"


@pytest.mark.parametrize("state", ["40P01", "40001", "08006", "08000", "57P01", "57P03"])
def test_what_may_succeed_next_time_is_transient(database: Database, state: str) -> None:
    problem = raised(database, signal(state))
    assert sqlstate(problem) == state
    assert is_transient(problem)
    assert not is_duplicate(problem)


@pytest.mark.parametrize("state", ["23514", "42501", "22012", "57014", "53300"])
def test_what_will_fail_again_is_not(database: Database, state: str) -> None:
    problem = raised(database, signal(state))
    assert sqlstate(problem) == state
    assert not is_transient(problem)


def test_a_second_row_of_a_key_is_a_duplicate(database: Database) -> None:
    problem = raised(database, "create temp table t (id int primary key)", "insert into t values (1), (1)")
    assert is_duplicate(problem)
    assert not is_transient(problem)
    assert problem.orig is not None and is_duplicate(problem.orig), "as the driver raises it, too"


@pytest.mark.parametrize("after", range(4))
def test_a_failure_among_pipelined_statements_leaves_nothing_to_the_next_user(database: Database, after: int) -> None:
    with database.owner().begin() as connection:
        connection.execute(text("create table if not exists pipelined_rows (id int primary key)"))
    for _ in range(2):
        with database.owner().connect() as connection, pytest.raises((DBAPIError, psycopg.Error)) as problem:
            connection.execute(text("delete from pipelined_rows"))
            with pipelined(connection, committing=True):
                for number in ("1", "1", *(str(9 + more) for more in range(after))):
                    send(connection, "insert into pipelined_rows values (%s::int)", (number,))
        assert is_duplicate(problem.value)
        with database.owner().connect() as connection:
            assert connection.execute(text("select count(*) from pipelined_rows")).scalar() == 0


def test_other_errors_have_no_state() -> None:
    assert sqlstate(ValueError()) is None
    assert not is_transient(ValueError())
    assert not is_duplicate(ValueError())


def test_a_connection_cut_in_use_is_transient_and_the_pool_recovers(database: Database) -> None:
    with database.owner().connect() as victim:
        backend = victim.execute(text("select pg_backend_pid()")).scalar_one()
        with database.owner().connect() as other:
            other.execute(text("select pg_terminate_backend(:backend, 10000)"), {"backend": backend})
        with pytest.raises(DBAPIError) as problem:
            victim.execute(text("select 1"))
    assert is_transient(problem.value)
    with database.owner().connect() as connection:
        assert connection.execute(text("select 1")).scalar_one() == 1


def test_a_database_that_cannot_be_reached_is_named_without_its_password() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        database = Database(f"postgresql://owner:hush-hush@127.0.0.1:{port}/bezant", b"")
        with pytest.raises(DatabaseUnavailable) as problem:
            database.owner().connect()
        database.dispose()
    assert str(problem.value) == (
        f"PostgreSQL at 127.0.0.1:{port} does not let owner in (Connection refused): "
        "see that it runs and accepts this role, or point BEZANT_DATABASE_URL at another server."
    )
    assert is_transient(problem.value)


def test_a_refused_login_says_so_without_the_password(server_url: str) -> None:
    database = Database(str(make_url(server_url).set(password="hush-hush").render_as_string(False)), b"")
    with pytest.raises(DatabaseUnavailable, match="password authentication failed for user") as problem:
        database.owner().connect()
    database.dispose()
    assert "hush" not in str(problem.value)


@pytest.mark.parametrize(
    "url", ["", "nonsense hush-hush", "mysql://u:hush-hush@h/d", "postgresql://u:hush-hush@h:port/d"]
)
def test_what_is_no_url_of_postgresql_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="not one of PostgreSQL's") as problem:
        Database(url, b"")
    assert "hush" not in str(problem.value)
    assert problem.value.__cause__ is None


def test_a_url_of_postgresql_may_be_written_as_others_do(server_url: str) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg2"):
        database = Database(server_url.replace("postgresql+psycopg", scheme), b"")
        with database.owner().connect() as connection:
            assert connection.execute(text("show transaction_isolation")).scalar_one() == "read committed"
            assert isinstance(connection.connection.driver_connection, psycopg.Connection)
        database.dispose()


def test_a_database_without_tables_knows_no_institution(server_url: str) -> None:
    database = Database(server_url, b"")
    with pytest.raises(UnknownInstitution):
        database.institution("bank")
    database.dispose()


def test_every_statement_is_told(database_url: str) -> None:
    told: list[str] = []
    database = Database(database_url, b"", told.append)
    with database.owner().connect() as connection:
        connection.execute(text("select 1 + :one"), {"one": 1})
        connection.exec_driver_sql("select 2")
    database.dispose()
    assert told == ["select 1 + %(one)s", "select 2"]


def test_passwords_of_roles_differ_by_role_and_secret_and_stay_the_same() -> None:
    first, second = (Database("postgresql://o@h/d", secret) for secret in (b"one", b"two"))
    assert first.role_password("bezant_a") == first.role_password("bezant_a")
    assert (
        len({first.role_password("bezant_a"), first.role_password("bezant_b"), second.role_password("bezant_a")}) == 3
    )

"""A database of its own for a world that begins anew: a demonstration, a test run."""

from __future__ import annotations

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from engine.database.connections import DatabaseUnavailable, postgresql_url, say_unavailable, sqlstate

# Object in use; duplicate database, by name or by catalogue row: somebody else makes it at this moment.
_IN_USE = frozenset({"55006", "42P04", "23505"})
_INSUFFICIENT_PRIVILEGE = "42501"


def fresh_database(owner_url: str, name: str) -> str:
    """Drop the database `name` on the owner's server if it is there, make it anew, and return its owner URL.

    Raises `DatabaseUnavailable` when the server cannot be reached, somebody works in the database, or the role may not
    make any.
    """
    assert name.isidentifier(), "the name is written into statements, where parameters cannot go"
    url = postgresql_url(owner_url)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    say_unavailable(engine)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"drop database if exists {name}")
            connection.exec_driver_sql(f"create database {name}")
    except DBAPIError as problem:
        if sqlstate(problem) in _IN_USE:
            raise DatabaseUnavailable(
                f"Somebody works in the database {name}, perhaps another run of the same command: wait for it."
            ) from None
        if sqlstate(problem) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise DatabaseUnavailable(
            f"The role {url.username} cannot make the database {name} at {url.host}:{url.port or 5432}: "
            "let it (alter role ... createdb), or point BEZANT_DATABASE_URL at another server."
        ) from None
    finally:
        engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)

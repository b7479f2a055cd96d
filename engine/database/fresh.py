"""A database of its own for a world that begins anew: a demonstration, a test run."""

from __future__ import annotations

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import DBAPIError

from engine.database.connections import DatabaseUnavailable, sqlstate

_IN_USE = "55006"


def fresh_database(owner_url: str, name: str) -> str:
    """Drop the database `name` on the owner's server if it is there, make it anew, and return its owner URL.

    Raises `DatabaseUnavailable` when somebody works in it, or when the role may not make databases.
    """
    assert name.isidentifier(), "the name is written into statements, where parameters cannot go"
    url = make_url(owner_url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"drop database if exists {name}")
            connection.exec_driver_sql(f"create database {name}")
    except DBAPIError as problem:
        if sqlstate(problem) == _IN_USE:
            raise DatabaseUnavailable(
                f"Somebody works in the database {name}, perhaps another run of the same command: wait for it."
            ) from None
        raise DatabaseUnavailable(
            f"The role {url.username} cannot make the database {name} at {url.host}:{url.port or 5432}: "
            "let it (alter role ... createdb), or point BEZANT_DATABASE_URL at another server."
        ) from None
    finally:
        engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)

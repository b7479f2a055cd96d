"""Copies of a finished day's database, to change behind the program's back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from pydantic import SecretStr
from sqlalchemy import create_engine, make_url

_numbers = count(1)


@contextmanager
def copied(database_url: SecretStr | None) -> Iterator[str]:
    """The owner's URL of a copy, gone afterwards. Nobody may be connected to the original."""
    assert database_url is not None
    original = make_url(database_url.get_secret_value()).set(drivername="postgresql+psycopg")
    name = f"{original.database}_copy_{next(_numbers)}"
    engine = create_engine(original.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name} template {original.database}")
        try:
            yield original.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"drop database {name} with (force)")
    engine.dispose()

"""Two databases, so that two institutions of one name, and with it of the same identifiers, can be compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.database.connections import Database
from engine.database.fresh import fresh_database
from engine.database.schema import upgrade_public
from tests.conftest import ROLE_SECRET

Twins = tuple[Database, Database]


@pytest.fixture(scope="module")
def databases(server_url: str) -> Iterator[Twins]:
    """The connections of two databases with nothing but what all institutions share."""
    ones = Database(fresh_database(server_url, "bezant_together"), ROLE_SECRET)
    others = Database(fresh_database(server_url, "bezant_apart"), ROLE_SECRET)
    for database in (ones, others):
        upgrade_public(database)
    yield ones, others
    for database in (ones, others):
        database.dispose()

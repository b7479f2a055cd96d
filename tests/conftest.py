"""What tests share: one real PostgreSQL server per run, a database per module, and institutions opened in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy import create_engine, make_url

from api.settings import Settings
from api.system import role_secret
from engine.database.connections import Database
from engine.database.institutions import Institution, InstitutionRole, open_institution
from engine.database.schema import ENGINE, SchemaPart, upgrade, upgrade_public
from engine.database.server import EmbeddedServer

ROLE_SECRET = role_secret(Settings())  # the program's: login roles belong to the server, not to a database
OPENED_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TEMPLATE = "bezant_template"

_numbers = count(1)

OpenInstitution = Callable[..., Institution]


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's URL of an embedded server that lives as long as the test run."""
    with EmbeddedServer(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a database with the shared tables, to be cloned."""
    _run(server_url, f"create database {TEMPLATE}")
    database = Database(_with_name(server_url, TEMPLATE), ROLE_SECRET)
    upgrade_public(database)
    database.dispose()
    return TEMPLATE


@pytest.fixture(scope="module")
def database_url(server_url: str, template: str) -> Iterator[str]:
    """The owner's URL of a fresh database: shared tables, no institution."""
    name = f"bezant_{next(_numbers)}"
    _run(server_url, f"create database {name} template {template}")
    yield _with_name(server_url, name)
    _run(server_url, f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """The connections of a fresh database."""
    database = Database(database_url, ROLE_SECRET)
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def institution(database: Database) -> OpenInstitution:
    """Opens an institution, with its tables, in the module's database; by name, then role, parts and time zone."""

    def opened(
        name: str, role: InstitutionRole = "issuer", parts: Sequence[SchemaPart] = (ENGINE,), time_zone: str = "UTC"
    ) -> Institution:
        made = Institution.named(name, f"member {name}", role, time_zone)
        open_institution(database, made, OPENED_AT)
        upgrade(database, made, parts)
        return made

    return opened


def _with_name(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _run(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()

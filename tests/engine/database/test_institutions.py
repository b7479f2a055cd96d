"""Institutions: registered once, walled off from each other by PostgreSQL itself, on one clock that moves forward."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, make_url, text
from sqlalchemy.exc import DBAPIError

from engine.database.connections import Database, UnknownInstitution, sqlstate
from engine.database.institutions import (
    Institution,
    find_institution,
    list_institutions,
    move_clock_offset,
    open_institution,
    read_clock_offset,
)
from engine.database.schema import SchemaPart, revise, upgrade
from engine.database.tables import NAMING

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FORBIDDEN = "42501"  # insufficient privilege

metadata = MetaData(naming_convention=NAMING)
Table("notes", metadata, Column("id", BigInteger, primary_key=True), Column("words", Text))
Table("facts", metadata, Column("id", BigInteger, primary_key=True), Column("words", Text), info={"append_only": True})


@pytest.fixture(scope="module")
def part(database: Database, tmp_path_factory: pytest.TempPathFactory) -> SchemaPart:
    part = SchemaPart("trial", metadata, tmp_path_factory.mktemp("versions"))
    assert revise(database, [part], "trial", "Notes and facts") is not None
    return part


@pytest.fixture(scope="module")
def first(institution: Callable[..., Institution], part: SchemaPart) -> Institution:
    return institution("first", parts=[part])


@pytest.fixture(scope="module")
def second(institution: Callable[..., Institution], part: SchemaPart) -> Institution:
    return institution("second", role="acquirer", parts=[part])


def refusal(database: Database, institution: Institution, statement: str) -> str | None:
    with database.institution(institution.name).connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.execute(text(statement))
    return sqlstate(refused.value)


def test_each_institution_sees_its_own_tables_by_plain_names(
    database: Database, first: Institution, second: Institution
) -> None:
    for institution, words in ((first, "of the first"), (second, "of the second")):
        with database.institution(institution.name).begin() as connection:
            connection.execute(text("insert into notes values (1, :words)"), {"words": words})
            connection.execute(text("insert into facts values (1, :words)"), {"words": words})
    for institution, words in ((first, "of the first"), (second, "of the second")):
        with database.institution(institution.name).begin() as connection:
            assert connection.execute(text("select words from notes")).scalars().all() == [words]
            assert connection.execute(text("select words from facts")).scalars().all() == [words]
            assert connection.execute(text("select current_user")).scalar_one() == institution.login_role


@pytest.mark.parametrize(
    "statement",
    [
        "select * from i_second.notes",
        "insert into i_second.facts values (2, 'planted')",
        "create table i_second.planted (n int)",
        "create table public.planted (n int)",
        "create table planted (n int)",
        "update public.institutions set role = 'network'",
        "delete from public.world_clock",
        "set role bezant",
    ],
)
def test_an_institution_reaches_nothing_of_another_or_of_all(
    database: Database, first: Institution, second: Institution, statement: str
) -> None:
    assert refusal(database, first, statement) == FORBIDDEN


@pytest.mark.parametrize("statement", ["update facts set words = ''", "delete from facts", "truncate facts"])
def test_what_is_append_only_is_neither_changed_nor_deleted(
    database: Database, first: Institution, statement: str
) -> None:
    assert refusal(database, first, statement) == FORBIDDEN


def test_a_table_that_becomes_append_only_loses_what_was_granted(
    database: Database, first: Institution, part: SchemaPart
) -> None:
    stricter = MetaData(naming_convention=NAMING)
    for table in metadata.sorted_tables:
        table.to_metadata(stricter).info["append_only"] = True
    upgrade(database, first, [SchemaPart(part.label, stricter, part.versions)])
    assert refusal(database, first, "delete from notes") == FORBIDDEN
    upgrade(database, first, [part])
    with database.institution("first").begin() as connection:
        connection.execute(text("delete from notes where id = 99"))


def test_an_institution_reads_who_the_others_are(database: Database, first: Institution, second: Institution) -> None:
    with database.institution("first").connect() as connection:
        names = connection.execute(text("select name from public.institutions order by name")).scalars().all()
    assert names == [one.name for one in list_institutions(database)]
    assert {"first", "second"} <= set(names)


def test_opening_again_changes_nothing_even_at_once(database: Database, first: Institution) -> None:
    new = Institution.named("at_once", "at once", "issuer", "Europe/Berlin")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: open_institution(database, new, NOW), range(4)))
    before = list_institutions(database)
    open_institution(database, new, datetime(2027, 1, 1, tzinfo=UTC))
    assert list_institutions(database) == before
    assert find_institution(database, "at_once") == new
    with database.owner().connect() as connection:
        opened = connection.execute(text("select opened_at from public.institutions where name = 'at_once'"))
        assert opened.scalar_one() == NOW


def test_an_institution_that_differs_cannot_take_a_name_or_a_member_id(database: Database, first: Institution) -> None:
    with pytest.raises(ValueError, match="first is open already, as issuer member first in UTC"):
        open_institution(database, Institution.named("first", "member first", "network", "UTC"), NOW)
    with pytest.raises(ValueError, match="member id member first belongs to another"):
        open_institution(database, Institution.named("third", "member first", "issuer", "UTC"), NOW)
    assert "third" not in [one.name for one in list_institutions(database)]


def test_who_is_not_registered_is_unknown(database: Database, first: Institution) -> None:
    with pytest.raises(
        UnknownInstitution, match="no institution 'nobody': open it with `bezant institutions add nobody`"
    ):
        find_institution(database, "nobody")
    with pytest.raises(UnknownInstitution):
        database.institution("nobody")


@pytest.mark.parametrize("name", ["", "a", "Bank", "1bank", "ba nk", "bank;", 'b"ank', "b" * 32, "bank\n"])
def test_a_name_that_could_not_stand_in_a_statement_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name an institution"):
        Institution.named(name, "1", "issuer", "UTC")


def test_a_role_or_time_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no role of an institution"):
        Institution.named("bank", "1", "bakery", "UTC")  # type: ignore[arg-type]
    for zone in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(ValueError, match="is no time zone"):
            Institution.named("bank", "1", "issuer", zone)


def test_the_clock_moves_forward_only(database: Database, first: Institution) -> None:
    with database.institution("first").begin() as connection:
        assert read_clock_offset(connection) == 0
        move_clock_offset(connection, 60_000_000)
        move_clock_offset(connection, 60_000_000)
        with pytest.raises(ValueError, match="moves forward only"):
            move_clock_offset(connection, 59_999_999)
        assert read_clock_offset(connection) == 60_000_000


def test_an_institution_whose_schema_lives_elsewhere_is_reached_there(
    database: Database, server_url: str, institution: Callable[..., Institution], part: SchemaPart
) -> None:
    institution("moved", parts=[part])
    elsewhere = make_url(server_url).set(username=None, password=None)
    with database.owner().begin() as connection:
        connection.execute(
            text("update public.institutions set database_url = :url where name = 'moved'"), {"url": str(elsewhere)}
        )
    with database.institution("moved").connect() as connection:
        assert connection.execute(text("select current_database()")).scalar_one() == elsewhere.database
        assert connection.execute(text("select current_user")).scalar_one() == "bezant_moved"


def test_no_password_is_stored_or_sent(database_url: str, first: Institution) -> None:
    sent: list[str] = []
    database = Database(database_url, b"another secret", sent.append)
    renewed = Institution.named("renewed", "renewed", "issuer", "UTC")
    open_institution(database, renewed, NOW)
    with database.institution("renewed").connect() as connection:
        connection.execute(text("select 1"))
    database.dispose()
    assert any("create role bezant_renewed" in statement for statement in sent)
    assert not any(database.role_password("bezant_renewed") in statement for statement in sent)

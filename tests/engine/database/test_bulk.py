"""Bulk rows: any value goes in and comes out as it was, by one statement, locked in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.bulk import Rows
from engine.database.connections import Database, is_duplicate, sqlstate

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("big", BigInteger),
    Column("whole", Integer),
    Column("small", SmallInteger),
    Column("order", Text),  # a word of SQL
    Column("code", String(3)),
    Column("yes", Boolean),
    Column("day", Date),
    Column("at", DateTime(timezone=True)),
    Column("more", JSONB),
    Column("raw", LargeBinary),
    Column("rate", Numeric(20, 6)),
    prefixes=["temporary"],
)
rows = Rows(things)


class Code(StrEnum):
    USD = "USD"


@dataclass(frozen=True, slots=True)
class Thing:
    id: UUID
    big: int
    order: str


@pytest.fixture(scope="module")
def session(database: Database) -> Iterator[Connection]:
    with database.owner().connect() as connection:
        metadata.create_all(connection, checkfirst=False)
        connection.commit()
        yield connection


@pytest.fixture
def connection(session: Connection) -> Iterator[Connection]:
    yield session
    session.rollback()


def thing(number: int, **others: Any) -> dict[str, Any]:
    return {"id": UUID(int=number)} | dict.fromkeys(things.columns.keys()[1:]) | others


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
json_values = st.recursive(
    st.booleans() | st.integers(-(10**30), 10**30) | words,
    lambda inner: st.lists(inner) | st.dictionaries(words, inner),
    max_leaves=5,
).filter(lambda value: not isinstance(value, str))  # a text is JSON text already
contents = st.fixed_dictionaries(
    {
        "big": st.none() | st.integers(-(2**63), 2**63 - 1),
        "whole": st.none() | st.integers(-(2**31), 2**31 - 1),
        "small": st.none() | st.integers(-(2**15), 2**15 - 1),
        "order": st.none()
        | words
        | st.sampled_from(["", "NULL", "null", "a,b", '"', "\\", "{}", "\x1f", "a\x1fb", " x ", "%s"]),
        "code": st.none() | st.sampled_from(["", "978", Code.USD]),
        "yes": st.none() | st.booleans(),
        "day": st.none() | st.dates(),
        "at": st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
        "more": st.none() | json_values,
        "raw": st.none() | st.binary(),
        "rate": st.none() | st.decimals("-99999999999999", "99999999999999", places=6),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(contents, min_size=1, max_size=8))
def test_what_goes_in_comes_out(session: Connection, drawn: list[dict[str, Any]]) -> None:
    given_rows = [{"id": UUID(int=number)} | content for number, content in enumerate(drawn)]
    rows.insert(session, given_rows)
    assert rows.read(session, [row["id"] for row in given_rows]) == given_rows
    rows.update(
        session, [{"id": row["id"]} | content for row, content in zip(given_rows, reversed(drawn), strict=True)]
    )
    updated = rows.read(session, [row["id"] for row in given_rows])
    assert [{**row, "id": None} for row in updated] == [{"id": None} | content for content in reversed(drawn)]
    session.rollback()


def test_dataclasses_are_rows_too(connection: Connection) -> None:
    rows.insert(connection, [Thing(UUID(int=2), 5, "b"), Thing(UUID(int=1), 4, "a")])
    assert rows.update(connection, [Thing(UUID(int=2), 6, "not this")], columns=("big",)) == 1
    read = rows.read(connection, [UUID(int=2), UUID(int=1), UUID(int=3)])
    assert [(row["id"].int, row["big"], row["order"]) for row in read] == [(1, 4, "a"), (2, 6, "b")]


def test_a_time_of_any_zone_is_the_same_instant(connection: Connection) -> None:
    at = datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=-5)))
    rows.insert(connection, [thing(1, at=at, day=date(2026, 3, 2))])
    assert rows.read(connection, [UUID(int=1)])[0]["at"] == at


def test_new_rows_are_told_from_those_that_exist(connection: Connection) -> None:
    assert rows.insert_new(connection, [thing(1, big=1)]) == [{"id": UUID(int=1)}]
    again = rows.insert_new(connection, [thing(1, big=2), thing(2, big=2), thing(2, big=3)])
    assert again == [{"id": UUID(int=2)}]
    assert [row["big"] for row in rows.read(connection, [UUID(int=1), UUID(int=2)])] == [1, 2]


def test_an_existing_key_is_a_duplicate(connection: Connection) -> None:
    rows.insert(connection, [thing(1)])
    with pytest.raises(psycopg.Error) as problem:
        rows.insert(connection, [thing(2), thing(1)])
    assert is_duplicate(problem.value)


def test_an_update_tells_how_many_rows_it_found(connection: Connection) -> None:
    rows.insert(connection, [thing(1, big=1, code="a"), thing(2, big=2, code="b")])
    assert rows.update(connection, [thing(1, big=9), thing(3, big=9)], columns=("big",)) == 1
    by_two = [{"id": UUID(int=1), "code": "a", "big": 7}, {"id": UUID(int=2), "code": "z", "big": 7}]
    assert rows.update(connection, by_two, key=("id", "code")) == 1
    assert [row["big"] for row in rows.read(connection, [UUID(int=1), UUID(int=2)])] == [7, 2]


def test_rows_are_found_by_another_column_in_the_order_of_the_key(connection: Connection) -> None:
    rows.insert(connection, [thing(3, code="a", big=1), thing(1, code="b", big=2), thing(2, code="c", big=3)])
    assert [row["id"].int for row in rows.lock(connection, ["b", "a"], by="code")] == [1, 3]
    assert [row["id"].int for row in rows.read(connection, ["b", "a"], by="code", order=("big",))] == [3, 1]


def test_no_rows_means_no_statement() -> None:
    nowhere = None
    rows.insert(nowhere, [])  # type: ignore[arg-type]
    assert rows.insert_new(nowhere, []) == []  # type: ignore[arg-type]
    assert rows.update(nowhere, []) == 0  # type: ignore[arg-type]
    assert rows.lock(nowhere, []) == []  # type: ignore[arg-type]


def test_a_text_too_long_is_refused_not_cut(connection: Connection) -> None:
    with pytest.raises(psycopg.Error) as problem:
        rows.insert(connection, [thing(1, code="long")])
    assert sqlstate(problem.value) == "22001"


@pytest.mark.parametrize("wrong", [{"big": 1.5}, {"rate": 1.5}, {"more": {"a": 0.1}}, {"at": datetime(2026, 3, 2)}])
def test_floats_and_times_without_zone_are_refused(connection: Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, psycopg.Error)):
        rows.insert(connection, [thing(1, **wrong)])


@pytest.mark.parametrize("kind", [ARRAY(Text), Float(), Enum("a", "b")])
def test_types_that_cannot_travel_so_are_refused_when_the_table_is_bound(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"odd\.value"):
        Rows(Table("odd", MetaData(), Column("value", kind)))


def test_locked_rows_are_waited_for(database: Database, institution: Callable[..., object]) -> None:
    with database.owner().begin() as connection:
        connection.execute(text("create table public.locked (id bigint primary key)"))
    locked = Rows(Table("locked", MetaData(), Column("id", BigInteger, primary_key=True)))
    with database.owner().begin() as first, database.owner().begin() as second:
        locked.insert(first, [{"id": 2}, {"id": 1}])
        first.commit()
    with database.owner().connect() as first, database.owner().connect() as second:
        assert locked.lock(first, [1]) == [{"id": 1}]
        assert locked.read(second, [1, 2]) == [{"id": 1}, {"id": 2}]
        second.execute(text("set local lock_timeout = 1"))
        with pytest.raises(psycopg.Error) as problem:
            locked.lock(second, [2, 1])
        assert sqlstate(problem.value) == "55P03"

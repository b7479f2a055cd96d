"""Set-based writes and locked reads: one statement for any number of rows.

Each column travels as one array, written here as PostgreSQL's array literal: a text that is joined once costs a tenth
of what the driver takes to adapt each element. Statements are built once for each set of columns and prepared by the
connection. Only what shards (Citus) and several processes allow: no trigger, no MERGE, `unnest`, `any(:ids)`, locks
in key order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    CursorResult,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Table,
    Uuid,
)
from sqlalchemy.types import JSON, TypeEngine

from engine.database.json_text import canonical_json

__all__ = ["Row", "Rows", "canonical_json"]

Row = Mapping[str, Any] | Any  # or an object with an attribute for each column, such as a dataclass
_Literal = Callable[[Sequence[Any]], str]


class Rows:
    """Reads and writes of one table. Columns are named by the rows: a mapping's keys, a dataclass's fields.

    Values are those of the columns' types: UUID, int, str (or an enum of str), bool, date, aware datetime, Decimal,
    bytes; for jsonb anything that `canonical_json` takes, where a str counts as JSON text already. None is NULL. No
    rows means no statement.
    """

    def __init__(self, table: Table) -> None:
        """A table whose columns are of the types above; others (arrays, floats) are refused with `TypeError`."""
        self._name = _quoted(table.name)
        self._types = {column.name: _array_type(column) for column in table.columns}
        self._key = tuple(column.name for column in table.primary_key.columns)
        self._statements: dict[tuple[object, ...], str] = {}

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert all rows by one statement. An existing key raises (23505)."""
        if rows:
            columns = _columns_of(rows[0])
            statement = self._statement(("insert", columns), lambda: self._insert_text(columns))
            connection.exec_driver_sql(statement, self._arrays(rows, columns))

    def insert_new(self, connection: Connection, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Insert the rows that meet no unique constraint; returns the primary keys of those that were inserted, in no
        order.
        """
        if not rows:
            return []
        columns = _columns_of(rows[0])
        statement = self._statement(
            ("insert new", columns),
            lambda: f"{self._insert_text(columns)} on conflict do nothing returning {_listed(self._key)}",
        )
        return _mappings(connection.exec_driver_sql(statement, self._arrays(rows, columns)))

    def update(
        self,
        connection: Connection,
        rows: Sequence[Row],
        key: tuple[str, ...] = ("id",),
        columns: tuple[str, ...] | None = None,
    ) -> int:
        """Set `columns` (default: all that the rows have beyond `key`) of the rows found by `key`; returns how many
        were found.

        Each key once. Lock the rows first (`lock`): an update alone takes its locks in no order.
        """
        if not rows:
            return 0
        changed = columns or tuple(name for name in _columns_of(rows[0]) if name not in key)
        statement = self._statement(("update", key, changed), lambda: self._update_text(key, changed))
        arrays = self._arrays(rows, (*key, *changed))
        # The first key once more: `= any` is what lets shards and plans find the rows.
        return connection.exec_driver_sql(statement, (*arrays, arrays[0])).rowcount

    def lock(
        self, connection: Connection, ids: Sequence[Any], by: str = "id", order: tuple[str, ...] | None = None
    ) -> list[dict[str, Any]]:
        """The rows whose `by` is among `ids`, locked for update in `order` (default: the primary key), the same for
        everybody.
        """
        return self._select(connection, ids, by, order, " for update")

    def read(
        self, connection: Connection, ids: Sequence[Any], by: str = "id", order: tuple[str, ...] | None = None
    ) -> list[dict[str, Any]]:
        """As `lock`, without locking."""
        return self._select(connection, ids, by, order, "")

    def _select(
        self, connection: Connection, ids: Sequence[Any], by: str, order: tuple[str, ...] | None, locking: str
    ) -> list[dict[str, Any]]:
        if not ids:
            return []
        literal = self._types[by][1]
        statement = self._statement(
            ("select", by, order, locking),
            lambda: (
                f"select {_listed(self._types)} from {self._name} where {_quoted(by)} = any({self._parameter(by)})"  # noqa: S608
                f" order by {_listed(order or self._key)}{locking}"
            ),
        )
        return _mappings(connection.exec_driver_sql(statement, (literal(ids),)))

    def _statement(self, key: tuple[object, ...], build: Callable[[], str]) -> str:
        found = self._statements.get(key)
        if found is None:
            found = self._statements[key] = build()
        return found

    def _insert_text(self, columns: tuple[str, ...]) -> str:
        # In the select list, unlike in FROM, the elements go to the table without being kept in between.
        elements = ", ".join(f"unnest({self._parameter(name)})" for name in columns)
        return f"insert into {self._name} ({_listed(columns)}) select {elements}"

    def _update_text(self, key: tuple[str, ...], changed: tuple[str, ...]) -> str:
        found = " and ".join(f"t.{_quoted(name)} = n.{_quoted(name)}" for name in key)
        names = (*key, *changed)
        setting = ", ".join(f"{_quoted(name)} = n.{_quoted(name)}" for name in changed)
        return (
            f"update {self._name} t set {setting}"  # noqa: S608
            f" from unnest({', '.join(map(self._parameter, names))}) n ({_listed(names)})"
            f" where {found} and t.{_quoted(key[0])} = any({self._parameter(key[0])})"
        )

    def _parameter(self, column: str) -> str:
        return f"%s::{self._types[column][0]}[]"

    def _arrays(self, rows: Sequence[Row], columns: tuple[str, ...]) -> tuple[str, ...]:
        getter = itemgetter if isinstance(rows[0], Mapping) else attrgetter
        values = getter(*columns)
        by_column = zip(*map(values, rows), strict=True) if len(columns) > 1 else [[values(row) for row in rows]]
        return tuple(self._types[name][1](column) for name, column in zip(columns, by_column, strict=True))


def _columns_of(row: Row) -> tuple[str, ...]:
    return tuple(row) if isinstance(row, Mapping) else tuple(field.name for field in fields(row))


def _mappings(result: CursorResult[Any]) -> list[dict[str, Any]]:
    columns = tuple(result.keys())
    return [dict(zip(columns, row, strict=True)) for row in result]


def _quoted(name: str) -> str:
    assert '"' not in name and "%" not in name, "names of ours are plain"
    return f'"{name}"'


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(map(_quoted, names))


def _array_type(column: Column[Any]) -> tuple[str, _Literal]:
    """The element type to cast to (without length or scale, which a cast would cut to silently) and the writer of the
    literal.
    """
    for kind, name, literal in _KINDS:
        if isinstance(column.type, kind) and not isinstance(column.type, Enum | Float):
            return name, literal
    raise TypeError(f"{column.table.name}.{column.name}: no bulk writes of {column.type!r}")


def _bare(write: Callable[[Any], str]) -> _Literal:
    """A literal of elements that hold neither comma, quote, brace nor backslash, and are not the word null."""

    def literal(values: Sequence[Any]) -> str:
        if None in values:
            return "{" + ",".join(["null" if value is None else write(value) for value in values]) + "}"
        return "{" + ",".join(map(write, values)) + "}"

    return literal


def _instant(value: Any) -> str:
    assert value.tzinfo is not None, "a time without a zone says nothing"
    return str(value.isoformat())


def _amount(value: Any) -> str:
    assert not isinstance(value, float), "no float near money"
    return str(value)


_SEPARATOR = "\x1f"


def _texts(values: Sequence[Any]) -> str:
    if None not in values:
        joined = _SEPARATOR.join(values)
        if joined.count(_SEPARATOR) == len(values) - 1:  # all at once, unless a value holds the separator
            return '{"' + _escaped(joined).replace(_SEPARATOR, '","') + '"}'
    return "{" + ",".join(["null" if value is None else f'"{_escaped("".join(value))}"' for value in values]) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _json_texts(values: Sequence[Any]) -> str:
    return _texts([value if value is None or isinstance(value, str) else canonical_json(value) for value in values])


# In this order: SQLAlchemy's SmallInteger and BigInteger are Integers.
_KINDS: tuple[tuple[type[TypeEngine[Any]], str, _Literal], ...] = (
    (Uuid, "uuid", _bare(attrgetter("hex"))),
    (BigInteger, "bigint", _bare(str)),
    (SmallInteger, "smallint", _bare(str)),
    (Integer, "integer", _bare(str)),
    (Boolean, "boolean", _bare(lambda value: "t" if value else "f")),
    (DateTime, "timestamptz", _bare(_instant)),
    (Date, "date", _bare(lambda value: value.isoformat())),
    (Numeric, "numeric", _bare(_amount)),
    (LargeBinary, "bytea", _bare(lambda value: f'"\\\\x{value.hex()}"')),
    (JSON, "jsonb", _json_texts),
    (String, "text", _texts),
)

"""Set-based writes and locked reads: one statement for any number of rows.

Each column travels as one array, written here as PostgreSQL's array literal: a text that is joined once costs a tenth
of what the driver takes to adapt each element. Rows are turned into columns by `zip`, and a column into text at a
time, so that no row is touched in Python by itself. Statements are built once for each set of columns and prepared by
the connection. Only what shards (Citus) and several processes allow: no trigger, no MERGE, `unnest`, `any(:ids)`, locks
in key order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC
from functools import cache, lru_cache
from itertools import zip_longest
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import (
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
    Numeric,
    SmallInteger,
    String,
    Table,
    Uuid,
)
from sqlalchemy.types import JSON, TypeEngine

from engine.database.json_text import canonical_json
from engine.database.pipeline import Parcel, Sent, send

__all__ = ["Row", "Rows", "by_column", "canonical_json", "fields_of"]

Row = Mapping[str, Any] | Any  # or an object with an attribute for each column, such as a dataclass
_WORTH_SAYING_ONCE = 8
# Of these, equal values may differ in their text (1.0 and 1.00), or to compare them costs more than it saves.
_NEVER_SAME = frozenset({"numeric", "uuid", "bytea"})
_MOST_STATEMENTS = 200
"""Of one table: which columns say the same differs from batch to batch, and each connection prepares each statement."""
_Texts = Callable[[Sequence[Any]], list[str]]
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

    def insert(self, connection: Connection | Parcel, rows: Sequence[Row]) -> None:
        """Insert all rows by one statement. An existing key raises (23505)."""
        if rows:
            columns = _columns_of(rows[0])
            self.insert_columns(connection, columns, by_column(rows, columns))

    def insert_columns(
        self, connection: Connection | Parcel, columns: tuple[str, ...], values: Iterable[Sequence[Any]]
    ) -> None:
        """As `insert`, of rows that are columns already: of each the values, in the order of the rows."""
        self.insert_arrays(connection, columns, self.arrays(columns, values))

    def insert_arrays(self, connection: Connection | Parcel, columns: tuple[str, ...], arrays: tuple[str, ...]) -> None:
        """As `insert_columns`, of columns that are `arrays` already."""
        same = tuple(isinstance(array, Same) for array in arrays)
        if True not in same or all(same) or len(self._statements) > _MOST_STATEMENTS:
            send(connection, self._statement(("insert", columns), lambda: self._insert_text(columns)), arrays)
            return
        statement = self._statement(("insert", columns, same), lambda: self._insert_text(columns, same))
        send(connection, statement, [array.once if isinstance(array, Same) else array for array in arrays])

    def arrays(self, columns: tuple[str, ...], values: Iterable[Sequence[Any]]) -> tuple[str, ...]:
        """The array literals of these columns: the same for the same values, whether about to be written or read."""
        return tuple(_literal(self._types[name], column) for name, column in zip(columns, values, strict=True))

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
        return _mappings(send(connection, statement, self.arrays(columns, by_column(rows, columns))))

    def update(
        self,
        connection: Connection | Parcel,
        rows: Sequence[Row],
        key: tuple[str, ...] = ("id",),
        columns: tuple[str, ...] | None = None,
    ) -> int:
        """Set `columns` (default: all that the rows have beyond `key`) of the rows found by `key`; returns how many
        were found (-1 within `pipelined`: not known yet).

        Each key once. Lock the rows first (`lock`): an update alone takes its locks in no order.
        """
        if not rows:
            return 0
        changed = columns or tuple(name for name in _columns_of(rows[0]) if name not in key)
        statement = self._statement(("update", key, changed), lambda: self._update_text(key, changed))
        columns = (*key, *changed)
        arrays = self.arrays(columns, by_column(rows, columns))
        # The first key once more: `= any` is what lets shards and plans find the rows.
        return send(connection, statement, (*arrays, arrays[0])).rowcount

    def delete(self, connection: Connection | Parcel, rows: Sequence[Row], key: tuple[str, ...]) -> None:
        """Delete the rows found by `key`."""
        if rows:
            statement = self._statement(("delete", key), lambda: self._delete_text(key))
            arrays = self.arrays(key, by_column(rows, key))
            send(connection, statement, (*arrays, arrays[0]))

    def lock(
        self, connection: Connection, ids: Sequence[Any], by: str = "id", order: tuple[str, ...] | None = None
    ) -> list[dict[str, Any]]:
        """The rows whose `by` is among `ids`, locked for update in `order` (default: the primary key), the same for
        everybody.
        """
        return _mappings(self.select(connection, ids, by, order, locking=True)) if ids else []

    def read(
        self, connection: Connection, ids: Sequence[Any], by: str = "id", order: tuple[str, ...] | None = None
    ) -> list[dict[str, Any]]:
        """As `lock`, without locking."""
        return _mappings(self.select(connection, ids, by, order)) if ids else []

    def select(
        self,
        connection: Connection,
        ids: Sequence[Any],
        by: str = "id",
        order: tuple[str, ...] | None = None,
        columns: tuple[str, ...] = (),
        *,
        locking: bool = False,
    ) -> Sent:
        """As `read` or, locking, as `lock`: what gives these columns (none: all) of each row as a tuple."""
        statement = self._statement(
            ("select", by, order, columns, locking),
            lambda: (
                f"select {_listed(columns or self._types)} from {self._name}"  # noqa: S608
                f" where {_quoted(by)} = any({self._parameter(by)})"
                f" order by {_listed(order or self._key)}{' for update' if locking else ''}"
            ),
        )
        return send(connection, statement, (self._types[by][1](ids),))

    def _statement(self, key: tuple[object, ...], build: Callable[[], str]) -> str:
        found = self._statements.get(key)
        if found is None:
            found = self._statements[key] = build()
        return found

    def _insert_text(self, columns: tuple[str, ...], same: tuple[bool, ...] = ()) -> str:
        # In the select list, unlike in FROM, the elements go to the table without being kept in between.
        elements = ", ".join(
            f"({self._parameter(name)})[1]" if once else f"unnest({self._parameter(name)})"
            for name, once in zip_longest(columns, same)
        )
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

    def _delete_text(self, key: tuple[str, ...]) -> str:
        found = " and ".join(f"t.{_quoted(name)} = n.{_quoted(name)}" for name in key)
        return (
            f"delete from {self._name} t using unnest({', '.join(map(self._parameter, key))}) n ({_listed(key)})"  # noqa: S608
            f" where {found} and t.{_quoted(key[0])} = any({self._parameter(key[0])})"
        )

    def _parameter(self, column: str) -> str:
        return f"%s::{self._types[column][0]}[]"


class Same(str):
    """The array literal of a column that says the same in every row; `once` is that of one row, which is what the
    database is sent.
    """

    __slots__ = ("once",)
    once: str


def _literal(kind: tuple[str, _Literal], values: Sequence[Any]) -> str:
    name, write = kind
    if len(values) < _WORTH_SAYING_ONCE:
        return write(values)
    first = values[0]
    if first is not None and (name in _NEVER_SAME or (name == "jsonb" and not isinstance(first, str))):
        return write(values)
    if first != values[-1] or values.count(first) < len(values):
        return write(values)
    once = write([first])
    literal = Same("{" + ",".join([once[1:-1]] * len(values)) + "}")
    literal.once = once
    return literal


def by_column(rows: Sequence[Row], columns: tuple[str, ...]) -> Iterable[Sequence[Any]]:
    """Rows turned round: of each column the values, in the order of the rows."""
    if isinstance(rows[0], tuple) and rows[0]._fields == columns:  # type: ignore[attr-defined]
        return zip(*rows, strict=True)
    values = (itemgetter if isinstance(rows[0], Mapping) else attrgetter)(*columns)
    return zip(*map(values, rows), strict=True) if len(columns) > 1 else [[values(row) for row in rows]]


def _columns_of(row: Row) -> tuple[str, ...]:
    return tuple(row) if isinstance(row, Mapping) else fields_of(type(row))


@cache
def _fields_of(kind: Any) -> tuple[str, ...]:
    return tuple(kind._fields) if issubclass(kind, tuple) else tuple(field.name for field in fields(kind))


def fields_of(kind: type) -> tuple[str, ...]:
    """The names of the fields of a dataclass or named tuple."""
    return _fields_of(kind)


def _mappings(sent: Sent) -> list[dict[str, Any]]:
    columns = sent.columns
    return [dict(zip(columns, row, strict=True)) for row in sent.fetchall()]


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


def _numbers(values: Sequence[Any]) -> str:
    """Whole numbers: the whole column by one `repr`, in C."""
    text = repr(list(values))
    if "<" in text:  # enumerations of numbers show their names
        text = repr([value if value is None else int(value) for value in values])
    return "{" + text[1:-1].replace(" ", "").replace("None", "null") + "}"


def _uuids(values: Sequence[Any]) -> str:
    """Identifiers as 32 hexadecimal digits: the whole column by one formatting, unless some are missing."""
    try:
        numbers = tuple([value.int for value in values])
    except AttributeError:
        return "{" + ",".join(["null" if value is None else "%032x" % value.int for value in values]) + "}"  # noqa: UP031, twice as fast
    return _hexadecimal(len(numbers)) % numbers


@lru_cache(64)
def _hexadecimal(count: int) -> str:
    return "{" + ",".join(["%032x"] * count) + "}"


def _bare(texts: _Texts) -> _Literal:
    """A literal of elements that hold neither comma, quote, brace nor backslash, and are not the word null."""

    def literal(values: Sequence[Any]) -> str:
        return "{" + ",".join(texts(values)) + "}"

    return literal


def _each(write: Callable[[Any], str]) -> _Texts:
    def texts(values: Sequence[Any]) -> list[str]:
        return ["null" if value is None else write(value) for value in values]

    return texts


def _few(write: Callable[[Any], str]) -> _Texts:
    """For columns where the same few values stand again and again: each is written once."""

    def texts(values: Sequence[Any]) -> list[str]:
        written = {value: "null" if value is None else write(value) for value in set(values)}
        return [written[value] for value in values]

    return texts


@lru_cache(4096)  # a request's instant stands in several tables
def _instant(value: Any) -> str:
    assert value.tzinfo is not None, "a time without a zone says nothing"
    return str(value.astimezone(UTC).isoformat())


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
    (Uuid, "uuid", _uuids),
    (BigInteger, "bigint", _numbers),
    (SmallInteger, "smallint", _numbers),
    (Integer, "integer", _numbers),
    (Boolean, "boolean", _bare(_few(lambda value: "t" if value else "f"))),
    (DateTime, "timestamptz", _bare(_few(_instant))),
    (Date, "date", _bare(_few(lambda value: value.isoformat()))),
    (Numeric, "numeric", _bare(_each(_amount))),
    (LargeBinary, "bytea", _bare(_each(lambda value: f'"\\\\x{value.hex()}"'))),
    (JSON, "jsonb", _json_texts),
    (String, "text", _texts),
)

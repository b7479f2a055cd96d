"""Nouns as rows: a frozen dataclass and the table with the same column names, written and locked by the batch.

A noun's fields are what a column can hold: identifiers, integers, text, dates, instants, enumerations of text, and
tuples or mappings (jsonb). The table may have more columns than the noun (`beside`), filled by whoever writes the
rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Generic, TypeVar, get_origin, get_type_hints

from sqlalchemy import Connection, Table

from engine.database.bulk import Rows, by_column, fields_of
from engine.database.pipeline import Parcel, Sent

T = TypeVar("T")


class NounRows(Generic[T]):
    """Set-based writes and locked reads of one kind of noun."""

    def __init__(self, kind: type[T], table: Table, beside: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.table = table
        self.names = fields_of(kind)
        missing = set(self.names) - set(table.columns.keys())
        assert not missing, f"table {table.name} lacks {sorted(missing)}"
        self._beside = beside
        self._rows = Rows(table)
        self._made: Callable[[Sequence[Any]], T] = getattr(kind, "_make", self._from_fields)
        self._restore: tuple[tuple[int, Callable[[Any], Any]], ...] = tuple(
            (at, restore) for at, name in enumerate(self.names) if (restore := _restorer(get_type_hints(kind)[name]))
        )

    def noun(self, row: Mapping[str, Any]) -> T:
        """The noun of a row."""
        return self._noun([row[name] for name in self.names])

    def insert(
        self, connection: Connection | Parcel, nouns: Sequence[T], beside: Sequence[tuple[Any, ...]] = ()
    ) -> None:
        """One insert for all; `beside` gives the further columns, a tuple for each noun."""
        if nouns:
            more = zip(*beside, strict=True) if beside else ()
            names = (*self.names, *self._beside) if beside else self.names
            self._rows.insert_columns(connection, names, (*by_column(nouns, self.names), *more))

    def insert_new(self, connection: Connection, nouns: Sequence[T]) -> None:
        """As `insert`, leaving alone what is already there."""
        self._rows.insert_new(connection, nouns)

    def update(
        self, connection: Connection | Parcel, nouns: Sequence[T], columns: tuple[str, ...] | None = None
    ) -> None:
        """One update for all, found by `id`; all columns unless some are named."""
        self._rows.update(connection, nouns, columns=columns)

    def lock(self, connection: Connection, ids: Sequence[Any], by: str = "id") -> list[T]:
        """The nouns whose `by` is among `ids`, locked in id order."""
        return self._selected(connection, ids, by, locking=True)

    def read(self, connection: Connection, ids: Sequence[Any], by: str = "id") -> list[T]:
        """The nouns whose `by` is among `ids`, unlocked, in id order."""
        return self._selected(connection, ids, by, locking=False)

    def sent(self, connection: Connection, ids: Sequence[Any]) -> Sent:
        """As `lock`, within `pipelined`: what gives the rows that `nouns` takes, once the pipeline has ended."""
        return self._rows.select(connection, list(ids), columns=self.names, locking=True)

    def nouns(self, rows: Iterable[Sequence[Any]]) -> list[T]:
        """The nouns of rows whose columns are the noun's fields, in their order."""
        return [self._noun(row) for row in rows] if self._restore else list(map(self._made, rows))

    def _selected(self, connection: Connection, ids: Sequence[Any], by: str, *, locking: bool) -> list[T]:
        if not ids:
            return []
        return self.nouns(self._rows.select(connection, list(ids), by, columns=self.names, locking=locking).fetchall())

    def _from_fields(self, row: Sequence[Any]) -> T:
        return self.kind(**dict(zip(self.names, row, strict=True)))

    def _noun(self, row: Sequence[Any]) -> T:
        if self._restore:
            row = list(row)
            for at, restore in self._restore:
                if row[at] is not None:
                    row[at] = restore(row[at])
        return self._made(row)


def _restorer(hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    if get_origin(hint) is tuple:
        return tuple
    return None

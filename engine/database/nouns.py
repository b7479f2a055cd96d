"""Nouns as rows: a frozen dataclass and the table with the same column names, written and locked by the batch.

A noun's fields are what a column can hold: identifiers, integers, text, dates, instants, enumerations of text, and
tuples or mappings (jsonb). The table may have more columns than the noun (`beside`), filled by whoever writes the
rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_origin, get_type_hints

from sqlalchemy import Connection, Table

from engine.database.bulk import Rows

T = TypeVar("T")


class NounRows(Generic[T]):
    """Set-based writes and locked reads of one kind of noun."""

    def __init__(self, kind: type[T], table: Table, beside: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.table = table
        self.names = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
        missing = set(self.names) - set(table.columns.keys())
        assert not missing, f"table {table.name} lacks {sorted(missing)}"
        self._beside = beside
        self._rows = Rows(table)
        self._values = attrgetter(*self.names)
        self._restore: tuple[tuple[str, Callable[[Any], Any]], ...] = tuple(
            (name, restore)
            for name, hint in get_type_hints(kind).items()
            if (restore := _restorer(hint)) and name in self.names
        )

    def noun(self, row: Mapping[str, Any]) -> T:
        """The noun of a row."""
        values = {name: row[name] for name in self.names}
        for name, restore in self._restore:
            if values[name] is not None:
                values[name] = restore(values[name])
        return self.kind(**values)

    def insert(self, connection: Connection, nouns: Sequence[T], beside: Sequence[tuple[Any, ...]] = ()) -> None:
        """One insert for all; `beside` gives the further columns, a tuple for each noun."""
        if nouns:
            self._rows.insert(connection, self._mappings(nouns, self.names, beside))

    def insert_new(self, connection: Connection, nouns: Sequence[T]) -> None:
        """As `insert`, leaving alone what is already there."""
        if nouns:
            self._rows.insert_new(connection, self._mappings(nouns, self.names, ()))

    def update(self, connection: Connection, nouns: Sequence[T], columns: tuple[str, ...] | None = None) -> None:
        """One update for all, found by `id`; all columns unless some are named."""
        if nouns:
            wanted = columns or tuple(name for name in self.names if name != "id")
            self._rows.update(connection, self._mappings(nouns, self.names, ()), key=("id",), columns=wanted)

    def lock(self, connection: Connection, ids: Sequence[Any], by: str = "id") -> list[T]:
        """The nouns whose `by` is among `ids`, locked in id order."""
        return [self.noun(row) for row in self._rows.lock(connection, list(ids), by=by)] if ids else []

    def read(self, connection: Connection, ids: Sequence[Any], by: str = "id") -> list[T]:
        """The nouns whose `by` is among `ids`, unlocked, in id order."""
        return [self.noun(row) for row in self._rows.read(connection, list(ids), by=by)] if ids else []

    def _mappings(
        self, nouns: Sequence[T], names: tuple[str, ...], beside: Sequence[tuple[Any, ...]]
    ) -> list[dict[str, Any]]:
        rows = [dict(zip(names, self._values(noun), strict=True)) for noun in nouns]
        for row, more in zip(rows, beside, strict=bool(beside)):
            row.update(zip(self._beside, more, strict=True))
        return rows


def _restorer(hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    if get_origin(hint) is tuple:
        return tuple
    return None

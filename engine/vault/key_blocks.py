"""Where an institution's key blocks lie: a table of its own schema. Without the local master key they say nothing but
which keys there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import CheckConstraint, Column, Engine, Table, Text, select

from engine.crypto.door import KeyName, KeyRecord, KeyState, KeyStore
from engine.database.bulk import Rows
from engine.database.tables import metadata

key_blocks = Table(
    "key_blocks",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("key_block", Text, nullable=False, comment="TR-31, under the installation's local master key"),
    Column("check_value", Text, nullable=False),
    Column("state", Text, nullable=False),
    CheckConstraint("state in ('pending', 'current', 'accepted')", name="state"),
)

_ROWS = Rows(key_blocks)


class KeyBlocks(KeyStore):
    """The key blocks of the institution whose login `engine` is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> Sequence[KeyRecord]:
        """See `KeyStore`."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(key_blocks)).all()
        return [
            KeyRecord(KeyName.from_key_id(row.key_id), row.key_block, row.check_value, KeyState(row.state))
            for row in rows
        ]

    def add(self, record: KeyRecord) -> KeyRecord:
        """See `KeyStore`."""
        row = {
            "key_id": record.name.key_id,
            "key_block": record.key_block,
            "check_value": record.check_value,
            "state": record.state.value,
        }
        with self._engine.begin() as connection:
            _ROWS.insert_new(connection, [row])
        return next(kept for kept in self.read() if kept.name == record.name)

    def change(self, states: Mapping[KeyName, KeyState]) -> None:
        """See `KeyStore`."""
        ordered = sorted(states.items(), key=lambda one: one[0].key_id)
        with self._engine.begin() as connection:
            _ROWS.lock(connection, [name.key_id for name, _ in ordered], by="key_id")
            _ROWS.update(
                connection,
                [{"key_id": name.key_id, "state": state.value} for name, state in ordered],
                key=("key_id",),
            )

    def remove(self, name: KeyName) -> None:
        """See `KeyStore`."""
        with self._engine.begin() as connection:
            _ROWS.delete(connection, [{"key_id": name.key_id}], key=("key_id",))

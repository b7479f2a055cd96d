"""The vault's table: one row for each card number that the institution has seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Connection, DateTime, LargeBinary, Table, Text, Uuid

from engine.crypto.door import Hsm, SealedPan
from engine.database.bulk import Rows
from engine.database.tables import metadata
from engine.vault.vault import VaultedPan
from engine.vocabulary.identifiers import Pan

pans = Table(
    "pans",
    metadata,
    Column("token", Uuid, primary_key=True),
    Column("lookup_hash", LargeBinary, nullable=False, unique=True),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("first_six", Text, nullable=False),
    Column("last_four", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

_ROWS = Rows(pans)


def save_new(connection: Connection, vaulted: Sequence[VaultedPan], created_at: datetime) -> None:
    """Store what is not there yet, by one statement.

    A card number that is there already, or comes twice, keeps its first row.
    """
    if vaulted:
        # In token order, as every lock is taken: writers of the same new cards wait for each other, never in a circle.
        in_order = sorted(vaulted, key=lambda pan: pan.token)
        _ROWS.insert_new(connection, [asdict(pan) | {"created_at": created_at} for pan in in_order])


def reveal(connection: Connection, hsm: Hsm, tokens: Collection[UUID]) -> dict[UUID, Pan]:
    """The clear card numbers of these tokens, without the tokens that the vault does not know.

    One query without locks, then one call of the HSM, so it belongs in the seal step. `PanUnreadable` names the first
    token whose row was changed, `KeyRefused` a key that this institution does not hold.
    """
    if not tokens:
        return {}
    sealed = [
        SealedPan(row["token"], row["key_id"], row["ciphertext"])
        for row in _ROWS.read(connection, sorted(set(tokens)), by="token")
    ]
    return {item.token: pan for item, pan in zip(sealed, hsm.decrypt_pans(sealed), strict=True)}

"""The vault's tables: one row for each card number that the institution has seen, and the keyed hashes that find it,
one for each version of the look-up key that is held; and who was shown one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from engine.crypto.door import Hsm, KeyName, KeyRefused, KeyState, KeyUsage, SealedPan
from engine.database.bulk import Rows
from engine.database.tables import metadata
from engine.vocabulary.identifiers import Pan

pans = Table(
    "pans",
    metadata,
    Column("token", Uuid, primary_key=True),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("first_six", Text, nullable=False),
    Column("last_four", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
pan_lookups = Table(
    "pan_lookups",
    metadata,
    Column("lookup_hash", LargeBinary, primary_key=True),
    Column("token", Uuid, ForeignKey("pans.token"), nullable=False),
    Column("key_version", Integer, nullable=False, comment="of the look-up key that the hash was made with"),
    Index("pan_lookups_by_token", "token", "key_version"),
)
vault_accesses = Table(
    "vault_accesses",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("action", Text, nullable=False),
    Column("token", Uuid),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Index("vault_accesses_by_token", "token", "occurred_at"),
    info={"append_only": True},
)

_ROWS = Rows(pans)
_LOOKUPS = Rows(pan_lookups)
_SHARED = text(
    "select key_id from key_blocks where split_part(key_id, ':', 2) in ('pan_encryption', 'pan_lookup')"
    " order by key_id for share"
)
_ALONE = text(
    "select key_id from key_blocks where split_part(key_id, ':', 2) in ('pan_encryption', 'pan_lookup')"
    " order by key_id for update"
)
_HELD = text(
    "select key_id, state from key_blocks where split_part(key_id, ':', 2) in ('pan_encryption', 'pan_lookup')"
)
_READS = 3
"""A row that moves from key to key is found under one that is held at the second reading, unless two rotations end in
between."""

Versions = Mapping[KeyUsage, list[int]]
"""The versions of the vault's keys that are held, the one that makes what is new first."""
VAULT_KEYS = (KeyUsage.PAN_ENCRYPTION, KeyUsage.PAN_LOOKUP)


def known_versions(hsm: Hsm) -> Versions:
    """The versions of the vault's keys that this HSM knows of. In the test world its first keys are made by asking."""
    return {usage: hsm.key_versions(usage) for usage in VAULT_KEYS}


def hold_versions(connection: Connection) -> Versions:
    """The versions of the vault's keys that are held, which stay so until the caller's transaction ends: a rotation
    waits for it. Without any where the keys do not lie in this schema.
    """
    connection.execute(_SHARED)
    # A second statement, for what was committed while the first one waited.
    records = [(KeyName.from_key_id(row.key_id), row.state) for row in connection.execute(_HELD)]
    records.sort(key=lambda one: (one[1] != KeyState.CURRENT, -one[0].version))
    return {usage: [name.version for name, _ in records if name.usage is usage] for usage in VAULT_KEYS}


def wait_for_writers(connection: Connection) -> None:
    """Return when everybody who holds versions that were held before has written: whoever comes now sees the new."""
    connection.execute(_ALONE)


def find(connection: Connection, hsm: Hsm, cards: Collection[Pan]) -> dict[Pan, UUID]:
    """The token of each of these card numbers that is in the vault, by whichever version of the look-up key."""
    wanted = list(cards)
    by_hash = {
        lookup_hash: pan
        for version in hsm.key_versions(KeyUsage.PAN_LOOKUP)
        for lookup_hash, pan in zip(hsm.pan_lookup(wanted, version), wanted, strict=True)
    }
    rows = _LOOKUPS.read(connection, sorted(by_hash), by="lookup_hash")
    return {by_hash[row["lookup_hash"]]: row["token"] for row in rows}


def save_new(connection: Connection, hsm: Hsm, new: Mapping[Pan, UUID], created_at: datetime) -> None:
    """Store card numbers under their tokens, by two statements, unless they are there already.

    Sealed under the current key, found by every version of the look-up key that is held.
    """
    if not new:
        return
    # In one order, as every lock is taken: writers of the same new cards wait for each other, never in a circle.
    in_order = sorted(new, key=lambda pan: new[pan])
    sealed = hsm.encrypt_pans([(new[pan], pan) for pan in in_order])
    _ROWS.insert_new(
        connection,
        [
            {
                "token": seal.token,
                "ciphertext": seal.ciphertext,
                "key_id": seal.key_id,
                "first_six": pan.clear[:6],
                "last_four": pan.clear[-4:],
                "created_at": created_at,
            }
            for seal, pan in zip(sealed, in_order, strict=True)
        ],
    )
    for version in hsm.key_versions(KeyUsage.PAN_LOOKUP):
        save_lookups(connection, hsm, new, version)


def save_lookups(connection: Connection, hsm: Hsm, tokens: Mapping[Pan, UUID], version: int) -> None:
    """Have these card numbers found by this version of the look-up key too."""
    cards = list(tokens)
    hashes = sorted(zip(hsm.pan_lookup(cards, version), cards, strict=True), key=lambda one: one[0])
    rows = [{"lookup_hash": found, "token": tokens[pan], "key_version": version} for found, pan in hashes]
    _LOOKUPS.insert_new(connection, rows)


def reveal(connection: Connection, hsm: Hsm, tokens: Collection[UUID]) -> dict[UUID, Pan]:
    """The clear card numbers of these tokens, without the tokens that the vault does not know.

    One query without locks, then one call of the HSM, so it belongs in the seal step. `PanUnreadable` names the first
    token whose row was changed, `KeyRefused` a key that this institution does not hold.
    """
    if not tokens:
        return {}
    for left in reversed(range(_READS)):
        sealed = [
            SealedPan(row["token"], row["key_id"], row["ciphertext"])
            for row in _ROWS.read(connection, sorted(set(tokens)), by="token")
        ]
        try:
            return {item.token: pan for item, pan in zip(sealed, hsm.decrypt_pans(sealed), strict=True)}
        except KeyRefused:
            # The row was read under a key that a rotation forgot before it could be asked for: it has moved.
            if not left:
                raise
    raise AssertionError("the last reading returns or raises")


def page_under_other_keys(connection: Connection, key_id: str, most: int) -> Sequence[SealedPan]:
    """Card numbers that are sealed under other keys than this one."""
    rows = connection.execute(
        text("select token, key_id, ciphertext from pans where key_id <> :key_id order by token limit :most"),
        {"key_id": key_id, "most": most},
    )
    return [SealedPan(row.token, row.key_id, row.ciphertext) for row in rows]


def reseal(connection: Connection, sealed: Sequence[SealedPan]) -> None:
    """Replace the sealed text of these rows, which are locked in token order. Again changes nothing but the nonce."""
    _ROWS.lock(connection, [item.token for item in sealed], by="token")
    _ROWS.update(
        connection,
        [{"token": item.token, "ciphertext": item.ciphertext, "key_id": item.key_id} for item in sealed],
        key=("token",),
    )


def page_not_found_by(connection: Connection, version: int, after: UUID, most: int) -> list[UUID]:
    """Tokens after this one of card numbers that this version of the look-up key does not find yet."""
    rows = connection.execute(
        text(
            "select token from pans where token > :after and not exists (select from pan_lookups"
            " where pan_lookups.token = pans.token and key_version = :version) order by token limit :most"
        ),
        {"version": version, "after": after, "most": most},
    )
    return [row.token for row in rows]


def forget_lookups(connection: Connection, version: int, most: int) -> int:
    """Delete up to `most` hashes of other versions than this; how many there were."""
    found = connection.execute(
        text("select lookup_hash from pan_lookups where key_version <> :version order by lookup_hash limit :most"),
        {"version": version, "most": most},
    ).all()
    _LOOKUPS.delete(connection, [{"lookup_hash": row.lookup_hash} for row in found], key=("lookup_hash",))
    return len(found)


def count_under(connection: Connection) -> tuple[dict[str, int], dict[int, int]]:
    """How many card numbers are sealed under each key (by key id), and found by each version of the look-up key."""
    sealed = connection.execute(text("select key_id, count(*) from pans group by key_id"))
    found = connection.execute(text("select key_version, count(*) from pan_lookups group by key_version"))
    return {row[0]: row[1] for row in sealed}, {row[0]: row[1] for row in found}

"""Who may see a card number or have one tokenised, and the record of who did: append-only, refusals included.

What the institution does with card numbers by itself (a message on its way to the network, a clearing file) is no
access of somebody's and is not written down here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from engine.crypto.door import Hsm
from engine.database.bulk import Rows
from engine.vault.store import reveal, vault_accesses
from engine.vault.vault import Vault
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.identifiers import Pan, derive_id

_ROWS = Rows(vault_accesses)
LONGEST_REASON = 200


class Permission(StrEnum):
    """What somebody may do with card numbers."""

    SHOW = "show"
    """See the number of a token."""
    TOKENISE = "tokenise"
    """Hand in a number and get its token."""


class AccessRefused(BezantError):
    """Whoever asked has not the permission. The attempt is written down."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks (`customer:<id>`, `operator:<name>`, `bureau`), why, and what they may do.

    `reference`: the asker's own; asked again under the same one is one access.
    """

    actor: str
    reference: str
    reason: str
    permissions: frozenset[Permission]

    def __post_init__(self) -> None:
        """Raises `FormatError` without actor or reason, or when the reason holds what may be a card number."""
        if not self.actor or not self.reason.strip() or len(self.reason) > LONGEST_REASON:
            raise FormatError("reason", f"is missing, or longer than {LONGEST_REASON} characters")
        if sum(letter.isdigit() for letter in self.reason) >= _FEWEST_PAN_DIGITS:
            raise FormatError("reason", "holds as many digits as a card number has")


_FEWEST_PAN_DIGITS = 12


def show(engine: Engine, hsm: Hsm, access: Access, tokens: Sequence[UUID], at: datetime) -> dict[UUID, Pan]:
    """The card numbers of these tokens, without those that the vault does not know, written down before they are shown.

    Raises `AccessRefused` without the permission.
    """
    _recorded(engine, access, Permission.SHOW, tokens, at)
    with engine.connect() as connection:
        return reveal(connection, hsm, tokens)


def tokenise(engine: Engine, vault: Vault, access: Access, pans: Sequence[Pan], at: datetime) -> list[UUID]:
    """The token of each card number, all of which are kept from now on; written down.

    Raises `AccessRefused` without the permission.
    """
    if Permission.TOKENISE not in access.permissions:
        _recorded(engine, access, Permission.TOKENISE, [None], at)
    tokens = vault.keep(pans, at)
    _recorded(engine, access, Permission.TOKENISE, tokens, at)
    return tokens


def read_accesses(connection: Connection, most: int) -> list[dict[str, object]]:
    """The latest accesses, newest first: occurred_at, actor, action, token, granted, reason."""
    rows = connection.execute(
        text(
            "select occurred_at, actor, action, token, granted, reason from vault_accesses"
            " order by occurred_at desc, id limit :most"
        ),
        {"most": most},
    )
    return [dict(row) for row in rows.mappings()]


def _recorded(engine: Engine, access: Access, action: Permission, tokens: Sequence[UUID | None], at: datetime) -> None:
    granted = action in access.permissions
    rows = [
        {
            "id": derive_id(
                "vault_access", access.actor, access.reference, action, str(token), str(granted), on=at.date()
            ),
            "action": action.value,
            "token": token,
            "actor": access.actor,
            "reason": access.reason,
            "granted": granted,
            "occurred_at": at,
        }
        for token in tokens
    ]
    with engine.begin() as connection:
        _ROWS.insert_new(connection, rows)
    if not granted:
        raise AccessRefused(f"{access.actor} may not {action} card numbers; the attempt is recorded.")

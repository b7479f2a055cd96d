"""Bearer tokens of the test world: who holds the master key can make them, nobody has to keep them.

A token names its owner and proves it by an HMAC-SHA256 under a key that derives from the master key. Scoped, stored and
revocable API keys come with the merchant API.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from engine.vault.access import Permission
from engine.vocabulary.errors import FormatError

CUSTOMER = "bzc"
MERCHANT = "bzm"
OPERATOR = "bzo"
LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Operator:
    """One of the bank's own people or programs, and what they may do with card numbers."""

    name: str
    permissions: frozenset[Permission]


class Tokens:
    """Makes and reads the tokens of one installation."""

    def __init__(self, master_key: bytes) -> None:
        """`master_key` is that of the settings, 32 bytes."""
        self._key = hmac.digest(master_key, b"bezant api tokens", "sha256")

    def of_customer(self, customer_id: UUID) -> str:
        """A customer's token: `bzc_<identifier>_<proof>`."""
        return self._token(CUSTOMER, customer_id.hex)

    def of_merchant(self, merchant_id: str) -> str:
        """A merchant's token: `bzm_<DE 42>_<proof>`."""
        return self._token(MERCHANT, merchant_id)

    def of_operator(self, name: str, permissions: Iterable[Permission] = ()) -> str:
        """The token of one of the bank's own people or programs: `bzo_<name>[.<permission>...]_<proof>`.

        `FormatError` for a name that has not 1 to 40 letters and digits.
        """
        if not (name.isascii() and name.isalnum() and len(name) <= LONGEST_NAME):
            raise FormatError("operator", f"is named by 1 to {LONGEST_NAME} letters and digits")
        return self._token(OPERATOR, ".".join((name, *sorted(set(permissions)))))

    def customer(self, token: str) -> UUID | None:
        """Whose token it is; None if it is no customer's."""
        owner = self._owner(CUSTOMER, token)
        return None if owner is None else UUID(owner)

    def merchant(self, token: str) -> str | None:
        """Whose token it is, as DE 42; None if it is no merchant's."""
        return self._owner(MERCHANT, token)

    def operator(self, token: str) -> Operator | None:
        """Whose token it is; None if it is no operator's."""
        owner = self._owner(OPERATOR, token)
        if owner is None:
            return None
        name, *permissions = owner.split(".")
        return Operator(name, frozenset(map(Permission, permissions)))

    def _token(self, kind: str, owner: str) -> str:
        return f"{kind}_{owner}_{hmac.new(self._key, f'{kind}_{owner}'.encode(), 'sha256').hexdigest()}"

    def _owner(self, kind: str, token: str) -> str | None:
        owner = token.rpartition("_")[0].removeprefix(f"{kind}_")
        same = hmac.compare_digest(token.encode(), self._token(kind, owner).encode())
        return owner if same else None

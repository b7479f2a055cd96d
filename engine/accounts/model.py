"""Customers and their wallets: nouns, facts and requests.

A customer's wallet is a ledger account, `customer available`, and its counterpart `customer held`; the ledger
balance is their sum. A handle is how people name each other: `@` and 3 to 30 of a-z, 0-9, `_` and `.`, beginning
with a letter; it belongs to one customer for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.errors import FormatError
from engine.vocabulary.events import Event
from engine.vocabulary.keys import KeyRule

_HANDLE = re.compile(r"@[a-z][a-z0-9_.]{2,29}")


def normal_handle(text: str) -> str | None:
    """A handle as it is kept: lower case, with its `@`, which may be left out (`"Ada"` -> `"@ada"`). None if it
    cannot be one."""
    handle = "@" + text.strip().removeprefix("@").lower()
    return handle if _HANDLE.fullmatch(handle) else None


class CustomerState(StrEnum):
    """Frozen: nothing leaves the wallet by the customer's own doing. Closed: for good."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A person with a wallet. `account_id` is the wallet's ledger account (customer available), holding `asset`."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ("handle",)

    id: UUID
    handle: str
    name: str
    state: CustomerState
    account_id: UUID
    asset: str
    opened_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerOpened(Event):
    """A customer exists, with an empty wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerStateChanged(Event):
    """A customer was frozen, made active again or, by the last stage that keeps money of theirs, closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCustomer:
    """Open a customer with a wallet and pay `opening_deposit_minor` into it, which came in at the settlement bank.

    Answered "opened" with the facts customer_id and account_id, or "refused": handle_malformed, handle_taken,
    asset_unknown, amount_malformed.
    """

    handle: str
    name: str
    asset: str = "USD"
    opening_deposit_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCustomerState:
    """Freeze or thaw a customer. `reference` is the asker's own, so that the same change may be asked for again later.

    Answered "changed", or "refused": customer_unknown, customer_closed. Raises `FormatError` for any other state: a
    customer is closed where all the money is seen (`engine.savings.model.CloseCustomer`).
    """

    customer_id: UUID
    new_state: CustomerState
    reference: str

    def __post_init__(self) -> None:
        if self.new_state is CustomerState.CLOSED:
            raise FormatError("new_state", "is active or frozen")


KEYS: Mapping[type, KeyRule] = {
    OpenCustomer: KeyRule("customer", ("handle",), ("name", "asset", "opening_deposit_minor")),
    ChangeCustomerState: KeyRule("customer_state", ("customer_id", "reference"), ("new_state",)),
}

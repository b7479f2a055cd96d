"""The nouns of the ledger: accounts and entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from engine.ledger.chart import CHART, HELD_OF, account_id
from engine.vocabulary.events import Event

LARGEST_MINOR = 2**63 - 1
"""A balance is a 64-bit integer; a posting that would leave its range is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account of a book. `balance_minor` grows on the normal side of its chart code.

    `minimum_minor` is the limit for ordinary postings (None: none); `floor_minor` the lowest balance that is
    legitimate at present: the minimum, or, once a forced posting has gone below it, that balance. The database checks
    balance against floor. `entry_count` numbers the account's entries without gap: a missing entry shows.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    code: int
    asset: str
    owner_id: UUID | None
    held_id: UUID | None
    """The account that holds what is promised out of this one."""
    balance_minor: int = 0
    minimum_minor: int | None = None
    floor_minor: int | None = None
    entry_count: int = 0
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened(Event):
    """An account exists, empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A posting as written: its request, its line in it, both balances after it, and each account's running entry
    number.

    `*_held_after` is the balance of the account's held counterpart after the posting, so that one entry shows both
    parts of the ledger balance; None for accounts that have none.
    """

    request_id: UUID
    line: int
    debit: UUID
    credit: UUID
    amount_minor: int
    kind: str
    subject_id: UUID | None
    effective_on: date
    forced: bool
    corrects: UUID | None
    debit_number: int
    credit_number: int
    debit_after: int
    credit_after: int
    debit_held_after: int | None
    credit_held_after: int | None
    occurred_at: datetime


def new_account(book: str, code: int, asset: str, owner_id: UUID | None = None) -> Account:
    """An empty account of a chart code, with the chart's limit."""
    held_code = HELD_OF.get(code)
    minimum = CHART[code].minimum_minor
    return Account(
        id=account_id(book, code, asset, owner_id),
        code=code,
        asset=asset,
        owner_id=owner_id,
        held_id=None if held_code is None else account_id(book, held_code, asset, owner_id),
        minimum_minor=minimum,
        floor_minor=minimum,
    )


def open_accounts(
    book: str, codes: tuple[int, ...], asset: str, owner_id: UUID | None = None
) -> tuple[AccountOpened, ...]:
    """The events that open an account for each code, held counterparts included."""
    every = [code for given in codes for code in (given, HELD_OF.get(given)) if code is not None]
    return tuple(AccountOpened(subject=new_account(book, code, asset, owner_id)) for code in every)

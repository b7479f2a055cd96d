"""The nouns of the ledger: accounts and entries.

Both are named tuples, unlike other nouns: each posting makes four accounts and an entry, and a frozen dataclass takes
four times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, NamedTuple
from uuid import UUID

from engine.ledger.chart import CHART, HELD_OF, account_id
from engine.vocabulary.events import Event

LARGEST_MINOR = 2**63 - 1
"""A balance is a 64-bit integer; a posting that would leave its range is refused."""


class _AccountRow(NamedTuple):
    id: UUID
    code: int
    asset: str
    owner_id: UUID | None
    held_id: UUID | None
    balance_minor: int = 0
    minimum_minor: int | None = None
    maximum_minor: int | None = None
    floor_minor: int | None = None
    ceiling_minor: int | None = None
    entry_count: int = 0
    closed: bool = False


class Account(_AccountRow):
    """One account of a book. `balance_minor` grows on the normal side of its chart code.

    `minimum_minor` and `maximum_minor` are the limits for ordinary postings (None: none). The minimum is one of this
    account's balance, the maximum one of the ledger balance: what is held counts, so that a release never exceeds it.
    `floor_minor` is the lowest balance that is legitimate at present: the minimum, or, once a forced posting has gone
    below it, that balance; `ceiling_minor` is the same above. The database checks the balance against both.
    `held_id` is the account that holds what is promised out of this one. `entry_count` numbers the account's entries
    without gap: a missing entry shows.
    """

    __slots__ = ()
    ALSO_BY: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened(Event):
    """An account exists, empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountClosed(Event):
    """An account takes no more postings, but forced ones."""


class Entry(NamedTuple):
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


def new_account(
    book: str, code: int, asset: str, owner_id: UUID | None = None, maximum_minor: int | None = None
) -> Account:
    """An empty account of a chart code, with the chart's lower limit and, if given, an upper one (zero or more)."""
    assert maximum_minor is None or maximum_minor >= 0, "an empty account is within its limits"
    held_code = HELD_OF.get(code)
    minimum = CHART[code].minimum_minor
    return Account(
        id=account_id(book, code, asset, owner_id),
        code=code,
        asset=asset,
        owner_id=owner_id,
        held_id=None if held_code is None else account_id(book, held_code, asset, owner_id),
        minimum_minor=minimum,
        maximum_minor=maximum_minor,
        floor_minor=minimum,
        ceiling_minor=maximum_minor,
    )


def open_accounts(
    book: str, codes: tuple[int, ...], asset: str, owner_id: UUID | None = None, maximum_minor: int | None = None
) -> tuple[AccountOpened, ...]:
    """The events that open an account for each code, held counterparts included.

    A maximum is the account's; its counterpart has none of its own.
    """
    opened: list[AccountOpened] = []
    for code in codes:
        opened.append(AccountOpened(subject=new_account(book, code, asset, owner_id, maximum_minor)))
        if (held_code := HELD_OF.get(code)) is not None:
            opened.append(AccountOpened(subject=new_account(book, held_code, asset, owner_id)))
    return tuple(opened)

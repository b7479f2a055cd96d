"""One institution's book, as its decisions see it: its name, from which identifiers derive, and its time zone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from engine.ledger.chart import account_id
from engine.ledger.model import Account, AccountOpened, open_accounts
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import derive_id


@dataclass(frozen=True, slots=True)
class Book:
    """`name` is the institution's, `time_zone` its IANA time zone."""

    name: str
    time_zone: str

    def business_date(self, now: datetime) -> date:
        """The local date at `now`: around midnight not the clock's."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def id(self, kind: str, *key: str | int, on: date) -> UUID:
        """The identifier of this book's `kind` ("authorization") with this key, first seen on a date."""
        return derive_id(f"{self.name}/{kind}", *key, on=on)

    def account(self, code: int, asset: str, owner_id: UUID | None = None) -> UUID:
        """The identifier of an account of this book; without an owner, the institution's own."""
        return account_id(self.name, code, asset, owner_id)

    def opening(self, state: State, codes: tuple[int, ...], asset: str) -> tuple[AccountOpened, ...]:
        """The events that open those of the institution's own accounts which `state`, having loaded them, does not
        hold.

        An institution has the accounts that it has used: nobody sets them up beforehand.
        """
        missing = tuple(code for code in codes if state.get(Account, self.account(code, asset)) is None)
        return open_accounts(self.name, missing, asset)

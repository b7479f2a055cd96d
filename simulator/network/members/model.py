"""The nouns of membership: members, and the account ranges of those that issue cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from engine.ledger.book import Book
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.keys import KeyRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An institution that may sign on, clear and settle. `name` is what keys of the zone between us are named by."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    member_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRange:
    """The cards whose number begins with `prefix` (6 to 8 digits, ISO/IEC 7812-1) are `member_id`'s."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    prefix: str
    member_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAdmitted(Event):
    """An institution has become a member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRangeOpened(Event):
    """From now on the range is routed to its member."""


@dataclass(frozen=True, slots=True)
class AdmitMember:
    """Take an institution in, with a position in `asset`. Once for each asset that it settles in."""

    member_id: str
    name: str
    asset: str = "USD"


@dataclass(frozen=True, slots=True)
class OpenAccountRange:
    """Route cards with this prefix to a member. Of two ranges that hold a card the longer prefix counts."""

    prefix: str
    member_id: str


KEYS: Mapping[type, KeyRule] = {
    AdmitMember: KeyRule("member", ("member_id", "asset"), ("name",)),
    OpenAccountRange: KeyRule("account_range", ("prefix",), ("member_id",)),
}


def id_of_member(book: Book, member_id: str) -> UUID:
    """The identifier of a member: also the owner of its position accounts."""
    return book.id("member", member_id, on=STATIC)


def id_of_range(book: Book, prefix: str) -> UUID:
    """The identifier of an account range."""
    return book.id("account_range", prefix, on=STATIC)

"""The SQL of members and account ranges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Column, Connection, Table, Text, Uuid, text

from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.vocabulary.decision import State
from simulator.network.members.decide import OWN_CODES
from simulator.network.members.model import AccountRange, AdmitMember, Member, OpenAccountRange, id_of_member
from simulator.tables import metadata

members = Table(
    "members",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("member_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
)

account_ranges = Table(
    "account_ranges",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("prefix", Text, nullable=False, unique=True),
    Column("member_id", Text, nullable=False),
)

member_rows = NounRows(Member, members)
account_range_rows = NounRows(AccountRange, account_ranges)


def load(
    book: Book, connection: Connection, prepared: Sequence[AdmitMember | OpenAccountRange], state: State
) -> set[UUID]:
    """Lock the members that are named; the network's own accounts in the assets that are named."""
    for member in member_rows.lock(connection, sorted({id_of_member(book, one.member_id) for one in prepared})):
        state.put(member)
    assets = {one.asset for one in prepared if isinstance(one, AdmitMember)}
    return {book.account(code, asset) for code in OWN_CODES for asset in assets}


def read_issuers(connection: Connection, prefixes: Collection[str]) -> dict[str, str]:
    """The member of each of these prefixes that is an account range."""
    ranges = account_range_rows.read(connection, sorted(prefixes), by="prefix")
    return {found.prefix: found.member_id for found in ranges}


def read_names(connection: Connection) -> dict[str, str]:
    """The name of every member, by member id."""
    return {row.member_id: row.name for row in connection.execute(text("select member_id, name from members"))}

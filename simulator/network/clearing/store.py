"""The SQL of clearing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Connection, Date, DateTime, Index, Numeric, Table, Text, Uuid

from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.ledger.chart import MEMBER_POSITION
from engine.runtime.stage import Outside
from engine.vocabulary.decision import State
from simulator.network.clearing.model import AcceptItem, Item, RoutedItem
from simulator.network.members.model import id_of_member
from simulator.network.routing import route
from simulator.tables import metadata

items = Table(
    "items",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("arn", Text, nullable=False, unique=True),
    Column("business_date", Date, nullable=False),
    Column("file_id", Text, nullable=False),
    Column("acquirer_id", Text, nullable=False),
    Column("issuer_id", Text),
    Column("network_reference", Text),
    Column("card_token", Uuid, nullable=False),
    Column("processing_code", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("transacted_at", DateTime(timezone=True), nullable=False),
    Column("authorized_on", Date),
    Column("approval_code", Text),
    Column("pos_entry_mode", Text, nullable=False),
    Column("mcc", Text, nullable=False),
    Column("terminal_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("merchant_name", Text, nullable=False),
    Column("is_final", Boolean, nullable=False),
    Column("interchange", Numeric(18, 6), nullable=False),
    Column("interchange_minor", BigInteger, nullable=False),
    Column("network_fee", Numeric(18, 6), nullable=False),
    Column("network_fee_minor", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("rate", Text, nullable=False),
    Column("downgrades", Text),
    Column("reason", Text),
    Index("items_by_date", "business_date", "state"),
    info={"append_only": True},
)

item_rows = NounRows(Item, items)

Side = Literal["issuer_id", "acquirer_id"]


def prepare(outside: Outside, requests: Sequence[AcceptItem]) -> list[RoutedItem]:
    """Each item with its card's token and issuer."""
    presented = [request.presentment for request in requests]
    first = min(one.transacted_at for one in presented)
    cards = route(outside, [one.pan for one in presented], first)
    return [RoutedItem(request, token, issuer) for request, (token, issuer) in zip(requests, cards, strict=True)]


def load(book: Book, connection: Connection, prepared: Sequence[RoutedItem], state: State) -> set[UUID]:
    """The positions of both sides. Items are new: their keys are what keeps a second one out."""
    return {
        book.account(MEMBER_POSITION, one.request.presentment.amount.asset, id_of_member(book, member_id))
        for one in prepared
        for member_id in (one.issuer_id, one.request.presentment.acquirer_id)
        if member_id is not None
    }


def read_day(connection: Connection, business_date: date) -> list[Item]:
    """The items of a clearing date by ARN: the same order in every run."""
    found = item_rows.read(connection, [business_date], by="business_date")
    return sorted(found, key=lambda item: item.arn)


def by_member(found: Iterable[Item], side: Side) -> dict[str, list[Item]]:
    """The items of each member on one side, by member id."""
    grouped: dict[str, list[Item]] = {}
    for item in found:
        member_id: str | None = getattr(item, side)
        if member_id is not None:
            grouped.setdefault(member_id, []).append(item)
    return dict(sorted(grouped.items()))

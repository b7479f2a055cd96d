"""The SQL of settlement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Connection, Date, Index, Integer, Numeric, Row, Table, Text, Uuid, text

from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.ledger.chart import MEMBER_POSITION, NETWORK_FEE_INCOME, ROUNDING, SETTLEMENT_BANK
from engine.vocabulary.decision import State
from engine.vocabulary.messages import REFUND
from simulator.network.clearing.model import ItemState
from simulator.network.members.model import id_of_member
from simulator.network.settlement.model import BookMovement, CloseCycle, NetPosition, SettlementBreak, id_of_position
from simulator.network.settlement.netting import PairTotals
from simulator.tables import metadata

net_positions = Table(
    "net_positions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("report_id", Text, nullable=False, unique=True),
    Column("business_date", Date, nullable=False),
    Column("member_id", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("purchases_count", Integer, nullable=False),
    Column("purchases_minor", BigInteger, nullable=False),
    Column("credits_count", Integer, nullable=False),
    Column("credits_minor", BigInteger, nullable=False),
    Column("interchange", Numeric(24, 6), nullable=False),
    Column("interchange_booked_minor", BigInteger, nullable=False),
    Column("network_fee", Numeric(24, 6), nullable=False),
    Column("network_fee_booked_minor", BigInteger, nullable=False),
    Column("rounding_minor", BigInteger, nullable=False),
    Column("net_position_minor", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("settled_minor", BigInteger, nullable=False),
    Index("net_positions_by_date", "business_date"),
)

network_breaks = Table(
    "network_breaks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("statement_id", Text, nullable=False),
    Column("line", Integer, nullable=False),
    Column("reference", Text, nullable=False),
    Column("member_id", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("expected_minor", BigInteger, nullable=False),
    Column("found_minor", BigInteger, nullable=False),
    info={"append_only": True},
)

net_position_rows = NounRows(NetPosition, net_positions)
break_rows = NounRows(SettlementBreak, network_breaks)

_POSITIONS = text(
    "select a.asset, m.member_id from accounts a join members m on m.id = a.owner_id where a.code = :code order by 1, 2"
)
_PAIRS = text(
    "select acquirer_id, issuer_id,"
    " count(*) filter (where not credit) as purchases_count,"
    " coalesce(sum(amount_minor) filter (where not credit), 0) as purchases_minor,"
    " count(*) filter (where credit) as credits_count,"
    " coalesce(sum(amount_minor) filter (where credit), 0) as credits_minor,"
    " sum(interchange) as interchange, sum(interchange_minor) as interchange_items_minor,"
    " sum(network_fee) as network_fee, sum(network_fee_minor) as network_fee_items_minor"
    " from (select *, left(processing_code, 2) = :refund as credit from items"
    " where business_date = :business_date and asset = :asset and state = :accepted) day"
    " group by acquirer_id, issuer_id order by acquirer_id, issuer_id"
)


def load(book: Book, connection: Connection, prepared: Sequence[CloseCycle | BookMovement], state: State) -> set[UUID]:
    """Lock the net positions that statement lines name; the positions and own accounts that may move."""
    accounts: set[UUID] = set()
    references: set[UUID] = set()
    for one in prepared:
        own: tuple[int, ...]
        match one:
            case CloseCycle():
                members, own = one.members, (NETWORK_FEE_INCOME, ROUNDING)
            case BookMovement():
                members, own = (one.member_id,), (SETTLEMENT_BANK,)
                references.add(id_of_position(book, one.reference))
        accounts |= {book.account(MEMBER_POSITION, one.asset, id_of_member(book, member)) for member in members}
        accounts |= {book.account(code, one.asset) for code in own}
    for position in net_position_rows.lock(connection, sorted(references)):
        state.put(position)
    return accounts


def read_cycles(connection: Connection, network_id: str, business_date: date) -> list[CloseCycle]:
    """What there is to net of a clearing date: one cycle for each asset that members have positions in."""
    members: dict[str, list[str]] = {}
    for row in connection.execute(_POSITIONS, {"code": MEMBER_POSITION}):
        members.setdefault(row.asset, []).append(row.member_id)
    return [
        CloseCycle(
            network_id=network_id,
            business_date=business_date,
            asset=asset,
            members=tuple(own),
            pairs=tuple(_read_pairs(connection, business_date, asset)),
        )
        for asset, own in members.items()
    ]


def _read_pairs(connection: Connection, business_date: date, asset: str) -> list[PairTotals]:
    day = {"business_date": business_date, "asset": asset, "accepted": ItemState.ACCEPTED.value, "refund": REFUND}
    return [_pair(row) for row in connection.execute(_PAIRS, day)]


def _pair(row: Row[Any]) -> PairTotals:
    return PairTotals(
        acquirer_id=row.acquirer_id,
        issuer_id=row.issuer_id,
        purchases_count=row.purchases_count,
        purchases_minor=int(row.purchases_minor),
        credits_count=row.credits_count,
        credits_minor=int(row.credits_minor),
        interchange=row.interchange,
        interchange_items_minor=int(row.interchange_items_minor),
        network_fee=row.network_fee,
        network_fee_items_minor=int(row.network_fee_items_minor),
    )


def read_positions(connection: Connection, business_date: date) -> list[NetPosition]:
    """The net positions of a clearing date, by report."""
    found = net_position_rows.read(connection, [business_date], by="business_date")
    return sorted(found, key=lambda position: position.report_id)

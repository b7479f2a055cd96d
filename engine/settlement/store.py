"""The SQL of payouts, settlements, statements and breaks.

Tables say whose they are: an issuer settles with the network too, and both may live in one schema.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Column, Connection, Date, Index, Integer, Table, Text, Uuid, text

from engine.clearing.store import item_rows
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger.chart import SETTLEMENT_BANK, account_id
from engine.merchants.decide import own_accounts
from engine.merchants.model import Merchant
from engine.merchants.store import read_merchants
from engine.settlement.decide import payout_named
from engine.settlement.model import (
    BookReport,
    BookStatement,
    DueItems,
    PayMerchant,
    Payout,
    Position,
    Settlement,
    SettlementBreak,
    Statement,
    id_of_payout,
    id_of_position,
    id_of_settlement,
    id_of_statement,
)
from engine.vocabulary.decision import State
from engine.vocabulary.settlement import BankStatement, PayoutInstructions, PayoutLine, SettlementReport

payouts = Table(
    "payouts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("merchant", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("deposit_reference", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("item_count", Integer, nullable=False),
    Column("asset", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("state", Text, nullable=False),
    Index("payouts_by_date", "business_date", "id"),
)

settlements = Table(
    "acquirer_settlements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text, nullable=False, unique=True),
    Column("asset", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("reported_minor", BigInteger),
    Column("received_minor", BigInteger),
    Column("rounding_minor", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

statements = Table(
    "acquirer_statements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("statement_id", Text, nullable=False, unique=True),
    Column("number", Integer, nullable=False),
    Column("asset", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("closing_minor", BigInteger, nullable=False),
)

settlement_breaks = Table(
    "acquirer_breaks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("expected_minor", BigInteger, nullable=False),
    Column("found_minor", BigInteger, nullable=False),
)

payout_rows = NounRows(Payout, payouts)
settlement_rows = NounRows(Settlement, settlements)
statement_rows = NounRows(Statement, statements)
break_rows = NounRows(SettlementBreak, settlement_breaks)

_UNPAID = text(
    "select id, merchant from clearing_items where merchant = any(:merchants) and payout_id is null"
    " and state <> 'rejected'"
    " order by id for update"
)
_TO_PAY = text(
    "select merchant from clearing_items where payout_id is null and business_date <= :on"
    " and state <> 'rejected' group by merchant having sum(case when processing_code like '20%' then -amount_minor"
    " else amount_minor - discount_minor end) > 0 order by merchant"
)
_POSITION = text(
    "select count(*) filter (where not credit) as purchases,"
    " coalesce(sum(amount_minor) filter (where not credit), 0) as sold,"
    " count(*) filter (where credit) as credits, coalesce(sum(amount_minor) filter (where credit), 0) as refunded,"
    " coalesce(sum(cast(interchange as numeric)), 0) as interchange,"
    " coalesce(sum(interchange_minor), 0) as interchange_minor,"
    " coalesce(sum(cast(network_fee as numeric)), 0) as fee, coalesce(sum(network_fee_minor), 0) as fee_minor"
    " from (select *, processing_code like '20%' as credit from clearing_items"
    " where settled_on = :on and asset = :asset) items"
)
_PAYOUTS = text(
    "select id, deposit_reference, amount_minor, asset from payouts where business_date = :on order by asset, id"
)


def load(
    book: str, connection: Connection, requests: Sequence[PayMerchant | BookReport | BookStatement], state: State
) -> set[UUID]:
    """Lock what the requests are about, add up what is only read, and name the accounts."""
    paying = [request for request in requests if isinstance(request, PayMerchant)]
    reports = [request.report for request in requests if isinstance(request, BookReport)]
    stated = [request.statement for request in requests if isinstance(request, BookStatement)]
    accounts = own_accounts(book, {report.asset for report in reports} | {statement.asset for statement in stated})
    accounts |= _load_due(book, connection, paying, state)
    _load_positions(book, connection, reports, state)
    references = {report.report_id for report in reports}
    references |= {line.reference for statement in stated for line in statement.lines if line.kind == "settlement"}
    ids = sorted(id_of_settlement(book, reference) for reference in references)
    for settlement in settlement_rows.lock(connection, ids):
        state.put(settlement)
    return accounts | _load_stated(book, connection, stated, state)


def _load_due(book: str, connection: Connection, paying: Sequence[PayMerchant], state: State) -> set[UUID]:
    if not paying:
        return set()
    merchants = sorted({request.merchant for request in paying})
    read_merchants(connection, merchants, state)
    due: dict[UUID, list[UUID]] = defaultdict(list)
    for row in connection.execute(_UNPAID, {"merchants": merchants}):
        due[row.merchant].append(row.id)
    for item in item_rows.read(connection, sorted(one for items in due.values() for one in items)):
        state.put(item)
    for merchant in merchants:
        state.put(DueItems(id=merchant, items=tuple(due[merchant])))
    for payout in payout_rows.lock(
        connection, sorted(id_of_payout(book, request.merchant, request.business_date) for request in paying)
    ):
        state.put(payout)
    known = [state.need(Merchant, merchant) for merchant in merchants]
    banks = {account_id(book, SETTLEMENT_BANK, merchant.asset) for merchant in known}
    return banks | {merchant.account_id for merchant in known}


def _load_positions(book: str, connection: Connection, reports: Sequence[SettlementReport], state: State) -> None:
    for report in reports:
        row = connection.execute(_POSITION, {"on": report.business_date, "asset": report.asset}).one()
        position = Position(
            id=id_of_position(book, report.report_id),
            purchases_count=row.purchases,
            purchases_minor=int(row.sold),
            credits_count=row.credits,
            credits_minor=-int(row.refunded),
            interchange_exact=-row.interchange,
            interchange_rounded_minor=-int(row.interchange_minor),
            network_fee_exact=-row.fee,
            network_fee_rounded_minor=-int(row.fee_minor),
        )
        state.put(position)


def _load_stated(book: str, connection: Connection, stated: Sequence[BankStatement], state: State) -> set[UUID]:
    named = {
        identifier
        for statement in stated
        for line in statement.lines
        if line.kind.startswith("payout") and (identifier := payout_named(line.reference)) is not None
    }
    returned = {
        identifier
        for statement in stated
        for line in statement.lines
        if line.kind == "payout returned" and (identifier := payout_named(line.reference)) is not None
    }
    numbers = sorted(
        id_of_statement(book, statement.asset, number)
        for statement in stated
        for number in (statement.number - 1, statement.number)
    )
    for statement in statement_rows.lock(connection, numbers):
        state.put(statement)
    locked = payout_rows.lock(connection, sorted(named))
    for payout in locked:
        state.put(payout)
    for item in item_rows.lock(connection, sorted(returned), by="payout_id"):
        state.put(item)
    return {payout.account_id for payout in locked if payout.id in returned}


def merchants_to_pay(connection: Connection, business_date: date) -> list[UUID]:
    """The merchants that are owed something for what was presented by `business_date`."""
    return list(connection.execute(_TO_PAY, {"on": business_date}).scalars())


def payout_instructions(
    connection: Connection, business_date: date, acquirer_id: str, bank_id: str
) -> list[PayoutInstructions]:
    """The payouts of a business date as they go to the settlement bank, one document an asset."""
    lines: dict[str, list[PayoutLine]] = defaultdict(list)
    for row in connection.execute(_PAYOUTS, {"on": business_date}):
        lines[row.asset].append(
            PayoutLine(payout_id=str(row.id), deposit_reference=row.deposit_reference, amount_minor=row.amount_minor)
        )
    return [
        PayoutInstructions(
            instruction_id=f"{acquirer_id}-{PayoutInstructions.KIND}-{business_date:%Y%m%d}-{asset}",
            business_date=business_date,
            acquirer_id=acquirer_id,
            bank_id=bank_id,
            asset=asset,
            lines=tuple(of_asset),
        )
        for asset, of_asset in lines.items()
    ]

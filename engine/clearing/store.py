"""The SQL of clearing items, and the reads that its jobs page through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Column, Connection, Date, Index, Table, Text, Uuid, text

from engine.authorization.store import payment_rows
from engine.clearing.entry_mode import clearing_entry_mode
from engine.clearing.model import ClearingItem, ConfirmItem, PresentPayment, RejectItem, SendFile, id_of_item
from engine.crypto.door import Hsm
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger.chart import (
    DISCOUNT_INCOME,
    INTERCHANGE_EXPENSE,
    NETWORK_FEE_EXPENSE,
    NETWORK_RECEIVABLE,
    account_id,
)
from engine.merchants.model import Merchant
from engine.merchants.store import read_merchants
from engine.vault.store import reveal
from engine.vocabulary.decision import State
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money

clearing_items = Table(
    "clearing_items",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("arn", Text, nullable=False, unique=True),
    Column("payment_id", Uuid, nullable=False, unique=True),
    Column("merchant", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("processing_code", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("discount_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("state", Text, nullable=False),
    Column("interchange", Text),
    Column("interchange_minor", BigInteger, nullable=False),
    Column("network_fee", Text),
    Column("network_fee_minor", BigInteger, nullable=False),
    Column("payout_id", Uuid),
    Column("settled_on", Date),
    Column("rate", Text),
    Column("downgrades", Text),
    Index("clearing_items_by_date", "business_date", "arn"),
    Index("clearing_items_to_pay", "merchant", postgresql_where=text("payout_id is null")),
    Index("clearing_items_by_settlement", "settled_on"),
    Index("clearing_items_by_payout", "payout_id"),
)

item_rows = NounRows(ClearingItem, clearing_items)

PAGE = 1_000
"""Items read, and card numbers revealed, at once while a file is written: bounds the memory."""

_TO_PRESENT = text("select id from payments where state = 'captured' order by id")
_TOTALS = text(
    "select count(*) as items, coalesce(sum(amount_minor), 0) as amount_minor"
    " from clearing_items where business_date = :on"
)
_PAGE = text(
    "select i.arn, i.amount_minor, i.asset, p.network_reference, p.acquirer_id, p.card_token, p.processing_code,"
    " p.transmitted_at, p.approval_code, p.pos_entry_mode, p.mcc, p.terminal_id, p.merchant_id, p.merchant"
    " from clearing_items i join payments p on p.id = i.payment_id"
    " where i.business_date = :on and i.arn > :after order by i.arn limit :page"
)


def load(
    book: str,
    connection: Connection,
    requests: Sequence[PresentPayment | ConfirmItem | RejectItem | SendFile],
    state: State,
) -> set[UUID]:
    """Lock the payments to be presented and the items named, read the merchants; the accounts of all of them."""
    presented = [request.payment_id for request in requests if isinstance(request, PresentPayment)]
    arns = {request.arn for request in requests if isinstance(request, ConfirmItem | RejectItem)}
    payments = payment_rows.lock(connection, sorted(set(presented)))
    for payment in payments:
        state.put(payment)
    read_merchants(connection, {payment.merchant for payment in payments}, state)
    for item in item_rows.lock(connection, sorted(id_of_item(book, payment.id) for payment in payments)):
        state.put(item)
    accounts = {state.need(Merchant, payment.merchant).account_id for payment in payments}
    accounts |= _own(book, {payment.asset for payment in payments}, NETWORK_RECEIVABLE, DISCOUNT_INCOME)
    named = item_rows.lock(connection, sorted(arns), by="arn")
    for item in named:
        state.put(item)
    rejected = {request.arn for request in requests if isinstance(request, RejectItem)}
    accounts |= {item.account_id for item in named if item.arn in rejected}
    own_codes = (NETWORK_RECEIVABLE, INTERCHANGE_EXPENSE, NETWORK_FEE_EXPENSE, DISCOUNT_INCOME)
    return accounts | _own(book, {item.asset for item in named}, *own_codes)


def _own(book: str, assets: set[str], *codes: int) -> set[UUID]:
    return {account_id(book, code, asset) for asset in assets for code in codes}


def to_present(connection: Connection) -> list[UUID]:
    """The payments that wait for a cut-off."""
    return list(connection.execute(_TO_PRESENT).scalars())


def totals_on(connection: Connection, business_date: date) -> tuple[int, int]:
    """How many items a clearing date has, and the sum of their amounts without sign (a hash total over assets)."""
    row = connection.execute(_TOTALS, {"on": business_date}).one()
    return row.items, int(row.amount_minor)


def presentments_on(connection: Connection, hsm: Hsm, business_date: date) -> Iterator[Presentment]:
    """The items of a clearing date in order of ARN, card numbers revealed, a page at a time."""
    after = ""
    while page := connection.execute(_PAGE, {"on": business_date, "after": after, "page": PAGE}).all():
        pans = reveal(connection, hsm, {row.card_token for row in page})
        state = State()
        read_merchants(connection, {row.merchant for row in page}, state)
        for row in page:
            yield Presentment(
                arn=row.arn,
                network_reference=row.network_reference,
                acquirer_id=row.acquirer_id,
                pan=pans[row.card_token],
                processing_code=row.processing_code,
                amount=Money(row.amount_minor, row.asset),
                transacted_at=row.transmitted_at,
                authorized_on=row.transmitted_at.date(),
                approval_code=row.approval_code,
                pos_entry_mode=clearing_entry_mode(row.pos_entry_mode),
                mcc=row.mcc,
                terminal_id=row.terminal_id,
                merchant_id=row.merchant_id,
                merchant_name=state.need(Merchant, row.merchant).acceptor,
                business_date=business_date,
            )
        after = page[-1].arn

"""The SQL of presented items and their settlement, and what is read before they are decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from engine.database.nouns import NounRows
from engine.ledger.book import Book
from engine.ledger.chart import INTERCHANGE_INCOME, NETWORK_PAYABLE, SINGLE_MESSAGES, UNPLACED_ITEMS
from engine.runtime.stage import Outside
from engine.vocabulary.decision import State
from engine.vocabulary.messages import CREDITS, Presentment
from engine.vocabulary.money import round_half_even
from engine.vocabulary.settlement import BankStatement, SettlementReport
from issuer.authorization.store import lock_authorizations
from issuer.cards.model import Card
from issuer.cards.store import read_by_token
from issuer.clearing import settlement as rules
from issuer.clearing.model import (
    FALLBACK_DAYS,
    BreakKind,
    CheckSettled,
    ComparedCheck,
    ComparedReport,
    OwnTotals,
    PresentedItem,
    Settlement,
    SettlementBreak,
    Statement,
    TokenisedPresentment,
    is_refund,
)
from issuer.tables import metadata

presented_items = Table(
    "presented_items",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("arn", Text, nullable=False, unique=True),
    Column("network_reference", Text),
    Column("authorization_id", Uuid, index=True),
    Column("card_id", Uuid),
    Column("account_id", Uuid, nullable=False),
    Column("placed", Boolean, nullable=False),
    Column("is_refund", Boolean, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("released_minor", BigInteger, nullable=False),
    Column("interchange", Text, nullable=False),
    Column("interchange_minor", BigInteger, nullable=False),
    Column("mcc", Text, nullable=False),
    Column("merchant_name", Text, nullable=False),
    Column("transacted_at", DateTime(timezone=True), nullable=False),
    Column("business_date", Date, nullable=False),
    Column("matched_by", Text),
    Column("rate", Text),
    Column("downgrades", Text),
    Index("presented_items_by_date", "business_date", "asset"),
    Index("presented_items_by_account", "account_id", "business_date"),
)

settlements = Table(
    "settlements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("report_id", Text, nullable=False, unique=True),
    Column("business_date", Date, nullable=False),
    Column("asset", Text, nullable=False),
    Column("reported_minor", BigInteger, nullable=False),
    Column("own_minor", BigInteger, nullable=False),
    Column("rounding_minor", BigInteger, nullable=False),
    Column("moved_minor", BigInteger),
)

statements = Table(
    "statements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("statement_id", Text, nullable=False, unique=True),
    Column("number", Integer, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("asset", Text, nullable=False),
    Column("opening_minor", BigInteger, nullable=False),
    Column("closing_minor", BigInteger, nullable=False),
    Column("settled_minor", BigInteger, nullable=False),
)

settlement_breaks = Table(
    "settlement_breaks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("asset", Text, nullable=False),
    Column("expected_minor", BigInteger, nullable=False),
    Column("found_minor", BigInteger, nullable=False),
)

item_rows = NounRows(PresentedItem, presented_items)
settlement_rows = NounRows(Settlement, settlements)
statement_rows = NounRows(Statement, statements)
break_rows = NounRows(SettlementBreak, settlement_breaks)

LOOKED_BACK = timedelta(days=35)
"""How far back clearing dates are looked at for a settlement that did not come; what is older was found before."""

_TOTALS = text(
    "select business_date, asset,"
    " coalesce(sum(amount_minor) filter (where not is_refund), 0) as purchases,"
    " coalesce(sum(amount_minor) filter (where is_refund), 0) as credits,"
    " coalesce(sum(cast(interchange as numeric)), 0) as interchange,"
    " coalesce(sum(interchange_minor), 0) as booked"
    " from presented_items where business_date = any(:dates) group by business_date, asset"
)
_OPEN = text(
    "select d.business_date, d.asset from ("
    " select business_date, asset from presented_items where business_date between :since and :until"
    " union select business_date, asset from settlements where business_date between :since and :until"
    ") d left join settlements s on s.business_date = d.business_date and s.asset = d.asset"
    " where s.id is null or (s.moved_minor is null and s.reported_minor <> 0) order by 1, 2"
)
_KNOWN = text("select network_reference from authorizations where network_reference = any(:references)")
_FALLBACK = text(
    "select a.network_reference, c.card_token, a.approval_code, a.transaction_type, a.amount_minor, a.transacted_at"
    " from authorizations a join cards c on c.id = a.card_id"
    " where c.card_token = any(:tokens) and a.approval_code = any(:codes) and a.transacted_at between :since and :until"
    " order by a.transacted_at, a.network_reference"
)
_LOCK_SETTLEMENTS = text(
    "select * from settlements where id = any(:ids) or report_id = any(:reports) order by id for update"
)


def prepare(outside: Outside, requests: Sequence[Presentment]) -> list[TokenisedPresentment]:
    """Each presentment with its card's token, one for one; the HSM is asked once. For those whose reference is missing
    or unknown, an authorization is looked for by card, direction and approval code."""
    tokens = outside.vault.tokens_of([request.pan for request in requests])
    tokenised = [
        TokenisedPresentment(request=request, card_token=token) for request, token in zip(requests, tokens, strict=True)
    ]
    references = {request.network_reference for request in requests if request.network_reference is not None}
    with outside.read() as connection:
        known = set(connection.execute(_KNOWN, {"references": sorted(references)}).scalars())
        lost = [
            at
            for at, request in enumerate(requests)
            if request.network_reference not in known and request.approval_code is not None
        ]
        for at, reference in _by_approval_code(connection, [tokenised[at] for at in lost], lost):
            tokenised[at] = replace(tokenised[at], fallback=reference)
    return tokenised


def _by_approval_code(
    connection: Connection, lost: Sequence[TokenisedPresentment], places: Sequence[int]
) -> Iterator[tuple[int, str]]:
    """Place and reference of each whose authorization is found: of several the one of its amount, then the latest."""
    if not lost:
        return
    moments = [one.request.transacted_at for one in lost]
    rows = connection.execute(
        _FALLBACK,
        {
            "tokens": sorted({one.card_token for one in lost}),
            "codes": sorted({one.request.approval_code or "" for one in lost}),
            "since": min(moments) - timedelta(days=FALLBACK_DAYS),
            "until": max(moments) + timedelta(days=1),
        },
    ).all()
    for at, one in zip(places, lost, strict=True):
        wanted, moment = one.request, one.request.transacted_at
        found = [
            row
            for row in rows
            if (row.card_token, row.approval_code) == (one.card_token, wanted.approval_code)
            and (row.transaction_type in CREDITS) is is_refund(wanted)
            and moment - timedelta(days=FALLBACK_DAYS) <= row.transacted_at <= moment + timedelta(days=1)
        ]
        if found:
            best = max(found, key=lambda row: (row.amount_minor == wanted.amount.amount_minor, row.transacted_at))
            yield at, best.network_reference


def load(book: Book, connection: Connection, prepared: Sequence[TokenisedPresentment], state: State) -> set[UUID]:
    """Lock the authorizations under the items' references, read the cards (nothing here changes one); the accounts
    that are posted to."""
    accounts = {
        book.account(code, asset)
        for asset in {one.request.amount.asset for one in prepared}
        for code in (NETWORK_PAYABLE, INTERCHANGE_INCOME, UNPLACED_ITEMS, SINGLE_MESSAGES)
    }
    for card in read_by_token(connection, {one.card_token for one in prepared}):
        if state.get(Card, card.id) is None:
            state.put(card)
        accounts.add(card.account_id)
    references = {
        reference for one in prepared for reference in (one.request.network_reference, one.fallback) if reference
    }
    return accounts | lock_authorizations(connection, (), references, state)


def prepare_settlement(
    outside: Outside, requests: Sequence[SettlementReport | BankStatement | CheckSettled]
) -> list[ComparedReport | BankStatement | ComparedCheck]:
    """Reports and checks beside what our own items come to, one for one."""
    dates = {date_of(request) for request in requests if not isinstance(request, BankStatement)}
    with outside.read() as connection:
        totals = own_totals(connection, dates)

    def compared(
        request: SettlementReport | BankStatement | CheckSettled,
    ) -> ComparedReport | BankStatement | ComparedCheck:
        if isinstance(request, BankStatement):
            return request
        place = date_of(request), request.asset
        own = totals.get(place) or _totals(*place, purchases=0, credits=0, exact=Decimal(0), booked=0)
        if isinstance(request, SettlementReport):
            return ComparedReport(request=request, own=own)
        return ComparedCheck(request=request, own=own)

    return [compared(request) for request in requests]


def date_of(request: SettlementReport | CheckSettled) -> date:
    """The clearing date that it is about."""
    return request.business_date if isinstance(request, SettlementReport) else request.clearing_date


def own_totals(connection: Connection, dates: set[date]) -> dict[tuple[date, str], OwnTotals]:
    """What our items of these clearing dates come to, by date and asset."""
    return {
        (row.business_date, row.asset): _totals(
            row.business_date,
            row.asset,
            purchases=int(row.purchases),
            credits=int(row.credits),
            exact=row.interchange,
            booked=int(row.booked),
        )
        for row in connection.execute(_TOTALS, {"dates": sorted(dates)})
    }


def _totals(day: date, asset: str, *, purchases: int, credits: int, exact: Decimal, booked: int) -> OwnTotals:
    interchange = round_half_even(exact)
    return OwnTotals(
        business_date=day,
        asset=asset,
        purchases_minor=-purchases,
        credits_minor=credits,
        interchange_minor=interchange,
        rounding_minor=interchange - booked,
    )


def load_settlement(
    book: Book,
    connection: Connection,
    prepared: Sequence[ComparedReport | BankStatement | ComparedCheck],
    state: State,
) -> set[UUID]:
    """Lock settlements and the findings that may be there already, read the statements before; the institution's own
    accounts."""
    settlement_ids: set[UUID] = set()
    reports: set[str] = set()
    statement_ids: set[UUID] = set()
    break_ids: set[UUID] = set()
    assets: set[str] = set()
    for one in prepared:
        asset = one.asset if isinstance(one, BankStatement) else one.request.asset
        assets.add(asset)
        match one:
            case BankStatement():
                reports |= {line.reference for line in one.lines}
                statement_ids.add(rules.statement_id(book, asset, one.number - 1))
                break_ids |= {rules.early_id(book, line.reference, asset) for line in one.lines}
            case ComparedReport():
                settlement_ids.add(rules.settlement_id(book, one.request.business_date, asset))
                break_ids.add(rules.early_id(book, one.request.report_id, asset))
            case ComparedCheck():
                clearing_date = one.request.clearing_date
                settlement_ids.add(rules.settlement_id(book, clearing_date, asset))
                reference = rules.check_reference(clearing_date, asset)
                break_ids |= {
                    rules.break_id(book, kind, reference)
                    for kind in (BreakKind.REPORT_MISSING, BreakKind.MOVEMENT_MISSING)
                }
    found = connection.execute(_LOCK_SETTLEMENTS, {"ids": list(settlement_ids), "reports": list(reports)})
    for row in found.mappings():
        state.put(settlement_rows.noun({**row}))
    for statement in statement_rows.read(connection, sorted(statement_ids)):
        state.put(statement)
    for finding in break_rows.lock(connection, sorted(break_ids)):
        state.put(finding)
    return {book.account(code, asset) for asset in assets for code in rules.ACCOUNTS}


def open_settlements(connection: Connection, until: date) -> list[tuple[date, str]]:
    """Clearing dates and assets, up to `until`, that are not reported or whose movement no statement has shown."""
    rows = connection.execute(_OPEN, {"since": until - LOOKED_BACK, "until": until})
    return [(row.business_date, row.asset) for row in rows]

"""Opening and closing merchants. Hard cases: the same opening twice, a terminal that is another's, a merchant id used
before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from engine.ledger import chart
from engine.ledger.chart import MERCHANT_PAYABLE, account_id
from engine.ledger.model import Account, AccountOpened, open_accounts
from engine.merchants.model import (
    CloseMerchant,
    Merchant,
    MerchantClosed,
    MerchantOpened,
    MerchantState,
    OpenMerchant,
    Terminal,
    TerminalOpened,
    ecommerce_terminal,
    id_of_merchant,
    id_of_terminal,
)
from engine.vocabulary.decision import Answer, Decision, State

OWN_CODES = (
    chart.SETTLEMENT_BANK,
    chart.NETWORK_RECEIVABLE,
    chart.DISCOUNT_INCOME,
    chart.NETWORK_FEE_EXPENSE,
    chart.INTERCHANGE_EXPENSE,
    chart.ROUNDING,
    chart.EQUITY,
)
"""The acquirer's own accounts, one each per asset."""


def open_own(book: str, state: State, asset: str) -> tuple[AccountOpened, ...]:
    """Opens the acquirer's own accounts of an asset as far as they are missing: with its first merchant, or its first
    statement.
    """
    missing = (code for code in OWN_CODES if state.get(Account, account_id(book, code, asset)) is None)
    return open_accounts(book, tuple(missing), asset)


def own_accounts(book: str, assets: Iterable[str]) -> set[UUID]:
    """The identifiers of the acquirer's own accounts of these assets, open or not."""
    return {account_id(book, code, asset) for asset in assets for code in OWN_CODES}


def decide(book: str, state: State, request: OpenMerchant | CloseMerchant, now: datetime) -> Decision:
    """The rules of opening and closing, in the book of the institution `book`."""
    match request:
        case OpenMerchant():
            return _open(book, state, request)
        case CloseMerchant():
            return _close(book, state, request)


def _open(book: str, state: State, request: OpenMerchant) -> Decision:
    identity = id_of_merchant(book, request.merchant_id)
    terminals = [
        Terminal(id=id_of_terminal(book, terminal_id), terminal_id=terminal_id, merchant=identity)
        for terminal_id in (*request.terminal_ids, ecommerce_terminal(book, request.merchant_id))
    ]
    reasons = ["merchant_exists"] if state.get(Merchant, identity) else []
    known = (state.get(Terminal, terminal.id) for terminal in terminals)
    reasons += ["terminal_taken"] if any(one is not None and one.merchant != identity for one in known) else []
    if reasons:
        return Decision(answer=Answer("refused", tuple(reasons)))
    merchant = Merchant(
        id=identity,
        merchant_id=request.merchant_id,
        name=request.name,
        city=request.city,
        country=request.country,
        mcc=request.mcc,
        asset=request.asset,
        discount_bps=request.discount_bps,
        discount_fixed_minor=request.discount_fixed_minor,
        account_id=account_id(book, MERCHANT_PAYABLE, request.asset, identity),
        deposit_reference=request.deposit_reference,
        state=MerchantState.OPEN,
    )
    return Decision(
        events=(
            *open_own(book, state, request.asset),
            *open_accounts(book, (MERCHANT_PAYABLE,), request.asset, identity),
            MerchantOpened(subject=merchant),
            *(TerminalOpened(subject=terminal) for terminal in terminals),
        ),
        answer=Answer("opened", facts={"merchant": str(identity), "account": str(merchant.account_id)}),
    )


def _close(book: str, state: State, request: CloseMerchant) -> Decision:
    merchant = state.get(Merchant, id_of_merchant(book, request.merchant_id))
    if merchant is None:
        return Decision(answer=Answer("refused", ("unknown_merchant",)))
    closed = replace(merchant, state=MerchantState.CLOSED)
    return Decision(events=(MerchantClosed(subject=closed),), answer=Answer("closed"))

"""Opening and closing merchants. Hard cases: the same opening twice, a terminal that is another's, a merchant id used
before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.ledger import chart
from engine.ledger.chart import MERCHANT_PAYABLE, account_id
from engine.ledger.model import Account, open_accounts
from engine.merchants.model import (
    CloseMerchant,
    Merchant,
    MerchantClosed,
    MerchantOpened,
    MerchantState,
    OpenMerchant,
    Terminal,
    TerminalOpened,
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
)
"""The acquirer's own accounts, one each per asset: opened with the first merchant of that asset."""


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
        for terminal_id in request.terminal_ids
    ]
    reasons = ["merchant_exists"] if state.get(Merchant, identity) else []
    reasons += ["terminal_taken"] if any(state.get(Terminal, terminal.id) for terminal in terminals) else []
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
    missing = tuple(code for code in OWN_CODES if state.get(Account, account_id(book, code, request.asset)) is None)
    return Decision(
        events=(
            *open_accounts(book, missing, request.asset),
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

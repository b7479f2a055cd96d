"""The rules of customers and wallets.

Hard cases: the same handle in another spelling (taken), a deposit that is no amount, a wallet with nothing in it but
what is held (not empty), a change to a customer who is closed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.accounts.model import (
    ChangeCustomerState,
    Customer,
    CustomerOpened,
    CustomerState,
    CustomerStateChanged,
    OpenCustomer,
    normal_handle,
)
from engine.ledger.book import Book
from engine.ledger.chart import CUSTOMER_AVAILABLE, SETTLEMENT_BANK
from engine.ledger.model import Account, open_accounts
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.money import ASSETS
from engine.vocabulary.postings import Posting

LARGEST_DEPOSIT_MINOR = 10**12
"""Ten thousand million of a currency with cents: more is a slip of the hand."""


def decide(book: Book, state: State, request: OpenCustomer | ChangeCustomerState, now: datetime) -> Decision:
    """Open a customer, freeze or thaw one."""
    match request:
        case OpenCustomer():
            return _open(book, state, request, now)
        case ChangeCustomerState():
            return _change(state, request)


def _open(book: Book, state: State, request: OpenCustomer, now: datetime) -> Decision:
    handle = normal_handle(request.handle)
    if handle is None:
        return _refused("handle_malformed")
    if state.find(Customer, "handle", handle) is not None:
        return _refused("handle_taken")
    if request.asset not in ASSETS:
        return _refused("asset_unknown")
    if not 0 <= request.opening_deposit_minor <= LARGEST_DEPOSIT_MINOR:
        return _refused("amount_malformed")
    customer_id = book.id("customer", handle, on=STATIC)
    customer = Customer(
        id=customer_id,
        handle=handle,
        name=request.name,
        state=CustomerState.ACTIVE,
        account_id=book.account(CUSTOMER_AVAILABLE, request.asset, customer_id),
        asset=request.asset,
        opened_on=book.business_date(now),
    )
    deposit = Posting(
        debit=book.account(SETTLEMENT_BANK, request.asset),
        credit=customer.account_id,
        amount_minor=request.opening_deposit_minor,
        kind="opening deposit",
        effective_on=customer.opened_on,
        subject_id=customer.id,
    )
    return Decision(
        events=(
            *book.opening(state, (SETTLEMENT_BANK,), request.asset),
            *open_accounts(book.name, (CUSTOMER_AVAILABLE,), request.asset, customer.id),
            CustomerOpened(subject=customer),
        ),
        postings=(deposit,) if deposit.amount_minor else (),
        answer=Answer("opened", facts={"customer_id": str(customer.id), "account_id": str(customer.account_id)}),
    )


def _change(state: State, request: ChangeCustomerState) -> Decision:
    customer = state.get(Customer, request.customer_id)
    if customer is None:
        return _refused("customer_unknown")
    if customer.state is CustomerState.CLOSED:
        return _refused("customer_closed")
    changed = replace(customer, state=request.new_state)
    return Decision(
        events=(CustomerStateChanged(subject=changed),),
        answer=Answer("changed", facts={"customer_id": str(customer.id), "state": request.new_state.value}),
    )


def is_empty(state: State, customer: Customer) -> bool:
    """Whether there is nothing in the customer's wallet, held or not. The wallet must be loaded."""
    wallet = state.need(Account, customer.account_id)
    assert wallet.held_id is not None, "a wallet has a held counterpart"
    return not wallet.balance_minor and not state.need(Account, wallet.held_id).balance_minor


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

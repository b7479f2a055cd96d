"""Customers and wallets: each rule once on a plain state, then the whole path on a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

import pytest

from engine.accounts.decide import decide, is_empty
from engine.accounts.model import (
    KEYS,
    ChangeCustomerState,
    Customer,
    CustomerState,
    OpenCustomer,
    normal_handle,
)
from engine.accounts.store import customer_rows, load, read_by_handle
from engine.database.connections import Database
from engine.ledger import rules
from engine.ledger import store as ledger
from engine.ledger.book import Book
from engine.ledger.chart import CUSTOMER_AVAILABLE, CUSTOMER_HELD, SETTLEMENT_BANK
from engine.ledger.model import Account
from engine.runtime.fold import evolve
from engine.runtime.stage import Stage
from engine.vocabulary.decision import Answer, State
from engine.vocabulary.errors import FormatError
from engine.vocabulary.postings import Posting
from tests.world import HandClock, open_institution_for_tests, processor_of

NOW = datetime(2026, 3, 3, 2, 30, tzinfo=UTC)
BOOK = Book("northbank", "America/New_York")
ADA = OpenCustomer(handle="@ada", name="Ada", opening_deposit_minor=5_000)


def opened(state: State, request: OpenCustomer = ADA) -> Customer:
    decision = decide(BOOK, state, request, NOW)
    evolve(state, decision)
    rules.post(state, BOOK.id("request", request.handle, on=date(1, 1, 1)), decision.postings, NOW)
    found = state.find(Customer, "handle", normal_handle(request.handle))
    assert found is not None, decision.answer
    return found


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("@ada", "@ada"),
        ("Ada", "@ada"),
        (" @Ada.L_2 ", "@ada.l_2"),
        ("@ab", None),
        ("@" + "a" * 31, None),
        ("@2pac", None),
        ("@ada lovelace", None),
        ("@@ada", None),
        ("@adä", None),
        ("", None),
    ],
)
def test_a_handle_has_one_spelling(given: str, kept: str | None) -> None:
    assert normal_handle(given) == kept


def test_a_customer_opens_with_a_wallet_and_a_deposit_on_the_local_date() -> None:
    state = State()
    ada = opened(state)
    assert (ada.state, ada.opened_on) == (CustomerState.ACTIVE, date(2026, 3, 2))
    wallet = state.need(Account, ada.account_id)
    assert (wallet.code, wallet.balance_minor, wallet.owner_id) == (CUSTOMER_AVAILABLE, 5_000, ada.id)
    assert wallet.held_id is not None and state.need(Account, wallet.held_id).code == CUSTOMER_HELD
    assert state.need(Account, BOOK.account(SETTLEMENT_BANK, "USD")).balance_minor == 5_000


def test_a_second_customer_finds_the_settlement_bank_account_open() -> None:
    state = State()
    opened(state)
    opened(state, OpenCustomer(handle="grace", name="Grace", opening_deposit_minor=1))
    assert state.need(Account, BOOK.account(SETTLEMENT_BANK, "USD")).balance_minor == 5_001


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(ADA, handle="ADA"), "handle_taken"),
        (replace(ADA, handle="@a"), "handle_malformed"),
        (replace(ADA, handle="grace", asset="XXX"), "asset_unknown"),
        (replace(ADA, handle="grace", opening_deposit_minor=-1), "amount_malformed"),
        (replace(ADA, handle="grace", opening_deposit_minor=10**12 + 1), "amount_malformed"),
    ],
)
def test_opening_is_refused_in_words(request_: OpenCustomer, reason: str) -> None:
    state = State()
    opened(state)
    decision = decide(BOOK, state, request_, NOW)
    assert decision.answer == Answer("refused", (reason,))
    assert not decision.events and not decision.postings


def changed(state: State, customer: Customer, new_state: CustomerState) -> Answer:
    request = ChangeCustomerState(customer_id=customer.id, new_state=new_state, reference="1")
    decision = decide(BOOK, state, request, NOW)
    evolve(state, decision)
    assert decision.answer is not None
    return decision.answer


def test_a_customer_is_frozen_and_thawed() -> None:
    state = State()
    ada = opened(state)
    for new_state in (CustomerState.FROZEN, CustomerState.ACTIVE):
        assert changed(state, ada, new_state).code == "changed"
        assert state.need(Customer, ada.id).state is new_state


def test_a_wallet_with_money_or_a_hold_is_not_empty() -> None:
    state = State()
    ada = opened(state)
    assert not is_empty(state, ada)
    wallet = state.need(Account, ada.account_id)
    assert wallet.held_id is not None
    hold = Posting(
        debit=wallet.id, credit=wallet.held_id, amount_minor=5_000, kind="card hold", effective_on=ada.opened_on
    )
    rules.post(state, ada.id, [hold], NOW)
    assert not is_empty(state, ada)
    assert is_empty(state, opened(state, OpenCustomer(handle="grace", name="Grace")))


def test_closed_is_for_good_and_not_asked_for_here() -> None:
    state = State()
    ada = opened(state)
    state.put(replace(ada, state=CustomerState.CLOSED))
    assert changed(state, ada, CustomerState.ACTIVE).reasons == ("customer_closed",)
    with pytest.raises(FormatError, match="new_state"):
        changed(state, ada, CustomerState.CLOSED)


def test_nobody_cannot_be_changed() -> None:
    nobody = ChangeCustomerState(
        customer_id=BOOK.id("customer", "@nobody", on=date(1, 1, 1)), new_state=CustomerState.FROZEN, reference="1"
    )
    assert decide(BOOK, State(), nobody, NOW).answer == Answer("refused", ("customer_unknown",))


def test_customers_on_the_database(database: Database) -> None:
    """Opened, doubled, taken and changed through the shell."""
    bank = open_institution_for_tests(database, "accounts_bank", "100001", "issuer")
    book = Book(bank.name, bank.time_zone)
    stage = Stage(
        name="accounts", keys=KEYS, load=partial(load, book), decide=partial(decide, book), nouns=(customer_rows,)
    )
    processor = processor_of(database, bank, (stage,), HandClock())
    first, again, taken, other = processor.execute([ADA, ADA, replace(ADA, handle="ADA"), replace(ADA, name="Eve")])
    assert first is not None and first.code == "opened"
    assert again == first
    assert taken == Answer("refused", ("handle_taken",))
    assert other is not None and other.code == "key_reused"

    with processor.engine.connect() as connection:
        (ada,) = read_by_handle(connection, ["@ada"])
        accounts = ledger.read(connection, [ada.account_id, book.account(SETTLEMENT_BANK, "USD")])
    assert str(ada.id) == first.facts["customer_id"]
    assert [account.balance_minor for account in accounts.values()] == [5_000, 5_000]

    freeze = ChangeCustomerState(customer_id=ada.id, new_state=CustomerState.FROZEN, reference="court order 1")
    (frozen,) = processor.execute([freeze])
    assert frozen is not None and frozen.code == "changed"
    with processor.engine.connect() as connection:
        assert read_by_handle(connection, ["@ada"])[0].state is CustomerState.FROZEN

"""Accounts under lock: an account comes with what is held out of it, seen before or not."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from engine.database.connections import Database
from engine.ledger import store
from engine.ledger.chart import CUSTOMER_AVAILABLE, SAVINGS
from engine.ledger.model import Account, open_accounts
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import STATIC, derive_id
from tests.world import open_institution_for_tests


@pytest.mark.parametrize("times", [1, 2])
def test_an_account_is_locked_with_its_held_counterpart(database: Database, times: int) -> None:
    name = f"locks{times}"
    institution = open_institution_for_tests(database, name, f"92{times}", "issuer")
    opened = [
        event.subject for event in open_accounts(name, (CUSTOMER_AVAILABLE, SAVINGS), "USD", derive_id("o", on=STATIC))
    ]
    accounts = [account for account in opened if isinstance(account, Account)]
    engine = database.institution(institution.name)
    with engine.begin() as connection:
        store.account_rows.insert(connection, accounts)
    asked = {account.id for account in accounts if account.code in (CUSTOMER_AVAILABLE, SAVINGS)}
    assert len(accounts) == 3 and len(asked) == 2
    for _ in range(times):
        with engine.begin() as connection:
            state = State()
            store.load(connection, asked, state)
            assert sorted(state.all(Account)) == sorted(accounts)
            with engine.connect() as other:
                free = other.execute(text("select id from accounts for update skip locked")).all()
            assert free == []

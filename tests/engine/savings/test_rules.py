"""Savings: each rule once, on a real bank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engine.accounts.model import ChangeCustomerState, CustomerState, OpenCustomer
from engine.database.connections import Database
from engine.ledger.chart import INTEREST_ACCRUED, INTEREST_EXPENSE, OVERDRAFT_INTEREST, TAX_WITHHELD
from engine.savings.model import (
    REFUSALS,
    CloseCustomer,
    CloseSavings,
    OpenProduct,
    OpenSavings,
    SetRates,
)
from engine.savings.products import Frequency
from engine.savings.statements import statement, tax_report
from tests.engine.savings.bank import RICH, Bank, assert_as_defined

DAY = timedelta(days=1)
START = date(2026, 3, 2)
NOBODY = UUID(int=1)
_numbers = count(1)


@pytest.fixture
def bank(database: Database, tmp_path: Path) -> Iterator[Bank]:
    there = Bank(database, f"rules{next(_numbers)}", tmp_path, START)
    there.offer("saver")
    yield there
    there.processor.engine.dispose()


@pytest.fixture(scope="module")
def asked(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """One bank for all that is refused: it stays as it is."""
    there = Bank(database, "asked", tmp_path_factory.mktemp("asked"), START)
    there.offer("saver")
    there.offer("euros", asset="EUR")
    there.ask(OpenCustomer(handle="@ada", name="Ada", opening_deposit_minor=RICH))
    return there


OFFER = OpenProduct(reference="x", name="x", effective_on=START, tiers=((0, 100),))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": ""}, "name_malformed"),
        ({"name": "a\nb"}, "name_malformed"),
        ({"asset": "XYZ"}, "terms_malformed"),
        ({"posting": Frequency.AT_MATURITY}, "terms_malformed"),
        ({"term_months": -1}, "terms_malformed"),
        ({"overdraft_minor": -1}, "terms_malformed"),
        ({"withholding_bps": 10_001}, "terms_malformed"),
        ({"tiers": ((0, 10_001),)}, "rate_malformed"),
        ({"tiers": ((0, -1),)}, "rate_malformed"),
        ({"tiers": ((0, 9_900),), "promotional_bps": 101}, "rate_malformed"),
        ({"tiers": ((1, 100),)}, "tiers_malformed"),
        ({"tiers": ()}, "tiers_malformed"),
        ({"tiers": ((0, 100), (5, 200), (5, 300))}, "tiers_malformed"),
        ({"minimum_minor": -1}, "tiers_malformed"),
        ({"name": "saver"}, "product_exists"),
    ],
)
def test_terms_that_make_no_sense_are_refused(asked: Bank, change: dict[str, Any], reason: str) -> None:
    assert asked.refused(replace(OFFER, **{"reference": str(change)} | change)) == reason
    assert reason in REFUSALS


def test_rates_are_set_for_days_to_come_and_each_day_once(bank: Bank) -> None:
    ask = SetRates(reference="1", product="saver", effective_on=START, tiers=((0, 100),))
    assert bank.refused(ask) == "day_has_come"
    tomorrow = replace(ask, reference="2", effective_on=START + DAY)
    assert bank.refused(tomorrow) == "set"
    assert bank.refused(replace(tomorrow, reference="3")) == "day_has_come"
    assert bank.refused(replace(tomorrow, reference="4", product="none")) == "unknown_product"


def test_a_rate_changes_in_the_middle_of_a_period_and_each_day_has_its_own(bank: Bank) -> None:
    saved = bank.save("@ada", "saver", 100_000)
    rates = SetRates(reference="1", product="saver", effective_on=START + 2 * DAY, tiers=((0, 730),))
    assert bank.refused(rates) == "set"
    bank.nights(START + 4 * DAY)
    assert bank.account(saved).earned_micro == (10 + 10 + 20 + 20) * 1_000_000
    assert_as_defined(bank, [saved])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"customer_id": NOBODY}, "unknown_customer"),
        ({"product": "none"}, "unknown_product"),
        ({"opening_minor": -1}, "amount_malformed"),
        ({"opening_minor": RICH + 1}, "insufficient_funds"),
        ({"product": "euros"}, "wrong_asset"),
    ],
)
def test_an_opening_is_refused_in_words(asked: Bank, change: dict[str, Any], reason: str) -> None:
    bank = asked
    ask = OpenSavings(reference=str(change), customer_id=bank.customer("@ada"), product="saver", opening_minor=1)
    assert bank.refused(replace(ask, **change)) == reason


def test_withdrawals_of_a_month_are_counted_and_begin_anew(bank: Bank) -> None:
    bank.offer("limited", withdrawals_a_month=2)
    saved = bank.save("@ada", "limited", 1_000)
    assert [bank.move(saved, amount) for amount in (-1, 5, -1, -1)] == [
        "moved",
        "moved",
        "moved",
        "withdrawals_used_up",
    ]
    bank.until(bank.at(date(2026, 4, 1)))
    assert bank.move(saved, -1) == "moved"
    assert bank.move(saved, -10_000) == "insufficient_funds", "and does not count"
    assert bank.account(saved).withdrawals == 1


def test_a_deposit_is_left_alone_until_it_matures_pays_then_and_earns_no_more(bank: Bank) -> None:
    bank.offer("fixed", term_months=1, compounding=Frequency.AT_MATURITY, posting=Frequency.AT_MATURITY)
    saved = bank.save("@ada", "fixed", 100_000)
    assert bank.move(saved, -1) == "not_matured"
    bank.nights(date(2026, 4, 12))
    account = bank.account(saved)
    assert (account.matures_on, account.paid_minor) == (date(2026, 4, 2), 310)
    assert account.earned_micro == 310_000_000
    assert bank.move(saved, -100_310) == "moved"
    assert_as_defined(bank, [saved])


def test_an_overdraft_is_charged_and_its_limit_held(bank: Bank) -> None:
    bank.offer("current", overdraft_minor=50_000, overdraft_bps=3_650, posting=Frequency.DAILY)
    saved = bank.save("@ada", "current", 10_000)
    assert bank.move(saved, -60_001) == "insufficient_funds"
    assert bank.move(saved, -60_000) == "moved"
    bank.nights(START + DAY)
    assert bank.account(saved).charged_minor == 50
    assert (bank.balance(saved), bank.own(OVERDRAFT_INTEREST)) == (-50_050, 50), "beyond the limit: interest is forced"
    assert bank.refused(closing(bank, saved)) == "overdrawn"
    assert not bank.findings()


def test_tax_is_withheld_from_what_is_paid_and_the_years_report_adds_up(bank: Bank) -> None:
    bank.offer("taxed", withholding_bps=2_400)
    ids = [bank.save(handle, "taxed", 1_000_000) for handle in ("@ada", "@bob")]
    bank.nights(date(2026, 5, 2))
    assert [(bank.account(one).paid_minor, bank.account(one).withheld_minor) for one in ids] == [(6_007, 1_442)] * 2
    with bank.processor.engine.connect() as connection:
        report = tax_report(connection, 2026)
        assert tax_report(connection, 2025) == []
    assert [(one.interest_minor, one.withheld_minor) for one in report] == [(6_007, 1_442)] * 2
    assert bank.own(TAX_WITHHELD) == sum(one.withheld_minor for one in report)
    assert not bank.findings()


def closing(bank: Bank, saved: Any, reference: str = "close") -> CloseSavings:
    return CloseSavings(reference=reference, customer_id=bank.account(saved).customer_id, savings_id=saved)


@pytest.mark.parametrize("night", [True, False])
def test_closing_in_the_middle_of_a_month_pays_to_the_day_whether_or_not_the_night_has_run(
    bank: Bank, night: bool
) -> None:
    saved = bank.save("@ada", "saver", 100_000)
    if night:
        bank.nights(START + 9 * DAY)
    bank.until(bank.at(START + 9 * DAY))
    (answer,) = bank.ask(closing(bank, saved))
    assert (answer.code, answer.facts) == ("closed", {"interest_minor": 90, "moved_minor": 100_090})
    bank.nights(START + 40 * DAY)
    account = bank.account(saved)
    assert (account.closed_on, account.earned_micro, bank.balance(saved)) == (START + 9 * DAY, 90_000_000, 0)
    assert (bank.own(INTEREST_EXPENSE), bank.own(INTEREST_ACCRUED)) == (90, 0)
    assert bank.move(saved, 1) == "account_closed"
    assert bank.refused(closing(bank, saved, "again")) == "account_closed"
    assert not bank.findings()


def test_a_movement_of_a_month_that_was_posted_is_corrected_by_the_next_night(bank: Bank) -> None:
    late, prompt = bank.save("@ada", "saver", 100_000), bank.save("@bob", "saver", 100_000)
    bank.until(bank.at(START + DAY))
    assert bank.move(prompt, 1_000_000) == "moved"
    bank.nights(date(2026, 4, 20))
    assert bank.move(late, 1_000_000, START + DAY) == "moved"
    assert bank.refused(replace(closing(bank, late), customer_id=bank.customer("@bob"))) == "not_yours"
    bank.nights(date(2026, 4, 21))
    assert bank.account(late).accrued == bank.account(prompt).accrued
    assert bank.balance(late) == bank.balance(prompt)
    assert_as_defined(bank, [late, prompt])
    assert not bank.findings()


def test_movements_count_from_days_that_the_account_has_seen(bank: Bank) -> None:
    saved = bank.save("@ada", "saver", 100)
    assert bank.move(saved, 1, START - DAY) == "date_malformed"
    assert bank.move(saved, 1, START + DAY) == "date_malformed"
    assert bank.move(saved, 0) == "amount_malformed"


def test_a_customer_is_closed_once_every_savings_account_is(bank: Bank) -> None:
    bank.ask(OpenCustomer(handle="@carol", name="Carol", opening_deposit_minor=700))
    carol = bank.customer("@carol")
    (opened,) = bank.ask(OpenSavings(reference="1", customer_id=carol, product="saver", opening_minor=700))
    saved = UUID(str(opened.facts["savings_id"]))
    assert bank.refused(CloseCustomer(customer_id=carol, reference="1")) == "savings_not_empty"
    bank.until(bank.at(START + DAY))
    assert bank.move(saved, -700) == "moved"
    assert bank.refused(CloseCustomer(customer_id=carol, reference="2")) == "wallet_not_empty"


def test_frozen_people_move_nothing(bank: Bank) -> None:
    saved = bank.save("@ada", "saver", 100)
    ada = bank.customer("@ada")
    bank.ask(ChangeCustomerState(customer_id=ada, new_state=CustomerState.FROZEN, reference="1"))
    assert bank.move(saved, 1) == bank.refused(closing(bank, saved)) == "account_frozen"


def test_a_statement_shows_every_entry_and_the_yield_earned(bank: Bank) -> None:
    saved = bank.save("@ada", "saver", 1_000_000)
    bank.until(bank.at(date(2026, 3, 12)))
    assert bank.move(saved, 500_000) == "moved"
    bank.nights(date(2026, 4, 15))
    with bank.processor.engine.connect() as connection:
        march = statement(connection, bank.account(saved), START, date(2026, 3, 31))
        april = statement(connection, bank.account(saved), date(2026, 4, 1), date(2026, 4, 14))
    assert [(one.kind, one.minor, one.balance_minor) for one in march.lines] == [
        ("to savings", 1_000_000, 1_000_000),
        ("to savings", 500_000, 1_500_000),
    ]
    assert (march.opening_minor, march.closing_minor, march.earned_micro) == (0, 1_500_000, 4_000_000_000)
    assert (april.opening_minor, april.interest_minor, april.closing_minor) == (1_500_000, 4_000, 1_504_000)
    assert str(march.yield_earned) == str(april.yield_earned) == "3.71"  # 3.65 % that compound

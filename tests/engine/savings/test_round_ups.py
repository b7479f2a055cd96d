"""Round-ups: what a purchase lacked to the next whole unit, put by once, the night after clearing has posted it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest

from engine.accounts.model import ChangeCustomerState, CustomerState
from engine.accounts.store import read_by_handle
from engine.database.connections import Database
from engine.savings.model import CloseSavings, PlanSavings, RoundUp
from engine.vocabulary.identifiers import Secret
from engine.vocabulary.messages import CASH, REFUND
from engine.vocabulary.money import Money
from issuer.cards.model import IssueCard
from issuer.cards.numbers import card_number
from tests.engine.savings.bank import RICH, Bank
from tests.issuer.purse import PRESENTMENT

DAY = timedelta(days=1)
START = date(2026, 3, 2)
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Saver:
    """A customer with a card, who saves."""

    bank: Bank
    customer_id: UUID
    wallet_id: UUID
    savings_id: UUID
    sequence: int

    def plan(self, **changes: object) -> str:
        plan = PlanSavings(reference=str(next(_numbers)), customer_id=self.customer_id, savings_id=self.savings_id)
        return self.bank.refused(replace(plan, **{"round_up_minor": 100, **changes}))  # type: ignore[arg-type]

    def cleared(self, minor: int, on: date, kind: str = "00") -> None:
        """An item of this card's arrives in a clearing file of a day."""
        number = next(_numbers)
        item = replace(
            PRESENTMENT,
            arn=f"1200001606200000{number:07d}",
            network_reference=None,
            pan=card_number("40000100", self.sequence),
            amount=Money(minor, "USD"),
            business_date=on,
            processing_code=f"{kind}0000",
        )
        (answer,) = self.bank.ask(item)
        assert answer.code == "posted", answer

    @property
    def put_by(self) -> int:
        """All that is in the account."""
        return self.bank.balance(self.savings_id)

    @property
    def wallet(self) -> int:
        return self.bank.own_balance(self.wallet_id)


@pytest.fixture
def bank(database: Database, tmp_path: Path) -> Iterator[Bank]:
    there = Bank(database, f"rounding{next(_numbers)}", tmp_path, START)
    there.offer("saver", tiers=((0, 0),))
    yield there
    there.processor.engine.dispose()


def saver(bank: Bank, handle: str = "@ada") -> Saver:
    savings_id = bank.save(handle, "saver")
    with bank.processor.engine.connect() as connection:
        (customer,) = read_by_handle(connection, [handle])
    sequence = next(_numbers)
    card = IssueCard(
        customer_id=customer.id,
        account_id=customer.account_id,
        pan=card_number("40000100", sequence),
        expiry="2812",
        issued_at=bank.clock.now(),
        pin=Secret("4711"),
    )
    assert bank.refused(card) == "issued"
    return Saver(bank, customer.id, customer.account_id, savings_id, sequence)


def test_a_purchase_is_rounded_up_the_night_after_it_was_posted_and_what_is_whole_or_no_purchase_is_not(
    bank: Bank,
) -> None:
    ada, bob = saver(bank), saver(bank, "@bob")
    assert ada.plan(goal_name="Boat", goal_minor=900_000) == "planned"
    for one in (ada, bob):
        for minor in (1_234, 1_200, 1):
            one.cleared(minor, START)
        one.cleared(4_950, START, CASH)
        one.cleared(250, START, REFUND)
    assert ada.put_by == 0
    runs = bank.nights(START + DAY)
    assert runs[0].counts["round up"] == 2
    assert (ada.put_by, bob.put_by) == (66 + 99, 0)
    assert ada.wallet == bob.wallet - 165
    bank.nights(START + 3 * DAY)
    assert ada.put_by == 165, "the nights after find them done"


def test_a_file_that_came_after_its_own_night_is_found_by_the_next(bank: Bank) -> None:
    ada = saver(bank)
    ada.plan()
    bank.nights(START + DAY)
    ada.cleared(1_234, START)
    assert [run.counts["round up"] for run in bank.nights(START + 2 * DAY) if run.job == "interest-accrual"] == [1]
    assert ada.put_by == 66


def test_nights_that_are_made_up_for_each_see_what_the_others_have_seen_and_it_is_put_by_once(bank: Bank) -> None:
    ada = saver(bank)
    ada.plan()
    for number in range(3):
        bank.until(bank.at(START + number * DAY))
        ada.cleared(1_201, START + number * DAY)
    bank.nights(START + 3 * DAY)
    assert ada.put_by == 3 * 99


def test_what_is_given_back_leaves_what_was_put_by(bank: Bank) -> None:
    """It is the customer's own money, in the customer's own account, and a refund is another item."""
    ada = saver(bank)
    ada.plan()
    ada.cleared(1_234, START)
    bank.nights(START + DAY)
    ada.cleared(1_234, START + DAY, REFUND)
    bank.nights(START + 3 * DAY)
    assert (ada.put_by, ada.wallet) == (66, RICH - 66)


def test_who_begins_or_ends_a_plan_by_day_has_it_for_all_of_the_days_purchases(bank: Bank) -> None:
    ada, bob = saver(bank), saver(bank, "@bob")
    bob.plan()
    for one in (ada, bob):
        one.cleared(1_234, START)
    ada.plan()
    bob.plan(round_up_minor=0)
    bank.nights(START + DAY)
    assert (ada.put_by, bob.put_by) == (66, 0)


def test_the_unit_is_the_customers_to_choose(bank: Bank) -> None:
    ada = saver(bank)
    ada.plan(round_up_minor=500)
    ada.cleared(1_234, START)
    bank.nights(START + DAY)
    assert ada.put_by == 266


def test_who_has_too_little_is_frozen_or_has_closed_the_account_is_not_rounded_up(bank: Bank) -> None:
    poor, frozen, gone = saver(bank), saver(bank, "@bob"), saver(bank, "@eve")
    for one in (poor, frozen, gone):
        one.plan()
    poor.cleared(RICH - 50, START)
    frozen.cleared(1_234, START)
    gone.cleared(1_234, START)
    freeze = ChangeCustomerState(customer_id=frozen.customer_id, new_state=CustomerState.FROZEN, reference="1")
    assert bank.refused(freeze) == "changed"
    closing = CloseSavings(reference="1", customer_id=gone.customer_id, savings_id=gone.savings_id)
    assert bank.refused(closing) == "closed"
    bank.nights(START + DAY)
    assert (poor.put_by, poor.wallet) == (50, 0), "exactly enough is enough"
    assert (frozen.put_by, gone.put_by) == (0, 0)
    poor.cleared(1_234, START + DAY)  # forced: clearing is never refused
    bank.nights(START + 2 * DAY)
    assert (poor.put_by, poor.wallet) == (50, -1_234), "nobody is driven below zero, or further, to save"


def test_a_goal_or_a_round_up_that_makes_no_sense_is_refused_in_words(bank: Bank) -> None:
    ada = saver(bank)
    purchase = RoundUp(item_id=UUID(int=1), customer_id=ada.customer_id, wallet_id=ada.wallet_id, amount_minor=1_234)
    assert bank.refused(purchase) == "no_round_ups"
    assert ada.plan(goal_name="Boat") == "amount_malformed"
    assert ada.plan(goal_name="\n", goal_minor=1) == "name_malformed"
    assert ada.plan(round_up_minor=-1) == "amount_malformed"
    assert ada.plan() == "planned"
    assert bank.refused(replace(purchase, item_id=UUID(int=2), wallet_id=ada.savings_id)) == "no_round_ups"
    assert bank.refused(replace(purchase, item_id=UUID(int=3), amount_minor=1_200)) == "nothing"

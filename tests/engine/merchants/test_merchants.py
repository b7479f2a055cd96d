"""Merchants and terminals on a real database: opened once, refused with reasons, closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from engine.acquirer import acquirer_stages
from engine.database.connections import Database
from engine.ledger.chart import MERCHANT_PAYABLE
from engine.merchants.model import CloseMerchant, MerchantState, ecommerce_terminal, id_of_merchant
from engine.merchants.store import merchant_rows
from engine.processor import Processor
from engine.vocabulary.errors import FormatError
from tests.engine.acquiring import SHOP
from tests.world import HandClock, open_institution_for_tests, processor_of


@pytest.fixture(scope="module")
def processor(database: Database) -> Processor:
    institution = open_institution_for_tests(database, "acquirer", "200001", "acquirer")
    return processor_of(database, institution, acquirer_stages(institution, "900000"), HandClock())


def ask(processor: Processor, request: Any) -> tuple[str, tuple[str, ...]]:
    (answer,) = processor.execute([request])
    assert answer is not None
    return answer.code, answer.reasons


def test_a_merchant_is_opened_once_with_its_accounts_and_terminals(processor: Processor) -> None:
    assert ask(processor, SHOP) == ("opened", ())
    assert ask(processor, SHOP) == ("opened", ())
    assert ask(processor, replace(SHOP, name="Another Name"))[0] == "key_reused"
    assert ask(processor, replace(SHOP, terminal_ids=("T3",))) == ("refused", ("merchant_exists",))
    other = replace(SHOP, merchant_id="OTHER", terminal_ids=("T4", "T1"))
    assert ask(processor, other) == ("refused", ("terminal_taken",))
    assert ask(processor, replace(other, terminal_ids=("T4",))) == ("opened", ())
    with processor.engine.connect() as connection:
        payables = connection.execute(text(f"select count(*) from accounts where code = {MERCHANT_PAYABLE}")).scalar()
        own = connection.execute(
            text("select count(*), count(distinct code) from accounts where owner_id is null")
        ).one()
        terminals = connection.execute(text("select terminal_id from terminals order by 1")).scalars().all()
    assert payables == 2
    assert own == (7, 7)
    online = [ecommerce_terminal("acquirer", one.merchant_id) for one in (SHOP, other)]
    assert sorted(terminals) == sorted(["T1", "T2", "T4", *online])


def test_a_merchant_is_closed_and_stays_known(processor: Processor) -> None:
    ask(processor, replace(SHOP, merchant_id="BRIEF", terminal_ids=("T9",)))
    assert ask(processor, CloseMerchant(merchant_id="BRIEF")) == ("closed", ())
    assert ask(processor, CloseMerchant(merchant_id="NOBODY")) == ("refused", ("unknown_merchant",))
    with processor.engine.connect() as connection:
        (merchant,) = merchant_rows.read(connection, [id_of_merchant("acquirer", "BRIEF")])
    assert merchant.state is MerchantState.CLOSED
    assert merchant.acceptor == "Corner Shop              Springfield  US"


def test_a_discount_is_a_share_and_a_fixed_part_rounded_once(processor: Processor) -> None:
    ask(processor, SHOP)
    with processor.engine.connect() as connection:
        (merchant,) = merchant_rows.read(connection, [id_of_merchant("acquirer", "SHOP")])
    assert [merchant.discount_minor(amount) for amount in (10_000, 25, 75, 1)] == [210, 10, 12, 10]


@pytest.mark.parametrize(
    ("element", "change"),
    [
        ("merchant_id", {"merchant_id": "M" * 16}),
        ("country", {"country": "USA"}),
        ("mcc", {"mcc": "57"}),
        ("asset", {"asset": "XXX"}),
        ("discount_bps", {"discount_bps": 10_001}),
        ("discount_fixed_minor", {"discount_fixed_minor": -1}),
        ("terminal_ids", {"terminal_ids": ("T" * 9,)}),
        ("terminal_ids", {"terminal_ids": ("T1", "T1")}),
    ],
)
def test_what_the_standard_cannot_hold_is_refused_by_name(element: str, change: dict[str, Any]) -> None:
    with pytest.raises(FormatError) as refused:
        replace(SHOP, **change)
    assert refused.value.element == element

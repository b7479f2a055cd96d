"""Traces of payments over the internet: the rule on a plain state, then the whole path on a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.acquirer import acquirer_stages
from engine.database.connections import Database
from engine.ecommerce.decide import Placed, decide
from engine.ecommerce.model import LARGEST_STAN, AssignTrace, TraceCounter
from engine.merchants.model import OpenMerchant, ecommerce_terminal
from engine.runtime.fold import evolve
from engine.vocabulary.decision import Answer, State
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.money import Money
from tests.world import HandClock, open_institution_for_tests, processor_of

NOW = datetime(2026, 3, 2, 12, 0, 0, 999, tzinfo=UTC)
ASSIGN = AssignTrace(
    merchant_id="M1", reference="a", pan=Pan("4000010000000007"), expiry="2912", amount=Money(100, "USD")
)
SHOP = OpenMerchant(
    merchant_id="M1",
    name="Shop",
    city="Town",
    country="US",
    mcc="5999",
    asset="USD",
    discount_bps=200,
    discount_fixed_minor=0,
    deposit_reference="M1",
    terminal_ids=("M1T1", "M1T2"),
)


def test_numbers_follow_each_other_and_begin_anew_after_six_digits() -> None:
    state = State()
    given = []
    for _ in range(2):
        decision = decide("acquirer", state, Placed(ASSIGN, "M1T2"), NOW)
        evolve(state, decision)
        assert decision.answer is not None
        given.append(decision.answer.facts["stan"])
    (counter,) = state.all(TraceCounter)
    state.put(replace(counter, last_stan=LARGEST_STAN))
    last = decide("acquirer", state, Placed(ASSIGN, "M1T2"), NOW).answer
    assert last is not None and last.facts == {
        "terminal_id": "M1T2",
        "stan": "000001",
        "transmitted_at": "2026-03-02T12:00:00+00:00",
    }
    assert given == ["000001", "000002"]


def test_a_reference_keeps_its_first_trace(database: Database) -> None:
    acquirer = open_institution_for_tests(database, "traces", "200001", "acquirer")
    clock = HandClock()
    processor = processor_of(database, acquirer, acquirer_stages(acquirer, "900000"), clock)
    (unknown,) = processor.execute([replace(ASSIGN, merchant_id="M2")])
    assert unknown == Answer("refused", ("unknown_merchant",))
    processor.execute([SHOP])
    first, second = processor.execute([ASSIGN, replace(ASSIGN, reference="b")])
    clock.move(timedelta(days=1))
    again, other_amount, third = processor.execute(
        [ASSIGN, replace(ASSIGN, amount=Money(101, "USD")), replace(ASSIGN, reference="c")]
    )
    assert first is not None and second is not None and third is not None and other_amount is not None
    assert again == first
    assert other_amount.code == "key_reused"
    assert [one.facts["stan"] for one in (first, second, third)] == ["000001", "000002", "000003"]
    own = ecommerce_terminal("traces", "M1")
    assert first.facts["terminal_id"] == own not in SHOP.terminal_ids
    assert len(own) == 8 and own.startswith("E")


def test_a_device_under_the_terminal_id_of_another_merchant_s_e_commerce_is_refused(database: Database) -> None:
    acquirer = open_institution_for_tests(database, "taken", "200002", "acquirer")
    processor = processor_of(database, acquirer, acquirer_stages(acquirer, "900000"), HandClock())
    device = ecommerce_terminal("taken", "M1")
    opened, refused, online_only = processor.execute(
        [
            SHOP,
            replace(SHOP, merchant_id="M2", terminal_ids=(device,)),
            replace(SHOP, merchant_id="M3", terminal_ids=()),
        ]
    )
    assert opened is not None and opened.code == "opened"
    assert refused == Answer("refused", ("terminal_taken",))
    assert online_only is not None and online_only.code == "opened"
    (trace,) = processor.execute([replace(ASSIGN, merchant_id="M3")])
    assert trace is not None and trace.facts["terminal_id"] == ecommerce_terminal("taken", "M3")

"""Sales that chip and terminal approved alone: captured when they are told, once, and refused only when nobody's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.authorization.model import PaymentState
from engine.merchants.model import MerchantState
from engine.vocabulary.keys import KEYS, fingerprint_material, key_of
from engine.vocabulary.messages import PREAUTHORIZED, OfflineSaleAdvice
from engine.vocabulary.money import Money
from tests.engine.authorization.payments import (
    SENT,
    ask,
    code_and_reasons,
    payment,
    request,
    reversal,
    world,
)


def advice(is_repeat: bool = False, **changes: Any) -> OfflineSaleAdvice:
    return OfflineSaleAdvice(sale=request(**changes), approval_code="Y10042", is_repeat=is_repeat)


def test_a_sale_is_captured_as_it_was_made_and_the_network_hears_of_it_by_clearing_only() -> None:
    state = world()
    decision = ask(state, advice())
    assert code_and_reasons(decision) == ("00", ())
    assert (decision.messages, decision.timers) == ((), ())
    kept = payment(state)
    assert (kept.state, kept.captured_minor, kept.approval_code) == (PaymentState.CAPTURED, 10_000, "Y10042")
    assert (kept.transacted_at, kept.network_reference) == (SENT, None)


@pytest.mark.parametrize(
    ("changes", "merchant_state", "expected"),
    [
        ({"amount": Money(0, "USD")}, MerchantState.OPEN, ("13", ("amount_not_positive",))),
        ({"amount": Money(10, "EUR")}, MerchantState.OPEN, ("12", ("currency_not_accepted",))),
        ({"processing_code": "200000"}, MerchantState.OPEN, ("12", ("not_a_sale",))),
        ({"processing_code": "010000"}, MerchantState.OPEN, ("12", ("not_a_sale",))),
        ({"pos_condition_code": PREAUTHORIZED}, MerchantState.OPEN, ("12", ("not_a_sale",))),
        ({}, MerchantState.CLOSED, ("58", ("merchant_closed",))),
    ],
)
def test_what_is_no_sale_of_this_merchant_is_refused_and_nothing_kept(
    changes: dict[str, Any], merchant_state: MerchantState, expected: tuple[str, tuple[str, ...]]
) -> None:
    state = world(state=merchant_state)
    decision = ask(state, advice(**changes))
    assert code_and_reasons(decision) == expected
    assert decision.events == ()


def test_a_sale_whose_reversal_came_first_is_off() -> None:
    state = world()
    ask(state, reversal())
    assert code_and_reasons(ask(state, advice())) == ("12", ("payment_is_reversed",))


def test_a_repeat_has_its_originals_key_and_another_amount_another_fingerprint() -> None:
    rule = KEYS[OfflineSaleAdvice]
    first, again = advice(), advice(is_repeat=True)
    assert key_of(rule, first) == key_of(rule, again)
    assert fingerprint_material(rule, first) == fingerprint_material(rule, again)
    other = replace(first, sale=replace(first.sale, amount=Money(1, "USD")))
    assert fingerprint_material(rule, other) != fingerprint_material(rule, first)

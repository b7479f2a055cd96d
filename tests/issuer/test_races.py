"""What comes at once, late, doubled or out of order, on a real database: one batch, and one request after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.vocabulary.messages import AdviceReason, AuthorizationAdvice
from engine.vocabulary.responses import ResponseCode
from issuer.authorization.controls import SetControls
from tests.issuer.world import Bank, Holder


def codes(bank: Bank, requests: Sequence[object]) -> list[str]:
    return [answer.code for answer in bank.processor.execute(requests) if answer is not None]


def test_two_requests_for_one_card_in_one_batch_with_funds_for_one(bank: Bank) -> None:
    ada = bank.open("ada", 10_000)
    requests = [bank.request(ada, 6_000), bank.request(ada, 6_000), bank.request(ada, 4_000)]
    assert codes(bank, requests) == ["00", "51", "00"]
    assert bank.balances(ada) == (0, 10_000)
    assert bank.findings() == []


def test_pin_tries_in_one_batch_are_counted_one_after_the_other(bank: Bank) -> None:
    ada = bank.open("ada")

    def typed(holder: Holder, pin: str) -> object:
        return bank.request(holder, 100, pin_block=bank.pin_block(holder, pin))

    requests = [typed(ada, "0000"), typed(ada, "4711"), *(typed(ada, "0000") for _ in range(4)), typed(ada, "4711")]
    assert codes(bank, requests) == ["55", "00", "55", "55", "55", "75", "75"]


def test_a_reversal_that_overtakes_its_request_in_one_batch_stops_it(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 2_000)
    assert codes(bank, [bank.reversal(request), request]) == ["00", "05"]
    assert bank.balances(ada) == (10_000, 0)


def test_a_doubled_reversal_and_its_repeat_release_once(bank: Bank) -> None:
    ada = bank.open("ada")
    first, second = bank.request(ada, 2_000), bank.request(ada, 3_000)
    reversal = bank.reversal(first)
    repeats = [reversal, replace(reversal, is_repeat=True), replace(reversal, is_repeat=True)]
    assert codes(bank, [first, second, *repeats]) == ["00"] * 5
    assert codes(bank, [replace(reversal, is_repeat=True)]) == ["00"]
    assert bank.balances(ada) == (7_000, 3_000)


def test_an_advice_and_the_request_it_is_about_hold_once_in_either_order(bank: Bank) -> None:
    ada = bank.open("ada")
    for turned in (False, True):
        request = bank.request(ada, 1_000)
        advice = AuthorizationAdvice(
            request=request,
            reason=AdviceReason.ISSUER_SILENT,
            response_code=ResponseCode.APPROVED,
            approval_code="123456",
        )
        pair: list[object] = [advice, request] if turned else [request, advice]
        bank.processor.execute(pair)
    assert bank.balances(ada) == (8_000, 2_000)
    assert bank.findings() == []


def test_a_limit_is_counted_within_one_batch(bank: Bank) -> None:
    ada = bank.open("ada")
    controls = SetControls(card_id=ada.card_id, reference="1", limits={"day/all": [2, None]}, allowed={}, blocked={})
    assert bank.told(controls).code == "set"
    assert codes(bank, [bank.request(ada, 100) for _ in range(3)]) == ["00", "00", "65"]
    bank.run_at(12, days=1)
    assert codes(bank, [bank.request(ada, 100)]) == ["00"], "a new day"

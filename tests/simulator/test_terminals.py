"""Terminals as conversations: what they send, and what they make of silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from engine.vocabulary.messages import AuthorizationRequest, CompletionAdvice, ReversalAdvice
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from simulator.terminals import (
    PATIENCE,
    Conversation,
    End,
    Entry,
    Heard,
    Presented,
    Receipt,
    Reply,
    Send,
    TerminalRequest,
    Wait,
    preauthorization,
    purchase,
    purchase_cancelled,
    purchase_with_tip,
    reference_of,
    refund,
)
from tests.simulator.people import AT_THE_COUNTER, PLASTIC, terminal, typed_pin

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)
APPROVED = Reply(ResponseCode.APPROVED, "ABC123")
TEN = Money(1_000, "USD")

Answering = Callable[[TerminalRequest, int], Reply | None]
"""What comes back for a request; the number counts requests from 0."""


def play(conversation: Conversation, answer: Answering) -> tuple[Receipt, list[TerminalRequest]]:
    """Run a conversation without wires: silence takes PATIENCE, waits take what they say."""
    sent: list[TerminalRequest] = []
    now = NOON
    heard: Heard | None = None
    while True:
        try:
            step = next(conversation) if heard is None else conversation.send(heard)
        except StopIteration as end:
            return end.value, sent
        if isinstance(step, Wait):
            now, reply = step.until, None
        else:
            assert isinstance(step, Send)
            sent.append(step.request)
            reply = answer(step.request, len(sent) - 1)
            now += timedelta() if reply else PATIENCE
        heard = Heard(reply, now)


def always(reply: Reply | None) -> Answering:
    return lambda request, number: reply


def test_an_approved_purchase_is_one_request_with_the_track_and_the_pin_under_a_key_of_its_own() -> None:
    receipt, sent = play(purchase(terminal(), AT_THE_COUNTER, TEN, NOON), always(APPROVED))
    assert receipt.end is End.APPROVED and receipt.amount_minor == 1_000 and receipt.reply == APPROVED
    (request,) = sent
    assert isinstance(request, AuthorizationRequest)
    assert (request.stan, request.rrn, request.pos_entry_mode) == ("000001", "604112000001", "901")
    assert request.processing_code == "000000" and request.pos_condition_code == "00"
    assert request.track2 is not None and request.track2.clear == "4000010000012348=2809201112" + "34567"
    assert request.pin_block is not None and request.cvv2 is None
    assert typed_pin(request) == "4711"


def test_an_online_purchase_has_a_cvv2_and_neither_track_nor_pin() -> None:
    online = Presented(plastic=PLASTIC, entry=Entry.ONLINE)
    _, (request,) = play(purchase(terminal(), online, TEN, NOON), always(APPROVED))
    assert isinstance(request, AuthorizationRequest)
    assert request.cvv2 is not None and request.cvv2.clear == "890"
    assert (request.pos_entry_mode, request.pos_condition_code) == ("812", "59")
    assert request.track2 is None and request.pin_block is None


def test_a_refund_says_so_in_its_processing_code() -> None:
    _, (request,) = play(refund(terminal(), AT_THE_COUNTER, TEN, NOON), always(APPROVED))
    assert isinstance(request, AuthorizationRequest) and request.processing_code == "200000"


def test_a_decline_ends_the_conversation_with_nothing_paid() -> None:
    receipt, sent = play(
        purchase(terminal(), AT_THE_COUNTER, TEN, NOON), always(Reply(ResponseCode.INSUFFICIENT_FUNDS))
    )
    assert (receipt.end, receipt.amount_minor, len(sent)) == (End.DECLINED, 0, 1)


def test_silence_is_taken_back_and_the_repeat_has_its_originals_trace_number() -> None:
    receipt, sent = play(
        purchase(terminal(), AT_THE_COUNTER, TEN, NOON), lambda request, number: APPROVED if number == 2 else None
    )
    assert receipt.end is End.REVERSED and receipt.amount_minor == 0
    first, second = sent[1], sent[2]
    assert isinstance(first, ReversalAdvice) and isinstance(second, ReversalAdvice)
    assert (first.is_advice, first.is_repeat, second.is_repeat) == (False, False, True)
    assert first.stan == second.stan == "000002" and first.transmitted_at == second.transmitted_at == NOON + PATIENCE
    assert first.original.stan == "000001" and first.original.transmitted_at == NOON
    assert first.response_code is ResponseCode.RESPONSE_RECEIVED_TOO_LATE
    assert reference_of(first) == receipt.reference == reference_of(sent[0])


def test_a_reversal_that_nobody_answers_is_given_up_after_three_repeats() -> None:
    receipt, sent = play(purchase(terminal(), AT_THE_COUNTER, TEN, NOON), always(None))
    assert receipt.end is End.NOT_REVERSED
    assert [type(request).__name__ for request in sent] == ["AuthorizationRequest"] + ["ReversalAdvice"] * 4


def test_a_preauthorization_is_completed_later_for_another_amount() -> None:
    later = NOON + timedelta(hours=2)
    receipt, sent = play(
        preauthorization(
            terminal(), AT_THE_COUNTER, Money(5_000, "USD"), NOON, complete_at=later, final=Money(4_321, "USD")
        ),
        always(APPROVED),
    )
    assert receipt.end is End.APPROVED and receipt.amount_minor == 4_321
    asked, told = sent
    assert isinstance(asked, AuthorizationRequest) and asked.is_preauthorization
    assert isinstance(told, CompletionAdvice)
    assert (told.amount, told.transmitted_at, told.stan) == (Money(4_321, "USD"), later, "000002")


def test_an_abandoned_preauthorization_sends_nothing_more() -> None:
    receipt, sent = play(
        preauthorization(terminal(), AT_THE_COUNTER, TEN, NOON, complete_at=None, final=None), always(APPROVED)
    )
    assert (receipt.end, len(sent)) == (End.APPROVED, 1)


def test_a_tip_is_told_as_the_new_total_and_repeated_until_it_is_heard() -> None:
    receipt, sent = play(
        purchase_with_tip(
            terminal(), AT_THE_COUNTER, TEN, NOON, tip=Money(150, "USD"), tip_at=NOON + timedelta(hours=1)
        ),
        lambda request, number: None if number in (1, 2) else APPROVED,
    )
    assert (receipt.end, receipt.amount_minor) == (End.APPROVED, 1_150)
    repeats = [request.is_repeat for request in sent if isinstance(request, CompletionAdvice)]
    assert repeats == [False, True, True]


@pytest.mark.parametrize("reply", [None, Reply(ResponseCode.INVALID_TRANSACTION)])
def test_a_final_amount_that_is_not_taken_leaves_the_first_one(reply: Reply | None) -> None:
    receipt, _ = play(
        purchase_with_tip(
            terminal(), AT_THE_COUNTER, TEN, NOON, tip=Money(150, "USD"), tip_at=NOON + timedelta(hours=1)
        ),
        lambda request, number: APPROVED if number == 0 else reply,
    )
    assert (receipt.end, receipt.amount_minor) == (End.NOT_COMPLETED, 1_000)


def test_a_customer_may_think_better_of_it() -> None:
    receipt, sent = play(
        purchase_cancelled(terminal(), AT_THE_COUNTER, TEN, NOON, cancel_at=NOON + timedelta(minutes=5)),
        always(APPROVED),
    )
    assert receipt.end is End.REVERSED
    assert isinstance(sent[1], ReversalAdvice) and sent[1].response_code is None


def test_trace_numbers_wrap_from_999999_to_000001() -> None:
    wrapping = terminal(last_stan=999_998)
    assert [wrapping.next_stan() for _ in range(3)] == ["999999", "000001", "000002"]


def test_a_counterfeit_differs_in_its_verification_values_only() -> None:
    copy = PLASTIC.counterfeit()
    assert (copy.cvv, copy.cvv2) == ("568", "891")
    assert (copy.pan, copy.pin) == (PLASTIC.pan, PLASTIC.pin)
    assert "567" not in repr(PLASTIC) and "4711" not in repr(AT_THE_COUNTER)

"""The ordered list of checks: each reason alone, their precedence, and what a PIN costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from engine.accounts.model import CustomerState
from engine.vocabulary.messages import AuthorizationRequest, OriginalData
from engine.vocabulary.money import Money
from issuer.authorization.checks import ORDER, expired
from issuer.authorization.model import AuthorizationState, PinCheck
from issuer.cards.model import CardState, CardUse
from tests.issuer.purse import OPENING_MINOR, REQUEST, UNKNOWN_TOKEN, Purse

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


def answered(purse: Purse, request: AuthorizationRequest = REQUEST, **verdicts: Any) -> tuple[str, tuple[str, ...]]:
    answer = purse.ask(request, **verdicts).answer
    assert answer is not None
    return answer.code, answer.reasons


OTHER = OriginalData(message_type="0100", stan="000099", transmitted_at=NOW, acquirer_id="200001")
ALONE: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str, str]] = [
    # the card, the request, the verdicts -> DE 39 and reason, in order of precedence
    ({}, {"processing_code": "990000", "pos_entry_mode": "012"}, {}, "12", "transaction_type_unknown"),
    ({}, {"processing_code": "200000", "pos_condition_code": "06"}, {}, "12", "preauthorization_of_another_kind"),
    ({}, {"is_financial": True, "pos_condition_code": "06"}, {}, "12", "preauthorization_of_another_kind"),
    (
        {},
        {"amount": Money(0, "USD"), "processing_code": "010000", "pos_entry_mode": "012"},
        {},
        "13",
        "amount_not_positive",
    ),
    ({}, {"processing_code": "300000", "pos_entry_mode": "012"}, {}, "13", "inquiry_with_amount"),
    ({}, {}, {"card_token": UNKNOWN_TOKEN}, "14", "card_unknown"),
    ({"expiry": "2602"}, {"expiry": "2602"}, {}, "54", "card_expired"),
    ({}, {"expiry": "2811"}, {}, "54", "expiry_differs"),
    ({}, {"original": OTHER}, {}, "25", "original_unknown"),
    ({}, {}, {"cvv": False}, "82", "cvv_wrong"),
    ({}, {}, {"cvv2": False}, "82", "cvv2_wrong"),
    ({"pin_tries_left": 0}, {}, {"pin": PinCheck.CORRECT}, "75", "pin_tries_exceeded"),
    ({}, {}, {"pin": PinCheck.WRONG}, "55", "pin_wrong"),
    ({}, {}, {"pin": PinCheck.UNREADABLE}, "55", "pin_unreadable"),
    ({"state": CardState.CLOSED}, {}, {}, "14", "card_closed"),
    ({"state": CardState.LOST}, {}, {}, "41", "card_lost"),
    ({"state": CardState.STOLEN}, {}, {}, "43", "card_stolen"),
    ({"state": CardState.BLOCKED}, {}, {}, "62", "card_blocked"),
    ({"state": CardState.FROZEN}, {}, {}, "62", "card_frozen"),
    ({"state": CardState.ORDERED}, {}, {}, "62", "card_not_activated"),
    ({"use": CardUse.MERCHANT, "merchant_id": "M00000000000002"}, {}, {}, "57", "merchant_differs"),
    ({}, {"amount": Money(OPENING_MINOR + 1, "USD")}, {}, "51", "funds"),
]


@pytest.mark.parametrize(("card", "request_", "verdicts", "code", "reason"), ALONE, ids=[row[-1] for row in ALONE])
def test_each_reason_alone_has_its_response_code(
    card: dict[str, Any], request_: dict[str, Any], verdicts: dict[str, Any], code: str, reason: str
) -> None:
    purse = Purse(**card)
    assert answered(purse, replace(REQUEST, **request_), **verdicts) == (code, (reason,))
    assert purse.authorization.state is AuthorizationState.DECLINED
    assert (purse.authorization.response_code, purse.authorization.reasons) == (code, (reason,))
    assert purse.authorization.amount_minor == 0 and purse.authorization.approval_code is None
    assert (purse.available, purse.held) == (OPENING_MINOR, 0)


def test_another_currency_is_refused_before_the_ledger_sees_it() -> None:
    code, reasons = answered(Purse(), replace(REQUEST, amount=Money(1, "EUR")))
    assert (code, reasons[0]) == ("13", "currency_not_held")


def test_a_frozen_customer_spends_nothing() -> None:
    purse = Purse()
    purse.state.put(replace(purse.customer, state=CustomerState.FROZEN))
    assert answered(purse) == ("62", ("customer_not_active",))


def test_all_reasons_are_kept_and_the_first_in_precedence_is_answered() -> None:
    purse = Purse(state=CardState.STOLEN, expiry="2602", pin_tries_left=0)
    everything = replace(REQUEST, amount=Money(OPENING_MINOR + 1, "USD"))
    code, reasons = answered(purse, everything, cvv=False, cvv2=False, pin=PinCheck.WRONG)
    assert code == "54"
    assert reasons == (
        "card_expired",
        "expiry_differs",
        "cvv_wrong",
        "cvv2_wrong",
        "pin_tries_exceeded",
        "pin_wrong",
        "card_stolen",
        "funds",
    )
    assert answered(Purse(), replace(everything, processing_code="990000"), card_token=UNKNOWN_TOKEN) == (
        "12",
        ("transaction_type_unknown", "card_unknown"),
    )


def test_a_request_with_everything_right_is_approved_and_held() -> None:
    purse = Purse()
    decision = purse.ask(cvv=True, cvv2=True, pin=PinCheck.CORRECT)
    assert decision.answer is not None and decision.answer.code == "00"
    approved = purse.authorization
    assert decision.answer.facts == {
        "network_reference": "S00000000000001",
        "approval_code": approved.approval_code,
        "cvv2_verdict": "M",
    }
    assert approved.approval_code is not None and len(approved.approval_code) == 6
    assert (approved.state, approved.amount_minor, approved.held_left_minor) == (
        AuthorizationState.APPROVED,
        3_000,
        3_000,
    )
    assert (purse.available, purse.held) == (7_000, 3_000)


def test_the_last_cent_may_be_held() -> None:
    purse = Purse()
    assert answered(purse, replace(REQUEST, amount=Money(OPENING_MINOR, "USD"))) == ("00", ())
    assert (purse.available, purse.held) == (0, OPENING_MINOR)


def test_a_refund_is_approved_without_a_hold_whatever_the_funds() -> None:
    purse = Purse()
    refund = replace(REQUEST, processing_code="200000", amount=Money(OPENING_MINOR * 2, "USD"))
    assert answered(purse, refund) == ("00", ())
    assert (purse.available, purse.held) == (OPENING_MINOR, 0)
    assert (purse.authorization.held_left_minor, purse.authorization.expires_at) == (0, None)


@pytest.mark.parametrize(
    ("expiry", "today", "over"),
    [
        ("2603", date(2026, 3, 31), False),
        ("2603", date(2026, 4, 1), True),
        ("2512", date(2026, 1, 1), True),
        ("3001", date(2026, 3, 3), False),
    ],
)
def test_a_card_is_good_through_the_last_day_of_its_month(expiry: str, today: date, over: bool) -> None:
    assert expired(expiry, today.isoformat()) is over


def another(number: int, **changes: Any) -> AuthorizationRequest:
    stan = f"{number:06d}"
    return replace(REQUEST, stan=stan, network_reference=f"S{number:014d}", **changes)


def test_wrong_pins_cost_tries_the_next_after_the_third_is_75_and_a_right_one_does_not_help_any_more() -> None:
    purse = Purse()
    codes = [answered(purse, another(n), pin=PinCheck.WRONG)[0] for n in range(1, 5)]
    assert codes == ["55", "55", "55", "75"]
    assert answered(purse, another(5), pin=PinCheck.CORRECT)[0] == "75"
    assert answered(purse, another(6))[0] == "00", "without a PIN the card still pays"


def test_a_right_pin_gives_the_tries_back_even_when_funds_are_missing() -> None:
    purse = Purse(pin_tries_left=1)
    assert answered(purse, another(1, amount=Money(10**9, "USD")), pin=PinCheck.CORRECT)[0] == "51"
    assert purse.card.pin_tries_left == 3


@pytest.mark.parametrize(
    ("card", "request_", "verdicts"),
    [
        ({}, {"expiry": "2901"}, {"pin": PinCheck.WRONG}),
        ({}, {}, {"pin": PinCheck.WRONG, "cvv": False}),
        ({}, {}, {"pin": PinCheck.UNREADABLE}),
        ({}, {"expiry": "2901"}, {"pin": PinCheck.CORRECT}),
    ],
)
def test_a_pin_that_is_not_reached_or_not_readable_changes_no_tries(
    card: dict[str, Any], request_: dict[str, Any], verdicts: dict[str, Any]
) -> None:
    purse = Purse(**card, pin_tries_left=2)
    purse.ask(replace(REQUEST, **request_), **verdicts)
    assert purse.card.pin_tries_left == 2


def test_a_blocked_card_is_verified_before_it_is_declined() -> None:
    purse = Purse(state=CardState.BLOCKED, pin_tries_left=2)
    assert answered(purse, another(1), pin=PinCheck.WRONG) == ("55", ("pin_wrong", "card_blocked"))
    assert purse.card.pin_tries_left == 1, "whoever guesses at a blocked card's PIN pays for it"
    assert answered(purse, another(2), pin=PinCheck.CORRECT) == ("62", ("card_blocked",))
    assert purse.card.pin_tries_left == 3, "the PIN was reached and right"


def test_the_list_of_reasons_is_in_the_order_in_which_they_are_answered() -> None:
    listed = [reason for place, reasons in ORDER for reason in reasons]
    of_this_file = [row[-1] for row in ALONE if row[-1] not in ("card_unknown", "preauthorization_of_another_kind")]
    assert [reason for reason in listed if reason in of_this_file] == of_this_file
    assert [place for place, _ in ORDER] == sorted(place for place, _ in ORDER)


def test_a_network_reference_that_another_request_has_used_is_refused_and_changes_nothing() -> None:
    purse = Purse()
    purse.ask()
    decision = purse.ask(replace(REQUEST, stan="000099", amount=Money(1, "USD")))
    assert decision.answer is not None
    assert (decision.answer.code, decision.answer.reasons) == ("94", ("reference_used",))
    assert not decision.events
    assert purse.held == 3_000


def test_the_approval_code_follows_from_the_authorization() -> None:
    first, second = Purse(), Purse()
    first.ask()
    second.ask()
    assert first.authorization == second.authorization

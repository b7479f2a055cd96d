"""The kinds of authorization that an issuer knows, each by its rules alone: what is answered, held and posted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.ledger.chart import NETWORK_PAYABLE, SINGLE_MESSAGES
from engine.vocabulary.messages import AdviceReason, AuthorizationAdvice, AuthorizationRequest, OriginalData
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from issuer.authorization.addresses import BillingAddress, verdict
from issuer.authorization.decide import decide
from issuer.authorization.hold_lifetimes import expires_at
from issuer.authorization.model import Authorization, AuthorizationState, StandInNoted, TokenisedAdvice
from issuer.cards.model import CardState, CardUse
from tests.issuer.purse import BOOK, NOW, OPENING_MINOR, PRESENTMENT, REQUEST, REVERSAL, TOKEN, UNKNOWN_TOKEN, Purse


def asked(minor: int, **changes: Any) -> AuthorizationRequest:
    return replace(REQUEST, **{"amount": Money(minor, "USD"), "pos_entry_mode": "012", **changes})


def another(number: int, minor: int, **changes: Any) -> AuthorizationRequest:
    return asked(minor, stan=f"{number:06d}", network_reference=f"S{number:014d}", **changes)


def answer(purse: Purse, request: AuthorizationRequest, **verdicts: Any) -> tuple[str, dict[str, Any]]:
    told = purse.ask(request, **verdicts).answer
    assert told is not None
    return told.code, dict(told.facts)


def found(purse: Purse, number: int) -> Authorization:
    authorization = purse.state.find(Authorization, "network_reference", f"S{number:014d}")
    assert authorization is not None
    return authorization


def advise(purse: Purse, request: AuthorizationRequest, token: Any = TOKEN, **changes: Any) -> tuple[str, ...]:
    given: dict[str, Any] = {
        "reason": AdviceReason.ISSUER_SILENT,
        "response_code": ResponseCode.APPROVED,
        "approval_code": "SIMNET",
    }
    advice = AuthorizationAdvice(request=request, **given | changes)
    decision = purse.take(decide(BOOK, None, purse.state, TokenisedAdvice(request=advice, card_token=token), NOW))
    assert decision.answer is not None and decision.answer.code == "00", "an advice cannot be refused"
    return tuple(type(event).__name__ for event in decision.events)


@pytest.mark.parametrize("kind", ["00", "01", "09", "10", "11"])
def test_what_moves_money_from_the_cardholder_is_held(kind: str) -> None:
    purse = Purse()
    assert answer(purse, asked(2_000, processing_code=kind + "0000"))[0] == "00"
    assert (purse.available, purse.held) == (8_000, 2_000)


@pytest.mark.parametrize("kind", ["20", "26"])
def test_what_moves_money_to_the_cardholder_is_approved_without_a_hold(kind: str) -> None:
    purse = Purse()
    assert answer(purse, asked(20_000, processing_code=kind + "0000"))[0] == "00"
    assert (purse.available, purse.held) == (OPENING_MINOR, 0)


def test_cash_back_without_funds_for_the_cash_approves_the_purchase_only() -> None:
    purse = Purse()
    code, facts = answer(purse, asked(10_500, processing_code="090000", cashback_minor=1_500))
    assert (code, facts["amount_minor"]) == ("87", 9_000)
    assert (purse.available, purse.held) == (1_000, 9_000)
    assert purse.authorization.reasons == ("funds",)
    assert answer(Purse(), asked(11_600, processing_code="090000", cashback_minor=1_500))[0] == "51"


def test_a_balance_inquiry_tells_both_balances_and_holds_nothing() -> None:
    purse = Purse()
    purse.ask(another(1, 2_500))
    code, facts = answer(purse, another(2, 0, processing_code="300000"))
    assert (code, facts["ledger_minor"], facts["available_minor"]) == ("00", OPENING_MINOR, 7_500)
    assert purse.held == 2_500


def test_an_account_verification_is_answered_85_and_leaves_no_trace_on_card_or_money() -> None:
    purse = Purse(use=CardUse.SINGLE)
    assert answer(purse, asked(0))[0] == "85"
    assert (purse.held, purse.card.state) == (0, CardState.ACTIVE)
    assert answer(Purse(state=CardState.LOST), asked(0))[0] == "41"


@pytest.mark.parametrize(
    ("given", "letter"),
    [("12345    12", "Y"), ("12345    99", "Z"), ("99999    12", "A"), ("99999    99", "N"), ("12345", "Z")],
)
def test_an_address_is_compared_by_postcode_and_street_digits(given: str, letter: str) -> None:
    known = BillingAddress(id=Purse().customer.id, postcode="12345", street_digits="12")
    assert verdict(given, known) == letter
    assert verdict(given, None) == "U"


def test_address_and_cvv2_verdicts_are_told_and_an_address_declines_nothing() -> None:
    code, facts = answer(Purse(), asked(100), address="N", cvv2=True)
    assert (code, facts["address_verdict"], facts["cvv2_verdict"]) == ("00", "N", "M")
    code, facts = answer(Purse(), asked(100), address="Y", cvv2=False)
    assert (code, facts["cvv2_verdict"]) == ("82", "N")


def test_less_is_approved_only_where_the_terminal_can_go_on_with_less() -> None:
    purse = Purse()
    code, facts = answer(purse, asked(12_000, takes_partial=True))
    assert (code, facts["amount_minor"]) == ("10", OPENING_MINOR)
    assert (purse.available, purse.held, purse.authorization.requested_minor) == (0, OPENING_MINOR, 12_000)
    assert answer(Purse(), asked(12_000))[0] == "51"
    assert answer(Purse(state=CardState.FROZEN), asked(12_000, takes_partial=True))[0] == "62"
    empty = Purse()
    empty.ask(another(1, OPENING_MINOR))
    assert answer(empty, another(2, 1, takes_partial=True))[0] == "51", "nothing is not a part"


def test_a_stored_credential_outlives_the_plastic_when_the_merchant_asks() -> None:
    old = asked(500, expiry="2512", pos_entry_mode="100", pos_condition_code="02")
    assert answer(Purse(), old)[0] == "54"
    assert answer(Purse(), replace(old, is_merchant_initiated=True))[0] == "00"


def test_mail_order_is_held_for_a_week_and_what_a_merchant_asks_for_five_days() -> None:
    mail = asked(500, pos_entry_mode="012", pos_condition_code="08")
    assert expires_at(mail, NOW) - NOW == timedelta(days=7)
    assert expires_at(replace(mail, is_merchant_initiated=True), NOW) - NOW == timedelta(days=5)


ORIGINAL = OriginalData(message_type="0100", stan="000001", transmitted_at=NOW, acquirer_id="200001")


def estimate(purse: Purse, minor: int = 3_000) -> None:
    assert answer(purse, asked(minor, pos_condition_code="06", network_reference=None))[0] == "00"


def increment(number: int, minor: int) -> AuthorizationRequest:
    return another(number, minor, pos_condition_code="06", original=ORIGINAL)


def test_an_increment_adds_to_its_original_which_is_reversed_and_presented_as_one() -> None:
    purse = Purse()
    estimate(purse)
    reference = purse.authorization.network_reference
    assert answer(purse, increment(2, 2_000))[0] == "00"
    grown = purse.state.find(Authorization, "network_reference", reference)
    assert grown is not None
    assert (grown.requested_minor, grown.amount_minor, grown.held_left_minor) == (5_000, 5_000, 5_000)
    assert (found(purse, 2).state, found(purse, 2).held_left_minor) == (AuthorizationState.JOINED, 0)
    assert (purse.available, purse.held) == (5_000, 5_000)
    purse.present(replace(PRESENTMENT, network_reference=reference, amount=Money(5_000, "USD")))
    assert (purse.available, purse.held) == (5_000, 0)


def test_an_increment_without_funds_is_declined_and_the_original_stands() -> None:
    purse = Purse()
    estimate(purse)
    assert answer(purse, increment(2, 8_000))[0] == "51"
    assert (purse.available, purse.held) == (7_000, 3_000)


def test_the_reversal_of_an_increment_takes_its_part_back() -> None:
    purse = Purse()
    estimate(purse)
    purse.ask(increment(2, 2_000))
    purse.reverse(replace(REVERSAL, network_reference=f"S{2:014d}"))
    assert purse.held == 3_000
    assert found(purse, 2).state is AuthorizationState.REVERSED
    purse.reverse(replace(REVERSAL, network_reference=f"S{2:014d}"))
    assert purse.held == 3_000


def test_an_increment_of_what_is_gone_is_refused() -> None:
    purse = Purse()
    estimate(purse)
    purse.reverse(replace(REVERSAL, network_reference=purse.authorization.network_reference))
    assert answer(purse, increment(2, 1_000))[0] == "12"
    assert purse.held == 0


def test_a_single_message_moves_the_money_at_once_and_its_clearing_moves_it_on() -> None:
    purse = Purse()
    assert answer(purse, asked(4_000, processing_code="010000", is_financial=True))[0] == "00"
    assert (purse.available, purse.held, purse.own(SINGLE_MESSAGES)) == (6_000, 0, 4_000)
    purse.present(replace(PRESENTMENT, processing_code="010000", amount=Money(4_000, "USD"), interchange=None))
    assert (purse.available, purse.own(SINGLE_MESSAGES), purse.own(NETWORK_PAYABLE)) == (6_000, 0, 4_000)
    assert purse.authorization.state is AuthorizationState.CLEARED


def test_a_single_message_that_is_presented_for_another_amount_is_given_back_first() -> None:
    purse = Purse()
    purse.ask(asked(4_000, is_financial=True))
    purse.present(replace(PRESENTMENT, amount=Money(4_100, "USD"), interchange=None))
    assert (purse.available, purse.own(SINGLE_MESSAGES), purse.own(NETWORK_PAYABLE)) == (5_900, 0, 4_100)


def test_a_single_message_is_taken_back_by_its_reversal_in_part_and_whole() -> None:
    purse = Purse()
    purse.ask(asked(4_000, is_financial=True))
    purse.reverse(replace(REVERSAL, replacement_amount=Money(1_000, "USD")))
    assert (purse.available, purse.own(SINGLE_MESSAGES)) == (9_000, 1_000)
    purse.reverse(replace(REVERSAL, stan="000003"))
    assert (purse.available, purse.own(SINGLE_MESSAGES)) == (OPENING_MINOR, 0)


def test_what_the_network_has_promised_is_held_although_we_would_have_declined() -> None:
    purse = Purse(state=CardState.FROZEN)
    assert advise(purse, asked(12_000)) == ("StandInBooked",)
    assert (purse.available, purse.held) == (-2_000, 12_000)
    booked = purse.authorization
    assert (booked.state, booked.reasons, booked.approval_code) == (
        AuthorizationState.APPROVED,
        ("card_frozen", "funds"),
        "SIMNET",
    )


def test_an_advice_of_what_is_known_holds_nothing_twice() -> None:
    purse = Purse()
    purse.ask()
    assert advise(purse, REQUEST) == ("StandInNoted",)
    assert purse.held == 3_000


def test_what_we_declined_and_the_network_approved_is_held_after_all() -> None:
    purse = Purse()
    purse.ask(asked(11_000))
    advise(purse, asked(11_000))
    assert (purse.available, purse.held) == (-1_000, 11_000)


def test_an_advice_after_its_reversal_and_one_for_a_card_of_nobody_hold_nothing() -> None:
    purse = Purse()
    purse.reverse()
    advise(purse, REQUEST)
    assert purse.held == 0
    stranger = Purse()
    assert advise(stranger, REQUEST, UNKNOWN_TOKEN) == (StandInNoted.__name__,)
    assert stranger.held == 0


@pytest.mark.parametrize(("final", "left"), [(6_025, 6_025), (9_900, 9_900), (0, 0)])
def test_fuel_is_held_at_its_final_amount_as_soon_as_that_is_known(final: int, left: int) -> None:
    purse = Purse()
    assert answer(purse, asked(9_000, mcc="5542", pos_condition_code="06", network_reference=None))[0] == "00"
    told = another(2, final, mcc="5542", original=ORIGINAL)
    assert advise(purse, told, reason=AdviceReason.FINAL_AMOUNT) == ("FinalAmountAdvised",)
    assert (purse.held, purse.available) == (left, OPENING_MINOR - left)

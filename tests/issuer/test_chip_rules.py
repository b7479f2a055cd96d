"""What an issuer makes of a chip: which reasons there are to decline, how the counter moves, when a script goes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.vocabulary.decision import Decision
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.errors import FormatError
from engine.vocabulary.messages import AuthorizationRequest
from engine.vocabulary.money import Money
from issuer.authorization.checks import MOST_ATC_AHEAD
from issuer.authorization.chip import ChipReport, read_chip_report
from issuer.authorization.entry import FREE_TAP_MINOR
from issuer.authorization.model import ChipCheck, ChipCounterMoved, PinCheck
from issuer.cards.decide import decide as decide_card
from issuer.cards.model import (
    CardForm,
    CardRenewed,
    CardState,
    ChipScript,
    ChipScriptObeyed,
    ChipScriptSent,
    RenewCard,
    UnblockPin,
)
from tests.issuer.chips import chip_tags, icc_data
from tests.issuer.purse import BOOK, NOW, PAN, REQUEST, Purse

CHIP = replace(REQUEST, pos_entry_mode="051", icc_data=b"in the vault of this test", card_sequence_number="001")
TAP = replace(CHIP, pos_entry_mode="071")
FREE = FREE_TAP_MINOR["USD"]


def read(counter: int = 8, minor: int = 3_000, **changes: Any) -> ChipReport:
    return read_chip_report(icc_data(chip_tags("bank", PAN, counter, minor, **changes)))


def check(
    counter: int = 8, minor: int = 3_000, *, genuine: bool = True, plastic: str = "01", **found: Any
) -> ChipCheck:
    chip = replace(read(counter, minor), **found)
    return ChipCheck(chip=chip, sequence_number=plastic, is_genuine=genuine)


def another(number: int, request: AuthorizationRequest = CHIP, **changes: Any) -> AuthorizationRequest:
    return replace(request, stan=f"{number:06d}", network_reference=f"S{number:014d}", **changes)


def answered(decision: Decision) -> tuple[str, tuple[str, ...]]:
    assert decision.answer is not None
    return decision.answer.code, decision.answer.reasons


ALONE: list[tuple[AuthorizationRequest, dict[str, Any], str, str]] = [
    (replace(CHIP, icc_data=None), {}, "30", "icc_data_missing"),
    (CHIP, {"malformed": "9F36"}, "30", "icc_data_malformed:9F36"),
    (replace(CHIP, card_sequence_number="002"), {"chip": check()}, "54", "sequence_number_differs"),
    (replace(CHIP, card_sequence_number=None), {"chip": check(plastic="02")}, "54", "sequence_number_differs"),
    (replace(REQUEST, pos_entry_mode="901"), {}, "57", "stripe_of_a_chip_card"),
    (replace(REQUEST, pos_entry_mode="021"), {}, "57", "stripe_of_a_chip_card"),
    (replace(REQUEST, processing_code="010000"), {}, "57", "stripe_of_a_chip_card"),
    (CHIP, {"chip": check(genuine=False)}, "82", "cryptogram_wrong"),
    (CHIP, {"chip": check(asks_online=False)}, "05", "chip_does_not_ask"),
    (CHIP, {"chip": check(minor=2_999)}, "59", "chip_says_another_amount"),
    (CHIP, {"chip": check(currency="978")}, "59", "chip_says_another_amount"),
    (CHIP, {"chip": check(7)}, "59", "atc_used"),
    (CHIP, {"chip": check(6)}, "59", "atc_used"),
    (CHIP, {"chip": check(8 + MOST_ATC_AHEAD)}, "59", "atc_too_far"),
    (CHIP, {"chip": check(pin_tries_exceeded=True)}, "75", "chip_pin_tries_exceeded"),
    (CHIP, {"chip": check(pin_failed=True)}, "55", "chip_pin_wrong"),
    (replace(TAP, amount=Money(FREE + 1, "USD")), {"chip": check(minor=FREE + 1)}, "65", "pin_needed"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "verdicts", "code", "reason"), ALONE)
def test_each_reason_of_a_chip_alone_has_its_response_code(
    request_: AuthorizationRequest, verdicts: dict[str, Any], code: str, reason: str
) -> None:
    purse = Purse(last_atc=7)
    assert answered(purse.ask(request_, **verdicts)) == (code, (reason,))
    assert purse.held == 0


ALLOWED: list[tuple[AuthorizationRequest, dict[str, Any]]] = [
    (CHIP, {"chip": check()}),
    (CHIP, {"chip": check(7 + MOST_ATC_AHEAD)}),
    (CHIP, {"chip": check(pin_failed=True, pin_tries_exceeded=True), "pin": PinCheck.CORRECT}),
    (replace(TAP, amount=Money(FREE, "USD")), {"chip": check(minor=FREE)}),
    (replace(TAP, amount=Money(FREE + 1, "USD")), {"chip": check(minor=FREE + 1), "pin": PinCheck.CORRECT}),
    (replace(TAP, amount=Money(FREE + 1, "USD")), {"chip": check(minor=FREE + 1, is_signed_for=True)}),
    (replace(REQUEST, pos_entry_mode="901", mcc="4121"), {}),
    (replace(REQUEST, pos_entry_mode="812"), {}),
]


@pytest.mark.parametrize(("request_", "verdicts"), ALLOWED)
def test_what_a_chip_says_and_how_it_was_read_are_no_reason(
    request_: AuthorizationRequest, verdicts: dict[str, Any]
) -> None:
    assert answered(Purse(last_atc=7).ask(request_, **verdicts)) == ("00", ())


def test_the_stripe_of_a_card_without_chip_is_taken() -> None:
    assert answered(Purse(service_code="101").ask(replace(REQUEST, pos_entry_mode="901"))) == ("00", ())


def test_the_counter_moves_with_each_genuine_cryptogram_whatever_is_answered() -> None:
    purse = Purse()
    purse.ask(another(1), chip=check(5))
    assert purse.card.last_atc == 5
    poor = another(2, amount=Money(10**9, "USD"))
    assert answered(purse.ask(poor, chip=check(6, 10**9)))[0] == "51"
    assert purse.card.last_atc == 6
    assert answered(purse.ask(another(3), chip=check(7, genuine=False)))[0] == "82"
    assert purse.card.last_atc == 6, "who cannot sign moves nothing"
    assert answered(purse.ask(another(4), chip=check(7, plastic="02")))[0] == "54"
    assert purse.card.last_atc == 6, "nor does the plastic of yesterday"
    assert answered(purse.ask(another(5), chip=check(5)))[1] == ("atc_used",)
    assert purse.card.last_atc == 6
    far = 6 + MOST_ATC_AHEAD + 1
    assert answered(purse.ask(another(6), chip=check(far)))[1] == ("atc_too_far",)
    assert answered(purse.ask(another(7), chip=check(far + 1)))[0] == "00", "looked at once"


def test_a_request_that_was_reversed_before_it_came_has_used_up_its_cryptogram() -> None:
    purse = Purse()
    purse.reverse()
    assert answered(purse.ask(CHIP, chip=check(5)))[1] == ("already_reversed",)
    assert purse.card.last_atc == 5
    assert answered(purse.ask(another(2), chip=check(5)))[1] == ("atc_used",)


def test_a_wrong_cryptogram_says_nothing_about_the_pin() -> None:
    purse = Purse()
    purse.ask(CHIP, chip=check(genuine=False), pin=PinCheck.WRONG)
    assert purse.card.pin_tries_left == 3


def test_next_plastic_counts_from_the_beginning() -> None:
    purse = Purse(last_atc=900, script=ChipScript.UNBLOCK_PIN, script_atc=899)
    renewal = RenewCard(card_id=purse.card.id, expiry="3112", reference="1")
    purse.state.put(replace(purse.card, form=CardForm.VIRTUAL))
    (event,) = purse.take(decide_card(BOOK, purse.state, renewal, NOW)).events
    assert isinstance(event, CardRenewed)
    assert (purse.card.last_atc, purse.card.script, purse.card.script_atc) == (None, None, None)
    first = another(9, expiry="3112", card_sequence_number="002")
    assert answered(purse.ask(first, chip=check(1, plastic="02"))) == ("00", ())


def told(purse: Purse) -> tuple[ChipScript | None, int | None]:
    return purse.card.script, purse.card.script_atc


def unblock(purse: Purse, **asked: Any) -> tuple[str, tuple[str, ...]]:
    request = UnblockPin(card_id=purse.card.id, reference="1", **asked)
    return answered(purse.take(decide_card(BOOK, purse.state, request, NOW)))


def test_a_script_goes_with_every_answer_to_the_inserted_chip_until_the_chip_says_that_it_obeyed() -> None:
    purse = Purse(pin_tries_left=0)
    assert unblock(purse, customer_id=purse.customer.id)[0] == "unblocked"
    assert (purse.card.pin_tries_left, purse.card.script) == (3, ChipScript.UNBLOCK_PIN)

    def kinds(number: int, request: AuthorizationRequest, **found: Any) -> list[type]:
        decision = purse.ask(another(number, request, amount=Money(1, "USD")), chip=check(number, 1, **found))
        return [type(event) for event in decision.events][:-1]

    assert kinds(1, TAP) == [ChipCounterMoved], "a card that is tapped is gone before the answer"
    assert kinds(2, CHIP) == [ChipCounterMoved, ChipScriptSent]
    assert told(purse) == (ChipScript.UNBLOCK_PIN, 2)
    assert kinds(3, CHIP) == [ChipCounterMoved, ChipScriptSent], "the chip has run none: the answer was lost"
    assert kinds(4, CHIP, scripts_run=1, script_failed=True) == [ChipCounterMoved, ChipScriptSent]
    assert kinds(5, TAP, scripts_run=1) == [ChipCounterMoved, ChipScriptObeyed]
    assert told(purse) == (None, None)
    assert kinds(6, CHIP) == [ChipCounterMoved]


def test_a_script_that_another_has_sent_before_does_not_count_for_one_that_was_not_sent() -> None:
    purse = Purse(script=ChipScript.UNBLOCK_PIN)
    decision = purse.ask(CHIP, chip=check(scripts_run=1))
    assert any(isinstance(event, ChipScriptSent) for event in decision.events)


def test_a_script_reaches_a_chip_whose_transaction_is_declined() -> None:
    purse = Purse(script=ChipScript.UNBLOCK_PIN)
    decision = purse.ask(CHIP, chip=check(pin_tries_exceeded=True))
    assert answered(decision)[0] == "75"
    assert decision.answer is not None
    fact = decision.answer.facts["chip"]
    assert isinstance(fact, dict) and fact["script"] == "unblock_pin"


@pytest.mark.parametrize(
    ("card", "asked", "reason"),
    [
        ({}, {"customer_id": BOOK.id("customer", "@eve", on=NOW.date())}, "card_unknown"),
        ({"state": CardState.STOLEN}, {}, "card_state_final"),
        ({"pvv": None, "pvki": None}, {}, "card_without_pin"),
    ],
)
def test_a_pin_is_not_unblocked(card: dict[str, Any], asked: dict[str, Any], reason: str) -> None:
    assert unblock(Purse(**card), **asked) == ("refused", (reason,))


def test_a_card_without_chip_has_its_pin_unblocked_at_the_issuer_alone() -> None:
    purse = Purse(service_code="101", pin_tries_left=0)
    assert unblock(purse)[0] == "unblocked"
    assert (purse.card.pin_tries_left, purse.card.script) == (3, None)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"tag9F02": "00000000300A"}, "9F02"),
        ({"tag9F36": "000001"}, "9F36"),
        ({"tag9F10": "0601FF03A00000"}, "9F10"),
        ({"tag9F27": "8080"}, "9F27"),
        ({"tag9F34": "1F"}, "9F34"),
        ({"tag5F34": "0A"}, "5F34"),
    ],
)
def test_chip_data_that_are_malformed_name_their_tag(changes: dict[str, str], place: str) -> None:
    right = chip_tags("bank", PAN, 1, 3_000)
    tags = right | {name.removeprefix("tag"): bytes.fromhex(text) for name, text in changes.items()}
    with pytest.raises(FormatError) as fault:
        read_chip_report(icc_data(tags))
    assert fault.value.element.endswith(f"tag {place}")


@pytest.mark.parametrize("tag", ["9F26", "9F36", "9F10", "9F02", "95", "82"])
def test_chip_data_without_what_the_cryptogram_needs_name_the_tag(tag: str) -> None:
    tags = chip_tags("bank", PAN, 1, 3_000)
    del tags[tag]
    with pytest.raises(FormatError) as fault:
        read_chip_report(icc_data(tags))
    assert fault.value.element.endswith(f"tag {tag}")


def test_the_results_of_card_and_terminal_are_read_where_they_are_coded() -> None:
    chip = read(tag95="0000200000", card_results="A20018", tag9F34="1E0300")
    assert (chip.pin_tries_exceeded, chip.pin_failed, chip.scripts_run) == (True, True, 1)
    assert (chip.script_failed, chip.is_signed_for, chip.asks_online) == (True, True, True)
    assert (chip.version, chip.counter, chip.sequence_number) == (CryptogramVersion.CVN_18, 8, "01")
    other = read(tag9F10="1F220103A2001800" + "00" * 24)
    assert (other.pin_failed, other.scripts_run) == (False, 0), "another coding is not guessed at"

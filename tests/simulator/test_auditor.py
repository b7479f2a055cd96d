"""The auditor agrees with what is right, and names what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from issuer.cards.numbers import card_number
from simulator.auditor import Auditor
from simulator.auditor_books import Books, compare, expected_books
from simulator.chance import Chance
from simulator.day import Day, PlannedPayment, PlannedTransfer, Scenario
from simulator.faults import Action, Fate, FaultKind, FaultPlan, Injected, Level, Wire
from simulator.plastic import Plastic
from simulator.population import CardPlan, CardState, Kind, Person, Population, Shop
from simulator.terminals import (
    Conversation,
    Entry,
    Heard,
    Presented,
    Reply,
    Send,
    Terminal,
    preauthorization,
    purchase,
    purchase_with_tip,
    reference_of,
    refund,
)
from tests.simulator.people import SHOP, pin_pad

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)
PATIENCE = timedelta(seconds=45)


def person(handle: str, sequence: int, state: CardState = CardState.ACTIVE, bank: str = "bank") -> Person:
    prefix = {"bank": "40000100", "northbank": "51000200"}[bank]
    card = CardPlan(pan=card_number(prefix, sequence), expiry="2809", state=state, pin="4711")
    return Person(
        bank=bank, handle=handle, name=handle, opening_minor=10_000, savings_minor=None, cards=(card,)
    )  # fmt: skip


ADA, BOB, LOU, EVE = (
    person("ada", 1), person("bob", 2), person("lou", 3, CardState.LOST), person("eve", 4, bank="northbank"),
)  # fmt: skip
EVERYBODY = Population(people=(ADA, BOB, EVE, LOU), shops=(SHOP,))


class Told(FaultPlan):
    """A plan whose faults the test writes down."""

    def __init__(self) -> None:
        super().__init__(Chance(7), Level.NONE)

    def note(self, reference: str, wire: Wire, message_type: str, kind: FaultKind, at: datetime) -> None:
        one = Injected(at=at, reference=reference, wire=wire, message_type=message_type, repetition=0, kind=kind)
        self._injected[reference].append(one)


class Court:
    """An auditor, and a clock that the test moves."""

    def __init__(self, *payments: PlannedPayment) -> None:
        self.now = NOON
        self.faults = Told()
        self.references: list[str] = []
        day = Day(payments=payments, transfers=(), silences=())
        self.auditor = Auditor(EVERYBODY, day, self.faults, lambda: self.now)

    def play(self, planned: PlannedPayment, conversation: Conversation, *replies: str | None) -> None:
        """Run a conversation, each request answered as given. None: silence; a star: lost, whatever is heard then."""
        self.now, heard = planned.at, None
        for answer in replies:
            step = next(conversation) if heard is None else conversation.send(heard)
            if not isinstance(step, Send):
                self.now = step.until
                step = conversation.send(Heard(None, self.now))
            assert isinstance(step, Send)
            self.references.append(reference_of(step.request))
            lost = answer is not None and answer.startswith("*")
            self.auditor.sent(step.request, b"", Fate(Action.LOSE) if lost else Fate())
            heard_code = (answer or "").removeprefix("*")
            if not heard_code:
                self.now += PATIENCE
                self.auditor.unheard(step.request)
                heard = Heard(None, self.now)
            else:
                reply = Reply(ResponseCode(heard_code))
                self.auditor.heard(step.request, reply, b"")
                heard = Heard(reply, self.now)
        with pytest.raises(StopIteration):
            conversation.send(heard)  # type: ignore[arg-type]


def planned(
    who: Person, amount: int, scenario: Scenario = Scenario.PURCHASE, minutes: int = 0, shop: Shop = SHOP
) -> PlannedPayment:
    return PlannedPayment(
        key=f"p{minutes}", at=NOON + timedelta(minutes=minutes), scenario=scenario, shop=shop,
        terminal_id="M001T001", person=who, card=0, amount_minor=amount, with_pin=False,
    )  # fmt: skip


TERMINAL = Terminal(SHOP, "M001T001", acquirer_id="200001", pin_pad=pin_pad())


def presented(payment: PlannedPayment, pin: str | None = None) -> Presented:
    card = payment.person.cards[0]
    plastic = Plastic(pan=card.pan, expiry=card.expiry, pin=card.pin, pvv="0000", cvv="111", cvv2="222")
    return Presented(plastic=plastic, entry=Entry.STRIPE, pin=pin)


def buying(payment: PlannedPayment, pin: str | None = None) -> Conversation:
    return purchase(TERMINAL, presented(payment, pin), Money(payment.amount_minor, "USD"), payment.at)


def judged(payment: PlannedPayment, *replies: str | None, pin: str | None = None) -> list[str]:
    court = Court(payment)
    court.play(payment, buying(payment, pin), *replies)
    return court.auditor.reckon()


@pytest.mark.parametrize(
    ("payment", "right", "wrong"),
    [
        (planned(ADA, 9_999), "00", "51"),
        (planned(ADA, 10_001, Scenario.NO_FUNDS), "51", "00"),
        (planned(LOU, 500, Scenario.LOST), "41", "00"),
        (planned(ADA, 500, Scenario.WRONG_CVV), "82", "55"),
        (planned(ADA, 500, Scenario.UNKNOWN_CARD), "14", "15"),
    ],
)
def test_each_answer_is_checked(payment: PlannedPayment, right: str, wrong: str) -> None:
    assert judged(payment, right) == []
    (finding,) = judged(payment, wrong)
    assert f"answered {wrong} where {right} was due" in finding and payment.key in finding


def test_a_third_wrong_pin_is_still_55_and_the_next_75() -> None:
    payments = [planned(ADA, 500, Scenario.WRONG_PIN, minutes) for minutes in range(4)]
    court = Court(*payments)
    for payment, code in zip(payments, ("55", "55", "55", "75"), strict=True):
        court.play(payment, buying(payment, "1111"), code)
    assert court.auditor.reckon() == []


def test_silence_without_a_fault_is_a_finding() -> None:
    (finding,) = judged(planned(ADA, 500), None, "00")
    assert "heard nothing to its AuthorizationRequest, though nothing was lost" in finding


def test_a_lost_request_excuses_silence_and_promises_nothing() -> None:
    payment = planned(ADA, 9_000)
    court = Court(payment)
    court.play(payment, buying(payment), "*", "00")
    assert court.auditor.reckon() == []
    assert expected_books(court.auditor, EVERYBODY).wallets["ada"] == (10_000, 0)


def test_a_silent_issuer_is_91_and_what_follows_may_be_answered_either_way_until_the_reversal_is_through() -> None:
    first, second = planned(ADA, 9_000), planned(ADA, 5_000, minutes=1)
    for code in ("00", "51"):
        court = Court(first, second)
        court.play(first, buying(first), "91")
        court.faults.note(court.references[0], Wire.ISSUER, "0110", FaultKind.LOST_REPLY, NOON)
        court.play(second, buying(second), code)
        assert court.auditor.reckon() == []


@pytest.mark.parametrize("last", ["00", "*00"], ids=["the repeat's reply is lost", "the repeat is lost"])
def test_a_late_reply_may_be_heard_as_the_reply_to_the_repeat(last: str) -> None:
    payment = planned(ADA, 9_000)
    court = Court(payment)
    court.play(payment, buying(payment), None, None, last)
    reference = court.references[0]
    court.faults.note(reference, Wire.TERMINAL, "0110", FaultKind.LOST_REPLY, NOON)
    court.faults.note(reference, Wire.TERMINAL, "0410", FaultKind.LATE_REPLY, NOON + PATIENCE)
    if last == "00":
        court.faults.note(reference, Wire.TERMINAL, "0410", FaultKind.LOST_REPLY, NOON + 2 * PATIENCE)
    assert court.auditor.reckon() == []
    assert expected_books(court.auditor, EVERYBODY).wallets["ada"] == (10_000, 0)


def test_cleared_payments_come_to_wallets_payouts_and_positions() -> None:
    bought, back, abroad = planned(ADA, 5_000), planned(ADA, 1_000, Scenario.REFUND, 1), planned(EVE, 2_345, minutes=2)
    court = Court(bought, back, abroad)
    court.play(bought, buying(bought), "00")
    court.play(back, refund(TERMINAL, presented(back), Money(1_000, "USD"), back.at), "00")
    court.play(abroad, buying(abroad), "00")
    assert court.auditor.reckon() == []
    books = expected_books(court.auditor, EVERYBODY)
    assert books.wallets["ada"] == (6_000, 0) and books.wallets["eve"] == (7_655, 0)
    # Discounts: 140 bps + 5 of 50.00 and 23.45; a refund bears none.
    assert books.payouts == {SHOP.merchant_id: 5_000 - 75 - 1_000 + 2_345 - 38}
    # Interchange, groceries at the counter: debit 45 bps + 4 both ways, credit 110 bps + 5.
    assert books.net_positions["bank"] == -4_000 + round(22.5 + 4 - 4.5 - 4)
    assert books.net_positions["northbank"] == -2_345 + 31
    # Fees: 8.5 bps + 1.5 of each item: 5.75 + 2.35 + 3.493250.
    assert books.net_positions["acquirer"] == 6_345 - 49 - 12


def test_a_tip_within_tolerance_is_captured_and_one_beyond_is_refused() -> None:
    bistro = Shop(
        merchant_id="200001000000002", name="Bistro", city="Rome", country="US", mcc="5812", kind=Kind.RESTAURANT,
        terminals=("M001T001",), discount_bps=200, fixed_minor=10, typical_minor=(1, 2),
    )  # fmt: skip
    for tip, code, left in ((200, "00", 8_800), (300, "61", 9_000)):
        payment = planned(ADA, 1_000, Scenario.TIP, shop=bistro)
        court = Court(payment)
        tipping = purchase_with_tip(
            TERMINAL, presented(payment), Money(1_000, "USD"), NOON, tip=Money(tip, "USD"), tip_at=NOON + PATIENCE * 9
        )
        court.play(payment, tipping, "00", code)
        assert court.auditor.reckon() == []
        assert expected_books(court.auditor, EVERYBODY).wallets["ada"] == (left, 0)


def test_an_abandoned_pump_holds_nothing_after_the_evening_and_a_hotel_does() -> None:
    pump = Shop(
        merchant_id="200001000000003", name="Pump", city="Rome", country="US", mcc="5542", kind=Kind.FUEL,
        terminals=("M001T001",), discount_bps=120, fixed_minor=5, typical_minor=(1, 2),
    )  # fmt: skip
    for shop, scenario, books in (
        (pump, Scenario.FUEL_ABANDONED, (10_000, 0)),
        (SHOP, Scenario.HOTEL, (5_000, 5_000)),
    ):
        payment = planned(ADA, 5_000, scenario, shop=shop)
        court = Court(payment)
        terminal = Terminal(shop, "M001T001", acquirer_id="200001", pin_pad=pin_pad())
        waiting = preauthorization(
            terminal, presented(payment), Money(5_000, "USD"), NOON, complete_at=None, final=None
        )  # fmt: skip
        court.play(payment, waiting, "00")
        assert court.auditor.reckon() == []
        assert expected_books(court.auditor, EVERYBODY).wallets["ada"] == books


@pytest.mark.parametrize(("amount", "code", "findings"), [(500, "done", 0), (500, "refused", 1), (20_000, "done", 1)])
def test_transfers_are_checked(amount: int, code: str, findings: int) -> None:
    court = Court()
    court.auditor.told(
        PlannedTransfer(key="t1", at=NOON, sender=ADA, receiver=BOB, amount_minor=amount), code
    )  # fmt: skip
    assert len(court.auditor.reckon()) == findings


def test_books_that_differ_are_named_place_by_place() -> None:
    right = expected_books(Court().auditor, EVERYBODY)
    assert list(compare(right, right)) == []
    wrong = Books(
        wallets=MappingProxyType({**right.wallets, "ada": (9_999, 1)}),
        payouts=right.payouts,
        net_positions={"bank": 5},
        interest_micro=right.interest_micro,
    )
    findings = list(compare(right, wrong))
    assert findings[0] == "wallet of @ada: the books say (9999, 1), the model (10000, 0)"
    assert any(finding.startswith("net position of bank: the books say 5") for finding in findings)

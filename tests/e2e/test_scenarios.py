"""The life of a payment as cardholders see it, in the scenarios that issuers publish for their customers: messages over
TCP from a terminal that shares nothing with us, through acquirer and network to the bank; after each step what is
available, what is held, and the ledger's balance, in the bank's own book. What clears is presented at the bank's door.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from api.system import System
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money
from issuer.audit import ISSUER_PROOFS
from issuer.authorization.model import ReleaseExpiredHold
from tests.e2e.terminal import Card, Fields, Terminal
from tests.e2e.world import World, open_world, until

_arns = count(1)
_cards = count()
PEOPLE = 12

BALANCES = (
    "select a.balance_minor, h.balance_minor from cards c join accounts a on a.id = c.account_id"
    " join accounts h on h.id = a.held_id where c.first_six = :first and c.last_four = :last"
)


class Scene:
    """One card, one till, and the balances that both leave behind."""

    def __init__(self, world: World, terminal: Terminal, bank: str, card: Card) -> None:
        self.world, self.terminal, self.bank, self.card = world, terminal, bank, card
        self.opening, held = self.balances
        assert held == 0

    @property
    def balances(self) -> tuple[int, int]:
        """Available and held."""
        first, last = self.card.pan[:6], self.card.pan[-4:]
        ((available, held),) = self.world.rows(self.bank, BALANCES, first=first, last=last)
        return available, held

    def shows(self, available: int, held: int, ledger: int) -> None:
        """What the account shows, as the difference to the opening balance; what travels by itself is awaited."""
        wanted = (self.opening + available, held)
        until(lambda: self.balances == wanted, f"{wanted}, not {self.balances}", within_s=10)
        assert sum(self.balances) == self.opening + ledger

    def ask(self, minor: int, **changes: str) -> tuple[Fields, Fields]:
        """A request and its answer, which approves."""
        made = self.terminal.purchase(self.card, minor, **changes)
        request = {key: value for key, value in made.items() if value}
        return request, self.terminal.ask(request)

    def approved(self, minor: int, **changes: str) -> tuple[Fields, Fields]:
        request, reply = self.ask(minor, **changes)
        assert reply["39"] in ("00", "10", "85", "87"), reply
        return request, reply

    def say(self, message: Fields) -> Fields:
        reply = self.terminal.ask(message)
        assert reply["39"] == "00", reply
        return reply

    def clear(self, minor: int, reply: Fields | None, *, final: bool = True, refund: bool = False) -> None:
        """A presentment under the reference of an answer, or (None) without any authorization."""
        now = datetime.now(UTC)
        item = Presentment(
            arn=f"7200001606200000{next(_arns):07d}",
            network_reference=None if reply is None else reply["63"],
            acquirer_id="200001",
            pan=Pan(self.card.pan),
            processing_code="200000" if refund else "000000",
            amount=Money(minor, "USD"),
            transacted_at=now,
            authorized_on=None,
            approval_code=None,
            pos_entry_mode="510101513000",
            mcc="5411",
            terminal_id=self.terminal.terminal_id,
            merchant_id=self.terminal.merchant_id,
            merchant_name="Corner Shop Springfield US",
            business_date=now.date(),
            is_final=final,
        )
        (answer,) = self.world.seat(self.bank).processor.execute([item])
        assert answer is not None and answer.code == "posted"


@pytest.fixture(scope="module")
def crowd(system: System) -> Iterator[World]:
    """The six institutions, with a card for each scenario."""
    with World(system, open_world(system, people_each=PEOPLE)) as standing:
        yield standing


@pytest.fixture
def scene(crowd: World) -> Iterator[Scene]:
    number = next(_cards)
    bank = ("bank", "southbank")[number % 2]
    with crowd.terminal() as terminal:
        yield Scene(crowd, terminal, bank, crowd.opened.cards[bank][number // 2])


def test_01_a_tip_on_top_of_the_authorization(scene: Scene) -> None:
    _, reply = scene.approved(5_000)
    scene.shows(-5_000, 5_000, 0)
    scene.clear(6_000, reply)
    scene.shows(-6_000, 0, -6_000)


def test_02_a_preauthorization_and_its_completion(scene: Scene) -> None:
    request, reply = scene.approved(10_000, de25="06")
    scene.shows(-10_000, 10_000, 0)
    scene.say(scene.terminal.completion(request, 8_500))
    scene.shows(-10_000, 10_000, 0)
    scene.clear(8_500, reply)
    scene.shows(-8_500, 0, -8_500)


def test_03_increments_of_a_stay(scene: Scene) -> None:
    request, reply = scene.approved(10_000, de25="06")
    scene.approved(2_500, de25="06", **naming(scene, request))
    scene.shows(-12_500, 12_500, 0)
    third, _ = scene.approved(1_500, de25="06", **naming(scene, request))
    scene.shows(-14_000, 14_000, 0)
    scene.say(scene.terminal.reversal(third))
    scene.shows(-12_500, 12_500, 0)
    scene.say(scene.terminal.completion(request, 12_000))
    scene.clear(12_000, reply)
    scene.shows(-12_000, 0, -12_000)


def test_04_a_reversal_before_clearing(scene: Scene) -> None:
    request, _ = scene.approved(2_000)
    scene.shows(-2_000, 2_000, 0)
    scene.say(scene.terminal.reversal(request))
    scene.shows(0, 0, 0)


def test_05_fuel_that_was_not_taken(scene: Scene) -> None:
    request, _ = scene.approved(12_500, de25="06")
    scene.shows(-12_500, 12_500, 0)
    scene.say(scene.terminal.reversal(request))
    scene.shows(0, 0, 0)


def test_06_a_refund_after_clearing(scene: Scene) -> None:
    _, reply = scene.approved(3_000)
    scene.clear(3_000, reply)
    scene.shows(-3_000, 0, -3_000)
    _, refund = scene.approved(3_000, de3="200000")
    scene.shows(-3_000, 0, -3_000)
    scene.clear(3_000, refund, refund=True)
    scene.shows(0, 0, 0)


def test_07_a_partial_reversal_and_the_clearing_of_the_rest(scene: Scene) -> None:
    request, reply = scene.approved(3_000)
    scene.say(scene.terminal.reversal(request, new_total=1_000))
    scene.shows(-1_000, 1_000, 0)
    scene.clear(1_000, reply)
    scene.shows(-1_000, 0, -1_000)


def test_08_a_credit_of_a_merchant_that_nobody_asked_for(scene: Scene) -> None:
    scene.clear(2_200, None, refund=True)
    scene.shows(2_200, 0, 2_200)


def test_09_a_balance_inquiry_and_a_withdrawal_each_with_a_fee(scene: Scene) -> None:
    """Fees are posted by clearing, as items of their own (they have no authorization)."""
    _, inquiry = scene.approved(0, de3="300000")
    assert inquiry["54"][20:].endswith(f"{scene.opening:012d}"), "the available balance, amount type 02"
    scene.shows(0, 0, 0)
    scene.clear(50, None)
    scene.shows(-50, 0, -50)
    _, cash = scene.approved(4_000, de3="010000", t="0200", de22="012")
    scene.shows(-4_050, 0, -4_050)
    scene.clear(4_000, cash)
    scene.clear(150, None)
    scene.shows(-4_200, 0, -4_200)


def test_10_a_foreign_purchase_that_clears_for_more_by_the_rate_of_the_day(scene: Scene) -> None:
    _, reply = scene.approved(3_000)
    scene.shows(-3_000, 3_000, 0)
    scene.clear(3_030, reply)
    scene.shows(-3_030, 0, -3_030)


def test_11_a_partial_reversal_of_50_and_a_clearing_for_a_little_more_than_is_left(scene: Scene) -> None:
    request, reply = scene.approved(2_500)
    scene.say(scene.terminal.reversal(request, new_total=2_000))
    scene.shows(-2_000, 2_000, 0)
    scene.clear(2_020, reply)
    scene.shows(-2_020, 0, -2_020)


def test_12_a_clearing_after_the_hold_has_expired(scene: Scene) -> None:
    _, reply = scene.approved(1_800)
    seat = scene.world.seat(scene.bank)
    identifier = scene.world.value(
        scene.bank, "select id from authorizations where network_reference = :reference", reference=reply["63"]
    )
    scene.world.move(timedelta(days=8))
    (released,) = seat.processor.execute(
        [ReleaseExpiredHold(authorization_id=identifier, business_date=datetime.now(UTC).date())]
    )
    assert released is not None and released.code in ("released", "not_due"), "or the bank's own job was first"
    scene.shows(0, 0, 0)
    scene.clear(1_800, reply)
    scene.shows(-1_800, 0, -1_800)


def test_13_a_force_post_without_any_authorization(scene: Scene) -> None:
    scene.clear(scene.opening + 700, None)
    scene.shows(-scene.opening - 700, 0, -scene.opening - 700)


def test_14_cash_that_is_loaded_at_a_machine(scene: Scene) -> None:
    _, reply = scene.approved(6_000, de3="260000", t="0200", de22="012")
    scene.shows(6_000, 0, 6_000)
    scene.clear(6_000, reply, refund=True)
    scene.shows(6_000, 0, 6_000)


def test_15_several_clearings_of_one_authorization(scene: Scene) -> None:
    _, reply = scene.approved(9_000)
    scene.clear(2_000, reply, final=False)
    scene.shows(-9_000, 7_000, -2_000)
    scene.clear(3_000, reply, final=False)
    scene.shows(-9_000, 4_000, -5_000)
    scene.clear(3_500, reply)
    scene.shows(-8_500, 0, -8_500)


def test_16_a_clearing_for_more_than_was_authorized(scene: Scene) -> None:
    _, reply = scene.approved(1_000)
    scene.clear(1_450, reply)
    scene.shows(-1_450, 0, -1_450)


def test_18_a_debit_purchase_with_pin_as_a_single_message(scene: Scene) -> None:
    request = {**scene.terminal.purchase_with_pin(scene.card, 2_700), "t": "0200"}
    reply = scene.terminal.ask(request)
    assert (reply["t"], reply["39"]) == ("0210", "00")
    scene.shows(-2_700, 0, -2_700)
    assert scene.terminal.ask(scene.terminal.repeat(request)) == reply
    scene.clear(2_700, reply)
    scene.shows(-2_700, 0, -2_700)


def test_afterwards_the_banks_own_proofs_hold(crowd: World) -> None:
    for bank in ("bank", "southbank"):
        with crowd.seat(bank).processor.engine.connect() as connection:
            assert [finding for proof in ISSUER_PROOFS for finding in proof.find(connection)] == []


def naming(scene: Scene, of: Fields) -> dict[str, str]:
    return {f"de{key}": value for key, value in scene.terminal.naming(of).items()}

"""Every kind of authorization as a message over TCP, from a terminal that shares nothing with us to the bank and back,
with what the bank's book shows after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from api.system import System
from tests.e2e.test_scenarios import Scene
from tests.e2e.world import World, open_world

_cards = count()
PEOPLE = 12
PARTIAL = "61011"
"""DE 48, sub-element 61: less will do."""
MERCHANT_ASKS = "2201M"


@pytest.fixture(scope="module")
def crowd(system: System) -> Iterator[World]:
    """The six institutions, with a card for each flow."""
    with World(system, open_world(system, people_each=PEOPLE)) as standing:
        yield standing


@pytest.fixture
def scene(crowd: World) -> Iterator[Scene]:
    number = next(_cards)
    bank = ("bank", "southbank")[number % 2]
    with crowd.terminal() as terminal:
        yield Scene(crowd, terminal, bank, crowd.opened.cards[bank][number // 2])


def additional(minor: int) -> str:
    """DE 54: cash back."""
    return f"0040840D{minor:012d}"


@pytest.mark.parametrize(
    ("kind", "entry"), [("00", "801"), ("01", "012"), ("10", "012"), ("11", "012")], ids=["00", "01", "10", "11"]
)
def test_purchase_cash_advance_account_funding_and_quasi_cash_are_held(scene: Scene, kind: str, entry: str) -> None:
    scene.approved(1_500, de3=f"{kind}0000", de22=entry)
    scene.shows(-1_500, 1_500, 0)


def test_cash_back_is_held_whole_or_the_purchase_alone(scene: Scene) -> None:
    whole, reply = scene.approved(2_000, de3="090000", de22="012", de54=additional(500))
    assert reply["39"] == "00"
    scene.shows(-2_000, 2_000, 0)
    scene.say(scene.terminal.reversal(whole))
    scene.shows(0, 0, 0)
    _, less = scene.approved(scene.opening + 300, de3="090000", de22="012", de54=additional(1_000))
    assert (less["39"], int(less["4"])) == ("87", scene.opening - 700)
    scene.shows(700 - scene.opening, scene.opening - 700, 0)


def test_an_account_is_verified_without_a_trace_on_it(scene: Scene) -> None:
    _, reply = scene.approved(0, de22="012", de48="8211" + "12345    12")
    assert (reply["39"], "8301U" in reply["48"]) == ("85", True), "no address of this customer is known"
    scene.shows(0, 0, 0)


def test_an_original_credit_is_promised_and_comes_with_its_clearing(scene: Scene) -> None:
    _, reply = scene.approved(2_500, de3="260000", de22="012")
    scene.shows(0, 0, 0)
    scene.clear(2_500, reply, refund=True)
    scene.shows(2_500, 0, 2_500)


def test_a_part_is_approved_where_the_terminal_takes_it(scene: Scene) -> None:
    _, refused = scene.ask(scene.opening + 100)
    assert refused["39"] == "51"
    _, part = scene.approved(scene.opening + 100, de48=PARTIAL)
    assert (part["39"], int(part["4"])) == ("10", scene.opening)
    scene.shows(-scene.opening, scene.opening, 0)


def test_an_order_by_mail_and_one_that_a_merchant_asks_for_with_what_it_has_stored(scene: Scene) -> None:
    scene.approved(700, de22="012", de25="08")
    scene.shows(-700, 700, 0)
    _, old = scene.ask(300, de22="102", de25="02", de14="2401", de35="")
    assert old["39"] == "54", "the expiry of a plastic before"
    scene.approved(300, de22="102", de25="02", de14="2401", de35="", de48=MERCHANT_ASKS)
    scene.shows(-1_000, 1_000, 0)


def test_a_single_message_is_taken_back_by_its_reversal(scene: Scene) -> None:
    request, _ = scene.approved(1_900, t="0200", de3="010000", de22="012")
    scene.shows(-1_900, 0, -1_900)
    scene.say(scene.terminal.reversal(request))
    scene.shows(0, 0, 0)

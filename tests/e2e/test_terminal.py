"""A terminal built on pyiso8583 alone, against the running world: over TCP, with a specification of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.database.institutions import list_institutions
from tests.e2e.terminal import Card, Fields, Terminal, answers, encoded
from tests.e2e.world import World, findings, until

RICH_MINOR = 2_000_000
"""More than anybody has."""


@pytest.fixture
def terminal(world: World) -> Iterator[Terminal]:
    with world.terminal() as connected:
        yield connected


def _card(world: World, number: int = 0, bank: str = "bank") -> Card:
    return world.opened.cards[bank][number]


def _authorization(world: World, reply: Fields, bank: str = "bank") -> tuple[str, int]:
    """State and what is still held of the authorization that a reply is about, in the issuer's book."""
    ((state, held),) = world.rows(
        bank,
        "select state, held_left_minor from authorizations where network_reference = :reference",
        reference=reply["63"],
    )
    return state, held


@pytest.mark.parametrize("bank", ["bank", "northbank", "southbank"])
def test_a_purchase_is_approved_and_held_at_the_bank_that_issued_the_card(
    world: World, terminal: Terminal, bank: str
) -> None:
    request = terminal.purchase(_card(world, 0, bank), 1_234)
    reply = terminal.ask(request)
    assert (reply["t"], reply["39"], reply["3"]) == ("0110", "00", "000000"), "a response says what kind it answers"
    assert len(reply["38"]) == 6
    assert [reply[key] for key in ("4", "41", "49")] == [request[key] for key in ("4", "41", "49")]
    assert not {"2", "14", "35", "52"} & reply.keys(), "no reply repeats what is on the card"
    assert _authorization(world, reply, bank) == ("approved", 1_234)


def test_more_than_the_account_holds_is_declined_and_holds_nothing(world: World, terminal: Terminal) -> None:
    reply = terminal.ask(terminal.purchase(_card(world), RICH_MINOR))
    assert (reply["t"], reply["39"]) == ("0110", "51")
    assert "38" not in reply
    assert _authorization(world, reply) == ("declined", 0)


def test_a_stripe_with_another_verification_value_is_declined(world: World, terminal: Terminal) -> None:
    card = _card(world)
    wrong = f"{(int(card.track2[-3:]) + 1) % 1000:03d}"
    reply = terminal.ask(terminal.purchase(card, 500, de35=card.track2[:-3] + wrong))
    assert reply["39"] == "82"
    assert _authorization(world, reply) == ("declined", 0)


def test_a_pin_is_verified_by_the_issuer_after_two_translations(world: World, terminal: Terminal) -> None:
    card = _card(world, 2, "northbank")
    assert terminal.ask(terminal.purchase_with_pin(card, 600))["39"] == "00"
    wrong = f"{(int(card.pin) + 1) % 10_000:04d}"
    assert terminal.ask(terminal.purchase_with_pin(card, 601, pin=wrong))["39"] == "55"
    assert terminal.ask(terminal.purchase_with_pin(card, 602))["39"] == "00"


def test_a_card_of_nobody_is_declined_by_the_network(terminal: Terminal) -> None:
    nobody = Card("6000090000000018", "2912", "6000090000000018=29122011234567")
    assert terminal.ask(terminal.purchase(nobody, 500))["39"] == "15"


def test_a_reversal_is_answered_at_once_and_releases_the_hold(world: World, terminal: Terminal) -> None:
    request = terminal.purchase(_card(world, 1), 4_200)
    approved = terminal.ask(request)
    assert _authorization(world, approved) == ("approved", 4_200)
    reversal = terminal.reversal(request)
    reply = terminal.ask(reversal)
    assert (reply["t"], reply["39"]) == ("0410", "00")
    assert terminal.ask(terminal.repeat(reversal))["39"] == "00"
    # The issuer hears of it by a 0420 of the network, after the terminal has its answer.
    until(lambda: _authorization(world, approved) == ("reversed", 0), "the hold is released")
    assert terminal.ask(terminal.repeat(request))["39"] == "00", "the answer of then, which changes nothing"
    assert _authorization(world, approved) == ("reversed", 0)


def test_a_repeat_gets_the_same_answer_and_takes_effect_once(world: World, terminal: Terminal) -> None:
    before = world.value("bank", "select count(*) from authorizations")
    request = terminal.purchase(_card(world), 777)
    first = terminal.ask(request)
    assert terminal.ask(terminal.repeat(request)) == first
    assert terminal.ask(request) == first, "a doubled message is a repeat that does not know it"
    assert world.value("bank", "select count(*) from authorizations") == before + 1


def test_the_same_trace_with_another_amount_is_a_duplicate_transmission(world: World, terminal: Terminal) -> None:
    request = terminal.purchase(_card(world), 888)
    assert terminal.ask(request)["39"] == "00"
    assert terminal.ask({**request, "4": f"{999:012d}"})["39"] == "94"


def test_an_echo_is_answered(terminal: Terminal) -> None:
    reply = terminal.ask(terminal.echo())
    assert (reply["t"], reply["39"], reply["70"]) == ("0810", "00", "301")


def test_a_corrupted_message_is_answered_30_while_others_on_the_line_go_on(world: World, terminal: Terminal) -> None:
    before, corrupted, after = (terminal.purchase(_card(world), amount) for amount in (101, 102, 103))
    # The amount, which follows bitmap, card number and processing code, gets letters.
    frame = encoded(corrupted)
    place = frame.index(b"000000000102")
    terminal.send_raw(encoded(before), frame[:place] + b"00000000O1O2" + frame[place + 12 :], encoded(after))
    heard = {answers(reply): reply for reply in (terminal.receive() for _ in range(3))}
    assert {request["4"]: heard[answers(request)]["39"] for request in (before, corrupted, after)} == {
        "000000000101": "00",
        "000000000102": "30",
        "000000000103": "00",
    }
    assert terminal.ask(corrupted)["39"] == "00", "what could not be read has taken no effect, nor the trace number"


def test_a_message_cut_short_is_answered_30(world: World, terminal: Terminal) -> None:
    frame = encoded(terminal.purchase(_card(world), 104))
    terminal.send_raw(frame[:-3])
    assert terminal.receive()["39"] == "30"


@pytest.mark.parametrize("noise", [b"\x00" * 40, b"GET / HTTP/1.1\r\n\r\n", b"0100"], ids=["zeros", "http", "cut"])
def test_what_has_neither_type_nor_trace_closes_the_connection_and_no_other(
    world: World, terminal: Terminal, noise: bytes
) -> None:
    with world.terminal(2) as other:
        other.send_raw(noise)
        with pytest.raises((EOFError, ConnectionResetError)):
            other.receive()
    assert terminal.ask(terminal.echo())["39"] == "00"


def test_hundreds_are_in_flight_on_one_line_and_each_hears_its_own(world: World, terminal: Terminal) -> None:
    people = [card for bank in world.opened.cards.values() for card in bank]
    requests = [terminal.purchase(people[number % len(people)], 100 + number) for number in range(300)]
    replies = terminal.ask_all(requests)
    assert {reply["39"] for reply in replies} == {"00"}
    assert [reply["4"] for reply in replies] == [request["4"] for request in requests]
    assert len({reply["63"] for reply in replies}) == 300


def test_afterwards_every_book_is_proven(world: World, terminal: Terminal) -> None:
    """Last in this file: after all that was sent above, whatever it was."""
    assert len(list_institutions(world.system.database)) == 6
    assert terminal.ask(terminal.purchase(_card(world), 1))["39"] == "00"
    assert findings(world.system) == []

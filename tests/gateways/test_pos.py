"""Terminals call the acquirer over real sockets: what each message becomes, what each answer becomes, and what bad
ones are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from engine.vocabulary.messages import AuthorizationRequest, CompletionAdvice, ReversalAdvice
from engine.vocabulary.money import Money
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.links import Link, PortBusy
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import TERMINAL
from gateways.pos import PosHost
from tests.gateways.doors import HandDoor
from tests.gateways.iso8583.samples import MESSAGES, REQUEST
from tests.gateways.iso8583.world import Heard, World, play

ACQUIRER = "400001"
COMPLETION = MESSAGES["0220"]
REVERSAL = MESSAGES["0400 by a terminal"]
ECHO: Fields = {"t": "0800", "7": "0302093000", "11": "000001", "70": "301"}


@dataclass(frozen=True)
class Counter:
    """An acquirer's door, its host, and one terminal connected to it."""

    world: World
    door: HandDoor
    pos: PosHost
    terminal: Heard

    async def say(self, *frames: bytes) -> None:
        for frame in frames:
            self.terminal.link.send(frame)
        await self.world.idle()

    async def ask(self, fields: Fields) -> None:
        await self.say(encode(fields, TERMINAL))

    @property
    def heard(self) -> list[Fields]:
        return [decode(frame, TERMINAL) for frame in self.terminal.frames]


def at_a_counter(story: Callable[[Counter], Awaitable[None]]) -> None:
    """Play a story at a counter; no bug may be reported."""

    async def told(world: World) -> None:
        door = HandDoor()
        pos = PosHost(door, acquirer_id=ACQUIRER, host="127.0.0.1", port=0, clock=world.clock, wires=world.wires)
        await pos.start()
        terminals: list[Heard] = []

        def met(link: Link) -> Heard:
            terminals.append(Heard(link))
            return terminals[-1]

        await world.dial(pos.listener, met)
        await world.idle()
        await story(Counter(world, door, pos, terminals[0]))
        await pos.close()

    assert play(told) == []


def test_a_request_reaches_the_door_and_its_answer_the_terminal() -> None:
    async def story(counter: Counter) -> None:
        await counter.ask(to_fields(REQUEST))
        assert counter.door.requests == [REQUEST]
        assert counter.heard == []
        counter.door.answer(0, "00", approval_code="A1B2C3", network_reference="S00000000000001")
        await counter.world.idle()
        (reply,) = counter.heard
        assert (reply["t"], reply["39"], reply["38"], reply["11"]) == ("0110", "00", "A1B2C3", REQUEST.stan)
        assert "2" not in reply and "35" not in reply and "52" not in reply

    at_a_counter(story)


def test_a_terminal_may_leave_out_who_its_acquirer_is() -> None:
    async def story(counter: Counter) -> None:
        fields = to_fields(REQUEST)
        del fields["32"]
        await counter.ask(fields)
        assert [request.acquirer_id for request in counter.door.requests] == [ACQUIRER]

    at_a_counter(story)


def test_a_terminal_cannot_speak_for_another_acquirer() -> None:
    async def story(counter: Counter) -> None:
        await counter.ask(to_fields(replace(REQUEST, acquirer_id="400002")))
        assert counter.door.requests == []
        assert [(reply["t"], reply["39"]) for reply in counter.heard] == [("0110", "30")]

    at_a_counter(story)


@pytest.mark.parametrize(
    ("request_type", "reply_type", "kind"),
    [
        ("0100", "0110", AuthorizationRequest),
        ("0101", "0110", AuthorizationRequest),
        ("0220", "0230", CompletionAdvice),
        ("0221", "0230", CompletionAdvice),
        ("0400", "0410", ReversalAdvice),
        ("0401", "0410", ReversalAdvice),
        ("0420", "0430", ReversalAdvice),
        ("0421", "0430", ReversalAdvice),
    ],
)
def test_each_kind_of_request_is_answered_by_its_own_response(request_type: str, reply_type: str, kind: type) -> None:
    message = {"01": REQUEST, "02": COMPLETION, "04": REVERSAL}[request_type[:2]]

    async def story(counter: Counter) -> None:
        await counter.ask(to_fields(message) | {"t": request_type})
        assert [type(request) for request in counter.door.requests] == [kind]
        counter.door.answer(0, "00")
        await counter.world.idle()
        assert [(reply["t"], reply["39"]) for reply in counter.heard] == [(reply_type, "00")]

    at_a_counter(story)


def test_answers_leave_in_the_order_of_decisions_not_of_requests() -> None:
    async def story(counter: Counter) -> None:
        for stan in ("000001", "000002", "000003"):
            await counter.ask(to_fields(replace(REQUEST, stan=stan)))
        for index in (2, 0, 1):
            counter.door.answer(index, "51")
        await counter.world.idle()
        assert [reply["11"] for reply in counter.heard] == ["000003", "000001", "000002"]

    at_a_counter(story)


def test_a_smaller_amount_that_was_approved_is_told() -> None:
    async def story(counter: Counter) -> None:
        await counter.ask(to_fields(REQUEST))
        counter.door.answer(0, "10", amount_minor=2500)
        await counter.world.idle()
        assert counter.heard[0]["4"] == "000000002500"

    at_a_counter(story)


def test_the_same_trace_number_with_other_content_is_a_duplicate_transmission() -> None:
    async def story(counter: Counter) -> None:
        await counter.ask(to_fields(replace(REQUEST, amount=Money(1, "USD"))))
        counter.door.answer(0, "key_reused")
        await counter.world.idle()
        assert counter.heard[0]["39"] == "94"

    at_a_counter(story)


def test_books_out_of_reach_are_silence() -> None:
    async def story(counter: Counter) -> None:
        await counter.ask(to_fields(REQUEST))
        counter.door.answer(0, "unavailable")
        await counter.world.idle()
        assert counter.heard == []

    at_a_counter(story)


def test_a_full_door_says_try_again_later() -> None:
    async def story(counter: Counter) -> None:
        counter.door.full = True
        await counter.ask(to_fields(REQUEST))
        assert [(reply["t"], reply["39"]) for reply in counter.heard] == [("0110", "96")]

    at_a_counter(story)


def test_an_echo_is_answered_without_a_decision() -> None:
    async def story(counter: Counter) -> None:
        await counter.ask(ECHO)
        assert counter.door.requests == []
        assert [(reply["t"], reply["39"], reply["70"]) for reply in counter.heard] == [("0810", "00", "301")]

    at_a_counter(story)


@pytest.mark.parametrize(
    "change",
    [{"4": "00000001000X"}, {"49": "999"}, {"14": "2913"}, {"41": " " * 8}],
    ids=["letters in DE 4", "unknown DE 49", "month 13 in DE 14", "empty DE 41"],
)
def test_a_malformed_request_is_answered_30_and_the_link_goes_on(change: Fields) -> None:
    async def story(counter: Counter) -> None:
        fields = to_fields(replace(REQUEST, track2=None)) | change
        frame = encode(to_fields(replace(REQUEST, track2=None)), TERMINAL)
        await counter.say(_altered(frame, to_fields(replace(REQUEST, track2=None)), fields))
        assert [(reply["t"], reply["39"]) for reply in counter.heard] == [("0110", "30")]
        await counter.ask(to_fields(REQUEST))
        assert counter.door.requests == [REQUEST]

    at_a_counter(story)


@pytest.mark.parametrize("message", ["0110 approved", "0430"])
def test_a_reply_that_nobody_asked_for_is_counted_and_not_answered(message: str) -> None:
    async def story(counter: Counter) -> None:
        await counter.ask(to_fields(MESSAGES[message]))
        assert counter.door.requests == []
        assert counter.heard == []
        (link,) = counter.pos.listener.links
        assert link.counters.malformed == 1

    at_a_counter(story)


def test_noise_closes_its_own_connection_and_no_other() -> None:
    async def story(counter: Counter) -> None:
        others: list[Heard] = []

        def met(link: Link) -> Heard:
            others.append(Heard(link))
            return others[-1]

        await counter.world.dial(counter.pos.listener, met)
        others[0].link.send(b"GET / HTTP/1.1")
        await counter.world.idle()
        assert others[0].lost and not counter.terminal.lost
        await counter.ask(ECHO)
        assert [reply["39"] for reply in counter.heard] == ["00"]

    at_a_counter(story)


def test_a_terminal_that_hung_up_is_not_missed() -> None:
    async def story(counter: Counter) -> None:
        await counter.ask(to_fields(REQUEST))
        counter.terminal.link.close()
        await counter.world.idle()
        counter.door.answer(0, "00")
        await counter.world.idle()
        assert counter.heard == []

    at_a_counter(story)


def test_a_busy_port_is_one_sentence_that_names_the_setting() -> None:
    async def story(counter: Counter) -> None:
        host, port = counter.pos.listener.address
        world = counter.world
        second = PosHost(
            counter.door,
            acquirer_id=ACQUIRER,
            host=host,
            port=port,
            clock=world.clock,
            wires=world.wires,
            setting="BEZANT_POS_PORT",
        )
        with pytest.raises(PortBusy, match=f"port {port} on 127.0.0.1 is busy: .* BEZANT_POS_PORT"):
            await second.start()

    at_a_counter(story)


def _altered(frame: bytes, before: Fields, after: Fields) -> bytes:
    """The frame with elements of the same length exchanged, which `encode` would refuse to write."""
    for element in after:
        if before[element] != after[element]:
            assert frame.count(before[element].encode()) == 1, "the element can be found"
            frame = frame.replace(before[element].encode(), after[element].encode())
    return frame

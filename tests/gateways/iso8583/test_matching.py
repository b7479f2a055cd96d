"""Replies find those who wait for them: many at once, out of order, late, doubled, unknown, never."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from engine.vocabulary.errors import FormatError
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.links import Link
from gateways.iso8583.matching import NETWORK_KEY, TERMINAL_KEY, PendingReplies
from gateways.iso8583.replies import is_advice, is_reply, reply_to, reply_type
from gateways.iso8583.specifications import TERMINAL
from tests.gateways.iso8583.world import Heard, World, play

TIMEOUT = timedelta(seconds=30)


def request(number: int, message_type: str = "0100", terminal: str = "TERM0001") -> Fields:
    return {"t": message_type, "7": "0302093000", "11": f"{number:06d}", "32": "400001", "41": terminal}


def answer(fields: Fields) -> Fields:
    return reply_to(fields, ResponseCode.APPROVED)


class Desk:
    """A requester that notes what it is told."""

    def __init__(self, world: World, key_elements: tuple[str, ...] = TERMINAL_KEY) -> None:
        self.answered: list[str] = []
        self.silent: list[str] = []
        self.late: list[str] = []
        self.pending = PendingReplies(
            world.clock,
            world.wires,
            key_elements=key_elements,
            timeout=TIMEOUT,
            on_late=lambda reply: self.late.append(reply["11"]),
        )

    def expect(self, fields: Fields) -> None:
        stan = fields["11"]
        self.pending.expect(fields, lambda reply: self.answered.append(reply["11"]), lambda: self.silent.append(stan))


TYPES = {
    "0100": "0110", "0101": "0110", "0120": "0130", "0121": "0130", "0200": "0210", "0220": "0230", "0221": "0230",
    "0400": "0410", "0401": "0410", "0420": "0430", "0421": "0430", "0800": "0810", "0102": "0112", "0103": "0112",
}  # fmt: skip


@pytest.mark.parametrize("message_type", TYPES)
def test_the_reply_has_the_type_of_its_request_without_the_repeat(message_type: str) -> None:
    assert reply_type(message_type) == TYPES[message_type]
    assert is_reply(TYPES[message_type]) and not is_reply(message_type)
    assert is_advice(message_type) == (message_type[2] == "2")


@pytest.mark.parametrize("message_type", ["0110", "0430", "0140", "0108", "01", ""])
def test_what_takes_no_reply_is_refused(message_type: str) -> None:
    with pytest.raises(FormatError, match="MTI"):
        reply_type(message_type)


def test_hundreds_in_flight_on_one_link_are_answered_out_of_order() -> None:
    async def story(world: World) -> None:
        waiting: list[bytes] = []

        def shuffled(link: Link, frame: bytes) -> None:
            waiting.append(frame)
            if len(waiting) == 500:
                random.Random(1).shuffle(waiting)
                for each in waiting:
                    link.send(encode(answer(decode(each, TERMINAL)), TERMINAL))

        desk = Desk(world)
        listener = await world.listen(lambda link: Heard(link, shuffled))
        link = await world.dial(
            listener, lambda link: Heard(link, lambda _, frame: desk.pending.settle(decode(frame, TERMINAL)))
        )
        replies = await asyncio.gather(
            *(desk.pending.ask(request(n), lambda fields: link.send(encode(fields, TERMINAL))) for n in range(500))
        )
        assert [reply["11"] for reply in replies] == [f"{n:06d}" for n in range(500)]
        assert {reply["t"] for reply in replies} == {"0110"}
        assert (len(desk.pending), desk.late) == (0, [])
        await world.advance(TIMEOUT)
        await listener.close()

    assert play(story) == []


def test_silence_is_told_at_the_timeout_and_a_late_reply_goes_to_its_handler() -> None:
    async def story(world: World) -> None:
        desk = Desk(world)
        desk.expect(request(1))
        await world.advance(TIMEOUT - timedelta(milliseconds=1))
        assert desk.silent == []
        desk.expect(request(2))
        await world.advance(timedelta(milliseconds=1))
        assert desk.silent == ["000001"]
        desk.pending.settle(answer(request(1)))
        desk.pending.settle(answer(request(2)))
        assert (desk.answered, desk.late) == (["000002"], ["000001"])
        await world.advance(TIMEOUT)
        assert desk.silent == ["000001"]

    assert play(story) == []


def test_a_doubled_or_unknown_reply_is_a_late_one() -> None:
    async def story(world: World) -> None:
        desk = Desk(world)
        desk.expect(request(1))
        for fields in (request(1), request(1), request(7), request(1, terminal="TERM0002")):
            desk.pending.settle(answer(fields))
        assert (desk.answered, desk.late) == (["000001"], ["000001", "000007", "000001"])

    assert play(story) == []


def test_the_same_trace_number_of_two_requests_is_told_apart_by_the_rest_of_the_key() -> None:
    async def story(world: World) -> None:
        desk = Desk(world)
        both = [request(1), request(1, terminal="TERM0002"), request(1, "0800"), {**request(1), "7": "0303093000"}]
        for fields in both:
            desk.expect(fields)
        assert len(desk.pending) == 4
        for fields in both:
            desk.pending.settle(answer(fields))
        assert (len(desk.answered), desk.late) == (4, [])

        network = Desk(world, NETWORK_KEY)
        network.expect(request(1))
        network.expect({**request(1), "32": "400002"})
        network.pending.settle(answer({**request(1), "32": "400002"}))
        assert len(network.pending) == 1
        network.pending.forget()
        await world.advance(TIMEOUT)
        assert network.silent == []

    assert play(story) == []


def test_a_repeat_follows_silence_and_one_key_is_never_in_flight_twice() -> None:
    async def story(world: World) -> None:
        desk = Desk(world)
        desk.expect(request(1, "0420"))
        with pytest.raises(AssertionError, match="already in flight"):
            desk.expect(request(1, "0421"))
        await world.advance(TIMEOUT)
        desk.expect(request(1, "0421"))
        desk.pending.settle(answer(request(1, "0421")))
        assert (desk.silent, desk.answered) == (["000001"], ["000001"])

    assert play(story) == []


def test_asking_raises_on_silence() -> None:
    async def story(world: World) -> None:
        desk = Desk(world)
        asked = asyncio.create_task(desk.pending.ask(request(1), lambda fields: None))
        await asyncio.sleep(0)
        await world.advance(TIMEOUT)
        with pytest.raises(TimeoutError, match="no reply in time"):
            await asked

    assert play(story) == []

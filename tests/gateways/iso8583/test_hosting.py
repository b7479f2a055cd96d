"""A thousand requests at once with answers out of order, and a door that is full."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.links import Link
from gateways.iso8583.matching import TERMINAL_KEY, PendingReplies
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import TERMINAL
from gateways.pos import PosHost
from tests.gateways.iso8583.samples import MESSAGES
from tests.gateways.iso8583.world import World, play

REQUEST: Fields = to_fields(MESSAGES["0100"])


class HeldDoor:
    """Answers when told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Any, Callable[[Answer], None]]] = []

    def submit(self, request: Any, reply: Callable[[Answer], None] | None = None) -> UUID:
        assert reply is not None
        self.waiting.append((request, reply))
        return uuid4()


class FullDoor:
    """Takes nothing."""

    def submit(self, request: Any, reply: Callable[[Answer], None] | None = None) -> UUID:
        raise BezantError("too many wait")


class Counter:
    """A terminal's end."""

    def __init__(self, world: World) -> None:
        self.replies: list[Fields] = []
        self.late: list[Fields] = []
        self.link: Link
        self.pending = PendingReplies(
            world.clock, world.wires, key_elements=TERMINAL_KEY, timeout=timedelta(seconds=30), on_late=self.late.append
        )

    def met(self, link: Link) -> Counter:
        self.link = link
        return self

    def send(self, fields: Fields) -> None:
        assert self.link.send(encode(fields, TERMINAL))

    def on_frame(self, frame: bytes) -> None:
        fields = decode(frame, TERMINAL)
        self.replies.append(fields)
        self.pending.settle(fields)

    def on_lost(self, reason: str) -> None:
        self.pending.forget()


async def _open(world: World, door: Any) -> tuple[PosHost, Counter]:
    host = PosHost(
        door,
        acquirer_id=REQUEST["32"],
        host="127.0.0.1",
        port=0,
        clock=world.clock,
        wires=world.wires,
    )
    await host.start()
    counter = Counter(world)
    await world.dial(host.listener, counter.met)
    return host, counter


def test_a_request_that_a_full_door_refused_may_be_asked_again() -> None:
    async def story(world: World) -> None:
        host, counter = await _open(world, FullDoor())
        for asked in (1, 2):
            counter.send(REQUEST)
            await world.idle()
            assert [reply["39"] for reply in counter.replies] == ["96"] * asked
        counter.link.close()
        await host.close()

    assert play(story) == []


def test_a_thousand_in_flight_are_answered_out_of_order_each_to_its_own() -> None:
    async def story(world: World) -> None:
        door = HeldDoor()
        host, counter = await _open(world, door)
        heard: dict[str, list[str]] = {}
        for number in range(1, 1001):
            fields = REQUEST | {"11": f"{number:06d}"}
            heard[fields["11"]] = []
            counter.pending.expect(
                fields,
                lambda reply, stan=fields["11"]: heard[stan].append(reply["11"]),  # type: ignore[misc]
                lambda stan=fields["11"]: heard[stan].append("silence"),  # type: ignore[misc]
            )
            counter.send(fields)
        await world.idle()
        assert len(door.waiting) == 1000
        random.Random(8583).shuffle(door.waiting)
        for _, reply in door.waiting[:-3]:
            reply(Answer("05"))
        await world.idle()
        await world.advance(timedelta(seconds=31))
        left = {request.stan for request, _ in door.waiting[-3:]}
        assert heard == {stan: ["silence"] if stan in left else [stan] for stan in heard}
        # Late, doubled and unknown ones are one case: nobody waits for them.
        for _, reply in door.waiting[-3:]:
            reply(Answer("05"))
        await world.idle()
        assert {reply["11"] for reply in counter.late} == left
        counter.link.close()
        await host.close()

    assert play(story) == []

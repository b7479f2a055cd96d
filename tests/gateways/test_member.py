"""A member's end of its link to the network, over real sockets: it signs on, carries both ways, and loses what the
line does not take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from engine.vocabulary.decision import Message
from gateways.iso8583.codec import Fields
from gateways.iso8583.links import Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.messages import to_fields
from gateways.iso8583.session import ECHO_AFTER, NetworkSession, Roster, Session
from gateways.iso8583.specifications import SIMNET
from gateways.member import MemberEnd
from tests.gateways.doors import HandDoor
from tests.gateways.iso8583.samples import MESSAGES, REQUEST
from tests.gateways.iso8583.world import World, play

MEMBER = "400001"
NETWORK = "900000"


@dataclass
class Switch:
    """The network's end, whose roster knows one member."""

    world: World
    heard: list[Fields] = field(default_factory=list)
    roster: Roster = field(default_factory=lambda: Roster(lambda member_id: member_id == MEMBER))

    async def listen(self) -> Listener:
        return await self.world.listen(self.met)

    def met(self, link: Link) -> Session:
        return NetworkSession(
            link,
            SIMNET,
            lambda session, fields: self.heard.append(fields),
            clock=self.world.clock,
            wires=self.world.wires,
            roster=self.roster,
        )

    def say(self, fields: Fields) -> None:
        session = self.roster.pick(MEMBER)
        assert session is not None
        session.send(fields)


@dataclass
class Bank:
    """A member's door and end, signed on at a switch."""

    world: World
    switch: Switch
    listener: Listener
    door: HandDoor
    end: MemberEnd


def as_a_member(story: Callable[[Bank], Awaitable[None]], member_id: str = MEMBER) -> None:
    """Play a story as a member that has dialled; no bug may be reported."""

    async def told(world: World) -> None:
        switch, door = Switch(world), HandDoor()
        listener = await switch.listen()
        host, port = listener.address
        end = MemberEnd(door, member_id=member_id, host=host, port=port, clock=world.clock, wires=world.wires)
        await end.start()
        await world.idle()
        await story(Bank(world, switch, listener, door, end))
        await end.close()
        await listener.close()

    assert play(told) == []


def test_it_signs_on_by_itself_and_can_then_be_reached() -> None:
    async def story(bank: Bank) -> None:
        assert bank.end.signed_on
        assert len(bank.switch.roster.sessions(MEMBER)) == 1

    as_a_member(story)


def test_who_is_no_member_is_never_signed_on_and_loses_what_it_sends() -> None:
    async def story(bank: Bank) -> None:
        assert not bank.end.signed_on
        bank.end.send(Message(NETWORK, REQUEST))
        await bank.world.idle()
        assert bank.switch.heard == []

    as_a_member(story, member_id="400009")


def test_messages_go_out_whole() -> None:
    async def story(bank: Bank) -> None:
        for name in ("0100", "0421 partial", "0110 approved", "0430"):
            bank.end.send(Message(NETWORK, MESSAGES[name]))
        await bank.world.idle()
        assert bank.switch.heard == [
            to_fields(MESSAGES[name]) for name in ("0100", "0421 partial", "0110 approved", "0430")
        ]

    as_a_member(story)


@pytest.mark.parametrize(("message", "reply_type"), [("0100", "0110"), ("0421 partial", "0430")])
def test_a_request_is_decided_on_and_answered_on_its_link(message: str, reply_type: str) -> None:
    async def story(bank: Bank) -> None:
        bank.switch.say(to_fields(MESSAGES[message]))
        await bank.world.idle()
        assert bank.door.requests == [MESSAGES[message]]
        bank.door.answer(0, "00")
        await bank.world.idle()
        assert [(reply["t"], reply["39"]) for reply in bank.switch.heard] == [(reply_type, "00")]

    as_a_member(story)


@pytest.mark.parametrize("message", ["0110 approved", "0430"])
def test_a_response_is_a_fact_for_the_member_and_is_not_answered(message: str) -> None:
    async def story(bank: Bank) -> None:
        bank.switch.say(to_fields(MESSAGES[message]))
        await bank.world.idle()
        assert bank.door.requests == [MESSAGES[message]]
        assert bank.switch.heard == []

    as_a_member(story)


def test_a_response_that_finds_the_door_full_is_dropped_like_a_lost_one() -> None:
    async def story(bank: Bank) -> None:
        bank.door.full = True
        bank.switch.say(to_fields(MESSAGES["0110 approved"]))
        await bank.world.idle()
        assert bank.end.signed_on
        assert bank.switch.heard == []

    as_a_member(story)


def test_a_message_that_is_not_for_members_is_answered_30() -> None:
    async def story(bank: Bank) -> None:
        bank.switch.say(to_fields(MESSAGES["0220"]))
        await bank.world.idle()
        assert bank.door.requests == []
        assert [(reply["t"], reply["39"]) for reply in bank.switch.heard] == [("0230", "30")]

    as_a_member(story)


def test_it_signs_on_again_after_the_line_was_lost() -> None:
    async def story(bank: Bank) -> None:
        for link in tuple(bank.listener.links):
            link.abort()
        await bank.world.idle()
        assert not bank.end.signed_on
        bank.end.send(Message(NETWORK, REQUEST))
        await bank.world.advance(timedelta(minutes=2))
        assert bank.end.signed_on
        assert bank.switch.heard == []

    as_a_member(story)


def test_a_silent_line_is_kept_alive_by_echoes() -> None:
    async def story(bank: Bank) -> None:
        (link,) = bank.listener.links
        frames = link.counters.frames_in
        await bank.world.advance(2 * ECHO_AFTER)
        assert link.counters.frames_in > frames
        assert bank.end.signed_on

    as_a_member(story)

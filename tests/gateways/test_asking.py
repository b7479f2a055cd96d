"""A tool asks over a connection of its own: the reply, silence, and a peer that hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from engine.vocabulary.responses import ResponseCode
from gateways.asking import Asker
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.links import Link, PeerUnreachable
from gateways.iso8583.matching import MANAGEMENT_KEY
from gateways.iso8583.replies import reply_to
from gateways.iso8583.specifications import TERMINAL
from tests.gateways.iso8583.world import Heard, World, play

ECHO: Fields = {"t": "0800", "7": "0302093000", "11": "000001", "70": "301"}
Reaction = Callable[[Link, bytes], object]
PATIENCE = timedelta(seconds=3)


def answer(link: Link, frame: bytes) -> None:
    link.send(encode(reply_to(decode(frame, TERMINAL), ResponseCode.APPROVED), TERMINAL))


def asked(reaction: Reaction, story: Callable[[World, Asker], Awaitable[None]]) -> None:
    """Play a story of an asker that is connected to a peer which does this with each frame."""

    async def told(world: World) -> None:
        listener = await world.listen(lambda link: Heard(link, reaction))
        host, port = listener.address
        asker = Asker(host, port, TERMINAL, key_elements=MANAGEMENT_KEY, clock=world.clock, timeout=PATIENCE)
        await asker.open()
        await story(world, asker)
        await asker.close()
        await listener.close()

    assert play(told) == []


def test_a_request_gets_its_reply() -> None:
    async def story(_world: World, asker: Asker) -> None:
        reply = await asker.ask(ECHO)
        assert (reply["t"], reply["39"], reply["11"]) == ("0810", "00", "000001")

    asked(answer, story)


def test_silence_ends_by_the_clock() -> None:
    async def story(world: World, asker: Asker) -> None:
        asking = asyncio.create_task(asker.ask(ECHO))
        while world.clock.next_due is None:
            await asyncio.sleep(0)
        await world.advance(PATIENCE)
        with pytest.raises(TimeoutError):
            await asking

    asked(lambda link, frame: None, story)


def test_a_peer_that_hangs_up_is_not_waited_for() -> None:
    async def story(_world: World, asker: Asker) -> None:
        with pytest.raises(PeerUnreachable, match="hung up: closed by the other side"):
            await asker.ask(ECHO)

    asked(lambda link, frame: link.close(), story)


def test_who_talks_without_being_asked_is_not_listened_to() -> None:
    def talk(link: Link, frame: bytes) -> None:
        link.send(frame)
        answer(link, frame)

    async def story(_world: World, asker: Asker) -> None:
        assert (await asker.ask(ECHO))["t"] == "0810"

    asked(talk, story)


def test_nobody_there_is_a_sentence() -> None:
    async def told(world: World) -> None:
        listener = await world.listen(Heard)
        host, port = listener.address
        await listener.close()
        asker = Asker(host, port, TERMINAL, key_elements=MANAGEMENT_KEY, clock=world.clock, timeout=PATIENCE)
        with pytest.raises(PeerUnreachable, match=f"nobody answers at 127.0.0.1 port {port}"):
            await asker.open()
        await asker.close()

    assert play(told) == []

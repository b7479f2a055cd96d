"""What a link puts up with from other programs: silence, half a message, replies unread, too many of them; and TLS."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from engine.vocabulary.errors import BezantError
from gateways.iso8583.framing import FRAMINGS, Framing, framing_named
from gateways.iso8583.links import PAUSE_AT_BYTES, Line, Link, PeerUnreachable
from gateways.iso8583.tls import dialling_context, listening_context
from tests.gateways.iso8583.certificates import Authority
from tests.gateways.iso8583.test_links import Site, echo, framed, open_socket, read_frame
from tests.gateways.iso8583.world import Heard, World, play


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_each_framing_carries_messages_both_ways(framing: Framing) -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site(echo), line=Line(framing))
        dialled = Site()
        link = await world.dial(listener, dialled, line=Line(framing))
        sent = [b"a", b"bc" * 40, b"d" * min(framing.most, 8192)]
        assert all(link.send(frame) for frame in sent)
        await world.idle()
        assert dialled.heard[0].frames == sent
        assert link.counters.bytes_out == link.counters.bytes_in == sum(map(len, map(framing.framed, sent)))
        link.close()
        await listener.close()

    assert play(story) == []


def test_a_message_that_the_line_cannot_carry_is_lost_and_the_link_goes_on() -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site(echo), line=Line(framing_named("2a")))
        dialled = Site()
        link = await world.dial(listener, dialled, line=Line(framing_named("2a")))
        assert not link.send(b"x" * 100)
        assert not link.send(b"")
        assert link.send(b"x" * 99)
        await world.idle()
        assert (dialled.heard[0].frames, link.counters.lost) == ([b"x" * 99], 2)
        link.close()
        await listener.close()

    assert play(story) == []


def test_what_is_sent_in_one_turn_leaves_in_one_write_and_in_order() -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site())
        reader, writer = await open_socket(listener)
        await asyncio.sleep(0)
        while not listener.links:
            await asyncio.sleep(0)
        (link,) = listener.links
        writes: list[bytes] = []
        write = link._transport.write

        def kept(data: bytes | bytearray | memoryview[int]) -> None:
            writes.append(bytes(data))
            write(data)

        link._transport.write = kept  # type: ignore[method-assign]
        for number in range(100):
            link.send(b"%d" % number)
        assert [await read_frame(reader) for _ in range(100)] == [b"%d" % number for number in range(100)]
        assert len(writes) == 1
        writer.close()
        await listener.close()

    assert play(story) == []


def test_who_begins_a_message_and_does_not_end_it_is_cut_off_and_nobody_else() -> None:
    async def story(world: World) -> None:
        site = Site(echo)
        listener = await world.listen(site, line=Line(slow=timedelta(seconds=10)))
        slow_reader, slow = await open_socket(listener)
        good_reader, good = await open_socket(listener)
        slow.write(framed(b"whole") + framed(b"in pieces")[:3])
        assert await read_frame(slow_reader) == b"whole"
        good.write(framed(b"quick"))
        assert await read_frame(good_reader) == b"quick"
        await world.advance(timedelta(seconds=6))
        # A byte now and then does not make it a good peer.
        slow.write(framed(b"in pieces")[3:4])
        while site.heard[0].link.counters.bytes_in < 7 + 4:
            await asyncio.sleep(0)
        await world.advance(timedelta(seconds=5))
        assert await slow_reader.read() == b""
        good.write(framed(b"still quick"))
        assert await read_frame(good_reader) == b"still quick"
        await site.heard[0].link.closed()
        assert site.heard[0].lost == ["it began a message and did not end it in 10 seconds"]
        assert site.heard[1].lost == []
        slow.close()
        good.close()
        await listener.close()

    assert play(story) == []


def test_silence_ends_a_link_only_after_its_limit() -> None:
    async def story(world: World) -> None:
        site = Site(echo)
        listener = await world.listen(site, line=Line(idle=timedelta(minutes=15)))
        reader, writer = await open_socket(listener)
        writer.write(framed(b"hello"))
        assert await read_frame(reader) == b"hello"
        await world.advance(timedelta(minutes=14))
        writer.write(framed(b"still here"))
        assert await read_frame(reader) == b"still here"
        await world.advance(timedelta(minutes=14))
        assert listener.links
        await world.advance(timedelta(minutes=1))
        assert await reader.read() == b""
        await site.heard[0].link.closed()
        assert site.heard[0].lost == ["it said nothing for 900 seconds"]
        writer.close()
        await listener.close()

    assert play(story) == []


def test_a_peer_that_does_not_read_is_read_from_no_more_then_cut_off_and_holds_up_nobody() -> None:
    answer = b"x" * 8000

    async def story(world: World) -> None:
        site = Site(lambda link, frame: link.send(answer))
        listener = await world.listen(site, line=Line(stalled=timedelta(seconds=20)))
        _, deaf = await open_socket(listener)
        good_reader, good = await open_socket(listener)
        asked = 0

        async def keep_asking() -> None:
            nonlocal asked
            while True:
                deaf.write(framed(b"ask") * 100)
                asked += 100
                await deaf.drain()
                await asyncio.sleep(0)

        asking = asyncio.create_task(keep_asking())
        await site.until(lambda: bool(site.heard) and site.heard[0].link.counters.pauses > 0)
        link = site.heard[0].link
        for _ in range(50):
            good.write(framed(b"ask"))
            assert await read_frame(good_reader) == answer
        # One read of the socket may still have been handled; after it no more was.
        heard = link.counters.frames_in
        good.write(framed(b"ask"))
        await read_frame(good_reader)
        assert link.counters.frames_in == heard
        assert link._transport.get_write_buffer_size() > PAUSE_AT_BYTES // 4
        await world.advance(timedelta(seconds=21))
        await link.closed()
        assert site.heard[0].lost == ["it did not read what was sent for 20 seconds"]
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        deaf.close()
        good.close()
        await listener.close()

    assert play(story) == []


def test_one_link_too_many_is_closed_and_a_place_that_becomes_free_is_given_again() -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site(echo), max_links=2)
        first, second = await open_socket(listener), await open_socket(listener)
        for reader, writer in (first, second):
            writer.write(framed(b"in"))
            assert await read_frame(reader) == b"in"
        third_reader, third = await open_socket(listener)
        assert await third_reader.read() == b""
        assert (listener.refused, len(listener.links)) == (1, 2)
        first[1].close()
        while len(listener.links) == 2:
            await asyncio.sleep(0)
        reader, fourth = await open_socket(listener)
        fourth.write(framed(b"in"))
        assert await read_frame(reader) == b"in"
        for writer in (third, second[1], fourth):
            writer.close()
        await listener.close()

    assert play(story) == []


def test_every_link_that_is_up_shows_its_counters() -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site(echo))
        link = await world.dial(listener, Site(), name="host")
        link.send(b"hello")
        await world.idle()
        assert [one.counters.frames_in for one in world.wires.links] == [1, 1]
        assert "host" in {one.peer for one in world.wires.links}
        link.close()
        await world.idle()
        assert not world.wires.links
        await listener.close()

    assert play(story) == []


def test_tls_carries_frames_and_takes_only_certificates_that_are_vouched_for(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    host, member, stranger = ours.vouch("host"), ours.vouch("member"), others.vouch("stranger")
    elsewhere = ours.vouch("elsewhere", "127.0.0.9")

    async def story(world: World) -> None:
        site = Site(echo)
        listener = await world.listen(site, tls=listening_context(host.certificate, host.key, ours.certificate))
        dialled = Site()
        link = await world.dial(
            listener, dialled, tls=dialling_context(ours.certificate, member.certificate, member.key)
        )
        frames = [b"%d" % number * 50 for number in range(200)]
        for frame in frames:
            link.send(frame)
        await world.idle()
        assert dialled.heard[0].frames == frames

        # A listener that an authority of ours does not vouch for, or for another address.
        with pytest.raises(PeerUnreachable, match=r"no trusted line .*certificate refused: "):
            await world.dial(listener, Site(), tls=dialling_context(others.certificate))
        false_host = await world.listen(Site(), tls=listening_context(elsewhere.certificate, elsewhere.key))
        with pytest.raises(PeerUnreachable, match="certificate refused: IP address mismatch"):
            await world.dial(false_host, Site(), tls=dialling_context(ours.certificate))

        # Under TLS 1.3 the refused dialler learns of it with the first thing it reads.
        for tls in (
            dialling_context(ours.certificate),
            dialling_context(ours.certificate, stranger.certificate, stranger.key),
        ):
            refused = Site()
            link = await world.dial(listener, refused, tls=tls)
            link.send(b"not heard")
            await link.closed()
            assert (refused.heard[0].frames, len(site.heard)) == ([], 1)

        # Who speaks no TLS is no peer, and troubles nobody.
        reader, writer = await open_socket(listener)
        writer.write(framed(b"in the clear"))
        await reader.read()
        writer.close()
        link.close()
        await listener.close()
        await false_host.close()

    assert play(story) == []


def test_files_that_are_no_certificates_are_refused_by_name(tmp_path: Path) -> None:
    files = Authority(tmp_path, "ours").vouch("host")
    other = Authority(tmp_path, "more").vouch("other")
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(BezantError, match=r"Cannot read the authority .*nothing\.pem: no such file"):
        dialling_context(nothing)
    with pytest.raises(BezantError, match=r"certificate .*host\.pem with the key .*other\.key: key values mismatch"):
        listening_context(files.certificate, other.key)
    with pytest.raises(BezantError, match=r"host\.pem needs its key"):
        dialling_context(files.certificate, files.certificate)


def test_either_side_may_dial() -> None:
    """The conversation does not know who called: the one who accepted speaks first as well."""

    async def story(world: World) -> None:
        heard: list[Heard] = []

        def first_to_speak(link: Link) -> Heard:
            heard.append(Heard(link))
            link.send(b"0800 from who was called")
            return heard[-1]

        listener = await world.listen(first_to_speak)
        link = await world.dial(listener, Site(echo))
        await world.idle()
        assert heard[0].frames == [b"0800 from who was called"]
        link.close()
        await listener.close()

    assert play(story) == []

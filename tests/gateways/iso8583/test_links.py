"""Links over real sockets: frames however they arrive, peers that misbehave, and a count of what is under way that
always returns to 0."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from datetime import timedelta

import pytest

from engine.vocabulary.errors import FormatError
from gateways.iso8583.dialling import Dialler
from gateways.iso8583.framing import TWO_BYTES, FrameReader
from gateways.iso8583.links import MAX_BACKLOG_BYTES, CannotListen, Line, Link, PeerUnreachable, PortBusy
from gateways.iso8583.listening import Listener
from gateways.iso8583.wires import Wires
from tests.gateways.iso8583.world import START, Counted, Heard, World, play

framed = TWO_BYTES.framed

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Site:
    """A listener's conversations, in order of arrival."""

    def __init__(self, reaction: Callable[[Link, bytes], object] = lambda link, frame: None) -> None:
        self.heard: list[Heard] = []
        self.reaction = reaction
        self.more = asyncio.Event()

    def __call__(self, link: Link) -> Heard:
        heard = Heard(link, self.react)
        self.heard.append(heard)
        self.more.set()
        return heard

    def react(self, link: Link, frame: bytes) -> None:
        self.reaction(link, frame)
        self.more.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.more.clear()
            await self.more.wait()


def echo(link: Link, frame: bytes) -> None:
    link.send(frame)


async def open_socket(listener: Listener) -> Streams:
    return await asyncio.open_connection(*listener.address)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


def test_frames_are_cut_the_same_however_the_stream_is_chopped() -> None:
    chance = random.Random(8583)
    frames = [chance.randbytes(chance.choice([1, 2, 3, 255, 256, 257, 8192])) for _ in range(60)]
    stream = b"".join(map(framed, frames))
    for largest in (1, 2, 7, 300, 9000, len(stream)):
        reader, start = FrameReader(), 0
        found: list[bytes] = []
        while start < len(stream):
            size = chance.randint(1, largest)
            found += reader.feed(stream[start : start + size])
            start += size
        assert found == frames


@pytest.mark.parametrize("header", [b"\x00\x00", b"\x20\x01", b"\xff\xff"])
def test_broken_framing_is_refused_after_the_last_good_frame(header: bytes) -> None:
    found = []
    with pytest.raises(FormatError, match="length header: says"):
        for frame in FrameReader(TWO_BYTES, 8192).feed(framed(b"good") + header + b"0" * 10):
            found.append(frame)
    assert found == [b"good"]


def test_fragmented_and_glued_frames_arrive_whole_and_in_order() -> None:
    async def story(world: World) -> None:
        site = Site(echo)
        listener = await world.listen(site)
        reader, writer = await open_socket(listener)
        for byte in framed(b"slowly"):
            writer.write(bytes([byte]))
            await writer.drain()
        writer.write(framed(b"one") + framed(b"two") + framed(b"three")[:4])
        assert [await read_frame(reader) for _ in range(3)] == [b"slowly", b"one", b"two"]
        writer.write(framed(b"three")[4:])
        assert await read_frame(reader) == b"three"
        counters = site.heard[0].link.counters
        assert (counters.frames_in, counters.frames_out, counters.malformed) == (4, 4, 0)
        assert counters.bytes_in == counters.bytes_out == 8 + 6 + 3 + 3 + 5
        assert counters.last_seen == START
        writer.close()
        await listener.close()

    assert play(story) == []


def test_a_truncated_frame_is_no_frame() -> None:
    async def story(world: World) -> None:
        site = Site()
        listener = await world.listen(site)
        _, writer = await open_socket(listener)
        writer.write(framed(b"cut off")[:-1])
        writer.close()
        await site.until(lambda: bool(site.heard))
        await site.heard[0].link.closed()
        assert (site.heard[0].frames, site.heard[0].lost) == ([], ["closed by the other side"])
        await listener.close()

    assert play(story) == []


@pytest.mark.parametrize("header", [b"\x00\x00", b"\x00\x65"])
def test_a_frame_of_no_length_or_too_much_closes_this_link_and_no_other(header: bytes) -> None:
    async def story(world: World) -> None:
        site = Site(echo)
        listener = await world.listen(site, line=Line(max_frame_bytes=100))
        bad_reader, bad = await open_socket(listener)
        good_reader, good = await open_socket(listener)
        bad.write(framed(b"before") + header + b"x" * 101)
        assert await read_frame(bad_reader) == b"before"
        assert await bad_reader.read() == b""
        good.write(framed(b"still here"))
        assert await read_frame(good_reader) == b"still here"
        lost = [heard for heard in site.heard if heard.lost]
        assert [heard.frames for heard in lost] == [[b"before"]]
        assert "length header: says" in lost[0].lost[0]
        assert lost[0].link.counters.malformed == 1
        bad.close()
        good.close()
        await listener.close()

    assert play(story) == []


def test_a_malformed_message_is_counted_and_the_next_one_read() -> None:
    def refuse(link: Link, frame: bytes) -> None:
        if frame == b"bad":
            raise FormatError("DE 4", "is wrong")
        link.send(frame)

    async def story(world: World) -> None:
        site = Site(refuse)
        listener = await world.listen(site)
        reader, writer = await open_socket(listener)
        writer.write(framed(b"bad") + framed(b"good"))
        assert await read_frame(reader) == b"good"
        assert site.heard[0].link.counters.malformed == 1
        writer.close()
        await listener.close()

    assert play(story) == []


def test_a_bug_over_one_message_is_reported_and_the_next_one_read() -> None:
    def stumble(link: Link, frame: bytes) -> None:
        assert frame != b"bad", "a bug"
        link.send(frame)

    async def story(world: World) -> None:
        site = Site(stumble)
        listener = await world.listen(site)
        dialled = Site()
        link = await world.dial(listener, dialled)
        link.send(b"bad")
        link.send(b"good")
        await world.idle()
        assert dialled.heard[0].frames == [b"good"]
        await listener.close()

    assert [str(bug).split("\n")[0] for bug in play(story)] == ["a bug"]


def test_idle_means_that_everything_sent_was_handled_and_answered() -> None:
    async def story(world: World) -> None:
        sites = [Site(echo) for _ in range(3)]
        listeners = [await world.listen(site) for site in sites]
        dialled = [Site() for _ in range(6)]
        links = [await world.dial(listeners[n % 3], site) for n, site in enumerate(dialled)]
        await world.idle()
        assert sum(len(site.heard) for site in sites) == 6
        for number in range(300):
            for link in links:
                assert link.send(number.to_bytes(2, "big") * 50)
        await world.idle()
        expected = [number.to_bytes(2, "big") * 50 for number in range(300)]
        assert all(site.heard[0].frames == expected for site in dialled)
        assert world.activity.begun >= 2 * 6 * 300
        for listener in listeners:
            await listener.close()

    assert play(story) == []


def test_a_connection_counts_until_both_ends_know_of_it() -> None:
    async def story(world: World) -> None:
        site = Site()
        listener = await world.listen(site)
        await world.dial(listener, Site())
        await world.idle()
        assert len(site.heard) == 1
        await listener.close()

    assert play(story) == []


@pytest.mark.parametrize("way", ["close here", "abort here", "close there", "abort there"])
def test_what_was_under_way_when_a_connection_is_lost_is_settled_once(way: str) -> None:
    """`play` asserts that the count ends at 0, and `Counted` that it is never ended too often."""

    async def story(world: World) -> None:
        site = Site(echo)
        listener = await world.listen(site)
        dialled = Site()
        link = await world.dial(listener, dialled)
        await world.idle()
        far = site.heard[0].link
        assert not link.outside and not far.outside
        for number in range(500):
            link.send(b"%04d" % number * 500)
            far.send(b"%04d" % number * 500)
        chosen = link if way.endswith("here") else far
        chosen.close() if way.startswith("close") else chosen.abort()
        assert chosen.send(b"too late") is False
        await world.idle()
        await link.closed()
        await far.closed()
        assert link.send(b"too late") is far.send(b"too late") is False
        assert (len(dialled.heard[0].lost), len(site.heard[0].lost)) == (1, 1)
        await listener.close()

    assert play(story) == []


def test_a_connection_that_a_stopped_listener_never_took_is_settled() -> None:
    async def story(world: World) -> None:
        site = Site()
        listener = await world.listen(site)
        dialled = Site()
        link = await world.dial(listener, dialled)
        link.send(b"to nobody")
        await listener.close()
        await link.closed()
        await world.idle()

    assert play(story) == []


def test_frames_of_another_program_are_not_counted() -> None:
    async def story(world: World) -> None:
        site = Site(echo)
        listener = await world.listen(site)
        reader, writer = await open_socket(listener)
        await site.until(lambda: bool(site.heard))
        assert site.heard[0].link.outside
        site.heard[0].link.send(b"unasked")
        assert world.activity.under_way == 0
        assert await read_frame(reader) == b"unasked"
        writer.write(framed(b"hello"))
        assert await read_frame(reader) == b"hello"
        assert world.activity.under_way == 0
        writer.close()
        await listener.close()

    assert play(story) == []


def test_ends_of_an_address_used_again_do_not_mix() -> None:
    activity = Counted()
    wires, here, there = Wires(activity), ("127.0.0.1", 1000), ("127.0.0.1", 2000)
    wires.listen(there)
    wires.expect(here, there)
    old, far = wires.claim(here, there)
    assert far is not None
    wires.claim(there, here)
    old.delivered()
    far.delivered()
    far.sent()
    wires.lose(here, there)
    wires.lose(there, here)
    far.sent()
    assert activity.under_way == 0
    wires.expect(here, there)
    assert wires.claim(here, there)[0] is not old
    assert activity.under_way == 2
    wires.unlisten(there)
    wires.lose(here, there)
    assert activity.under_way == 0
    assert not wires.is_ours(there)


def test_a_peer_that_does_not_read_is_cut_off_and_holds_up_no_other() -> None:
    async def story(world: World) -> None:
        site = Site(echo)
        listener = await world.listen(site)
        _, deaf = await open_socket(listener)
        await site.until(lambda: bool(site.heard))
        link = site.heard[0].link
        sent = 0
        while link.send(bytes(8000)):
            sent += 8002
            assert sent < 4 * MAX_BACKLOG_BYTES
        await link.drained()
        await link.closed()
        assert "has not read" in site.heard[0].lost[0]
        reader, writer = await open_socket(listener)
        writer.write(framed(b"others"))
        assert await read_frame(reader) == b"others"
        deaf.close()
        writer.close()
        await listener.close()

    assert play(story) == []


def test_drained_waits_for_a_slow_peer() -> None:
    async def story(world: World) -> None:
        site = Site()
        listener = await world.listen(site)
        link = await world.dial(listener, Site())
        for _ in range(500):
            await link.drained()
            link.send(bytes(8000))
        await world.idle()
        assert len(site.heard[0].frames) == 500
        await listener.close()

    assert play(story) == []


def test_a_busy_port_is_said_in_one_sentence() -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site())
        host, port = listener.address
        second = Listener(host, port, Site(), clock=world.clock, wires=world.wires, setting="BEZANT_POS_PORT")
        with pytest.raises(PortBusy) as busy:
            await second.start()
        assert str(busy.value) == (
            f"port {port} on 127.0.0.1 is busy: stop the other program or choose another port with BEZANT_POS_PORT"
        )
        await listener.close()

    assert play(story) == []


def test_a_host_that_nobody_knows_is_said_in_one_sentence() -> None:
    async def story(world: World) -> None:
        listener = Listener(
            "nowhere.invalid", 1, Site(), clock=world.clock, wires=world.wires, setting="BEZANT_POS_PORT"
        )
        with pytest.raises(CannotListen, match=r"^cannot listen on nowhere.invalid port 1: [a-z]+ [a-z -]+$"):
            await listener.start()

    assert play(story) == []


def test_an_unreachable_peer_is_said_in_one_sentence() -> None:
    async def story(world: World) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listener = Listener("127.0.0.1", port, Site(), clock=world.clock, wires=world.wires)
        world.wires.listen(listener.address)  # ours, but not listening yet: what was expected must be settled
        with pytest.raises(PeerUnreachable, match=f"nobody answers at 127.0.0.1 port {port} .connection refused."):
            await world.dial(listener, Site())
        await world.idle()

    assert play(story) == []


def test_a_dialler_keeps_its_link_up_and_backs_off_on_the_clock() -> None:
    async def story(world: World) -> None:
        site, dialled = Site(echo), Site()
        listener = await world.listen(site)
        host, port = listener.address
        dialler = Dialler(host, port, dialled, clock=world.clock, wires=world.wires, name="simnet")
        dialler.start()
        await world.idle()
        assert len(dialled.heard) == 1
        assert dialled.heard[0].link.peer == "simnet"
        dialled.heard[0].link.send(b"hello")
        await world.idle()

        site.heard[0].link.abort()
        await world.advance(timedelta(milliseconds=999))
        assert len(dialled.heard) == 1
        await world.advance(timedelta(milliseconds=1))
        assert len(dialled.heard) == 2

        # A peer that takes the connection but never talks is dialled less and less often.
        for wait in (2, 4, 8, 16, 32, 60, 60):
            count = len(dialled.heard)
            site.heard[-1].link.abort()
            await world.advance(timedelta(seconds=wait, milliseconds=-1))
            assert len(dialled.heard) == count
            await world.advance(timedelta(milliseconds=1))
            assert len(dialled.heard) == count + 1
        await dialler.close()
        await listener.close()

    assert play(story) == []


def test_a_dialler_finds_a_listener_that_comes_later() -> None:
    async def story(world: World) -> None:
        first = await world.listen(Site())
        host, port = first.address
        await first.close()
        dialled = Site()
        dialler = Dialler(host, port, dialled, clock=world.clock, wires=world.wires)
        dialler.start()
        await world.advance(timedelta(seconds=5))
        assert dialled.heard == []
        site = Site()
        second = Listener(host, port, site, clock=world.clock, wires=world.wires)
        await second.start()
        await world.advance(timedelta(seconds=60))
        assert (len(dialled.heard), len(site.heard)) == (1, 1)
        await dialler.close()
        await second.close()

    assert play(story) == []

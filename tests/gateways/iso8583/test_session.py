"""Sign-on, sign-off, echo and the gate in front of financial traffic, between a member and the network over real
sockets."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from engine.vocabulary.errors import FormatError
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.dialling import Dialler
from gateways.iso8583.framing import TWO_BYTES
from gateways.iso8583.links import Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.messages import to_fields
from gateways.iso8583.session import ECHO_AFTER, REPLY_TIMEOUT, MemberSession, NetworkSession, Roster, Session
from gateways.iso8583.specifications import SIMNET
from tests.gateways.iso8583.samples import MESSAGES
from tests.gateways.iso8583.world import World, play

framed = TWO_BYTES.framed

REQUEST = to_fields(MESSAGES["0100"])
ADVICE = to_fields(MESSAGES["0421 partial"])
MANAGEMENT: Fields = {"t": "0800", "7": "0302093000", "11": "000001", "33": "400001", "70": "301"}


class Network:
    """The network's end: keeps what it is told, and can be reached at an address."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.roster = Roster(lambda member_id: member_id.startswith("4000"))
        self.sessions: list[NetworkSession] = []
        self.messages: list[Fields] = []
        self.changes: list[tuple[str, bool]] = []
        self.listener: Listener

    async def start(self) -> Network:
        self.listener = await self.world.listen(self.took)
        return self

    def took(self, link: Link) -> Session:
        session = NetworkSession(
            link,
            SIMNET,
            self.on_message,
            clock=self.world.clock,
            wires=self.world.wires,
            roster=self.roster,
            on_state=lambda session: self.changes.append((session.member_id, session.signed_on)),
        )
        self.sessions.append(session)
        return session

    def on_message(self, session: Session, fields: Fields) -> None:
        if fields.get("3") == "999999":
            raise FormatError("DE 3", "is not a processing code of this network")
        self.messages.append(fields)


class Member:
    """A member's end on a dialler."""

    def __init__(self, world: World, network: Network, member_id: str = "400001") -> None:
        self.sessions: list[MemberSession] = []
        self.messages: list[Fields] = []

        def took(link: Link) -> Session:
            session = MemberSession(
                link,
                SIMNET,
                lambda _, fields: self.messages.append(fields),
                clock=world.clock,
                wires=world.wires,
                member_id=member_id,
            )
            self.sessions.append(session)
            return session

        self.dialler = Dialler(*network.listener.address, took, clock=world.clock, wires=world.wires)
        self.dialler.start()

    @property
    def session(self) -> MemberSession:
        return self.sessions[-1]


class Peer:
    """A member that knows only bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, fields: Fields) -> Fields:
        self.write(encode(fields, SIMNET))
        return await self.read()

    def write(self, *frames: bytes) -> None:
        self.writer.write(b"".join(map(framed, frames)))

    async def read(self) -> Fields:
        length = int.from_bytes(await self.reader.readexactly(2), "big")
        return decode(await self.reader.readexactly(length), SIMNET)


async def raw_peer(network: Network) -> Peer:
    return Peer(*await asyncio.open_connection(*network.listener.address))


def test_a_member_signs_on_when_its_link_is_up_and_traffic_flows_both_ways() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        member = Member(world, network)
        await world.idle()
        assert member.session.signed_on
        assert network.changes == [("400001", True)]
        assert network.roster.sessions("400001") == (network.sessions[0],)
        assert member.session.send(REQUEST)
        assert network.sessions[0].send(ADVICE)
        await world.idle()
        assert (network.messages, member.messages) == ([REQUEST], [ADVICE])
        await member.dialler.close()
        await world.idle()
        assert network.changes == [("400001", True), ("400001", False)]
        assert network.roster.pick("400001") is None
        await network.listener.close()

    assert play(story) == []


def test_no_financial_traffic_before_sign_on() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        peer = await raw_peer(network)
        refused = await peer.ask(REQUEST)
        assert (refused["t"], refused["39"], refused["11"], refused["41"]) == ("0110", "91", REQUEST["11"], "TERM0001")
        assert "2" not in refused
        # An advice cannot be refused: it stays with its sender. A reply is nobody's. The echo shows that both were
        # passed over.
        peer.write(encode(ADVICE, SIMNET), encode(to_fields(MESSAGES["0430"]), SIMNET))
        assert (await peer.ask(MANAGEMENT))["t"] == "0810"
        assert network.messages == []
        assert (await peer.ask({**MANAGEMENT, "70": "001"}))["39"] == "00"
        peer.write(encode(ADVICE, SIMNET))
        await peer.ask(MANAGEMENT)
        assert network.messages == [ADVICE]
        peer.writer.close()
        await network.listener.close()

    assert play(story) == []


def test_after_sign_off_nothing_is_sent_to_a_member_until_it_signs_on_again() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        member = Member(world, network)
        await world.idle()
        member.session.sign_off()
        await world.idle()
        assert not member.session.signed_on
        assert network.roster.pick("400001") is None
        member.session.sign_on()
        await world.idle()
        assert network.roster.pick("400001") is network.sessions[0]
        await member.dialler.close()
        await network.listener.close()

    assert play(story) == []


def test_a_member_is_reachable_while_one_of_its_links_is_signed_on() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        members = [Member(world, network) for _ in range(3)]
        await world.idle()
        assert len(network.roster.sessions("400001")) == 3
        assert len({network.roster.pick("400001") for _ in range(3)}) == 3
        for member in members[:2]:
            await member.dialler.close()
        await world.idle()
        assert [network.roster.pick("400001") for _ in range(2)] == [*network.roster.sessions("400001")] * 2
        await members[2].dialler.close()
        await world.idle()
        assert network.roster.pick("400001") is None
        await network.listener.close()

    assert play(story) == []


ANSWERS = [
    ("echo", {}, "00"),
    ("unknown member", {"70": "001", "33": "999999"}, "92"),
    ("no member", {"70": "001", "33": ""}, "92"),
    ("unknown code", {"70": "161"}, "12"),
    ("no code", {"70": ""}, "30"),
    ("sign-off of one who is not signed on", {"70": "002"}, "00"),
]


@pytest.mark.parametrize(("change", "code"), [answer[1:] for answer in ANSWERS], ids=[answer[0] for answer in ANSWERS])
def test_network_management_is_answered(change: Fields, code: str) -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        peer = await raw_peer(network)
        fields = {key: value for key, value in {**MANAGEMENT, **change}.items() if value}
        reply = await peer.ask(fields)
        assert reply == {**fields, "t": "0810", "39": code}
        assert network.changes == []
        peer.writer.close()
        await network.listener.close()

    assert play(story) == []


def test_a_doubled_sign_on_changes_nothing_and_one_link_speaks_for_one_member() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        peer = await raw_peer(network)
        sign_on = {**MANAGEMENT, "70": "001"}
        codes = [(await peer.ask(each))["39"] for each in (sign_on, sign_on, {**sign_on, "33": "400002"})]
        assert codes == ["00", "00", "12"]
        assert len(network.roster.sessions("400001")) == 1
        assert network.roster.sessions("400002") == ()
        peer.writer.close()
        await network.listener.close()

    assert play(story) == []


def test_an_idle_link_is_echoed_and_a_busy_one_is_not() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        member = Member(world, network)
        await world.idle()
        heard = network.sessions[0].link.counters
        assert heard.frames_in == 1
        await world.advance(ECHO_AFTER - timedelta(seconds=1))
        network.sessions[0].send(ADVICE)
        await world.idle()
        await world.advance(ECHO_AFTER - timedelta(seconds=1))
        assert heard.frames_in == 1
        await world.advance(timedelta(seconds=1))
        assert heard.frames_in == 2
        await world.advance(ECHO_AFTER * 10)
        assert heard.frames_in == 12
        assert len(member.sessions) == 1
        await member.dialler.close()
        await network.listener.close()

    assert play(story) == []


def test_a_network_that_answers_nothing_is_dialled_again() -> None:
    async def story(world: World) -> None:
        network = Network(world)
        deaf = await world.listen(lambda link: Deaf())
        network.listener = deaf
        member = Member(world, network)
        await world.idle()
        await world.advance(REPLY_TIMEOUT)
        assert member.session.link.send(b"gone") is False
        await world.advance(timedelta(seconds=1))
        assert len(member.sessions) == 2
        assert not member.session.signed_on
        await member.dialler.close()
        await deaf.close()

    assert play(story) == []


class Deaf:
    def on_frame(self, frame: bytes) -> None:
        """Say nothing."""

    def on_lost(self, reason: str) -> None:
        """Say nothing."""


def test_a_refused_sign_on_closes_the_link_and_is_tried_again() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        stranger = Member(world, network, "999999")
        await world.idle()
        assert stranger.session.link.send(b"gone") is False
        await world.advance(timedelta(seconds=3))
        assert len(stranger.sessions) >= 2
        assert network.changes == []
        await stranger.dialler.close()
        await network.listener.close()

    assert play(story) == []


def test_a_malformed_request_is_answered_30_and_the_link_goes_on() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        peer = await raw_peer(network)
        await peer.ask({**MANAGEMENT, "70": "001"})
        frame = encode(REQUEST, SIMNET)
        bad_amount = frame.replace(b"000000010000", b"00000001000X", 1)
        for malformed in (bad_amount, frame[:-3], frame + b"0"):
            peer.write(malformed)
            refused = await peer.read()
            assert (refused["t"], refused["39"], refused["11"], refused["7"]) == ("0110", "30", "000123", "0302093000")
        assert (await peer.ask({**REQUEST, "3": "999999"}))["39"] == "30"
        assert (await peer.ask({**ADVICE, "3": "999999"}))["t"] == "0430"
        peer.write(encode(to_fields(MESSAGES["0110 approved"]), SIMNET)[:-1])
        assert (await peer.ask(MANAGEMENT))["39"] == "00"
        assert network.messages == []
        assert network.sessions[0].link.counters.malformed == 6
        peer.writer.close()
        await network.listener.close()

    assert play(story) == []


@pytest.mark.parametrize(
    "frame", [b"GET / HTTP/1.1", b"\xff" * 30, b"0", encode({"t": "0100", "3": "000000"}, SIMNET) + b"x"]
)
def test_what_cannot_be_answered_closes_the_link(frame: bytes) -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        peer = await raw_peer(network)
        peer.write(frame)
        assert await peer.reader.read() == b""
        assert network.sessions[0].link.counters.malformed == 1
        peer.writer.close()
        await network.listener.close()

    assert play(story) == []


def test_reconnect_in_the_middle_of_traffic_signs_on_again() -> None:
    async def story(world: World) -> None:
        network = await Network(world).start()
        member = Member(world, network)
        await world.idle()
        for _ in range(50):
            member.session.send(REQUEST)
        network.sessions[0].link.abort()
        await world.advance(timedelta(seconds=2))
        assert [session.signed_on for session in member.sessions] == [False, True]
        assert network.changes == [("400001", True), ("400001", False), ("400001", True)]
        member.session.send(ADVICE)
        await world.idle()
        assert network.messages[-1] == ADVICE
        await member.dialler.close()
        await network.listener.close()

    assert play(story) == []

"""The network's host over real sockets and a real database: who may say what, what passes, what is lost or late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import text

from api.roles import Place
from api.settings import Settings
from engine.crypto import des
from engine.crypto.keys import TEST_MASTER_KEY, zone_key_of_test_world
from engine.crypto.pin_blocks import encode_format_0
from engine.database.connections import Database
from engine.database.institutions import Institution
from engine.processor import Processor
from engine.vocabulary.decision import Answer, Message
from engine.vocabulary.identifiers import Secret, network_reference
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    OriginalData,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.answers import respond
from gateways.iso8583.codec import Fields, encode
from gateways.iso8583.dialling import dial
from gateways.iso8583.links import Link
from gateways.iso8583.messages import OnlineMessage, from_fields, to_fields
from gateways.iso8583.session import MemberSession, Session
from gateways.iso8583.specifications import SIMNET
from simulator.faults import Action, Fate, Wire
from simulator.network.host import NetworkHost
from simulator.network.members.model import AdmitMember, OpenAccountRange
from simulator.network.network import network_stages
from tests.gateways.iso8583.world import START, World, play
from tests.simulator.network.stand import ACQUIRER, BANK, NAMES, NORTHBANK, RANGES, card
from tests.world import hsm_of, open_institution_for_tests

PAN = card("40000100", 1)
REQUEST = AuthorizationRequest(
    acquirer_id=ACQUIRER,
    terminal_id="TERM0001",
    merchant_id="MERCHANT1",
    merchant_name="CORNER SHOP",
    mcc="5411",
    stan="000001",
    transmitted_at=START,
    rrn="606109000001",
    pan=PAN,
    expiry="2912",
    processing_code="000000",
    amount=Money(1_000, "USD"),
    pos_entry_mode="051",
    pos_condition_code="00",
)
ADVICE = ReversalAdvice(
    acquirer_id=ACQUIRER,
    terminal_id="TERM0001",
    merchant_id="MERCHANT1",
    stan="000002",
    transmitted_at=START,
    rrn="606109000001",
    pan=PAN,
    processing_code="000000",
    amount=Money(1_000, "USD"),
    original=OriginalData(message_type="0100", stan="000001", transmitted_at=START, acquirer_id=ACQUIRER),
)
REFERENCE = network_reference(ACQUIRER, "TERM0001", "000001", START)
APPROVED = Answer("00", (), {"approval_code": "A1B2C3"})

_numbers = count(1)


class Member:
    """A member on a link of its own. It answers what it hears as `answer` says; None says nothing."""

    def __init__(self, world: World, member_id: str, answer: Answer | None = APPROVED) -> None:
        self.heard: list[OnlineMessage] = []
        self.answer = answer
        self._world = world
        self._member_id = member_id
        self.session: MemberSession

    async def dial(self, host: NetworkHost) -> Member:
        await dial(*host.address, self._met, clock=self._world.clock, wires=self._world.wires)
        return self

    def say(self, message: OnlineMessage) -> None:
        assert self.session.send(to_fields(message))

    def _met(self, link: Link) -> Session:
        self.session = MemberSession(
            link,
            SIMNET,
            self._on_message,
            clock=self._world.clock,
            wires=self._world.wires,
            member_id=self._member_id,
            echo_after=None,
        )
        return self.session

    def _on_message(self, session: Session, fields: Fields) -> None:
        message = from_fields(fields, now=self._world.clock.now())
        self.heard.append(message)
        if self.answer is not None and isinstance(message, AuthorizationRequest | ReversalAdvice):
            answer = self.answer if isinstance(message, AuthorizationRequest) else Answer("00")
            response = respond(message, answer)
            assert response is not None
            self.say(response)


@dataclass
class Faults:
    """The fate of messages by type, the first time that each is seen."""

    fates: dict[str, Fate] = field(default_factory=dict)
    asked: list[tuple[Wire, str, str, str]] = field(default_factory=list)

    def fate(self, wire: Wire, reference: str, message_type: str, now: datetime, bank: str = "") -> Fate:
        self.asked.append((wire, reference, message_type, bank))
        return self.fates.pop(message_type, Fate())


class Network:
    """The network's processor and host, played by hand."""

    def __init__(self, world: World, database: Database, institution: Institution, faults: Faults) -> None:
        self.world = world
        self.host: NetworkHost
        self.processor = Processor(
            institution=institution,
            stages=network_stages(institution, self.reachable),
            engine=database.institution(institution.name),
            hsm=hsm_of(institution.name),
            clock=world.clock,
            network=self,
            activity=world.activity,
        )
        members = [AdmitMember(member_id, name) for member_id, name in NAMES.items()]
        self.processor.execute([*members, *(OpenAccountRange(*one) for one in RANGES.items())])
        # A port of 0 is not among the settings that a user may choose.
        settings = Settings().model_copy(update={"network_port": 0})
        self.host = NetworkHost(Place(institution, self.processor, world.clock, world.wires, settings), faults)

    def reachable(self, member_id: str) -> bool:
        return self.host.reachable(member_id)

    def send(self, message: Message) -> None:
        self.host.send(message)

    def deliver(self, message: Message) -> bool:
        raise AssertionError("no files here")

    async def settle(self) -> None:
        """Until nothing is on its way and nothing waits to be decided."""
        await self.world.idle()
        while self.processor.step():
            await self.world.idle()

    async def pass_time(self, step: timedelta) -> None:
        await self.world.advance(step)
        self.processor.tick()
        await self.settle()

    def kinds(self) -> list[str]:
        with self.processor.engine.connect() as connection:
            events = connection.execute(
                text(
                    "select kind from events where subject_kind in ('Exchange', 'Reversal') order by sequence, position"
                )
            )
            return [row.kind for row in events]


@dataclass
class Scene:
    """A network with its acquirer and two banks."""

    network: Network
    acquirer: Member
    bank: Member
    northbank: Member
    faults: Faults


Story = Callable[[Scene], Awaitable[None]]


@pytest.fixture
def tell(database: Database) -> Callable[[Story], list[BaseException]]:
    number = next(_numbers)
    institution = open_institution_for_tests(database, f"simnet_{number}", f"92{number:04d}", "network")

    def told(story: Story) -> list[BaseException]:
        async def scene(world: World) -> None:
            faults = Faults()
            network = Network(world, database, institution, faults)
            await network.host.start()
            try:
                acquirer, bank, northbank = [
                    await Member(world, one).dial(network.host) for one in (ACQUIRER, BANK, NORTHBANK)
                ]
                await network.settle()
                await story(Scene(network, acquirer, bank, northbank, faults))
                await network.settle()
            finally:
                await network.host.close()

        return play(scene)

    return told


def responses(member: Member) -> list[tuple[str, str | None]]:
    return [
        (one.response_code.value, one.network_reference)
        for one in member.heard
        if isinstance(one, AuthorizationResponse | ReversalResponse)
    ]


def test_a_request_reaches_the_issuer_and_its_answer_the_acquirer(tell: Callable[[Story], list[BaseException]]) -> None:
    async def story(scene: Scene) -> None:
        scene.acquirer.say(REQUEST)
        await scene.network.settle()
        assert scene.bank.heard == [replace(REQUEST, network_reference=REFERENCE)]
        (answer,) = scene.acquirer.heard
        assert isinstance(answer, AuthorizationResponse)
        assert (answer.response_code, answer.approval_code, answer.network_reference, answer.amount) == (
            ResponseCode.APPROVED,
            "A1B2C3",
            REFERENCE,
            REQUEST.amount,
        )
        assert scene.northbank.heard == []
        assert scene.faults.asked == [(Wire.ISSUER, REFERENCE, mti, "bank") for mti in ("0100", "0110")]

    assert tell(story) == []


def test_a_pin_changes_keys_on_its_way(database: Database) -> None:
    """Network and members share keys by name, so this one network is called as in the world."""
    institution = open_institution_for_tests(database, "simnet", "920000", "network")
    zones = [zone_key_of_test_world(TEST_MASTER_KEY, f"{name}/simnet") for name in ("acquirer", "bank")]
    sent, arriving = (Secret(des.encrypt_ecb(key, encode_format_0("1234", PAN.clear)).hex().upper()) for key in zones)
    damaged = Secret("00112233445566FF")

    async def story(world: World) -> None:
        network = Network(world, database, institution, Faults())
        await network.host.start()
        acquirer, bank = [await Member(world, one).dial(network.host) for one in (ACQUIRER, BANK)]
        await network.settle()
        acquirer.say(replace(REQUEST, pin_block=sent))
        acquirer.say(replace(REQUEST, pin_block=damaged, stan="000002"))
        await network.settle()
        blocks = {one.stan: one.pin_block for one in bank.heard if isinstance(one, AuthorizationRequest)}
        assert blocks == {"000001": arriving, "000002": Secret("0" * 16)}
        await network.host.close()

    assert play(story) == []


def test_what_cannot_be_routed_is_answered_by_the_network(tell: Callable[[Story], list[BaseException]]) -> None:
    async def story(scene: Scene) -> None:
        scene.northbank.session.sign_off()
        await scene.network.settle()
        scene.acquirer.say(replace(REQUEST, pan=card("49999999", 1)))
        scene.acquirer.say(replace(REQUEST, pan=card("51000200", 1), stan="000002"))
        await scene.network.settle()
        assert sorted(code for code, _ in responses(scene.acquirer)) == ["15", "91"]
        assert scene.bank.heard == scene.northbank.heard == []

    assert tell(story) == []


def test_a_silent_issuer_is_answered_for_and_reversed_and_its_late_answer_ignored(
    tell: Callable[[Story], list[BaseException]],
) -> None:
    async def story(scene: Scene) -> None:
        scene.bank.answer = None
        scene.acquirer.say(REQUEST)
        await scene.network.settle()
        await scene.network.pass_time(timedelta(seconds=14))
        assert scene.acquirer.heard == []
        await scene.network.pass_time(timedelta(seconds=1))
        assert responses(scene.acquirer) == [("91", REFERENCE)]
        asked, reversal = scene.bank.heard
        assert isinstance(asked, AuthorizationRequest) and isinstance(reversal, ReversalAdvice)
        assert (reversal.network_reference, reversal.response_code, reversal.is_repeat) == (
            REFERENCE,
            ResponseCode.RESPONSE_RECEIVED_TOO_LATE,
            False,
        )
        late, acknowledged = respond(asked, APPROVED), respond(reversal, Answer("00"))
        assert late is not None and acknowledged is not None
        scene.bank.say(late)
        await scene.network.settle()
        assert len(scene.acquirer.heard) == 1
        await scene.network.pass_time(timedelta(seconds=60))
        repeat = scene.bank.heard[-1]
        assert isinstance(repeat, ReversalAdvice) and repeat.is_repeat
        scene.bank.say(acknowledged)
        await scene.network.settle()
        await scene.network.pass_time(timedelta(hours=2))
        assert len(scene.bank.heard) == 3
        assert scene.network.kinds() == [
            "RequestForwarded",
            "IssuerTimedOut",
            "ReversalForwarded",
            "LateResponseIgnored",
            "ReversalRepeated",
            "ReversalAcknowledged",
        ]

    assert tell(story) == []


def test_a_doubled_request_is_forwarded_once_and_each_copy_answered_alike(
    tell: Callable[[Story], list[BaseException]],
) -> None:
    async def story(scene: Scene) -> None:
        scene.acquirer.say(REQUEST)
        scene.acquirer.say(replace(REQUEST, is_repeat=True))
        await scene.network.settle()
        scene.acquirer.say(REQUEST)
        await scene.network.settle()
        assert len(scene.bank.heard) == 1
        assert len(set(scene.acquirer.heard)) == 1 and len(scene.acquirer.heard) == 3

    assert tell(story) == []


def test_a_reversal_is_acknowledged_passed_on_and_repeated_until_the_issuer_has_it(
    tell: Callable[[Story], list[BaseException]],
) -> None:
    async def story(scene: Scene) -> None:
        scene.acquirer.say(REQUEST)
        await scene.network.settle()
        scene.faults.fates["0420"] = Fate(Action.LOSE)
        scene.acquirer.say(ADVICE)
        await scene.network.settle()
        assert responses(scene.acquirer)[-1] == ("00", REFERENCE)
        assert len(scene.bank.heard) == 1
        await scene.network.pass_time(timedelta(seconds=60))
        assert scene.bank.heard[-1] == replace(ADVICE, network_reference=REFERENCE, is_repeat=True)
        await scene.network.pass_time(timedelta(hours=1))
        assert len(scene.bank.heard) == 2

    assert tell(story) == []


@pytest.mark.parametrize(
    ("message_type", "fate", "codes"),
    [
        ("0100", Fate(Action.LOSE), ["91"]),
        ("0110", Fate(Action.LOSE), ["91"]),
        ("0110", Fate(Action.DELAY, timedelta(seconds=20)), ["91"]),
        ("0110", Fate(Action.DELAY, timedelta(seconds=10)), ["00"]),
        ("0100", Fate(Action.DOUBLE), ["00"]),
        ("0110", Fate(Action.DOUBLE), ["00"]),
    ],
)
def test_faults_on_the_wire_end_as_they_should(
    tell: Callable[[Story], list[BaseException]], message_type: str, fate: Fate, codes: list[str]
) -> None:
    async def story(scene: Scene) -> None:
        scene.faults.fates[message_type] = fate
        scene.acquirer.say(REQUEST)
        await scene.network.settle()
        for seconds in (10, 5, 5, 60):
            await scene.network.pass_time(timedelta(seconds=seconds))
        assert [code for code, _ in responses(scene.acquirer)] == codes
        assert any(isinstance(one, ReversalAdvice) for one in scene.bank.heard) == (codes == ["91"])

    assert tell(story) == []


def test_nobody_speaks_for_another(tell: Callable[[Story], list[BaseException]]) -> None:
    async def story(scene: Scene) -> None:
        scene.bank.answer = None
        scene.northbank.say(REQUEST)
        await scene.network.settle()
        assert responses(scene.northbank) == [("30", None)]
        assert scene.bank.heard == []
        scene.acquirer.say(REQUEST)
        await scene.network.settle()
        (asked,) = scene.bank.heard
        assert isinstance(asked, AuthorizationRequest)
        forged = respond(asked, APPROVED)
        assert forged is not None
        scene.northbank.say(forged)
        scene.acquirer.say(forged)
        await scene.network.settle()
        assert scene.acquirer.heard == []
        scene.bank.say(forged)
        await scene.network.settle()
        assert responses(scene.acquirer) == [("00", REFERENCE)]

    assert tell(story) == []


def test_a_malformed_message_is_answered_30_and_the_link_goes_on(
    tell: Callable[[Story], list[BaseException]],
) -> None:
    async def story(scene: Scene) -> None:
        fields = to_fields(REQUEST)
        del fields["18"]
        scene.acquirer.session.link.send(encode(fields, SIMNET))
        await scene.network.settle()
        scene.acquirer.say(REQUEST)
        await scene.network.settle()
        assert [code for code, _ in responses(scene.acquirer)] == ["30", "00"]

    assert tell(story) == []


def test_a_member_that_the_network_does_not_know_is_not_signed_on(
    tell: Callable[[Story], list[BaseException]],
) -> None:
    async def story(scene: Scene) -> None:
        stranger = await Member(scene.network.world, "100009").dial(scene.network.host)
        await scene.network.settle()
        assert not stranger.session.signed_on
        assert not scene.network.host.reachable("100009")
        scene.network.processor.execute([AdmitMember("100009", "newcomer")])
        newcomer = await Member(scene.network.world, "100009").dial(scene.network.host)
        await scene.network.settle()
        assert newcomer.session.signed_on

    assert tell(story) == []

"""A shop's line, over a real socket: what is lost, late or doubled on it, and what the terminal makes of that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.links import Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.replies import reply_to
from gateways.iso8583.specifications import TERMINAL
from gateways.iso8583.wires import Wires
from simulator.chance import Chance
from simulator.faults import Action, Fate, FaultPlan, Level, Wire
from simulator.terminal_lines import TerminalLine
from simulator.terminals import End, Receipt, Reply, TerminalRequest, purchase
from simulator.time import Activity, Sequencer, VirtualClock
from tests.simulator.people import AT_THE_COUNTER, terminal

START = datetime(2026, 2, 10, 6, tzinfo=UTC)
TEN = Money(1_000, "USD")


class Fated(FaultPlan):
    """Faults as the test wants them: by message type, once each."""

    def __init__(self, fates: dict[str, Fate]) -> None:
        super().__init__(Chance(7), Level.NONE)
        self._fates = dict(fates)

    def fate(self, wire: Wire, reference: str, message_type: str, now: datetime, bank: str = "") -> Fate:
        assert wire is Wire.TERMINAL and reference
        return self._fates.pop(message_type, Fate())


class Counter:
    """An acquirer that approves whatever it reads, and the observer of both sides."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.seen: list[str] = []

    def on_link(self, link: Link) -> Counter:
        self.link = link
        return self

    def on_frame(self, frame: bytes) -> None:
        fields: Fields = decode(frame, TERMINAL)
        self.received.append(fields["t"])
        self.link.send(encode({**reply_to(fields, ResponseCode.APPROVED), "38": "ABC123"}, TERMINAL))

    def on_lost(self, reason: str) -> None:
        pass

    def sent(self, request: TerminalRequest, frame: bytes, fate: Fate) -> None:
        self.seen.append(f"sent {decode(frame, TERMINAL)['t']}")

    def heard(self, request: TerminalRequest, reply: Reply, frame: bytes) -> None:
        self.seen.append(f"heard {decode(frame, TERMINAL)['t']} {reply.response_code.value}")

    def unheard(self, request: TerminalRequest) -> None:
        self.seen.append("unheard")


class Scene:
    def __init__(self, fates: dict[str, Fate]) -> None:
        self.counter = Counter()
        self.receipts: list[tuple[Receipt, datetime]] = []
        self.activity = Activity()
        self.clock = VirtualClock(START, self.activity)
        self.sequencer = Sequencer(self.clock, self.activity)
        self.wires = Wires(self.activity)
        self.line = TerminalLine(
            "shop", clock=self.clock, wires=self.wires, sequencer=self.sequencer, faults=Fated(fates),
            observer=self.counter,
        )  # fmt: skip

    async def buy(self) -> None:
        listener = Listener("127.0.0.1", 0, self.counter.on_link, clock=self.clock, wires=self.wires)
        await listener.start()
        await self.line.open(*listener.address)
        conversation = purchase(terminal(), AT_THE_COUNTER, TEN, START)
        self.sequencer.at(START, "p1", lambda: self.line.play("p1", conversation, self._receipt))
        await self.sequencer.run(START + timedelta(hours=1))
        assert self.line.under_way == 0
        await self.line.close()
        await listener.close()
        self.sequencer.close()

    def _receipt(self, receipt: Receipt) -> None:
        self.receipts.append((receipt, self.clock.now()))


def play(fates: dict[str, Fate], look: Callable[[Scene], None]) -> None:
    async def told() -> None:
        scene = Scene(fates)
        await asyncio.wait_for(_run(scene.buy()), 20)
        look(scene)

    asyncio.run(told())


async def _run(story: Awaitable[None]) -> None:
    await story


def test_a_purchase_crosses_the_wire_within_one_instant() -> None:
    def look(scene: Scene) -> None:
        ((receipt, at),) = scene.receipts
        assert (receipt.end, at) == (End.APPROVED, START)
        assert receipt.reply == Reply(ResponseCode.APPROVED, "ABC123")
        assert scene.counter.seen == ["sent 0100", "heard 0110 00"]

    play({}, look)


def test_a_lost_request_is_never_received_and_taken_back_after_45_seconds() -> None:
    def look(scene: Scene) -> None:
        ((receipt, at),) = scene.receipts
        assert (receipt.end, at) == (End.REVERSED, START + timedelta(seconds=45))
        assert scene.counter.received == ["0400"]
        assert scene.counter.seen == ["sent 0100", "unheard", "sent 0400", "heard 0410 00"]

    play({"0100": Fate(Action.LOSE)}, look)


def test_a_lost_reply_is_not_heard_though_the_acquirer_approved() -> None:
    def look(scene: Scene) -> None:
        ((receipt, _),) = scene.receipts
        assert receipt.end is End.REVERSED
        assert scene.counter.received == ["0100", "0400"]

    play({"0110": Fate(Action.LOSE)}, look)


def test_a_late_reply_changes_nothing_and_is_counted() -> None:
    def look(scene: Scene) -> None:
        ((receipt, at),) = scene.receipts
        assert (receipt.end, at) == (End.REVERSED, START + timedelta(seconds=45))
        assert scene.line.late_replies == 1
        assert scene.counter.seen == ["sent 0100", "unheard", "sent 0400", "heard 0410 00"]

    play({"0110": Fate(Action.DELAY, timedelta(seconds=50))}, look)


def test_the_second_reply_to_a_doubled_request_is_one_that_nobody_waits_for() -> None:
    def look(scene: Scene) -> None:
        ((receipt, _),) = scene.receipts
        assert receipt.end is End.APPROVED
        assert scene.counter.received == ["0100", "0100"]
        assert scene.line.late_replies == 1

    play({"0100": Fate(Action.DOUBLE)}, look)

"""A shop's line to its acquirer: plays its terminals' conversations over TCP, and tells an observer each exchange.

Faults of this wire happen here: a lost request is not sent, a lost reply not heard, a late one heard after the terminal
has stopped waiting. A reply that nobody waits for is counted and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engine.ports import Clock
from engine.vocabulary.errors import FormatError
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.dialling import dial
from gateways.iso8583.links import Link
from gateways.iso8583.matching import TERMINAL_KEY, PendingReplies
from gateways.iso8583.messages import to_fields
from gateways.iso8583.replies import is_reply
from gateways.iso8583.specifications import TERMINAL
from gateways.iso8583.wires import Wires
from simulator.faults import Action, Fate, FaultPlan, Wire
from simulator.terminals import PATIENCE, Conversation, Heard, Receipt, Reply, Send, TerminalRequest, reference_of
from simulator.time import Sequencer

OnReceipt = Callable[[Receipt], None]


class Observer(Protocol):
    """Who watches the counters: the auditor, the teller of one purchase."""

    def sent(self, request: TerminalRequest, frame: bytes, fate: Fate) -> None:
        """A terminal sends a request (lost on the way, where its fate says so)."""
        ...

    def heard(self, request: TerminalRequest, reply: Reply, frame: bytes) -> None:
        """A terminal hears the reply it waits for."""
        ...

    def unheard(self, request: TerminalRequest) -> None:
        """A terminal stops waiting."""
        ...


class TerminalLine:
    """One connection of one shop. Open it, then `play` conversations; any number may be under way."""

    def __init__(
        self, name: str, *, clock: Clock, wires: Wires, sequencer: Sequencer, faults: FaultPlan, observer: Observer
    ) -> None:
        self.name = name
        self.late_replies = 0
        self.under_way = 0
        self._clock = clock
        self._wires = wires
        self._sequencer = sequencer
        self._faults = faults
        self._observer = observer
        self._link: Link | None = None
        self._pending = PendingReplies(
            clock, wires, key_elements=TERMINAL_KEY, timeout=PATIENCE, on_late=self._count_late
        )
        self._references: dict[tuple[str, ...], str] = {}

    async def open(self, host: str, port: int) -> None:
        """Connect to the acquirer. Raises `PeerUnreachable`."""
        self._link = await dial(host, port, lambda link: self, clock=self._clock, wires=self._wires, name=self.name)

    async def close(self) -> None:
        """Hang up; what is still waited for is not heard."""
        self._pending.forget()
        if self._link is not None:
            self._link.close()
            await self._link.closed()

    def play(self, key: str, conversation: Conversation, on_receipt: OnReceipt) -> None:
        """Begin a conversation at the present instant. `key` orders it among what is due at the same instants."""
        self.under_way += 1
        self._go_on(key, conversation, None, on_receipt)

    def on_frame(self, frame: bytes) -> None:
        """Called by the link."""
        fields = decode(frame, TERMINAL)
        if not is_reply(fields["t"]):
            raise FormatError("MTI", "is not a reply, and terminals answer nobody")
        reference = self._references.get(_matching_key(fields), "")
        fate = self._faults.fate(Wire.TERMINAL, reference, fields["t"], self._clock.now())
        if fate.action is Action.DELAY:
            key = f"late/{reference}/{fields['t']}"
            self._sequencer.at(self._clock.now() + fate.delay, key, lambda: self._pending.settle(fields))
        elif fate.action is not Action.LOSE:
            self._pending.settle(fields)

    def on_lost(self, reason: str) -> None:
        """Called by the link. Those who wait will hear nothing, and take back what they asked for when they may."""

    def _go_on(self, key: str, conversation: Conversation, heard: Heard | None, on_receipt: OnReceipt) -> None:
        try:
            step = next(conversation) if heard is None else conversation.send(heard)
        except StopIteration as end:
            self.under_way -= 1
            on_receipt(end.value)
            return
        if isinstance(step, Send):
            self._send(key, conversation, step.request, on_receipt)
        else:
            self._sequencer.at(step.until, key, lambda: self._listen(key, conversation, None, on_receipt))

    def _listen(self, key: str, conversation: Conversation, reply: Reply | None, on_receipt: OnReceipt) -> None:
        self._go_on(key, conversation, Heard(reply, self._clock.now()), on_receipt)

    def _send(self, key: str, conversation: Conversation, request: TerminalRequest, on_receipt: OnReceipt) -> None:
        fields = to_fields(request)
        frame = encode(fields, TERMINAL)
        self._references[_matching_key(fields)] = reference = reference_of(request)

        def replied(answer: Fields) -> None:
            reply = Reply.of(answer)
            self._observer.heard(request, reply, encode(answer, TERMINAL))
            self._listen(key, conversation, reply, on_receipt)

        def silent() -> None:
            self._observer.unheard(request)
            self._listen(key, conversation, None, on_receipt)

        self._pending.expect(fields, replied, silent)
        fate = self._faults.fate(Wire.TERMINAL, reference, fields["t"], self._clock.now())
        self._observer.sent(request, frame, fate)
        for _ in range({Action.LOSE: 0, Action.DOUBLE: 2}.get(fate.action, 1)):
            if self._link is not None:
                self._link.send(frame)

    def _count_late(self, reply: Fields) -> None:
        self.late_replies += 1


def _matching_key(fields: Fields) -> tuple[str, ...]:
    return tuple(fields.get(element, "") for element in TERMINAL_KEY)

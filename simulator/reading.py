"""A card in a terminal's reader: the kernel's conversation played with a soft card, up to where the issuer is needed.

card = next(reading)              what to send; `StopIteration` with the outcome when nobody need be asked
reading.send(word)                the issuer's answer; `StopIteration` with the outcome
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from simulator.chip.apdu import Command, Response
from simulator.chip.card import SoftCard
from simulator.kernel.setup import CardRead, Conversation, EnterPin, GoOnline, Heard, Outcome, Transmit, Typed, Word

Watch = Callable[[Command, Response], None]
"""Hears each command and its response: a trace."""
Reading = Generator[CardRead, Word, Outcome]


def read_card(
    kernel: Conversation, card: SoftCard, *, contactless: bool, pin: str | None, watch: Watch | None = None
) -> Reading:
    """Play the kernel with this card. `pin` is what its holder types each time; None presses on without."""
    card.reset(contactless=contactless)
    heard: Heard | None = None
    while True:
        try:
            step = next(kernel) if heard is None else kernel.send(heard)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        match step:
            case Transmit(command):
                heard = card.transmit(command)
                if watch is not None:
                    watch(command, heard)
            case EnterPin():
                heard = Typed(pin)
            case GoOnline(read):
                heard = yield read

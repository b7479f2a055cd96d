"""The chip's random numbers: from its key and a counter, so that a world played again is the same world."""

from __future__ import annotations

from dataclasses import replace

from simulator.chip.certificates import digest
from simulator.chip.personalisation import Chip
from simulator.chip.state import ChipState

LENGTH = 8


def draw(chip: Chip, state: ChipState) -> tuple[bytes, ChipState]:
    """Eight bytes that this chip has not given before, and the state that remembers it."""
    memory = state.memory
    counters = memory.atc.to_bytes(2, "big") + memory.drawn.to_bytes(8, "big")
    number = digest(chip.personalisation.keys.cryptogram, counters)[:LENGTH]
    return number, replace(state, memory=replace(memory, drawn=memory.drawn + 1))

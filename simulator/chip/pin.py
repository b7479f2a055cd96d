"""Offline PIN: VERIFY, plain or enciphered, with the chip's try counter (EMV Book 3, 6.5.12; Book 2, 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.crypto.pin_blocks import decode_format_2
from engine.vocabulary.errors import FormatError
from simulator.chip.apdu import Command, Response, Status, wrong_pin
from simulator.chip.personalisation import PIN_TRIES, Chip
from simulator.chip.randomness import draw
from simulator.chip.state import ChipState, Cvr, Step

PLAIN_PIN: Final = 0x80
ENCIPHERED_PIN: Final = 0x88
"""P2 of VERIFY."""
ENCIPHERED_HEADER: Final = 0x7F


def get_challenge(chip: Chip, state: ChipState, command: Command) -> tuple[Response, ChipState]:
    """Eight bytes that the next enciphered PIN must hold."""
    if state.session.step is Step.BEFORE:
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    challenge, state = draw(chip, state)
    return Response(Status.OK, challenge), replace(state, session=replace(state.session, challenge=challenge))


def verify(chip: Chip, state: ChipState, command: Command) -> tuple[Response, ChipState]:
    """Compare a PIN. A wrong one costs a try (63Cx, x left), a right one gives them back; without a try left, 6983."""
    session, memory = state.session, state.memory
    if session.step is not Step.INITIATED:
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    if memory.pin is None or command.p2 not in (PLAIN_PIN, ENCIPHERED_PIN):
        return Response(Status.WRONG_PARAMETERS), state
    tried = replace(session, results=session.results | Cvr.PIN_VERIFIED_OFFLINE, challenge=None)
    if memory.pin_tries_left == 0:
        failed = replace(tried, results=tried.results | Cvr.PIN_FAILED_OFFLINE | Cvr.PIN_TRIES_EXCEEDED)
        return Response(Status.METHOD_BLOCKED), replace(state, session=failed)
    block = command.content
    if command.p2 == ENCIPHERED_PIN:
        if session.challenge is None:
            return Response(Status.CHALLENGE_GONE), state
        deciphered = _deciphered(chip, block, session.challenge)
        if isinstance(deciphered, Status):
            return Response(deciphered), replace(state, session=replace(session, challenge=None))
        block = deciphered
    try:
        is_right = decode_format_2(block) == memory.pin
    except FormatError:
        return Response(Status.WRONG_CONTENT), state
    if is_right:
        right = replace(tried, results=tried.results & ~Cvr.PIN_FAILED_OFFLINE)
        return Response(Status.OK), ChipState(replace(memory, pin_tries_left=PIN_TRIES), right)
    left = memory.pin_tries_left - 1
    results = tried.results | Cvr.PIN_FAILED_OFFLINE | (Cvr(0) if left else Cvr.PIN_TRIES_EXCEEDED)
    return Response(wrong_pin(left)), ChipState(replace(memory, pin_tries_left=left), replace(tried, results=results))


def _deciphered(chip: Chip, block: bytes, challenge: bytes) -> bytes | Status:
    """The PIN block in an enciphered one (Book 2, 7.2): 7F, PIN block, challenge, random fill."""
    key = chip.pin_key or chip.key
    if key is None:
        return Status.NOT_SUPPORTED
    try:
        clear = key.apply(block)
    except FormatError:
        return Status.WRONG_LENGTH
    if clear[0] != ENCIPHERED_HEADER or clear[9:17] != challenge:
        return Status.CHALLENGE_GONE
    return clear[1:9]

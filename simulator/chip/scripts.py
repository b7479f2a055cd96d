"""Issuer scripts: commands of the issuer's that the terminal only passes on (EMV Book 3, 6.5 and 10.10; Book 2, 9).

Each ends with a MAC over itself, the transaction's counter and its ARQC; without the right one nothing happens (6988),
and the next transaction tells the issuer so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.crypto.emv_scripts import (
    MAC_LENGTH,
    command_mac,
    decrypt_content,
    read_chip_pin_block,
    script_key,
)
from engine.vocabulary.errors import FormatError
from simulator.chip.apdu import Command, Instruction, Response, Status
from simulator.chip.personalisation import PIN_TRIES, Chip
from simulator.chip.state import ChipState, Memory

MOST_SCRIPTS: Final = 15
CHANGE_PIN: Final = 0x02
"""P2 of PIN CHANGE/UNBLOCK: a new PIN comes with it, enciphered; 00 unblocks alone."""
LOWER_LIMIT, UPPER_LIMIT = 0x9F14, 0x9F23
"""What PUT DATA may change, by P1 P2: the limits of consecutive offline transactions."""


def respond(chip: Chip, state: ChipState, command: Command) -> tuple[Response, ChipState]:
    """Obey, or say why not."""
    session, memory = state.session, state.memory
    if not session.cryptogram:
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    if len(command.content) < MAC_LENGTH:
        return Response(Status.NOT_SECURE), state
    content, mac = command.content[:-MAC_LENGTH], command.content[-MAC_LENGTH:]
    keys, version = chip.personalisation.keys, chip.personalisation.version
    counter = memory.atc.to_bytes(2, "big")
    integrity = script_key(version, keys.integrity, counter, session.cryptogram)
    if command_mac(integrity, command.header, counter, session.cryptogram, content) != mac:
        return Response(Status.WRONG_SECURE_MESSAGING), replace(state, memory=replace(memory, has_failed_script=True))
    obeyed = _obey(chip, state, command, content)
    if isinstance(obeyed, Status):
        return Response(obeyed), replace(state, memory=replace(memory, has_failed_script=True))
    counted = replace(obeyed, scripts=min(memory.scripts + 1, MOST_SCRIPTS))
    return Response(Status.OK), replace(state, memory=counted)


def _obey(chip: Chip, state: ChipState, command: Command, content: bytes) -> Memory | Status:
    memory, place = state.memory, command.p1 << 8 | command.p2
    match command.ins:
        case Instruction.APPLICATION_BLOCK if place == 0 and not content:
            return replace(memory, is_application_blocked=True)
        case Instruction.APPLICATION_UNBLOCK if place == 0 and not content:
            return replace(memory, is_application_blocked=False)
        case Instruction.CARD_BLOCK if place == 0 and not content:
            return replace(memory, is_card_blocked=True)
        case Instruction.PIN_CHANGE_UNBLOCK if place == 0 and not content:
            return replace(memory, pin_tries_left=PIN_TRIES)
        case Instruction.PIN_CHANGE_UNBLOCK if place == CHANGE_PIN:
            pin = _new_pin(chip, state, content)
            return Status.WRONG_CONTENT if pin is None else replace(memory, pin=pin, pin_tries_left=PIN_TRIES)
        case Instruction.PUT_DATA if place == LOWER_LIMIT and len(content) == 1:
            return replace(memory, lower_limit=content[0])
        case Instruction.PUT_DATA if place == UPPER_LIMIT and len(content) == 1:
            return replace(memory, upper_limit=content[0])
        case Instruction.PUT_DATA:
            return Status.OBJECT_NOT_FOUND
        case _:
            return Status.UNKNOWN_INSTRUCTION


def _new_pin(chip: Chip, state: ChipState, content: bytes) -> str | None:
    keys, version = chip.personalisation.keys, chip.personalisation.version
    counter = state.memory.atc.to_bytes(2, "big")
    confidentiality = script_key(version, keys.confidentiality, counter, state.session.cryptogram)
    try:
        block = decrypt_content(confidentiality, content)
        return read_chip_pin_block(version, keys.cryptogram, block)
    except FormatError:
        return None

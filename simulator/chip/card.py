"""The chip as a state machine: a command and a state in, a response and the next state out. Pure.

What each command may do, and after which (EMV Book 3, 6.5; Book 1, 11.3 for SELECT):

| Command | After | Else |
| --- | --- | --- |
| SELECT a directory or the application | reset; begins anew | 6A82 not here, 6A81 and 6283 blocked |
| READ RECORD | SELECT (a directory's), GET PROCESSING OPTIONS (the application's) | 6985 |
| GET PROCESSING OPTIONS, once | SELECT of the application | 6985 |
| VERIFY, GET CHALLENGE, INTERNAL AUTHENTICATE | GET PROCESSING OPTIONS | 6985 |
| GET DATA | SELECT of the application | 6985 |
| GENERATE AC | GET PROCESSING OPTIONS; again after an ARQC | 6985 |
| EXTERNAL AUTHENTICATE, once | an ARQC | 6985 |
| script commands, with a MAC | an ARQC, before or after the second cryptogram | 6985, 6988 |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from engine.vocabulary import tlv
from engine.vocabulary.errors import FormatError
from simulator.chip import cryptograms, pin, scripts, tap
from simulator.chip.apdu import PLAIN, PROPRIETARY, SECURE, Command, Instruction, Response, Status
from simulator.chip.certificates import sign_dynamic
from simulator.chip.dol import take_apart
from simulator.chip.personalisation import (
    AID,
    CONTACT_PDOL,
    CONTACTLESS_PDOL,
    DDOL,
    LABEL,
    PPSE,
    PSE,
    Chip,
)
from simulator.chip.randomness import draw
from simulator.chip.state import ChipState, Selected, Session, Step, first_state

LARGEST_ATC: Final = 0xFFFF
_NEXT_OCCURRENCE: Final = 0x02

Answered = tuple[Response, ChipState]


def respond(chip: Chip, state: ChipState, command: Command) -> Answered:
    """What the card says to a command, and its state afterwards."""
    if command.cla not in (PLAIN, PROPRIETARY, SECURE):
        return Response(Status.UNKNOWN_CLASS), state
    if command.cla == SECURE:
        return scripts.respond(chip, state, command)
    rule = _RULES.get(command.ins)
    if rule is None:
        return Response(Status.UNKNOWN_INSTRUCTION), state
    return rule(chip, state, command)


@dataclass(slots=True)
class SoftCard:
    """A chip and its state: what lies in a reader. `is_mute` is a chip that is broken: it answers nothing."""

    chip: Chip
    state: ChipState = field(init=False)
    is_mute: bool = False

    def __post_init__(self) -> None:
        self.state = first_state(self.chip)

    def reset(self, *, contactless: bool = False) -> None:
        """Power up: in a slot, or in a reader's field. The session begins anew; memory stays."""
        self.state = ChipState(self.state.memory, Session(is_contactless=contactless))

    def transmit(self, command: Command) -> Response:
        """A command and its response."""
        if self.is_mute:
            return Response(Status.MUTE)
        response, self.state = respond(self.chip, self.state, command)
        return response

    def exchange(self, apdu: bytes) -> bytes:
        """As `transmit`, in bytes; 6700 for what is no command."""
        try:
            command = Command.decode(apdu)
        except FormatError:
            return Response(Status.WRONG_LENGTH).encode()
        return self.transmit(command).encode()


def _select(chip: Chip, state: ChipState, command: Command) -> Answered:
    if state.memory.is_card_blocked:
        return Response(Status.NOT_SUPPORTED), state
    if command.p1 != 0x04:
        return Response(Status.WRONG_PARAMETERS), state
    name, fresh = command.content, Session(is_contactless=state.session.is_contactless)
    directory = PPSE if fresh.is_contactless else PSE
    if name == directory:
        if command.p2 & _NEXT_OCCURRENCE:
            return Response(Status.FILE_NOT_FOUND), state
        chosen = replace(fresh, selected=Selected.DIRECTORY)
        return Response(Status.OK, _directory(directory, fresh.is_contactless)), ChipState(state.memory, chosen)
    # Partial names select the first application that begins so; there is one, so no next occurrence.
    if not 5 <= len(name) <= len(AID) or not AID.startswith(name) or command.p2 & _NEXT_OCCURRENCE:
        return Response(Status.FILE_NOT_FOUND), state
    chosen = replace(fresh, selected=Selected.APPLICATION)
    status = Status.SELECTED_BLOCKED if state.memory.is_application_blocked else Status.OK
    return Response(status, _application(fresh.is_contactless)), ChipState(state.memory, chosen)


def _directory(name: bytes, contactless: bool) -> bytes:
    if contactless:
        inner: tlv.DataObjects = [("BF0C", [("61", _entry())])]
    else:
        inner = [("88", b"\x01"), ("5F2D", b"en")]
    return tlv.encode([("6F", [("84", name), ("A5", inner)])])


def _entry() -> tlv.DataObjects:
    return [("4F", AID), ("50", LABEL), ("87", b"\x01")]


def _application(contactless: bool) -> bytes:
    pdol = CONTACTLESS_PDOL if contactless else CONTACT_PDOL
    inner: tlv.DataObjects = [("50", LABEL), ("87", b"\x01"), ("9F38", pdol), ("5F2D", b"en")]
    return tlv.encode([("6F", [("84", AID), ("A5", inner)])])


def _read_record(chip: Chip, state: ChipState, command: Command) -> Answered:
    session, sfi, record = state.session, command.p2 >> 3, command.p1
    if command.p2 & 0x07 != 0x04:
        return Response(Status.WRONG_PARAMETERS), state
    if session.selected is Selected.DIRECTORY and not session.is_contactless:
        if (sfi, record) != (1, 1):
            return Response(Status.RECORD_NOT_FOUND), state
        return Response(Status.OK, tlv.encode([("70", [("61", _entry())])])), state
    if session.step is Step.BEFORE:
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    found = chip.files.get((sfi, record))
    if found is None:
        known = any(one == sfi for one, _ in chip.files)
        return Response(Status.RECORD_NOT_FOUND if known else Status.FILE_NOT_FOUND), state
    return Response(Status.OK, found), state


def _get_processing_options(chip: Chip, state: ChipState, command: Command) -> Answered:
    memory, session = state.memory, state.session
    if session.selected is not Selected.APPLICATION or session.step is not Step.BEFORE or memory.atc >= LARGEST_ATC:
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    pdol = CONTACTLESS_PDOL if session.is_contactless else CONTACT_PDOL
    try:
        content = tlv.leaves(tlv.decode(command.content, "GET PROCESSING OPTIONS")).get("83", b"")
        objects = take_apart(pdol, content)
    except FormatError:
        return Response(Status.WRONG_LENGTH), state
    counted = replace(memory, atc=memory.atc + 1)
    begun = replace(session, step=Step.INITIATED, pdol_content=content, objects=objects)
    if session.is_contactless:
        return tap.respond(chip, ChipState(counted, begun))
    # Format 1 (Book 3, 6.5.8.4): profile and file locator, one after the other.
    return Response(Status.OK, tlv.encode([("80", chip.profile + chip.locator)])), ChipState(counted, begun)


def _internal_authenticate(chip: Chip, state: ChipState, command: Command) -> Answered:
    if state.session.step is Step.BEFORE:
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    if chip.key is None:
        return Response(Status.UNKNOWN_INSTRUCTION), state
    try:
        take_apart(DDOL, command.content)
    except FormatError:
        return Response(Status.WRONG_LENGTH), state
    number, state = draw(chip, state)
    signed = sign_dynamic(chip.key, bytes((len(number),)) + number, command.content)
    results = state.session.results | cryptograms.SIGNED
    return Response(Status.OK, tlv.encode([("80", signed)])), replace(
        state, session=replace(state.session, results=results)
    )


def _get_data(chip: Chip, state: ChipState, command: Command) -> Answered:
    memory = state.memory
    if state.session.selected is not Selected.APPLICATION:
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    tag = f"{command.p1:02X}{command.p2:02X}"
    known = {
        "9F36": memory.atc.to_bytes(2, "big"),
        "9F13": memory.last_online_atc.to_bytes(2, "big"),
        "9F17": bytes((memory.pin_tries_left,)),
        "9F14": bytes((memory.lower_limit,)),
        "9F23": bytes((memory.upper_limit,)),
    }
    if tag not in known:
        return Response(Status.OBJECT_NOT_FOUND), state
    return Response(Status.OK, tlv.encode([(tag, known[tag])])), state


_RULES: Final[dict[int, Callable[[Chip, ChipState, Command], Answered]]] = {
    Instruction.SELECT: _select,
    Instruction.READ_RECORD: _read_record,
    Instruction.GET_PROCESSING_OPTIONS: _get_processing_options,
    Instruction.INTERNAL_AUTHENTICATE: _internal_authenticate,
    Instruction.GET_CHALLENGE: pin.get_challenge,
    Instruction.VERIFY: pin.verify,
    Instruction.GENERATE_AC: cryptograms.generate,
    Instruction.EXTERNAL_AUTHENTICATE: cryptograms.external_authenticate,
    Instruction.GET_DATA: _get_data,
}

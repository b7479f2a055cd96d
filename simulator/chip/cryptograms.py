"""GENERATE AC and EXTERNAL AUTHENTICATE: what the chip decides, what it signs for it, and whether its issuer spoke.

Card action analysis is the issuer's own (EMV Book 3, 10.8 and 10.9 leave it to them). Ours:

first, asked for a TC      AAC for a blocked application; ARQC for a new card, after an online transaction that was
                           not finished or whose issuer was not genuine, when the issuer said so, when no PIN try is
                           left, and over a limit (count or sum); else TC
first, asked for an ARQC   ARQC, AAC for a blocked application
second, asked for a TC     online: TC, unless the issuer's word was not genuine or did not approve; not online: TC
                           while under the upper limits, and never for a new card; else AAC
asked for an AAC           AAC
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from engine.crypto.emv_cryptograms import (
    application_cryptogram,
    cryptogram_key,
    response_cryptogram_1,
    response_cryptogram_2,
)
from engine.vocabulary import tlv
from engine.vocabulary.emv import CryptogramVersion, cryptogram_input
from engine.vocabulary.errors import FormatError
from simulator.chip.apdu import Command, Response, Status
from simulator.chip.certificates import digest, sign_dynamic
from simulator.chip.dol import take_apart
from simulator.chip.personalisation import CDOL1, Chip, authentication_length
from simulator.chip.randomness import draw
from simulator.chip.state import SCRIPTS_SHIFT, ChipState, Cvr, Memory, Session, Step

SIGNED: Final = Cvr.SIGNED_DYNAMICALLY
KEY_INDEX: Final = 1
"""Derivation key index in 9F10: which of the issuer's master keys."""
CDA_REQUESTED: Final = 0x10
UNABLE_TO_GO_ONLINE: Final = frozenset({b"Y3", b"Z3"})
"""Authorisation response codes (tag 8A) that the terminal makes itself when nobody answers (Book 4, annex A6)."""
APPROVING: Final = frozenset({b"00", b"08", b"10", b"11", b"85", b"87"})

_APPROVES, _BLOCK_CARD, _BLOCK_APPLICATION, _UPDATE_TRIES, _GO_ONLINE = 0x80, 0x40, 0x20, 0x10, 0x08
"""Card status update, byte 2 (EMV Book 3, annex C10): the issuer approves, and what the card shall do."""
_RESET_COUNTERS = 0x02


class Kind(IntEnum):
    """Cryptograms, as P1 asks for them and tag 9F27 names them (Book 3, 6.5.5)."""

    AAC = 0x00
    TC = 0x40
    ARQC = 0x80


def generate(chip: Chip, state: ChipState, command: Command) -> tuple[Response, ChipState]:
    """GENERATE AC, the first or the second."""
    step = state.session.step
    if step not in (Step.INITIATED, Step.REQUESTED):
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    if command.p1 & 0xC0 == 0xC0:
        return Response(Status.WRONG_PARAMETERS), state
    asked, is_second = Kind(command.p1 & 0xC0), step is Step.REQUESTED
    try:
        objects = take_apart(chip.cdol2 if is_second else CDOL1, command.content)
    except FormatError:
        return Response(Status.WRONG_LENGTH), state
    if is_second:
        if asked is Kind.ARQC:
            return Response(Status.WRONG_PARAMETERS), state
        decided, state = _second(chip, state, objects, asked)
        return _answer(chip, state, cryptogram(chip, state, objects, decided), command, decided)
    decided, state = first_decision(chip, state, objects, asked)
    content = cryptogram(chip, state, objects, decided)
    session = state.session
    if decided is Kind.ARQC:
        session = replace(session, step=Step.REQUESTED, cryptogram=dict(content)["9F26"])
    else:
        session = replace(session, step=Step.FINISHED)
    session = replace(session, objects=MappingProxyType({**session.objects, **objects}), cdol1_content=command.content)
    return _answer(chip, replace(state, session=session), content, command, decided)


def external_authenticate(chip: Chip, state: ChipState, command: Command) -> tuple[Response, ChipState]:
    """The issuer's word, once, after an ARQC; 6300 when it is not genuine."""
    session = state.session
    own = authentication_length(chip.personalisation.version)
    if session.step is not Step.REQUESTED or session.is_issuer_authenticated is not None or own:
        return Response(Status.CONDITIONS_NOT_SATISFIED), state
    if not 8 <= len(command.content) <= 16:
        return Response(Status.WRONG_LENGTH), state
    state = authenticate(chip, state, command.content)
    genuine = state.session.is_issuer_authenticated
    return Response(Status.OK if genuine else Status.AUTHENTICATION_FAILED), state


def authenticate(chip: Chip, state: ChipState, content: bytes) -> ChipState:
    """Compare the issuer's cryptogram (tag 91: ARPC and response code, or ARPC, status update and the issuer's own)."""
    version, session = chip.personalisation.version, state.session
    key = cryptogram_key(version, chip.personalisation.keys.cryptogram, state.memory.atc.to_bytes(2, "big"))
    update: bytes | None
    if version is CryptogramVersion.CVN_10:
        update = None
        genuine = len(content) == 10 and response_cryptogram_1(key, session.cryptogram, content[8:]) == content[:8]
    else:
        update = content[4:8]
        genuine = response_cryptogram_2(key, session.cryptogram, update, content[8:]) == content[:4]
    if not genuine:
        results = session.results | Cvr.ISSUER_AUTHENTICATION_FAILED
        return replace(state, session=replace(session, is_issuer_authenticated=False, results=results))
    memory = state.memory if update is None else _updated(state.memory, update)
    return ChipState(memory, replace(session, is_issuer_authenticated=True, status_update=update))


def first_decision(chip: Chip, state: ChipState, objects: Mapping[str, bytes], asked: Kind) -> tuple[Kind, ChipState]:
    """The chip's answer to the terminal's wish, with what it remembers of it."""
    memory, session = state.memory, state.session
    results = session.results | _remembered(memory)
    amount = _amount(chip, objects)
    over = memory.consecutive_offline >= memory.lower_limit or memory.offline_minor + amount > memory.total_limit_minor
    if over:
        results |= Cvr.VELOCITY_EXCEEDED
    wishes_issuer = (
        over
        or memory.must_go_online
        or bool(
            results
            & (
                Cvr.NEW_CARD
                | Cvr.LAST_ONLINE_NOT_COMPLETED
                | Cvr.LAST_ISSUER_AUTHENTICATION_FAILED
                | Cvr.PIN_TRIES_EXCEEDED
            )
        )
    )
    decided = asked
    if memory.is_application_blocked:
        decided = Kind.AAC
    elif asked is Kind.TC and wishes_issuer:
        decided = Kind.ARQC
    flag = {Kind.AAC: Cvr(0), Kind.TC: Cvr.FIRST_TC, Kind.ARQC: Cvr.FIRST_ARQC}[decided]
    results |= flag | Cvr.SECOND_NOT_REQUESTED
    if decided is Kind.TC:
        memory = _spent(memory, amount)
    elif decided is Kind.ARQC:
        memory = replace(memory, has_unfinished=True)
    return decided, ChipState(memory, replace(session, results=results))


def _second(chip: Chip, state: ChipState, objects: Mapping[str, bytes], asked: Kind) -> tuple[Kind, ChipState]:
    code = objects["8A"]
    went_online = code not in UNABLE_TO_GO_ONLINE
    if went_online and any(objects.get("91", b"")):
        state = authenticate(chip, state, objects["91"])
    memory, session = state.memory, state.session
    amount = _amount(chip, objects)
    results = session.results & ~Cvr.SECOND_NOT_REQUESTED
    if went_online:
        approves = code in APPROVING and (session.status_update is None or session.status_update[1] & _APPROVES)
        may = session.is_issuer_authenticated is not False and bool(approves) and not memory.is_application_blocked
    else:
        results |= Cvr.UNABLE_TO_GO_ONLINE
        may = (
            memory.last_online_atc > 0
            and memory.consecutive_offline < memory.upper_limit
            and memory.offline_minor + amount <= memory.total_limit_minor
        )
    decided = Kind.TC if asked is Kind.TC and may else Kind.AAC
    if decided is Kind.TC:
        results |= Cvr.SECOND_TC
    if went_online:
        memory = _heard(memory, session, decided)
    elif decided is Kind.TC:
        memory = _spent(memory, amount)
    memory = replace(memory, has_unfinished=False)
    return decided, ChipState(memory, replace(session, results=results, step=Step.FINISHED))


def _heard(memory: Memory, session: Session, decided: Kind) -> Memory:
    """After an online transaction: what its issuer's word, or the lack of it, changes."""
    genuine = session.is_issuer_authenticated
    memory = replace(memory, has_failed_issuer=genuine is False, has_missed_issuer=genuine is None)
    if genuine is False:
        return memory
    memory = replace(memory, last_online_atc=memory.atc, scripts=0, has_failed_script=False)
    update = session.status_update
    resets = genuine and decided is Kind.TC if update is None else update[1] & 0x03 == _RESET_COUNTERS
    return replace(memory, consecutive_offline=0, offline_minor=0) if resets else memory


def _updated(memory: Memory, update: bytes) -> Memory:
    """What the issuer's card status update orders."""
    orders = update[1]
    return replace(
        memory,
        is_card_blocked=memory.is_card_blocked or bool(orders & _BLOCK_CARD),
        is_application_blocked=memory.is_application_blocked or bool(orders & _BLOCK_APPLICATION),
        pin_tries_left=update[0] & 0x0F if orders & _UPDATE_TRIES else memory.pin_tries_left,
        must_go_online=bool(orders & _GO_ONLINE),
    )


def _spent(memory: Memory, amount_minor: int) -> Memory:
    return replace(
        memory,
        consecutive_offline=memory.consecutive_offline + 1,
        offline_minor=memory.offline_minor + amount_minor,
    )


def _amount(chip: Chip, objects: Mapping[str, bytes]) -> int:
    """In the card's currency; another currency's is not known, and counts as over every limit."""
    if objects.get("5F2A") != bytes.fromhex(chip.personalisation.currency):
        return 10**12
    return int(objects["9F02"].hex())


def _remembered(memory: Memory) -> Cvr:
    results = Cvr(memory.scripts << SCRIPTS_SHIFT & 0xF0)
    for flag, is_so in (
        (Cvr.LAST_ONLINE_NOT_COMPLETED, memory.has_unfinished),
        (Cvr.PIN_TRIES_EXCEEDED, memory.pin is not None and memory.pin_tries_left == 0),
        (Cvr.NEW_CARD, memory.last_online_atc == 0),
        (Cvr.LAST_ISSUER_AUTHENTICATION_FAILED, memory.has_failed_issuer),
        (Cvr.LAST_ISSUER_AUTHENTICATION_MISSING, memory.has_missed_issuer),
        (Cvr.LAST_SCRIPT_FAILED, memory.has_failed_script),
    ):
        if is_so:
            results |= flag
    return results


def cryptogram(chip: Chip, state: ChipState, objects: Mapping[str, bytes], kind: Kind) -> list[tuple[str, bytes]]:
    """9F27, 9F36, 9F26 and 9F10 of this decision."""
    version, counter = chip.personalisation.version, state.memory.atc.to_bytes(2, "big")
    issuer_words = bytes((6, KEY_INDEX, version, 3)) + int(state.session.results).to_bytes(3, "big")
    said = cryptogram_input({**objects, "82": chip.profile, "9F36": counter, "9F10": issuer_words})
    key = cryptogram_key(version, chip.personalisation.keys.cryptogram, counter)
    signed = application_cryptogram(version, key, said)
    return [("9F27", bytes((kind,))), ("9F36", counter), ("9F26", signed), ("9F10", issuer_words)]


def _answer(
    chip: Chip, state: ChipState, content: list[tuple[str, bytes]], command: Command, kind: Kind
) -> tuple[Response, ChipState]:
    """Format 1 without a signature, for CVN 10; else format 2, signed where CDA was asked for (Book 2, 6.6.1)."""
    if command.p1 & CDA_REQUESTED and kind is not Kind.AAC and chip.key is not None:
        session = state.session
        number, state = draw(chip, state)
        is_second = session.step is Step.FINISHED and bool(session.cryptogram)
        asked = session.pdol_content + session.cdol1_content + (command.content if is_second else b"")
        shown = [one for one in content if one[0] != "9F26"]
        hashed = digest(asked, tlv.encode(shown))
        dynamic = bytes((len(number),)) + number + bytes((kind,)) + dict(content)["9F26"] + hashed
        objects = take_apart(chip.cdol2 if is_second else CDOL1, command.content)
        signature = sign_dynamic(chip.key, dynamic, objects["9F37"])
        return Response(Status.OK, tlv.encode([("77", [*shown, ("9F4B", signature)])])), state
    if chip.personalisation.version is CryptogramVersion.CVN_10:
        return Response(Status.OK, tlv.encode([("80", b"".join(value for _, value in content))])), state
    return Response(Status.OK, tlv.encode([("77", list(content))])), state

"""The issuer's word to the chip, DE 55 of a 0110: the answer to its cryptogram (tag 91), and a script (tag 72) where
one waits. Made after commit, for the HSM is asked.

Sources: EMV 4.3 Book 2, 8.2 (ARPC methods 1 and 2) and 9 (secure messaging); Book 3, annex C10 (card status update),
10.10 and annex E (scripts). A script comes after the final cryptogram (72), so that it arrives although the transaction
was declined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from engine.crypto.door import ChipCard, ResponseCryptogram, ScriptCommand
from engine.runtime.stage import Outside
from engine.vocabulary import tlv
from engine.vocabulary.decision import Answer
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.responses import ResponseCode
from issuer.authorization.model import CHIP_FACT
from issuer.cards.model import ChipScript

_STATUS_APPROVED: Final = bytes.fromhex("00820000")
"""Card status update: the issuer approves, offline counters go to zero."""
_STATUS_DECLINED: Final = bytes(4)

_HEADERS: Final[Mapping[ChipScript, bytes]] = {ChipScript.UNBLOCK_PIN: bytes.fromhex("84240000")}
"""CLA, INS, P1, P2: with secure messaging; PIN CHANGE/UNBLOCK, unblock alone."""
_SCRIPT_IDENTIFIERS: Final[Mapping[ChipScript, bytes]] = {ChipScript.UNBLOCK_PIN: bytes.fromhex("00000001")}
"""Tag 9F18: by which the terminal names the script in its results."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Told:
    """One answer, and the questions that it needs the HSM for."""

    place: int
    answer: ResponseCryptogram
    command: ScriptCommand | None
    script: ChipScript | None


def seal_answers(outside: Outside, answered: Sequence[tuple[Any, Answer]]) -> list[Answer]:
    """The answers with the fact `icc_data` (hexadecimal) for each chip that has proved itself, one for one.

    The same request again gives the same bytes. If the HSM refuses, the answer goes without: it stands, and a chip that
    hears no issuer declines or goes by its own limits.
    """
    told = [
        _told(place, request.pan, answer)
        for place, (request, answer) in enumerate(answered)
        if CHIP_FACT in answer.facts
    ]
    answers = [answer for _, answer in answered]
    if not told:
        return answers
    commands = [one.command for one in told if one.command is not None]
    try:
        cryptograms = outside.hsm.make_arpcs([one.answer for one in told])
        scripts = iter(outside.hsm.make_scripts(commands) if commands else ())
    except BezantError as refused:
        log.warning("chips are not answered", reason=str(refused), answers=len(told))
        return answers
    for one, cryptogram in zip(told, cryptograms, strict=True):
        objects: tlv.DataObjects = [("91", cryptogram + one.answer.answer)]
        if one.script is not None:
            command = next(scripts)
            assert command is not None, "there is no PIN block to be unreadable"
            objects.append(("72", [("9F18", _SCRIPT_IDENTIFIERS[one.script]), ("86", command)]))
        plain = answers[one.place]
        answers[one.place] = replace(plain, facts={**plain.facts, "icc_data": tlv.encode(objects).hex().upper()})
    return answers


def _told(place: int, pan: Pan, answer: Answer) -> _Told:
    facts = answer.facts[CHIP_FACT]
    assert isinstance(facts, dict)
    card = ChipCard(pan, str(facts["sequence_number"]), _number(facts["key_index"]))
    version = CryptogramVersion(_number(facts["version"]))
    counter = _number(facts["counter"]).to_bytes(2, "big")
    cryptogram = bytes.fromhex(str(facts["cryptogram"]))
    script = ChipScript(str(facts["script"])) if "script" in facts else None
    if version is CryptogramVersion.CVN_10:
        word = answer.code.encode("ascii")
    else:
        word = _STATUS_APPROVED if ResponseCode(answer.code).approved else _STATUS_DECLINED
    return _Told(
        place,
        ResponseCryptogram(card, version, counter, cryptogram, word),
        None if script is None else ScriptCommand(card, version, counter, cryptogram, _HEADERS[script]),
        script,
    )


def _number(fact: object) -> int:
    assert isinstance(fact, int)
    return fact

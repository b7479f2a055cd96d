"""Application selection (EMV Book 1, 12): what the card and the terminal both have, the card's first choice first.

By the card's directory (PSE or PPSE), or by trying the terminal's own list where the card has none. No choice is put to
the cardholder: an application that must be confirmed is left out, as the book has it for such terminals.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.vocabulary import tlv
from simulator.chip.apdu import PLAIN, Command, Instruction, Response, Status
from simulator.chip.personalisation import PPSE, PSE
from simulator.kernel.setup import Ask, Heard
from simulator.kernel.work import Ended, objects_in, read_record, template_in, transmit, values_in

_NEXT: Final = 0x02
_MOST_RECORDS: Final = 10
_NEEDS_CONFIRMATION: Final = 0x80
_LAST: Final = 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """An application that both sides know. `priority` 1 is the card's favourite, 16 stands for none given."""

    aid: bytes
    priority: int


def candidates(aids: Sequence[bytes], *, contactless: bool) -> Generator[Ask, Heard, list[Candidate]]:
    """The mutual applications in order of preference. `Ended` for a card that is blocked or has none of ours."""
    response = yield from _select(PPSE if contactless else PSE)
    if response.status == Status.MUTE:
        raise Ended("the chip does not answer", may_fall_back=True)
    if response.status == Status.NOT_SUPPORTED:
        raise Ended("the card is blocked")
    found: list[Candidate] = []
    if response.ok:
        entries = yield from _entries(response, contactless)
        found = [one for one in map(_candidate, entries) if one is not None and _known(one.aid, aids)]
    if not found and not contactless:
        found = yield from _tried(aids)
    if not found:
        raise Ended("card and terminal have no application in common", may_fall_back=True)
    return sorted(found, key=lambda one: one.priority)


def choose(candidate: Candidate) -> Generator[Ask, Heard, dict[str, bytes] | None]:
    """Select it: what the card says of it (DF name and the proprietary template's objects), None when it will not."""
    response = yield from _select(candidate.aid)
    return {"4F": candidate.aid, **values_in(_control(response))} if response.ok else None


def _select(name: bytes, occurrence: int = 0) -> Generator[Ask, Heard, Response]:
    return (yield from transmit(Command(PLAIN, Instruction.SELECT, 0x04, occurrence, name)))


def _control(response: Response) -> tlv.DataObjects:
    """File control information (Book 1, 11.3.4): the name, and the objects of the proprietary template."""
    outer = template_in(objects_in(response.content), "6F")
    return [("84", values_in(outer).get("84", b"")), *template_in(outer, "A5")]


def _entries(response: Response, contactless: bool) -> Generator[Ask, Heard, list[dict[str, bytes]]]:
    control = _control(response)
    if contactless:
        return _entries_in(template_in(control, "BF0C"))
    sfi = values_in(control).get("88", b"")
    found: list[dict[str, bytes]] = []
    for record in range(1, _MOST_RECORDS + 1):
        if len(sfi) != 1:
            break
        answer = yield from read_record(sfi[0], record)
        if not answer.ok:
            break
        found += _entries_in(template_in(objects_in(answer.content), "70"))
    return found


def _entries_in(objects: tlv.DataObjects) -> list[dict[str, bytes]]:
    return [values_in(value) for tag, value in objects if tag == "61" and not isinstance(value, bytes)]


def _candidate(objects: dict[str, bytes]) -> Candidate | None:
    indicator = objects.get("87", b"\x00")[0]
    if "4F" not in objects or indicator & _NEEDS_CONFIRMATION:
        return None
    return Candidate(objects["4F"], indicator & 0x0F or _LAST)


def _known(aid: bytes, aids: Sequence[bytes]) -> bool:
    return any(aid.startswith(one) for one in aids)


def _tried(aids: Sequence[bytes]) -> Generator[Ask, Heard, list[Candidate]]:
    """The list of AIDs (12.3.3): each is selected, and its next occurrences where the name is only a beginning."""
    found: list[Candidate] = []
    for aid in aids:
        occurrence = 0
        while True:
            response = yield from _select(aid, occurrence)
            if response.status == Status.NOT_SUPPORTED:
                raise Ended("the card is blocked")
            if response.status not in (Status.OK, Status.SELECTED_BLOCKED):
                break
            control = values_in(_control(response))
            name, indicator = control["84"], control.get("87", b"\x00")[0]
            if response.ok and not indicator & _NEEDS_CONFIRMATION:
                found.append(Candidate(name, indicator & 0x0F or _LAST))
            if name == aid or any(one.aid == name for one in found[:-1]):
                break
            occurrence = _NEXT
    return found

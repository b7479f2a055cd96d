"""Application selection (EMV Book 1, 12): by directory, by list, in order, and what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from engine.vocabulary import tlv
from simulator.chip.apdu import Command, Instruction, Response, Status
from simulator.chip.personalisation import PPSE, PSE
from simulator.kernel.selection import Candidate, candidates, choose
from simulator.kernel.setup import Transmit
from simulator.kernel.work import Ended

VISA, MASTER, OTHER = (bytes.fromhex(aid) for aid in ("A0000000031010", "A0000000041010", "F053494D4E1010"))
LONG = VISA + b"\x01"
LONGER = VISA + b"\x02"


@dataclass(slots=True)
class Scripted:
    """A card of many applications: AID -> priority indicator. `directory` says whether it has a PSE and a PPSE."""

    applications: Mapping[bytes, int]
    directory: bool = True
    blocked: frozenset[bytes] = frozenset()
    selected: list[bytes] = field(default_factory=list)

    def answer(self, command: Command) -> Response:
        if command.ins == Instruction.READ_RECORD:
            entries = [self._entry(aid) for aid in self.applications]
            if command.p1 > len(entries):
                return Response(Status.RECORD_NOT_FOUND)
            return Response(Status.OK, tlv.encode([("70", [("61", entries[command.p1 - 1])])]))
        name = command.content
        if name in (PSE, PPSE):
            if not self.directory:
                return Response(Status.FILE_NOT_FOUND)
            every: tlv.DataObjects = [("61", self._entry(aid)) for aid in self.applications]
            inner: tlv.DataObjects = [("88", b"\x01")] if name == PSE else [("BF0C", every)]
            return Response(Status.OK, tlv.encode([("6F", [("84", name), ("A5", inner)])]))
        begin_so = [aid for aid in self.applications if aid.startswith(name)]
        if command.p2 & 0x02:
            begin_so = [aid for aid in begin_so if aid not in self.selected]
        if not begin_so:
            return Response(Status.FILE_NOT_FOUND)
        chosen = begin_so[0]
        self.selected.append(chosen)
        status = Status.SELECTED_BLOCKED if chosen in self.blocked else Status.OK
        control: tlv.DataObjects = [("50", b"APP"), ("87", bytes((self.applications[chosen],)))]
        return Response(status, tlv.encode([("6F", [("84", chosen), ("A5", control)])]))

    def _entry(self, aid: bytes) -> tlv.DataObjects:
        return [("4F", aid), ("50", b"APP"), ("87", bytes((self.applications[aid],)))]


def found(card: Scripted, aids: list[bytes], *, contactless: bool = False) -> list[bytes]:
    conversation = candidates(aids, contactless=contactless)
    heard = None
    while True:
        try:
            step = next(conversation) if heard is None else conversation.send(heard)
        except StopIteration as end:
            return [one.aid for one in end.value]
        assert isinstance(step, Transmit)
        heard = card.answer(step.command)


@pytest.mark.parametrize("contactless", [False, True])
def test_the_directory_is_read_and_the_cards_favourite_comes_first(contactless: bool) -> None:
    card = Scripted({VISA: 2, OTHER: 1, MASTER: 3})
    assert found(card, [VISA, OTHER], contactless=contactless) == [OTHER, VISA]
    assert card.selected == [], "no application was tried"


def test_an_application_without_priority_comes_last_and_one_to_be_confirmed_not_at_all() -> None:
    assert found(Scripted({VISA: 0, MASTER: 15, OTHER: 0x81}), [VISA, MASTER, OTHER]) == [MASTER, VISA]


def test_a_name_may_be_longer_than_the_terminals() -> None:
    assert found(Scripted({LONG: 2, LONGER: 1}), [VISA]) == [LONGER, LONG]


def test_without_a_directory_the_terminals_list_is_tried_with_its_next_occurrences() -> None:
    card = Scripted({LONG: 2, LONGER: 1, MASTER: 3}, directory=False)
    assert found(card, [VISA, MASTER, OTHER]) == [LONGER, LONG, MASTER]


def test_a_directory_without_a_common_application_is_followed_by_the_list() -> None:
    with pytest.raises(Ended) as ended:
        found(Scripted({MASTER: 1}), [VISA])
    assert ended.value.may_fall_back


def test_a_blocked_application_is_no_candidate() -> None:
    card = Scripted({VISA: 1, MASTER: 2}, directory=False, blocked=frozenset({VISA}))
    assert found(card, [VISA, MASTER]) == [MASTER]


@pytest.mark.parametrize(("status", "may_fall_back"), [(Status.MUTE, True), (Status.NOT_SUPPORTED, False)])
def test_a_mute_chip_may_fall_back_and_a_blocked_card_may_not(status: Status, may_fall_back: bool) -> None:
    conversation = candidates([VISA], contactless=False)
    next(conversation)
    with pytest.raises(Ended) as ended:
        conversation.send(Response(status))
    assert ended.value.may_fall_back is may_fall_back


def test_an_application_that_will_not_be_selected_is_passed_over() -> None:
    conversation = choose(Candidate(VISA, 1))
    next(conversation)
    with pytest.raises(StopIteration) as end:
        conversation.send(Response(Status.FILE_NOT_FOUND))
    assert end.value.value is None

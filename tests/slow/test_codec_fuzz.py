"""Bytes from nowhere, guided by coverage: only `FormatError`, or a message that encodes back to the same bytes.

A frame that reaches a line which no frame has reached joins the corpus, and its mutants are tried next. The lines of
generated decoders count as well, so the search digs into each of them.
"""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Callable
from time import monotonic
from types import CodeType, FrameType
from typing import Any, Final

import pytest

from engine.vocabulary import tlv
from engine.vocabulary.errors import FormatError
from gateways.iso8583.codec import GENERATED_AFTER, decode, encode, salvage
from gateways.iso8583.describe import describe, render_text
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import BCD, DIALECTS, EBCDIC, SIMNET, TERMINAL, Specification
from tests.gateways.iso8583.samples import CHIP, MESSAGES, NETWORK_MANAGEMENT

pytestmark = pytest.mark.slow

SECONDS: Final = 140
MAX_FRAME_BYTES: Final = 8192
MEMORY_BYTES: Final = 64 * 1024 * 1024
"""For all that is kept over the whole search, a corpus included."""
FOLLOWED: Final = ("gateways/iso8583/", "engine/vocabulary/tlv.py", "<decoder>")
INTERESTING: Final = (b"\x00", b"\xff", b"\x80", b"\x7f", b"0", b"9", b"A", b"D", b"=", b"-", b" ", b"\xf0", b"\xc1")

Lines = set[tuple[CodeType, int]]


class Followed:
    """The lines of the code under test that a call runs through."""

    def __init__(self) -> None:
        self.lines: Lines = set()

    def __call__(self, call: Callable[[], object]) -> Lines:
        found: Lines = set()

        def line(frame: FrameType, event: str, _: Any) -> Any:
            found.add((frame.f_code, frame.f_lineno))
            return line

        def entered(frame: FrameType, event: str, _: Any) -> Any:
            return line if any(part in frame.f_code.co_filename for part in FOLLOWED) else None

        before = sys.gettrace()
        sys.settrace(entered)
        try:
            call()
        finally:
            sys.settrace(before)
        new = found - self.lines
        self.lines |= new
        return new


def mutated(frame: bytes, other: bytes, chance: random.Random) -> bytes:
    """Another frame out of one or two."""
    made = bytearray(frame)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(7):
            case 0:
                made[at:at] = chance.choice(INTERESTING)
            case 1:
                del made[at : at + chance.choice((1, 2, 8))]
            case 2 if at < len(made):
                made[at] ^= 1 << chance.randrange(8)
            case 3 if at < len(made):
                made[at : at + 1] = chance.choice(INTERESTING)
            case 4:
                del made[at:]
            case 5:
                start = chance.randrange(len(other) + 1)
                made[at:] = other[start : start + 600]
            case _:
                made += chance.randbytes(chance.choice((1, 3, 40)))
    return bytes(made[:MAX_FRAME_BYTES])


def holds(frame: bytes, dialect: Specification) -> None:
    """The property: refused by name, or the same bytes again, and a dump that can be shown."""
    try:
        fields = decode(frame, dialect)
    except FormatError as fault:
        assert fault.offset is None or 0 <= fault.offset <= len(frame)
        salvage(frame, dialect)
        return
    again = encode(fields, dialect)
    if again != frame:
        # The one exception: a second bitmap that announces nothing is not written again.
        assert len(again) < len(frame) and decode(again, dialect) == fields
        assert not any(key.isdecimal() and int(key) > 64 for key in fields)
    render_text(describe(fields, dialect))
    if "55" in fields and len(fields["55"]) % 2 == 0:
        try:
            chip = bytes.fromhex(fields["55"])
        except ValueError:
            return
        try:
            assert tlv.encode(tlv.decode(chip)) == chip
        except FormatError:
            return


@pytest.mark.timeout(3 * SECONDS)
def test_no_frame_breaks_the_decoder() -> None:
    chance = random.Random(8583)
    follow = Followed()
    dialects = [TERMINAL, SIMNET, BCD, EBCDIC, DIALECTS["1993_bcd"]]
    corpus: list[tuple[Specification, bytes]] = []
    for dialect in dialects:
        for fields in [CHIP, *map(to_fields, MESSAGES.values())]:
            try:
                frame = encode(fields, dialect)
            except FormatError:
                continue  # an online message of 1987 that 1993 writes otherwise
            for _ in range(GENERATED_AFTER):
                holds(frame, dialect)
            corpus.append((dialect, frame))
    seeds = len(corpus)
    tracemalloc.start()
    tried, until = 0, monotonic() + SECONDS
    try:
        while monotonic() < until:
            dialect, frame = chance.choice(corpus)
            other = chance.choice(corpus)[1]
            candidate = mutated(frame, other, chance)
            tried += 1
            if follow(lambda candidate=candidate, dialect=dialect: holds(candidate, dialect)):  # type: ignore[misc]
                corpus.append((dialect, candidate))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(corpus) > seeds, "the search found nothing new: it is not guided"
    assert tried > 1_000
    assert peak < MEMORY_BYTES


TWENTY: Final = {**{name: to_fields(message) for name, message in MESSAGES.items()}, "chip": CHIP, **NETWORK_MANAGEMENT}


@pytest.mark.timeout(3 * SECONDS)
@pytest.mark.parametrize("dialect", [SIMNET, BCD], ids=["text", "packed"])
def test_each_truncation_and_each_other_byte_is_refused_or_encodes_to_the_same_bytes(dialect: Specification) -> None:
    assert len(TWENTY) >= 20
    for fields in TWENTY.values():
        frame = encode(fields, dialect)
        for length in range(len(frame)):
            with pytest.raises(FormatError):
                decode(frame[:length], dialect)
        for position, byte in enumerate(frame):
            for wrong in set(range(256)) - {byte}:
                corrupted = frame[:position] + bytes([wrong]) + frame[position + 1 :]
                try:
                    found = decode(corrupted, dialect)
                except FormatError:
                    continue
                assert encode(found, dialect) == corrupted

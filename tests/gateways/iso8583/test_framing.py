"""Frames are cut by the same rule in every framing, however the stream arrives; bad ones are a `FormatError`."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.vocabulary.errors import BezantError, FormatError
from gateways.iso8583.framing import FRAMINGS, FrameReader, Framing, framing_named

ALL = pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("2b", b"\x00\x03abc"),
        ("2b-inclusive", b"\x00\x05abc"),
        ("4b", b"\x00\x00\x00\x03abc"),
        ("4b-inclusive", b"\x00\x00\x00\x07abc"),
        ("2a", b"03abc"),
        ("2a-inclusive", b"05abc"),
        ("4a", b"0003abc"),
        ("4a-inclusive", b"0007abc"),
    ],
)
def test_a_length_is_written_as_its_framing_says(name: str, written: bytes) -> None:
    assert framing_named(name).framed(b"abc") == written
    assert list(FrameReader(framing_named(name)).feed(written)) == [b"abc"]


def test_a_framing_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BezantError, match=r"no framing '3b'; there are: 2b, 2b-inclusive"):
        framing_named("3b")


@ALL
def test_frames_are_cut_the_same_however_the_stream_is_chopped(framing: Framing) -> None:
    chance = random.Random(8583)
    longest = min(8192, framing.most)
    frames = [chance.randbytes(size) for size in (1, 2, 3, 90, min(256, longest), longest) for _ in range(5)]
    stream = b"".join(map(framing.framed, frames))
    for largest in (1, 2, 3, 5, 300, len(stream)):
        reader, start = FrameReader(framing), 0
        found: list[bytes] = []
        while start < len(stream):
            size = chance.randint(1, largest)
            found += reader.feed(stream[start : start + size])
            start += size
        assert found == frames
        assert not reader.partial


@ALL
def test_a_length_that_is_none_is_refused_after_the_last_good_frame(framing: Framing) -> None:
    own = framing.length_bytes if framing.inclusive else 0
    limit = min(50, framing.most)
    wrong = [own, own + limit + 1] + ([own - 1] if own else [])
    headers = [
        b"%0*d" % (framing.length_bytes, length) if framing.digits else length.to_bytes(framing.length_bytes, "big")
        for length in wrong
    ]
    if framing.digits:
        headers += [b"+3" + b"0" * (framing.length_bytes - 2), b" 3" + b"0" * (framing.length_bytes - 2)]
    for header in headers:
        found = []
        with pytest.raises(FormatError, match="length header"):
            for frame in FrameReader(framing, limit).feed(framing.framed(b"good") + header + b"0" * 10):
                found.append(frame)
        assert found == [b"good"]


def _by_definition(framing: Framing, limit: int, stream: bytes) -> tuple[list[bytes], bool]:
    """The frames of a whole stream, and whether it is broken behind them; written apart from the reader."""
    frames: list[bytes] = []
    while len(stream) >= framing.length_bytes:
        header, stream = stream[: framing.length_bytes], stream[framing.length_bytes :]
        if framing.digits and any(byte not in b"0123456789" for byte in header):
            return frames, True
        said = int(header.decode()) if framing.digits else sum(b << 8 * n for n, b in enumerate(reversed(header)))
        length = said - (framing.length_bytes if framing.inclusive else 0)
        if length < 1 or length > min(limit, framing.most):
            return frames, True
        if len(stream) < length:
            break
        frames.append(stream[:length])
        stream = stream[length:]
    return frames, False


@st.composite
def _streams(draw: st.DrawFn) -> tuple[Framing, int, bytes, list[int]]:
    """Good frames with bytes changed, cut out and put in, and places to chop the stream at."""
    framing = draw(st.sampled_from(list(FRAMINGS.values())))
    limit = draw(st.integers(1, 300))
    pieces = draw(
        st.lists(
            st.one_of(
                st.binary(min_size=1, max_size=min(limit, framing.most)).map(framing.framed), st.binary(max_size=9)
            ),
            max_size=12,
        )
    )
    stream = bytearray(b"".join(pieces))
    for _ in range(draw(st.integers(0, 3)) if stream else 0):
        stream[draw(st.integers(0, len(stream) - 1))] = draw(st.integers(0, 255))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    return framing, limit, bytes(stream), cuts


def _read(case: tuple[Framing, int, bytes, list[int]]) -> None:
    framing, limit, stream, cuts = case
    reader = FrameReader(framing, limit)
    found: list[bytes] = []
    broken = False
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        try:
            for frame in reader.feed(stream[start:end]):
                found.append(frame)
        except FormatError:
            broken = True
            break
        assert len(reader._rest) < framing.length_bytes + limit
    assert (found, broken) == _by_definition(framing, limit, stream)


@settings(max_examples=300, deadline=None)
@given(_streams())
def test_any_bytes_are_frames_or_a_format_error(case: tuple[Framing, int, bytes, list[int]]) -> None:
    _read(case)


@pytest.mark.slow
@pytest.mark.timeout(400)
@settings(max_examples=40_000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=False, database=None)
@given(_streams())
def test_any_bytes_are_frames_or_a_format_error_for_minutes(case: tuple[Framing, int, bytes, list[int]]) -> None:
    _read(case)

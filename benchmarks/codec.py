"""The codec against pyiso8583 and pyemv: a 0100 of 23 elements with 125 bytes of chip data, strict, in one process.

Rows `decode_*` and `encode_*` are messages a second by one dictionary of pyiso8583's format, which both read, with
fields in ASCII (bitmap, PIN and chip data binary) and in BCD. `decode_tlv` is a decode and the data objects of DE 55.
Ours is the codec that a host keeps for each of its links. The peer checks lengths and encodings; we check characters as
well. Rounds take turns, the medians count.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Final

import iso8583
import pyemv.tlv

from benchmarks.shape import Row
from engine.vocabulary import tlv
from gateways.iso8583.codec import Fields, codec_of
from gateways.iso8583.specifications import BCD, SIMNET, Specification

ROUNDS: Final = 15
CALLS: Final = 3_000
"""Of one side in one round: about a tenth of a second for the peer."""

ICC_DATA: Final = (
    "9F2608D8E1A2B3C4D5E6F79F2701809F100706010A03A0B0009F3704112233449F360200015F2A0208409A032611259C01009F0206"
    "0000000100009F03060000000000005F34010182021C009F1A020840950500000080009F34031E03009F3303E0F8C89F3501229F"
    "1E0831323334353637388407A0000000031010"
)
"""125 bytes in 19 data objects: what a chip and its terminal send for an approval."""

MESSAGE: Final[Fields] = {
    "t": "0100",
    "2": "4000001234562345",
    "3": "000000",
    "4": "000000010000",
    "7": "0302093000",
    "11": "000123",
    "12": "093000",
    "13": "0302",
    "14": "2912",
    "18": "5812",
    "22": "051",
    "23": "001",
    "25": "00",
    "32": "200001",
    "35": "4000001234562345=29122011234567890",
    "37": "606109000123",
    "41": "TERM0001",
    "42": "MERCHANT0000001",
    "43": f"{'Corner Cafe':25}{'Springfield':13}US",
    "49": "840",
    "52": "041226CBA9EDCBA9",
    "53": "2001010100000000",
    "55": ICC_DATA,
    "60": "00000123",
}
CASES: Final = {
    "ascii": (SIMNET, MESSAGE),
    "bcd": (BCD, {**MESSAGE, "35": MESSAGE["35"].replace("=", "D")}),
}
"""Dialect and message of each encoding; BCD has no `=`."""


def rows(say: Callable[[str], object]) -> tuple[Row, ...]:
    """All rows, each measured in turns with its peer. `say` is told how far it is."""
    return tuple(row for name, (dialect, message) in CASES.items() for row in _rows(name, dialect, message, say))


def _rows(name: str, dialect: Specification, message: Fields, say: Callable[[str], object]) -> list[Row]:
    codec = codec_of(dialect)
    decode, encode = codec.decode, codec.encode
    frame = encode(message)
    theirs = dict(message)
    assert bytes(iso8583.encode(theirs, dialect)[0]) == frame, "both sides must write the same bytes"
    assert decode(frame) == message, "both sides must read the same elements"
    assert dict(tlv.decode(bytes.fromhex(ICC_DATA))) == pyemv.tlv.decode(bytes.fromhex(ICC_DATA))

    def ours_with_tlv() -> None:
        tlv.decode(bytes.fromhex(decode(frame)["55"]))

    def theirs_with_tlv() -> None:
        pyemv.tlv.decode(bytes.fromhex(iso8583.decode(frame, dialect)[0]["55"]))

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object], str]] = {
        f"decode_{name}": (lambda: decode(frame), lambda: iso8583.decode(frame, dialect), "pyiso8583"),
        f"encode_{name}": (lambda: encode(message), lambda: iso8583.encode(theirs, dialect), "pyiso8583"),
    }
    if name == "ascii":
        pairs["decode_tlv"] = ours_with_tlv, theirs_with_tlv, "pyiso8583 and pyemv.tlv"
    rows = []
    for row, (ours, peer, peer_name) in pairs.items():
        say(f"{row}: {ROUNDS} rounds of {CALLS:,} messages each")
        mine, other = _in_turns(ours, peer)
        rows.append(Row(row, mine, other, peer_name, "messages/s"))
    return rows


def _in_turns(ours: Callable[[], object], peer: Callable[[], object]) -> tuple[int, int]:
    """Messages a second of both sides."""
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(ROUNDS):
        for side, call in zip(seconds, (ours, peer), strict=True):
            began = perf_counter()
            for _ in range(CALLS):
                call()
            side.append(perf_counter() - began)
    return round(CALLS / median(seconds[0])), round(CALLS / median(seconds[1]))

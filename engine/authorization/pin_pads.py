"""PIN pads under DUKPT (ANSI X9.24): each PIN block has a key of its own, so that none comes twice but as a copy.

A pad counts its transactions in its key serial number. Who receives sees that the count grows; since two messages of a
pad may cross on their way, it is remembered which of the last `WINDOW` counts have come, as RFC 4303 (3.4.3) has it for
packets. What is older counts as used. Whether the PIN block is any good is not asked: that is the HSM's, after commit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final
from uuid import UUID

from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC, derive_id

WINDOW: Final = 32
_COUNTER_BITS: Final = {10: 21, 12: 32}
"""Of a key serial number, by its length in bytes: triple DES, AES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinPad:
    """A pad that has sent a PIN. `device` is its key serial number without the count (hexadecimal), `counter` the
    highest count that has come, `seen` which before it: bit n is count `counter - n`."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    device: str
    counter: int
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PinPadCounted(Event):
    """A pad has sent a PIN under this count of its."""


def parted(serial: bytes) -> tuple[str, int]:
    """Device and count of a key serial number of 10 bytes (triple DES) or 12 (AES)."""
    number, bits = int.from_bytes(serial, "big"), _COUNTER_BITS[len(serial)]
    return f"{number >> bits << bits:0{2 * len(serial)}X}", number & (1 << bits) - 1


def id_of_pin_pad(institution: str, serial: bytes) -> UUID:
    """The identifier of the pad whose key serial number this is."""
    return derive_id(f"{institution}/pin_pad", parted(serial)[0], on=STATIC)


def counted(pad: PinPad | None, identifier: UUID, serial: bytes) -> PinPad | None:
    """The pad after this key serial number; None when it has come before, or is too old to tell."""
    device, count = parted(serial)
    if pad is None:
        return PinPad(id=identifier, device=device, counter=count, seen=1)
    ahead = count - pad.counter
    if ahead > 0:
        seen = pad.seen << ahead if ahead < WINDOW else 0
        return replace(pad, counter=count, seen=(seen | 1) & (1 << WINDOW) - 1)
    bit = 1 << -ahead
    return None if -ahead >= WINDOW or pad.seen & bit else replace(pad, seen=pad.seen | bit)

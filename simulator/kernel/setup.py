"""What a terminal is and what it sells: the acquirer's settings of a kernel, one sale, and the words that kernel and
terminal exchange. Values only.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntFlag, StrEnum
from typing import Final

from simulator.chip.apdu import Command, Response
from simulator.chip.personalisation import AID, APPLICATION_VERSION, AUTHORITY_INDEX, RID
from simulator.chip.rsa import PublicKey, published_key
from simulator.kernel.results import Tsi, Tvr


class Capability(IntFlag):
    """Terminal capabilities, tag 9F33, 3 bytes as one number (EMV Book 4, annex A2)."""

    MANUAL = 0x800000
    STRIPE = 0x400000
    CHIP = 0x200000
    PLAIN_PIN = 0x008000
    ONLINE_PIN = 0x004000
    SIGNATURE = 0x002000
    ENCIPHERED_PIN = 0x001000
    NO_VERIFICATION = 0x000800
    SDA = 0x000080
    DDA = 0x000040
    CDA = 0x000008


ATTENDED: Final = Capability(0xE0F8C8)
"""A counter with a PIN pad: everything."""


@dataclass(frozen=True, slots=True)
class TerminalActions:
    """Terminal action codes: which bits of the TVR decline, or go online, whatever the card says (Book 4, 6.3.6)."""

    default: int = 0xDC4000A800
    denial: int = 0x0010000000
    online: int = 0xDC4004F800


@dataclass(frozen=True, slots=True)
class RandomSelection:
    """Random transaction selection (Book 3, 10.6.2): below `threshold_minor`, `target` of a hundred go online; from
    there to the floor limit the share grows to `most`."""

    threshold_minor: int = 2_000
    target: int = 20
    most: int = 60


def _authorities() -> dict[tuple[bytes, bytes], PublicKey]:
    return {(RID, AUTHORITY_INDEX): published_key("ca").public}


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSetup:
    """How the acquirer has set a terminal's kernel up. Amounts in minor units of `currency` (ISO 4217, 4 digits)."""

    aids: tuple[bytes, ...] = (AID,)
    country: str = "0840"
    currency: str = "0840"
    terminal_type: str = "22"
    """Tag 9F35: attended by the merchant, offline with online capability."""
    capabilities: Capability = ATTENDED
    version: bytes = APPLICATION_VERSION
    """Tag 9F09."""
    authorities: Mapping[tuple[bytes, bytes], PublicKey] = field(default_factory=_authorities)
    """Public keys of certification authorities, by RID and index (tag 8F)."""
    actions: TerminalActions = TerminalActions()
    floor_limit_minor: int = 0
    selection: RandomSelection = RandomSelection()
    exceptions: frozenset[str] = frozenset()
    """Card numbers that the acquirer has listed."""
    can_go_online: bool = True
    pin_pad_works: bool = True
    contactless_floor_minor: int = 0
    """From here on a tap goes online."""
    contactless_free_minor: int = 5_000
    """Up to here a tap needs no cardholder verification."""
    contactless_limit_minor: int = 50_000
    """Above this a card is not tapped, but inserted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One transaction. `amount_minor` is all of it, `cashback_minor` included; `transaction_type` is that of DE 3.

    The unpredictable number and the lot (1 to 99, for random selection) are drawn by whoever has the randomness.
    """

    amount_minor: int
    at: datetime
    unpredictable: bytes
    """Tag 9F37, 4 bytes."""
    transaction_type: str = "00"
    cashback_minor: int = 0
    lot: int = 99
    earlier_minor: int = 0
    """What this card has already spent here, for split sales."""
    is_forced_online: bool = False


# --- what the kernel asks, and hears ---


@dataclass(frozen=True, slots=True)
class Transmit:
    """Pass this to the card. Heard: a `Response`."""

    command: Command


@dataclass(frozen=True, slots=True)
class EnterPin:
    """Ask the cardholder for the PIN. `tries_left` is None where only the issuer knows. Heard: `Typed`."""

    tries_left: int | None


@dataclass(frozen=True, slots=True)
class GoOnline:
    """Ask the issuer. Heard: `Word`."""

    card: CardRead


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead:
    """What of the card goes into a message. `icc_data` is DE 55; `pin` is what was typed for the issuer to verify."""

    pan: str
    expiry: str
    """YYMM."""
    sequence_number: str | None
    track2: str = field(repr=False)
    icc_data: bytes = field(repr=False)
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Typed:
    """A PIN; None when the cardholder pressed on without one."""

    pin: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Word:
    """The issuer's answer: DE 39, and DE 55 where there is one. `response_code` is None when nobody answered."""

    response_code: str | None
    icc_data: bytes | None = None


Ask = Transmit | EnterPin | GoOnline
Heard = Response | Typed | Word


class End(StrEnum):
    """How a transaction ended between terminal and card."""

    APPROVED_ONLINE = "approved online"
    APPROVED_OFFLINE = "approved offline"
    DECLINED_ONLINE = "declined online"
    DECLINED_OFFLINE = "declined offline"
    TERMINATED = "terminated"
    """Broken off: the card cannot be used here."""
    FALLBACK = "fallback"
    """The chip could not be read; another way to read the card may be tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a transaction. `card` is None where not enough of it was read; its `icc_data` are the final ones.

    `reason` says in words why it was declined offline, terminated or fell back. `must_reverse`: the issuer approved,
    the card then did not.
    """

    end: End
    reason: str = ""
    card: CardRead | None = None
    tvr: Tvr = Tvr.NONE
    tsi: Tsi = Tsi.NONE
    verification: bytes = bytes.fromhex("3F0000")
    """Tag 9F34, how the cardholder was verified."""
    needs_signature: bool = False
    must_reverse: bool = False
    label: str = ""
    aid: bytes = b""
    objects: Mapping[str, bytes] = field(default_factory=dict, repr=False)


Conversation = Generator[Ask, Heard, Outcome]

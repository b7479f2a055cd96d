"""What a chip remembers: for life (`Memory`), and from reset to reset (`Session`). Commands make new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, IntFlag
from types import MappingProxyType

from simulator.chip.personalisation import PIN_TRIES, Chip


class Cvr(IntFlag):
    """Card verification results in the issuer application data: bytes 2 to 4 of VIS' coding, as one number."""

    NONE = 0
    SECOND_NOT_REQUESTED = 0x800000
    SECOND_TC = 0x400000
    FIRST_ARQC = 0x200000
    FIRST_TC = 0x100000
    ISSUER_AUTHENTICATION_FAILED = 0x080000
    PIN_VERIFIED_OFFLINE = 0x040000
    """Offline PIN verification was performed."""
    PIN_FAILED_OFFLINE = 0x020000
    UNABLE_TO_GO_ONLINE = 0x010000
    LAST_ONLINE_NOT_COMPLETED = 0x008000
    PIN_TRIES_EXCEEDED = 0x004000
    VELOCITY_EXCEEDED = 0x002000
    NEW_CARD = 0x001000
    LAST_ISSUER_AUTHENTICATION_FAILED = 0x000800
    LAST_ISSUER_AUTHENTICATION_MISSING = 0x000400
    LAST_SCRIPT_FAILED = 0x000008
    SIGNED_DYNAMICALLY = 0x000002


SCRIPTS_SHIFT = 4
"""Bits 8 to 5 of byte 4 count the script commands of the last transaction."""


class Selected(Enum):
    """What SELECT has chosen."""

    NOTHING = "nothing"
    DIRECTORY = "directory"
    APPLICATION = "application"


class Step(IntEnum):
    """How far the transaction has come."""

    BEFORE = 0
    INITIATED = 1
    """GET PROCESSING OPTIONS has been answered."""
    REQUESTED = 2
    """The first GENERATE AC gave an ARQC."""
    FINISHED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """For life. `atc` counts transactions and only grows; `offline_minor` is what has been spent without the issuer."""

    atc: int = 0
    last_online_atc: int = 0
    pin: str | None = field(default=None, repr=False)
    pin_tries_left: int = PIN_TRIES
    consecutive_offline: int = 0
    offline_minor: int = 0
    lower_limit: int
    upper_limit: int
    total_limit_minor: int
    is_application_blocked: bool = False
    is_card_blocked: bool = False
    must_go_online: bool = False
    """The issuer said so in its last status update."""
    has_unfinished: bool = False
    """The last ARQC was never answered."""
    has_failed_issuer: bool = False
    has_missed_issuer: bool = False
    """The last online transaction ended without issuer authentication."""
    scripts: int = 0
    has_failed_script: bool = False
    drawn: int = 0
    """How many random numbers have been drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """From reset to reset. `objects` is what the terminal has said of the transaction, by tag."""

    is_contactless: bool = False
    selected: Selected = Selected.NOTHING
    step: Step = Step.BEFORE
    pdol_content: bytes = b""
    cdol1_content: bytes = b""
    objects: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    cryptogram: bytes = b""
    """The ARQC."""
    challenge: bytes | None = None
    results: Cvr = Cvr.NONE
    is_issuer_authenticated: bool | None = None
    """None until the issuer has been heard."""
    status_update: bytes | None = None
    """The issuer's card status update (CSU), once it is known to be genuine."""


@dataclass(frozen=True, slots=True)
class ChipState:
    """Everything about a chip that changes."""

    memory: Memory
    session: Session = Session()


def first_state(chip: Chip) -> ChipState:
    """As the chip leaves the factory."""
    limits = chip.personalisation.limits
    return ChipState(
        Memory(
            pin=chip.personalisation.pin,
            lower_limit=limits.lower,
            upper_limit=limits.upper,
            total_limit_minor=limits.total_minor,
        )
    )

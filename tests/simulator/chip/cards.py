"""A soft card for the tests, the issuer behind it, and a terminal's end that plays a kernel's conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from engine.crypto.emv_cryptograms import (
    application_cryptogram,
    card_master_key,
    cryptogram_key,
    response_cryptogram_1,
    response_cryptogram_2,
)
from engine.crypto.emv_scripts import command_mac, script_key
from engine.vocabulary import tlv
from engine.vocabulary.emv import CryptogramVersion, cryptogram_input
from engine.vocabulary.identifiers import Pan, Secret
from simulator.chip.apdu import SECURE, Command, Response
from simulator.chip.card import SoftCard
from simulator.chip.personalisation import ChipKeys, Personalisation, make_chip
from simulator.kernel.setup import (
    CardRead,
    Conversation,
    EnterPin,
    GoOnline,
    Heard,
    KernelSetup,
    Outcome,
    Sale,
    Transmit,
    Typed,
    Word,
)

PAN = "4000010000012348"
ISSUER_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)
APPROVES = bytes.fromhex("00800000")
"""A card status update: the issuer approves, nothing else."""
APPROVES_AND_RESETS = bytes.fromhex("00820000")


def personalisation(version: CryptogramVersion = CryptogramVersion.CVN_18, **changes: Any) -> Personalisation:
    key = card_master_key(version, ISSUER_KEY, PAN, "01")
    made = Personalisation(
        pan=Pan(PAN),
        expiry="2812",
        track2=Secret(f"{PAN}=281220111234567"),
        keys=ChipKeys(key, key, key),
        version=version,
        pin="4711",
    )
    return replace(made, **changes)


def card(version: CryptogramVersion = CryptogramVersion.CVN_18, *, is_new: bool = False, **changes: Any) -> SoftCard:
    """A card that has been online before, unless it is new."""
    made = SoftCard(make_chip(personalisation(version, **changes)))
    if not is_new:
        remember(made, atc=1, last_online_atc=1)
    return made


def remember(soft: SoftCard, **changes: Any) -> None:
    soft.state = replace(soft.state, memory=replace(soft.state.memory, **changes))


def sale(amount_minor: int = 1_500, **changes: Any) -> Sale:
    return replace(Sale(amount_minor=amount_minor, at=NOON, unpredictable=bytes.fromhex("DEADBEEF")), **changes)


OFFLINE = KernelSetup(floor_limit_minor=10_000, contactless_floor_minor=10_000)
"""A terminal that lets small amounts pass without the issuer."""


@dataclass(slots=True)
class Issuer:
    """The card's issuer: believes a right cryptogram, answers with its own, and with scripts."""

    code: str = "00"
    update: bytes = APPROVES
    scripts: Callable[[bytes, bytes], bytes] | None = None
    """From ATC and ARQC to the templates 71 and 72."""
    is_impostor: bool = False
    heard: list[CardRead] = field(default_factory=list)

    def answer(self, version: CryptogramVersion, read: CardRead) -> Word:
        self.heard.append(read)
        tags = tlv.leaves(tlv.decode(read.icc_data))
        key = cryptogram_key(version, card_master_key(version, ISSUER_KEY, PAN, "01"), tags["9F36"])
        assert application_cryptogram(version, key, cryptogram_input(tags)) == tags["9F26"], "the ARQC is genuine"
        if self.is_impostor:
            key = bytes(16)
        if version is CryptogramVersion.CVN_10:
            code = self.code.encode()
            told = response_cryptogram_1(key, tags["9F26"], code) + code
        else:
            told = response_cryptogram_2(key, tags["9F26"], self.update) + self.update
        scripts = b"" if self.scripts is None else self.scripts(tags["9F36"], tags["9F26"])
        return Word(self.code, tlv.encode([("91", told)]) + scripts)


SILENT = None
"""In place of an issuer: nobody answers."""


@dataclass(slots=True)
class Played:
    outcome: Outcome
    commands: list[Command]
    responses: list[Response]
    pins_asked: list[int | None]


def play(
    conversation: Conversation,
    soft: SoftCard,
    issuer: Issuer | None = SILENT,
    pins: Iterable[str | None] = (),
    *,
    contactless: bool = False,
    tamper: Callable[[Command, Response], Response] | None = None,
) -> Played:
    """The conversation to its end. `tamper` may change what the card says."""
    soft.reset(contactless=contactless)
    commands: list[Command] = []
    responses: list[Response] = []
    asked: list[int | None] = []
    typed = iter(pins)
    heard: Heard | None = None
    while True:
        try:
            step = next(conversation) if heard is None else conversation.send(heard)
        except StopIteration as end:
            return Played(end.value, commands, responses, asked)
        match step:
            case Transmit(command):
                response = soft.transmit(Command.decode(command.encode()))
                response = response if tamper is None else tamper(command, response)
                commands.append(command)
                responses.append(response)
                heard = Response.decode(response.encode())
            case EnterPin(tries_left):
                asked.append(tries_left)
                heard = Typed(next(typed))
            case GoOnline(read):
                version = soft.chip.personalisation.version
                heard = Word(None) if issuer is None else issuer.answer(version, read)


def script(
    ins: int, atc: bytes, arqc: bytes, *, p1: int = 0, p2: int = 0, content: bytes = b"", key: bytes | None = None
) -> tlv.DataObjects:
    """One command of a script with its MAC, as an issuer of CVN 18 makes it (tag 86)."""
    version = CryptogramVersion.CVN_18
    master = card_master_key(version, ISSUER_KEY, PAN, "01") if key is None else key
    integrity = script_key(version, master, atc, arqc)
    header = bytes((SECURE, ins, p1, p2, len(content) + 8))
    mac = command_mac(integrity, header, atc, arqc, content)
    return [("86", header + content + mac)]

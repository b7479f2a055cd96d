"""A contactless transaction: one GET PROCESSING OPTIONS, which answers with everything. The card is gone afterwards.

A path of our own, shaped like the schemes' (the fast kinds of EMV contactless): the reader's qualifiers (tag 9F66) say
what it can do and wants, the card's (tag 9F6C) what it wants in turn.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntFlag

from engine.vocabulary import tlv
from simulator.chip.apdu import Response, Status
from simulator.chip.certificates import sign_dynamic
from simulator.chip.cryptograms import Kind, cryptogram, first_decision
from simulator.chip.personalisation import Chip
from simulator.chip.randomness import draw
from simulator.chip.state import ChipState, Cvr, Step


class Reader(IntFlag):
    """Terminal transaction qualifiers, tag 9F66, 4 bytes as one number."""

    TAPS = 0x20000000
    OFFLINE_ONLY = 0x08000000
    ONLINE_PIN = 0x04000000
    SIGNATURE = 0x02000000
    ONLINE_REQUIRED = 0x00800000
    VERIFICATION_REQUIRED = 0x00400000
    """The amount is over the limit without cardholder verification."""


class Wishes(IntFlag):
    """Card transaction qualifiers, tag 9F6C, 2 bytes as one number."""

    ONLINE_PIN = 0x8000
    SIGNATURE = 0x4000


def respond(chip: Chip, state: ChipState) -> tuple[Response, ChipState]:
    """The whole transaction: TC (signed, with the file locator of the certificates), ARQC or AAC."""
    objects = dict(state.session.objects)
    reader, wishes = Reader(int.from_bytes(objects["9F66"], "big")), Wishes(0)
    asked = Kind.ARQC if reader & Reader.ONLINE_REQUIRED else Kind.TC
    if reader & Reader.VERIFICATION_REQUIRED:
        if reader & Reader.ONLINE_PIN and chip.personalisation.pin is not None:
            # Only the issuer can look at this PIN.
            asked, wishes = Kind.ARQC, Wishes.ONLINE_PIN
        elif reader & Reader.SIGNATURE:
            wishes = Wishes.SIGNATURE
        else:
            asked = Kind.AAC
    if chip.key is None and asked is Kind.TC:
        # A card that cannot sign cannot be believed without its issuer.
        asked = Kind.ARQC
    if reader & Reader.OFFLINE_ONLY and asked is Kind.ARQC:
        asked = Kind.AAC
    before = state
    decided, state = first_decision(chip, state, objects, asked)
    if decided is Kind.ARQC:
        if reader & Reader.OFFLINE_ONLY:
            decided, state = first_decision(chip, before, objects, Kind.AAC)
        else:
            # Nobody will tell this card how it ended: the transaction does not count as unfinished.
            state = replace(state, memory=replace(state.memory, has_unfinished=before.memory.has_unfinished))
    if decided is Kind.TC and chip.key is not None:
        state = replace(state, session=replace(state.session, results=state.session.results | Cvr.SIGNED_DYNAMICALLY))
    shown = [
        ("82", chip.profile),
        *cryptogram(chip, state, objects, decided),
        ("9F6C", int(wishes).to_bytes(2, "big")),
        *_of_the_card(chip),
    ]
    if decided is Kind.TC and chip.key is not None:
        number, state = draw(chip, state)
        signed_too = b"".join(objects[tag] for tag in ("9F37", "9F02", "5F2A"))
        signature = sign_dynamic(chip.key, bytes((len(number),)) + number, signed_too)
        shown += [("9F4B", signature), ("94", chip.locator)]
    session = replace(state.session, step=Step.FINISHED)
    return Response(Status.OK, tlv.encode([("77", list(shown))])), replace(state, session=session)


def _of_the_card(chip: Chip) -> list[tuple[str, bytes]]:
    card = chip.personalisation
    track = card.track2.clear.replace("=", "D")
    return [("57", bytes.fromhex(track + "F" * (len(track) % 2))), ("5F34", bytes.fromhex(card.sequence_number))]

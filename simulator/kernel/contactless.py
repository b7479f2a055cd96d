"""A transaction with a card that is tapped: one exchange, then the card is gone (see `simulator.chip.tap`).

What the reader wants is said in its qualifiers before the card answers; the issuer's word never comes back to the card.
"""

from __future__ import annotations

from collections.abc import Generator

from engine.vocabulary import tlv
from simulator.chip.apdu import PROPRIETARY, Command, Instruction
from simulator.chip.cryptograms import APPROVING, Kind
from simulator.chip.dol import fill
from simulator.chip.tap import Reader, Wishes
from simulator.kernel.actions import APPROVED_OFFLINE, DECLINED_OFFLINE
from simulator.kernel.authentication import tap_is_genuine
from simulator.kernel.cardholder import SUCCESSFUL, UNKNOWN, Method
from simulator.kernel.contact import card_read, outcome_of, read_application
from simulator.kernel.results import Tsi, Tvr
from simulator.kernel.selection import candidates, choose
from simulator.kernel.setup import Ask, Capability, Conversation, End, GoOnline, Heard, KernelSetup, Outcome, Sale, Word
from simulator.kernel.work import Ended, Steps, Work, ask_pin, objects_in, template_in, transmit, values_in

_SIGNED_TOO = ("9F37", "9F02", "5F2A")


def contactless(setup: KernelSetup, sale: Sale) -> Conversation:
    """The whole transaction. Yields what it asks for, returns how it ended."""
    work = Work(setup, sale)
    try:
        if sale.amount_minor > setup.contactless_limit_minor:
            raise Ended("the amount is too large for a tap: insert the card")
        work.objects["9F66"] = int(_qualifiers(work)).to_bytes(4, "big")
        yield from _tap(work)
        return (yield from _decide(work))
    except Ended as end:
        return outcome_of(work, End.TERMINATED, end.reason, is_read="9F26" in work.objects)


def _qualifiers(work: Work) -> Reader:
    setup, amount = work.setup, work.sale.amount_minor
    qualifiers = Reader.TAPS
    if setup.capabilities & Capability.ONLINE_PIN and setup.pin_pad_works:
        qualifiers |= Reader.ONLINE_PIN
    if setup.capabilities & Capability.SIGNATURE:
        qualifiers |= Reader.SIGNATURE
    if not setup.can_go_online:
        qualifiers |= Reader.OFFLINE_ONLY
    elif amount >= setup.contactless_floor_minor or work.sale.is_forced_online:
        qualifiers |= Reader.ONLINE_REQUIRED
    if amount > setup.contactless_free_minor or work.sale.cashback_minor:
        qualifiers |= Reader.VERIFICATION_REQUIRED
    return qualifiers


def _tap(work: Work) -> Steps:
    (candidate, *_) = yield from candidates(work.setup.aids, contactless=True)
    chosen = yield from choose(candidate)
    if chosen is None:
        raise Ended("the card cannot be used")
    work.objects |= {tag: chosen[tag] for tag in ("4F", "84", "50") if tag in chosen}
    work.pdol_content = fill(chosen.get("9F38", b""), work.values())
    content = tlv.encode([("83", work.pdol_content)])
    response = yield from transmit(Command(PROPRIETARY, Instruction.GET_PROCESSING_OPTIONS, 0, 0, content))
    if not response.ok:
        raise Ended("the card does not begin the transaction")
    work.objects |= values_in(template_in(objects_in(response.content), "77"))
    for tag in ("9F27", "9F26", "9F36", "9F10", "82", "57"):
        work.need(tag)


def _decide(work: Work) -> Generator[Ask, Heard, Outcome]:
    kind = work.objects["9F27"][0] & 0xC0
    wishes = Wishes(int.from_bytes(work.objects.get("9F6C", b"\x00\x00"), "big"))
    if kind == Kind.TC:
        return (yield from _offline(work, wishes))
    if kind != Kind.ARQC:
        return _declined(work, "the card declines")
    pin = yield from _verified(work, wishes)
    heard = yield GoOnline(card_read(work, pin))
    assert isinstance(heard, Word), "the issuer is asked, and answers or not"
    if heard.response_code is None:
        return _declined(work, "the issuer cannot be reached")
    code = heard.response_code.encode("ascii")
    work.objects["8A"] = code
    approves = code in APPROVING
    end, reason = (End.APPROVED_ONLINE, "") if approves else (End.DECLINED_ONLINE, "the issuer declines")
    return outcome_of(work, end, reason, is_read=True)


def _offline(work: Work, wishes: Wishes) -> Generator[Ask, Heard, Outcome]:
    """The card approves: believed once its signature has been seen to be its own, and its date not to be over."""
    yield from _verified(work, wishes)
    # The cryptogram is made: what the records say besides does not change it.
    told: dict[str, bytes] = {tag: work.objects.pop(tag) for tag in ("57", "5F34") if tag in work.objects}
    yield from read_application(work, work.need("94"))
    work.objects |= told
    work.tsi |= Tsi.DATA_AUTHENTICATION
    if not tap_is_genuine(work, work.objects, _SIGNED_TOO):
        work.tvr |= Tvr.DDA_FAILED
        return _declined(work, "the chip's signature is not genuine")
    if work.need("5F24").hex() < work.today:
        work.tvr |= Tvr.EXPIRED
        return _declined(work, "the card has expired")
    work.objects["8A"] = APPROVED_OFFLINE
    return outcome_of(work, End.APPROVED_OFFLINE, "", is_read=True)


def _verified(work: Work, wishes: Wishes) -> Generator[Ask, Heard, str | None]:
    """What the card wants of its holder: online PIN, signature, or nothing."""
    if wishes & Wishes.ONLINE_PIN:
        pin = yield from ask_pin(None)
        work.verification = bytes((Method.ONLINE_PIN, 0, UNKNOWN))
        if pin is None:
            raise Ended("no PIN was entered")
        return pin
    if wishes & Wishes.SIGNATURE:
        work.verification = bytes((Method.SIGNATURE, 0, UNKNOWN))
        work.needs_signature = True
        return None
    work.verification = bytes((Method.NONE, 0, SUCCESSFUL))
    return None


def _declined(work: Work, reason: str) -> Outcome:
    work.objects["8A"] = DECLINED_OFFLINE
    return outcome_of(work, End.DECLINED_OFFLINE, reason, is_read=True)

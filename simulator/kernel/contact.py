"""A transaction with an inserted card, from selection to the last script (EMV Book 3, 10; Book 4, 6).

    select  initiate  read  authenticate  restrictions  verify the cardholder  risk  first cryptogram
    (online: the issuer's answer, its authentication, scripts 71)  second cryptogram  scripts 72

The kernel decides nothing about money: it says what it wants of the card and the issuer, and how it ended.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

from engine.vocabulary import tlv
from engine.vocabulary.errors import FormatError
from simulator.chip.apdu import PLAIN, PROPRIETARY, Command, Instruction, Response, Status
from simulator.chip.cryptograms import APPROVING, CDA_REQUESTED, Kind
from simulator.chip.dol import fill
from simulator.chip.personalisation import Profile
from simulator.kernel.actions import DECLINED_OFFLINE, first_wish, wish_when_unreachable
from simulator.kernel.authentication import authenticate_card, signed_cryptogram
from simulator.kernel.cardholder import verify_cardholder
from simulator.kernel.certificates import NotAuthentic
from simulator.kernel.restrictions import check_restrictions
from simulator.kernel.results import Tsi, Tvr
from simulator.kernel.risk import manage_risk
from simulator.kernel.selection import candidates, choose
from simulator.kernel.setup import Ask, CardRead, Conversation, End, GoOnline, Heard, KernelSetup, Outcome, Sale, Word
from simulator.kernel.work import Ended, Steps, Work, objects_in, read_record, template_in, transmit, values_in

_MANDATORY: Final = ("5A", "5F24", "8C", "8D")
"""Book 3, 7.2: without these the transaction is terminated."""
_MOST_SCRIPT_BYTES: Final = 128
_ALLOWED: Final = {
    Kind.TC: frozenset(Kind),
    Kind.ARQC: frozenset({Kind.ARQC, Kind.AAC}),
    Kind.AAC: frozenset({Kind.AAC}),
}
"""What a card may give for what it is asked (Book 3, 9.3): never more."""


def contact(setup: KernelSetup, sale: Sale) -> Conversation:
    """The whole transaction. Yields what it asks for, returns how it ended."""
    work = Work(setup, sale)
    try:
        yield from _initiate(work)
        yield from _read(work)
        yield from authenticate_card(work)
        check_restrictions(work)
        yield from verify_cardholder(work)
        yield from manage_risk(work)
        return (yield from _decide(work))
    except Ended as end:
        kind = End.FALLBACK if end.may_fall_back else End.TERMINATED
        return _outcome(work, kind, end.reason)


def read_application(work: Work, locator: bytes) -> Steps:
    """READ RECORD for every record of the locator (Book 3, 10.2), and which of them are static data to be
    authenticated."""
    if len(locator) % 4 or not locator:
        raise Ended("the card's file locator cannot be read")
    for place in range(0, len(locator), 4):
        head, first, last, signed = locator[place : place + 4]
        sfi = head >> 3
        if not 1 <= sfi <= 30 or not 1 <= first <= last or signed > last - first + 1:
            raise Ended("the card's file locator cannot be read")
        for record in range(first, last + 1):
            response = yield from read_record(sfi, record)
            if not response.ok:
                raise Ended("a record of the card cannot be read")
            content = objects_in(response.content)
            if [tag for tag, _ in content] != ["70"]:
                raise Ended("a record of the card has no template 70")
            inner = template_in(content, "70")
            if record < first + signed:
                work.static += tlv.encode(inner) if sfi <= 10 else response.content
            for tag, value in values_in(inner).items():
                if tag in work.objects:
                    raise Ended(f"the card has the object {tag} twice")
                work.objects[tag] = value


def _initiate(work: Work) -> Steps:
    """Select an application and begin; a candidate that refuses gives way to the next."""
    for candidate in (yield from candidates(work.setup.aids, contactless=False)):
        chosen = yield from choose(candidate)
        if chosen is None:
            continue
        work.pdol_content = fill(chosen.get("9F38", b""), work.values())
        content = tlv.encode([("83", work.pdol_content)])
        response = yield from transmit(Command(PROPRIETARY, Instruction.GET_PROCESSING_OPTIONS, 0, 0, content))
        if response.status == Status.CONDITIONS_NOT_SATISFIED:
            continue
        if not response.ok:
            raise Ended("the card does not begin the transaction")
        work.objects |= {tag: chosen[tag] for tag in ("4F", "84", "50") if tag in chosen}
        work.objects |= _options(response)
        return
    raise Ended("no application of the card can be used", may_fall_back=True)


def _options(response: Response) -> dict[str, bytes]:
    """Profile and file locator, in format 1 (template 80) or 2 (template 77)."""
    answer = objects_in(response.content)
    plain = values_in(answer).get("80", b"")
    if len(plain) >= 6:
        return {"82": plain[:2], "94": plain[2:]}
    inner = values_in(template_in(answer, "77"))
    if "82" not in inner or "94" not in inner:
        raise Ended("the card tells no processing options")
    return {"82": inner["82"], "94": inner["94"]}


def _read(work: Work) -> Steps:
    yield from read_application(work, work.objects["94"])
    for tag in _MANDATORY:
        work.need(tag)


def _decide(work: Work) -> Generator[Ask, Heard, Outcome]:
    wish, code = first_wish(work)
    if code is not None:
        work.objects["8A"] = code
    got = yield from _generate(work, wish)
    if got is Kind.TC:
        return _outcome(work, End.APPROVED_OFFLINE)
    if got is Kind.AAC:
        work.objects["8A"] = DECLINED_OFFLINE
        reason = "the terminal declines" if wish is Kind.AAC else "the card declines"
        return _outcome(work, End.DECLINED_OFFLINE, reason)
    if work.tvr & Tvr.CDA_FAILED and work.signs_cryptograms:
        # The ARQC is not the chip's own (Book 2, 6.6.2): decline without asking anybody.
        work.objects["8A"] = DECLINED_OFFLINE
        yield from _second(work, Kind.AAC)
        return _outcome(work, End.DECLINED_OFFLINE, "the chip's signature is not genuine")
    if not work.setup.can_go_online:
        word = Word(None)
    else:
        heard = yield GoOnline(card_read(work, work.online_pin))
        assert isinstance(heard, Word), "the issuer is asked, and answers or not"
        word = heard
    return (yield from _complete(work, word))


def _complete(work: Work, word: Word) -> Generator[Ask, Heard, Outcome]:
    """After the issuer: its authentication, scripts, the second cryptogram, more scripts (10.9, 10.10)."""
    if word.response_code is None:
        wish, work.objects["8A"] = wish_when_unreachable(work)
        got = yield from _second(work, wish)
        if got is Kind.TC:
            return _outcome(work, End.APPROVED_OFFLINE)
        return _outcome(work, End.DECLINED_OFFLINE, "the issuer cannot be reached")
    code = word.response_code.encode("ascii")
    work.objects["8A"] = code
    told = _told(word)
    for tag, value in told:
        if tag == "91" and isinstance(value, bytes):
            yield from _authenticate_issuer(work, value)
    yield from _run(work, told, "71", Tvr.SCRIPT_FAILED_BEFORE)
    approves = code in APPROVING
    got = yield from _second(work, Kind.TC if approves else Kind.AAC)
    yield from _run(work, told, "72", Tvr.SCRIPT_FAILED_AFTER)
    if got is Kind.TC:
        return _outcome(work, End.APPROVED_ONLINE)
    reason = "the card declines what its issuer approved" if approves else "the issuer declines"
    return _outcome(work, End.DECLINED_ONLINE, reason, must_reverse=approves)


def _told(word: Word) -> tlv.DataObjects:
    """The objects of DE 55; an answer that is no TLV tells nothing."""
    try:
        return tlv.decode(word.icc_data or b"")
    except FormatError:
        return []


def _authenticate_issuer(work: Work, content: bytes) -> Steps:
    """EXTERNAL AUTHENTICATE where the card has it; else the second GENERATE AC carries the issuer's word."""
    work.objects["91"] = content
    if not work.objects["82"][0] & Profile.ISSUER_AUTHENTICATION:
        return
    work.tsi |= Tsi.ISSUER_AUTHENTICATION
    response = yield from transmit(Command(PLAIN, Instruction.EXTERNAL_AUTHENTICATE, content=content, expects=False))
    if not response.ok:
        work.tvr |= Tvr.ISSUER_AUTHENTICATION_FAILED


def _run(work: Work, told: tlv.DataObjects, template: str, failed: Tvr) -> Steps:
    """The commands of each script of this kind, in order, until one fails (10.10). Warnings (62xx, 63xx) go on."""
    for tag, script in told:
        if tag != template or isinstance(script, bytes):
            continue
        work.tsi |= Tsi.SCRIPTS
        try:
            commands = list(_commands(script))
        except FormatError:
            work.tvr |= failed
            continue
        for command in commands:
            response = yield from transmit(command)
            if response.status >> 8 not in (0x90, 0x62, 0x63):
                work.tvr |= failed
                break


def _commands(script: tlv.DataObjects) -> Iterator[Command]:
    if len(tlv.encode(script)) > _MOST_SCRIPT_BYTES:
        raise FormatError("issuer script", "has at most 128 bytes")
    for tag, value in script:
        if tag == "86" and isinstance(value, bytes):
            yield Command.decode(value)


def _generate(work: Work, wish: Kind) -> Generator[Ask, Heard, Kind]:
    """The first GENERATE AC, and what the card made of the wish."""
    work.cdol1_content = fill(work.need("8C"), work.values())
    return (yield from _cryptogram(work, wish, work.cdol1_content, b""))


def _second(work: Work, wish: Kind) -> Generator[Ask, Heard, Kind]:
    content = fill(work.need("8D"), work.values())
    return (yield from _cryptogram(work, wish, content, content))


def _cryptogram(work: Work, wish: Kind, content: bytes, cdol2_content: bytes) -> Generator[Ask, Heard, Kind]:
    signed = work.signs_cryptograms and wish is not Kind.AAC
    asked = wish | (CDA_REQUESTED if signed else 0)
    work.tsi |= Tsi.CARD_RISK_MANAGEMENT
    response = yield from transmit(Command(PROPRIETARY, Instruction.GENERATE_AC, asked, 0, content))
    if not response.ok:
        raise Ended("the card gives no cryptogram")
    objects = _answered(response)
    got = _kind(objects)
    if got not in _ALLOWED[wish] or (got is Kind.ARQC and cdol2_content):
        raise Ended("the card gives what it was not asked for")
    work.objects |= {tag: objects[tag] for tag in ("9F27", "9F36", "9F10") if tag in objects}
    if signed and got is not Kind.AAC:
        try:
            work.objects["9F26"] = signed_cryptogram(work, objects, cdol2_content)
        except NotAuthentic:
            work.tvr |= Tvr.CDA_FAILED
            if got is Kind.TC:
                raise Ended("the chip's signature is not genuine") from None
            work.objects["9F26"] = objects.get("9F26", bytes(8))
    else:
        work.objects["9F26"] = objects["9F26"]
    return got


def _answered(response: Response) -> dict[str, bytes]:
    """The objects of a cryptogram's answer, in format 1 (kind, ATC, cryptogram, issuer's data) or 2."""
    answer = objects_in(response.content)
    content = values_in(answer).get("80", b"")
    if len(content) >= 11:
        objects = {"9F27": content[:1], "9F36": content[1:3], "9F26": content[3:11]}
        return {**objects, "9F10": content[11:]} if content[11:] else objects
    objects = values_in(template_in(answer, "77"))
    if not {"9F27", "9F36"} <= set(objects) or not {"9F26", "9F4B"} & set(objects):
        raise Ended("the card's cryptogram cannot be read")
    return objects


def _kind(objects: dict[str, bytes]) -> Kind:
    number = objects["9F27"][0] & 0xC0
    if number == 0xC0:
        raise Ended("the card's cryptogram is of no kind that is known")
    return Kind(number)


def card_read(work: Work, pin: str | None) -> CardRead:
    """What the messages say of the card."""
    expiry = work.objects["5F24"].hex()[:4] if "5F24" in work.objects else work.track2.partition("=")[2][:4]
    sequence = work.objects.get("5F34")
    return CardRead(
        pan=work.pan,
        expiry=expiry,
        sequence_number=None if sequence is None else f"{int(sequence.hex()):03d}",
        track2=work.track2,
        icc_data=work.icc_data(),
        pin=pin,
    )


def _outcome(work: Work, end: End, reason: str = "", *, must_reverse: bool = False) -> Outcome:
    return outcome_of(work, end, reason, must_reverse=must_reverse, is_read="9F26" in work.objects)


def outcome_of(work: Work, end: End, reason: str, *, is_read: bool, must_reverse: bool = False) -> Outcome:
    """The end of a transaction, with everything that was found out."""
    return Outcome(
        end=end,
        reason=reason,
        card=card_read(work, None) if is_read else None,
        tvr=work.tvr,
        tsi=work.tsi,
        verification=work.verification,
        needs_signature=work.needs_signature and end in (End.APPROVED_ONLINE, End.APPROVED_OFFLINE),
        must_reverse=must_reverse,
        label=work.objects.get("50", b"").decode("ascii", "replace"),
        aid=work.objects.get("84", b""),
        objects=work.values(),
    )

"""Offline data authentication (EMV Book 3, 10.3; Book 2, 5 and 6): the best method that card and terminal share.

CDA before DDA before SDA. With CDA the chip's key is only recovered here; its signature comes with the cryptogram.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.vocabulary import tlv
from simulator.chip.apdu import PLAIN, Command, Instruction
from simulator.chip.certificates import digest
from simulator.chip.dol import fill
from simulator.chip.personalisation import Profile
from simulator.chip.rsa import PublicKey
from simulator.kernel.certificates import NotAuthentic, chip_key, dynamic_content, issuer_key, static_code
from simulator.kernel.results import Tsi, Tvr
from simulator.kernel.setup import Capability
from simulator.kernel.work import Steps, Work, objects_in, template_in, transmit, values_in

RID_LENGTH: Final = 5
_DEFAULT_DDOL: Final = bytes.fromhex("9F3704")
_UNPREDICTABLE: Final = "9F37"


def authenticate_card(work: Work) -> Steps:
    """Set the TVR's first byte, the TSI, and the chip's key where one is found."""
    profile, capabilities = Profile(work.objects["82"][0]), work.setup.capabilities
    if profile & Profile.CDA and capabilities & Capability.CDA:
        failed, work.signs_cryptograms = Tvr.CDA_FAILED, True
    elif profile & Profile.DDA and capabilities & Capability.DDA:
        failed = Tvr.DDA_FAILED
    elif profile & Profile.SDA and capabilities & Capability.SDA:
        failed = Tvr.SDA_FAILED
        work.tvr |= Tvr.SDA_SELECTED
    else:
        work.tvr |= Tvr.DATA_AUTHENTICATION_NOT_PERFORMED
        return
    work.tsi |= Tsi.DATA_AUTHENTICATION
    try:
        if failed is Tvr.SDA_FAILED:
            issuer = _issuer_key(work)
            work.objects["9F45"] = static_code(issuer, _need(work, "93"), _static(work))
            return
        work.chip_key = _chip_key(work)
        if failed is Tvr.DDA_FAILED:
            yield from _dynamic(work, work.chip_key)
    except NotAuthentic:
        work.tvr |= failed
        work.signs_cryptograms = False


def pin_key(work: Work) -> PublicKey | None:
    """The key that PINs are enciphered under (Book 2, 7.1): the chip's own for it, else the one it signs with."""
    try:
        if "9F2D" in work.objects:
            objects = work.objects
            return chip_key(
                _issuer_key(work),
                objects["9F2D"],
                objects.get("9F2F", b""),
                _need(work, "9F2E"),
                pan=work.pan,
                today=work.today[:4],
            )
        return work.chip_key or _chip_key(work)
    except NotAuthentic:
        return None


def signed_cryptogram(work: Work, objects: dict[str, bytes], cdol2_content: bytes = b"") -> bytes:
    """The cryptogram in a CDA answer (Book 2, 6.6.2). `NotAuthentic` when it is another's, or about something else."""
    assert work.chip_key is not None, "CDA is under way"
    signature = objects.get("9F4B")
    if signature is None:
        raise NotAuthentic("the answer is not signed")
    content = dynamic_content(work.chip_key, signature, work.objects[_UNPREDICTABLE])
    length = content[0]
    kind, cryptogram, hashed = content[1 + length], content[2 + length : 10 + length], content[10 + length :]
    shown = tlv.encode([(tag, value) for tag, value in objects.items() if tag != "9F4B"])
    asked = work.pdol_content + work.cdol1_content + cdol2_content
    if objects.get("9F27") != bytes((kind,)) or hashed != digest(asked, shown):
        raise NotAuthentic("the signature is about another answer")
    return cryptogram


def tap_is_genuine(work: Work, objects: dict[str, bytes], signed_too: Sequence[str]) -> bool:
    """Whether a tap's dynamic signature covers the terminal's number and these objects."""
    try:
        key = _chip_key(work)
        dynamic_content(key, objects.get("9F4B", b""), b"".join(work.objects[tag] for tag in signed_too))
    except NotAuthentic:
        return False
    return True


def _dynamic(work: Work, key: PublicKey) -> Steps:
    ddol = work.objects.get("9F49", _DEFAULT_DDOL)
    if bytes.fromhex(_UNPREDICTABLE) not in ddol:
        raise NotAuthentic("the chip's DDOL has no unpredictable number")
    content = fill(ddol, work.values())
    response = yield from transmit(Command(PLAIN, Instruction.INTERNAL_AUTHENTICATE, 0, 0, content))
    if not response.ok:
        raise NotAuthentic("the chip does not sign")
    answer = objects_in(response.content)
    signature = values_in(answer).get("80") or values_in(template_in(answer, "77")).get("9F4B", b"")
    number = dynamic_content(key, signature, content)
    work.objects["9F4C"] = number[1 : 1 + number[0]]


def _issuer_key(work: Work) -> PublicKey:
    objects = work.objects
    index, certificate = _need(work, "8F"), _need(work, "90")
    authority = work.setup.authorities.get((objects["4F"][:RID_LENGTH], index))
    if authority is None:
        raise NotAuthentic("the authority is not known")
    return issuer_key(
        authority, certificate, objects.get("92", b""), _need(work, "9F32"), pan=work.pan, today=work.today[:4]
    )


def _chip_key(work: Work) -> PublicKey:
    return chip_key(
        _issuer_key(work),
        _need(work, "9F46"),
        work.objects.get("9F48", b""),
        _need(work, "9F47"),
        pan=work.pan,
        today=work.today[:4],
        static=_static(work),
    )


def _static(work: Work) -> bytes:
    """The records to be authenticated, and the objects that 9F4A names, which may be the profile alone (10.3)."""
    named = work.objects.get("9F4A")
    if named is None:
        return work.static
    if named != b"\x82":
        raise NotAuthentic("the static data list names more than the profile")
    return work.static + work.objects["82"]


def _need(work: Work, tag: str) -> bytes:
    if tag not in work.objects:
        work.tvr |= Tvr.CHIP_OBJECT_MISSING
        raise NotAuthentic(f"the card has no object {tag}")
    return work.objects[tag]

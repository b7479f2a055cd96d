"""Terminal action analysis (EMV Book 3, 10.7): TVR against action codes, the issuer's and the acquirer's."""

from __future__ import annotations

from typing import Final

from simulator.chip.cryptograms import Kind
from simulator.kernel.results import TVR_LENGTH, Tvr
from simulator.kernel.work import Work

DECLINED_OFFLINE, UNREACHABLE_DECLINED = b"Z1", b"Z3"
APPROVED_OFFLINE, UNREACHABLE_APPROVED = b"Y1", b"Y3"
"""Authorisation response codes that the terminal makes itself (tag 8A; Book 4, annex A6)."""
_ALL: Final = b"\xff" * TVR_LENGTH


def first_wish(work: Work) -> tuple[Kind, bytes | None]:
    """Which cryptogram to ask the card for, and the response code where the terminal is the one who decides."""
    objects, actions = work.objects, work.setup.actions
    # An issuer that gives no codes: denial by none, online and default by every bit (10.7).
    if work.tvr & (_issuers(objects.get("9F0E", bytes(TVR_LENGTH))) | actions.denial):
        return Kind.AAC, DECLINED_OFFLINE
    if work.setup.can_go_online:
        if work.tvr & (_issuers(objects.get("9F0F", _ALL)) | actions.online):
            return Kind.ARQC, None
    elif work.tvr & (_issuers(objects.get("9F0D", _ALL)) | actions.default):
        return Kind.AAC, DECLINED_OFFLINE
    return Kind.TC, APPROVED_OFFLINE


def wish_when_unreachable(work: Work) -> tuple[Kind, bytes]:
    """For the second cryptogram, when nobody has answered: by the default codes."""
    if work.tvr & (_issuers(work.objects.get("9F0D", _ALL)) | work.setup.actions.default):
        return Kind.AAC, UNREACHABLE_DECLINED
    return Kind.TC, UNREACHABLE_APPROVED


def _issuers(code: bytes) -> Tvr:
    return Tvr(int.from_bytes(code, "big"))

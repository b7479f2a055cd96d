"""Processing restrictions (EMV Book 3, 10.4): versions, usage, dates. None ends a transaction: the TVR says it."""

from __future__ import annotations

from typing import Final

from engine.vocabulary.messages import CASH
from simulator.kernel.results import Tvr
from simulator.kernel.work import Work

_DOMESTIC, _INTERNATIONAL = 0, 1
_CASH: Final = (0x8000, 0x4000)
_PURCHASE: Final = (0x2000 | 0x0800, 0x1000 | 0x0400)
_NOT_A_CASH_MACHINE: Final = 0x0100
_CASHBACK: Final = (0x0080, 0x0040)
"""Application usage control, tag 9F07 (annex C2): at home, abroad."""


def check_restrictions(work: Work) -> None:
    """Set the TVR's second byte."""
    objects, today = work.objects, work.today
    if objects.get("9F08", work.setup.version) != work.setup.version:
        work.tvr |= Tvr.VERSIONS_DIFFER
    if "9F07" in objects and not _may_be_used(work, int.from_bytes(objects["9F07"], "big")):
        work.tvr |= Tvr.USAGE_NOT_ALLOWED
    if objects.get("5F25", b"").hex() > today:
        work.tvr |= Tvr.NOT_YET_EFFECTIVE
    if work.need("5F24").hex() < today:
        work.tvr |= Tvr.EXPIRED


def _may_be_used(work: Work, usage: int) -> bool:
    kind = work.sale.transaction_type
    if not usage & _NOT_A_CASH_MACHINE:
        return False
    place = _DOMESTIC
    if "5F28" in work.objects and work.objects["5F28"] != work.objects["9F1A"]:
        place = _INTERNATIONAL
    if kind == CASH:
        return bool(usage & _CASH[place])
    if not usage & _PURCHASE[place]:
        return False
    return not work.sale.cashback_minor or bool(usage & _CASHBACK[place])

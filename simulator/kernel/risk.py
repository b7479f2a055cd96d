"""Terminal risk management (EMV Book 3, 10.6): exception file, floor limit, random selection, velocity."""

from __future__ import annotations

from simulator.kernel.results import Tsi, Tvr
from simulator.kernel.work import Steps, Work, get_data


def manage_risk(work: Work) -> Steps:
    """Set the TVR's fourth byte, and what it says of exception file and new cards."""
    setup, sale = work.setup, work.sale
    work.tsi |= Tsi.TERMINAL_RISK_MANAGEMENT
    if work.pan in setup.exceptions:
        work.tvr |= Tvr.ON_EXCEPTION_FILE
    if sale.is_forced_online:
        work.tvr |= Tvr.FORCED_ONLINE
    if sale.amount_minor + sale.earlier_minor >= setup.floor_limit_minor:
        work.tvr |= Tvr.OVER_FLOOR_LIMIT
    elif sale.lot <= _share(work):
        work.tvr |= Tvr.SELECTED_AT_RANDOM
    if "9F14" in work.objects and "9F23" in work.objects:
        yield from _check_velocity(work, work.objects["9F14"][0], work.objects["9F23"][0])


def _share(work: Work) -> int:
    """Of a hundred transactions of this amount, how many go online (10.6.2): more, the nearer to the floor limit."""
    selection, amount = work.setup.selection, work.sale.amount_minor
    if amount < selection.threshold_minor:
        return selection.target
    width = work.setup.floor_limit_minor - selection.threshold_minor
    return selection.target + (selection.most - selection.target) * (amount - selection.threshold_minor) // width


def _check_velocity(work: Work, lower: int, upper: int) -> Steps:
    """How many transactions have gone by since the last online one (10.6.3)."""
    counter = yield from get_data("9F36")
    last_online = yield from get_data("9F13")
    if counter is None or last_online is None:
        work.tvr |= Tvr.OVER_LOWER_LIMIT | Tvr.OVER_UPPER_LIMIT
    else:
        since = int.from_bytes(counter, "big") - int.from_bytes(last_online, "big")
        if since > lower or since <= 0:
            work.tvr |= Tvr.OVER_LOWER_LIMIT
        if since > upper or since <= 0:
            work.tvr |= Tvr.OVER_UPPER_LIMIT
    if last_online is not None and not any(last_online):
        work.tvr |= Tvr.NEW_CARD

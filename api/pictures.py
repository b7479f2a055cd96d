"""Pictures of what accounts did, by matplotlib: an extra (`pip install 'bezant[plot]'`), for nothing else needs it."""

from __future__ import annotations

from pathlib import Path

from engine.savings.products import MICRO
from engine.savings.statements import DrawnCourse
from engine.vocabulary.errors import BezantError
from engine.vocabulary.money import ASSETS


def draw_savings(drawn: DrawnCourse, file: Path) -> None:
    """Draw an account's days in `file` (.svg or .png): balance above, interest accrued and posted below, and a line for
    each change of rates. Raises `BezantError` without matplotlib.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415, an extra that may not be there
    except ImportError:
        raise BezantError("Pictures need matplotlib: pip install 'bezant[plot]'.") from None
    scale = 10 ** ASSETS[drawn.asset].exponent
    days = [point.day for point in drawn.points]
    figure = Figure(figsize=(10, 6), layout="constrained")
    balance, interest = figure.subplots(2, 1, sharex=True)
    balance.step(days, [point.balance_minor / scale for point in drawn.points], where="post", label="balance")
    balance.set_ylabel(drawn.asset)
    balance.set_title(f"{drawn.product}, {days[0]} to {days[-1]}")
    unpaid = [point.unpaid_micro / MICRO / scale for point in drawn.points]
    interest.plot(days, unpaid, label="accrued, not posted")
    interest.step(days, [point.paid_minor / scale for point in drawn.points], where="post", label="posted in all")
    interest.set_ylabel(drawn.asset)
    for day, words in drawn.changes:
        for axes in (balance, interest):
            axes.axvline(day, color="grey", linestyle=":")
        balance.annotate(words, (day, 1), xycoords=("data", "axes fraction"), rotation=90, va="top", fontsize="small")
    for axes in (balance, interest):
        axes.legend()
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(file)

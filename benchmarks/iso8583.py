"""`bezant bench iso8583`: messages and links of ISO 8583, each against a peer in the same run."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import link_echo
from benchmarks.shape import Result, versions


def run(say: Callable[[str], object]) -> Result:
    """Measure. `say` is told how far it is."""
    settings = {"rounds": link_echo.ROUNDS, "messages": link_echo.ASKED, "in_flight": link_echo.IN_FLIGHT}
    return Result("iso8583", versions(), settings, link_echo.rows(say))

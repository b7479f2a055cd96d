"""`bezant bench iso8583`: messages and links of ISO 8583, each against a peer in the same run."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from benchmarks import codec, link_echo
from benchmarks.shape import Result, versions


def run(say: Callable[[str], object]) -> Result:
    """Measure. `say` is told how far it is."""
    settings = {
        "codec_rounds": codec.ROUNDS,
        "codec_messages": codec.CALLS,
        "rounds": link_echo.ROUNDS,
        "messages": link_echo.ASKED,
        "in_flight": link_echo.IN_FLIGHT,
    }
    peers = versions(pyiso8583=version("pyiso8583"), pyemv=version("pyemv"))
    return Result("iso8583", peers, settings, codec.rows(say) + link_echo.rows(say))

"""What the links of a process have carried, for people and for monitoring.

Each link that is up has counters of its own; by place (the port that it came in by, or the name of whom it dials) they
are summed with those of links that are gone, so that a total never falls while the process lives.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateways.iso8583.links import Counters, Link
    from gateways.iso8583.wires import Wires

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text exposition format of Prometheus."""

_FAMILIES: Final = {
    "frames": ("messages carried", {"in": "frames_in", "out": "frames_out"}),
    "bytes": ("bytes carried, with their lengths", {"in": "bytes_in", "out": "bytes_out"}),
    "malformed": ("messages that could not be read", {"in": "malformed"}),
    "lost": ("messages that could not be sent any more", {"out": "lost"}),
    "pauses": ("times that the other side read too slowly", {"out": "pauses"}),
}


def totals_of(counters: Counters) -> dict[str, int]:
    """A link's counts by name."""
    return {name: count for name, count in asdict(counters).items() if isinstance(count, int)}


def links_up(wires: Wires) -> list[Link]:
    """The links that are up, by place and peer."""
    return sorted(wires.links, key=lambda link: (link.place, link.peer))


def exposition(wires: Wires) -> str:
    """All counts in the text format that monitoring reads."""
    totals = {place: dict(gone) for place, gone in wires.gone.items()}
    up = dict.fromkeys(totals, 0)
    for link in wires.links:
        up[link.place] = up.get(link.place, 0) + 1
        sums = totals.setdefault(link.place, {})
        for name, count in totals_of(link.counters).items():
            sums[name] = sums.get(name, 0) + count
    lines = ["# HELP bezant_links links that are up", "# TYPE bezant_links gauge"]
    lines += [f'bezant_links{{place="{place}"}} {count}' for place, count in sorted(up.items())]
    for family, (words, directions) in _FAMILIES.items():
        name = f"bezant_link_{family}_total"
        lines += [f"# HELP {name} {words}", f"# TYPE {name} counter"]
        lines += [
            f'{name}{{place="{place}",direction="{direction}"}} {sums.get(counter, 0)}'
            for place, sums in sorted(totals.items())
            for direction, counter in directions.items()
        ]
    return "\n".join(lines) + "\n"

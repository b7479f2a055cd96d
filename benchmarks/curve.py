"""Latency against load as a picture: a small SVG, written by hand, because two lines and two axes need no library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

WIDTH, HEIGHT = 720, 420
LEFT, TOP, RIGHT, BOTTOM = 70, 50, 30, 60
_LINES = (("median", "#1f6f8b"), ("99 of 100 below", "#c8553d"))
_TEXT = 'font-family="sans-serif" font-size="12" fill="#333"'


@dataclass(frozen=True, slots=True)
class Point:
    """What so many requests in flight came to: answers a second, and latencies in milliseconds."""

    in_flight: int
    rate: int
    median_ms: float
    slowest_ms: float


def drawn(title: str, points: Sequence[Point]) -> str:
    """Both latencies over the rate, both axes logarithmic, each point with its number in flight."""
    rates = [point.rate for point in points]
    latencies = [value for point in points for value in (point.median_ms, point.slowest_ms)]
    across = _Axis(min(rates), max(rates), LEFT, WIDTH - RIGHT)
    upward = _Axis(min(latencies), max(latencies), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<text x="{LEFT}" y="24" {_TEXT} font-weight="bold">{title}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" {_TEXT} text-anchor="middle">answers a second</text>',
        f'<text x="12" y="{TOP - 10}" {_TEXT}>milliseconds</text>',
    ]
    for value in across.ticks:
        at = across.place(value)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        label = f"{value:,.0f}"
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" {_TEXT} text-anchor="middle">{label}</text>')
    for value in upward.ticks:
        at = upward.place(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" {_TEXT} text-anchor="end">{value:g}</text>')
    for number, (name, colour) in enumerate(_LINES):
        places = [
            (across.place(point.rate), upward.place((point.median_ms, point.slowest_ms)[number])) for point in points
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        legend = WIDTH - RIGHT - 250 + 130 * number
        parts.append(f'<circle cx="{legend}" cy="20" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{legend + 10}" y="24" {_TEXT}>{name}</text>')
        if number == 0:
            parts += [
                f'<text x="{x:.1f}" y="{y + 18:.1f}" {_TEXT} text-anchor="middle">{point.in_flight:,}</text>'
                for (x, y), point in zip(places, points, strict=True)
            ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


class _Axis:
    """A logarithmic axis between whole decades' halves: 1, 2, 5, 10 and so on."""

    def __init__(self, least: float, most: float, start: float, end: float) -> None:
        steps = [digit * 10.0**power for power in range(-3, 7) for digit in (1, 2, 5)]
        low = max(step for step in steps if step <= least)
        high = min(step for step in steps if step >= most)
        self.ticks = [step for step in steps if low <= step <= high]
        self._low, self._span = log10(low), log10(high) - log10(low)
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Where on the picture."""
        return self._start + (self._end - self._start) * (log10(value) - self._low) / self._span

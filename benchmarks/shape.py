"""The one shape of all results.

`{"name", "versions", "settings", "rows": [{"name", "ours", "peer", "peer_name", "unit", "ratio"}]}`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured twice: by us and by a peer, in the same unit, on the same machine, in turns."""

    name: str
    ours: int
    peer: int
    peer_name: str
    unit: str

    @property
    def ratio(self) -> float:
        """Ours against the peer's."""
        return round(self.ours / self.peer, 3)


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark found, with what it depends on."""

    name: str
    versions: Mapping[str, str]
    settings: Mapping[str, str | int]
    rows: tuple[Row, ...]
    picture: str | None = None
    """An SVG, where there is something to see."""

    def as_json(self) -> dict[str, Any]:
        """The shape that machines read."""
        return {
            "name": self.name,
            "versions": dict(self.versions),
            "settings": dict(self.settings),
            "rows": [
                {
                    "name": row.name,
                    "ours": row.ours,
                    "peer": row.peer,
                    "peer_name": row.peer_name,
                    "unit": row.unit,
                    "ratio": row.ratio,
                }
                for row in self.rows
            ],
        }


def versions(**others: str) -> dict[str, str]:
    """Of ourselves, of Python, and of what else was measured."""
    return {"bezant": version("bezant"), "python": platform.python_version(), **others}

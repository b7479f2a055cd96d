"""Where the house stands and what lies in it, for the tests that look at its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "gateways", "issuer", "simulator", "api", "benchmarks")
TOP_FOLDERS = (*PACKAGES, "tests", "docs", ".ci")


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root with forward slashes, its text, its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    def lies_in(self, *places: str) -> bool:
        """Whether the file is one of `places` or lies below one; `*/name.py` means any file of that name."""
        return any(
            self.path == place
            or self.path.startswith(place.rstrip("/") + "/")
            or (place.startswith("*/") and self.path.endswith(place[1:]))
            for place in places
        )


def parse(path: str, text: str) -> Source:
    """`text` as if it lay at `path`."""
    return Source(path, text, ast.parse(text))


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the packages and the tests."""
    files = sorted(file for folder in (*PACKAGES, "tests") for file in (ROOT / folder).rglob("*.py"))
    return tuple(parse(file.relative_to(ROOT).as_posix(), file.read_text("utf-8")) for file in files)


def package_sources() -> tuple[Source, ...]:
    """Every Python file that is part of the product."""
    return tuple(source for source in sources() if source.lies_in(*PACKAGES))


def written_files() -> Iterator[tuple[str, str]]:
    """(path, text) of everything that people write here: code, documents, settings; not what tools leave behind."""
    for file in sorted(ROOT.iterdir()):
        if file.is_file():
            yield file.name, file.read_text("utf-8", errors="replace")
    for folder in TOP_FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and not {"__pycache__", ".hypothesis"} & set(file.parts) and file.suffix != ".pyc":
                yield file.relative_to(ROOT).as_posix(), file.read_text("utf-8", errors="replace")

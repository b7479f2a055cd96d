"""`docs/FIDELITY.md` promises nothing that no test holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.house import ROOT, sources

TRAPS = 15
"""How many the plan of the house names."""
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    section: str
    behaviour: str
    fidelity: str
    remark: str
    held_by: str


def rows() -> list[Row]:
    """Every line of every table."""
    section, found = "", []
    for line in Path(ROOT / "docs" / "FIDELITY.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("| ") and not line.startswith(("| ---", "| Behaviour", "| Trap |")):
            cells = [cell.strip() for cell in line.strip("|").split(" |")]
            found.append(Row(section, *cells))
    return found


@cache
def defined() -> frozenset[tuple[str, str]]:
    """(file, name) of every test."""
    return frozenset(
        (source.path, name)
        for source in sources()
        for name in re.findall(r"^(?:async )?def (test_\w+)", source.text, re.MULTILINE)
    )


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.behaviour)
def test_a_line_is_held_by_tests_that_exist_or_says_what_it_belongs_to(row: Row) -> None:
    named = _TEST.findall(row.held_by)
    match row.fidelity:
        case "exact" | "simplified":
            assert named, "a promise without a test"
            assert set(named) <= defined(), sorted(set(named) - defined())
            assert row.fidelity == "exact" or row.remark, "simplified in what?"
        case "absent":
            assert not named and not row.held_by, "nothing holds what is not there"
            assert row.remark, "what does it belong to?"
        case other:
            raise AssertionError(f"{other!r} is none of exact, simplified and absent")


def test_every_trap_of_the_plan_has_its_line() -> None:
    traps = [row for row in rows() if row.section == "Traps"]
    assert len(traps) == TRAPS
    assert [row.behaviour for row in traps if row.fidelity == "absent"] == [
        "webhooks are asynchronous, unordered, at least once"
    ]

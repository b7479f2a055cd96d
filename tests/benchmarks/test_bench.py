"""The shape that all results share, and what the command says of a benchmark that does not exist."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from benchmarks.commands import NAMES, bench_commands
from benchmarks.shape import Result, Row, versions
from engine.vocabulary.errors import BezantError


def test_a_result_says_what_it_depends_on_and_how_we_compare() -> None:
    row = Row("transfers, 100 in flight", 1_500, 2_000, "pgbench", "per second")
    result = Result("ledger", versions(postgresql="18.6"), {"rounds": 3}, (row,)).as_json()
    assert list(result) == ["name", "versions", "settings", "rows"]
    assert set(result["versions"]) == {"bezant", "python", "postgresql"}
    assert result["rows"] == [
        {
            "name": "transfers, 100 in flight",
            "ours": 1_500,
            "peer": 2_000,
            "peer_name": "pgbench",
            "unit": "per second",
            "ratio": 0.75,
        }
    ]


def test_an_unknown_benchmark_is_one_sentence_that_names_those_there_are() -> None:
    ran = CliRunner().invoke(bench_commands, ["nothing"])
    assert isinstance(ran.exception, BezantError)
    with pytest.raises(BezantError, match=f"no benchmark 'nothing'; there are: {', '.join(NAMES)}"):
        raise ran.exception

"""The crypto benchmark runs, compares like with like, and reports what it promises. No timing decides."""

from __future__ import annotations

import pytest

from benchmarks import crypto

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def test_both_sides_give_the_same_answers_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each side asserts its own answers against the other's while it is measured.
    monkeypatch.setattr(crypto, "ROUNDS", 2)
    monkeypatch.setattr(crypto, "CALLS", crypto.QUESTIONS)
    said: list[str] = []
    result = crypto.run(said.append)
    assert [row.name for row in result.rows] == ["authorization", "pin_translate", "cvv2", "pvv", "arqc"]
    assert all(row.ours > 0 and row.peer > 0 and row.unit == "per second" for row in result.rows)
    assert {row.name: row.peer_name for row in result.rows}["authorization"] == "pyiso8583 + psec + pyemv"
    assert len(said) == len(result.rows)
    assert {"cryptography", "psec", "pyemv", "pyiso8583"} <= set(result.versions)

"""`bezant reconcile` prints precision and recall of a planted week."""

from __future__ import annotations

import pytest

from api import cli


def test_precision_and_recall_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["reconcile", "--seed", "11", "--times", "2"]) == 0
    shown = capsys.readouterr().out
    assert "precision 1.000, recall 1.000" in shown
    assert "payout returned" in shown

"""`bezant savings`: what its commands show, and the picture of an account."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from api.pictures import draw_savings
from engine.database.connections import Database
from engine.savings.model import SetRates
from engine.savings.products import Frequency
from engine.savings.statements import read_course
from engine.vocabulary.errors import BezantError
from tests.engine.savings.bank import Bank

START = date(2026, 1, 25)


def test_a_picture_shows_every_day_that_was_counted_and_each_change_of_rates(
    database: Database, tmp_path: Path
) -> None:
    bank = Bank(database, "drawn", tmp_path, START)
    bank.offer("saver", compounding=Frequency.DAILY)
    saved = bank.save("@ada", "saver", 1_000_000)
    rates = SetRates(reference="1", product="saver", effective_on=date(2026, 2, 3), tiers=((0, 730),))
    assert bank.refused(rates) == "set"
    bank.nights(START + timedelta(days=20))
    with bank.processor.engine.connect() as connection:
        drawn = read_course(connection, bank.account(saved))
    assert [point.day for point in drawn.points] == [START + timedelta(days=number) for number in range(20)]
    assert drawn.changes == ((date(2026, 2, 3), "730 bps from 0"),)
    last, account = drawn.points[-1], bank.account(saved)
    assert (last.balance_minor, last.unpaid_micro, last.paid_minor) == (
        bank.balance(saved),
        account.accrued_micro,
        account.paid_minor,
    )
    for ending, begins in ((".svg", b"<?xml"), (".png", b"\x89PNG")):
        file = tmp_path / f"saver{ending}"
        draw_savings(drawn, file)
        assert file.read_bytes().startswith(begins)


def test_without_the_library_one_sentence_says_what_to_install(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    bank = Bank(database, "undrawn", tmp_path, START)
    bank.offer("saver")
    saved = bank.save("@ada", "saver", 1_000)
    with bank.processor.engine.connect() as connection, pytest.raises(BezantError, match=r"bezant\[plot\]"):
        draw_savings(read_course(connection, bank.account(saved)), tmp_path / "none.svg")

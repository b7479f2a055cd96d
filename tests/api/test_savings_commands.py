"""`bezant savings`: what its commands show, and the picture of an account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from api import cli
from api.pictures import draw_savings
from api.settings import Settings
from api.system import MEMBERS, System, opened
from engine.accounts.model import OpenCustomer
from engine.database.connections import Database
from engine.ledger.book import Book
from engine.savings.model import OpenProduct, OpenSavings, SetRates
from engine.savings.products import Frequency
from engine.savings.statements import read_course
from engine.vocabulary.errors import BezantError
from tests.engine.people import customer_id
from tests.engine.savings.bank import Bank
from tests.world import HandClock

START = date(2026, 1, 25)
NOON = datetime(2026, 1, 25, 12, tzinfo=UTC)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def saved(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, UUID]]:
    """The world's bank with a product, one saver, and five weeks that are over; the saver's account."""
    folder = tmp_path_factory.mktemp("installation")
    settings = Settings(database_url=database_url, data_folder=folder)
    with opened(settings) as system:
        system.set_up(MEMBERS, NOON)
        bank, clock = system.institution("bank"), HandClock(NOON)
        seat = system.seat(bank, clock=clock, since=NOON)
        ada = customer_id("@ada", Book(bank.name, bank.time_zone))
        asked = [
            OpenCustomer(handle="@ada", name="Ada", opening_deposit_minor=2_000_000),
            OpenProduct(
                reference="1",
                name="saver",
                effective_on=START,
                tiers=((0, 365), (500_000, 400)),
                withholding_bps=1_000,
            ),
            OpenSavings(reference="1", customer_id=ada, product="saver", opening_minor=1_000_000),
        ]
        answers = seat.processor.execute(asked)
        assert answers[2] is not None and answers[2].code == "opened", answers
        clock.move(timedelta(days=35))
        seat.scheduler.run_due(clock.now())
        yield system, UUID(str(answers[2].facts["savings_id"]))


@pytest.fixture
def bezant(
    saved: tuple[System, UUID], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str
) -> Run:
    """Runs a command in that installation: its status, output and errors."""
    system, _ = saved
    monkeypatch.setenv("BEZANT_DATABASE_URL", database_url)
    monkeypatch.setenv("BEZANT_DATA_FOLDER", str(system.settings.data_folder))
    monkeypatch.setenv("BEZANT_LOG_LEVEL", "error")
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.run(words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def refused(run: Run, *words: str) -> str:
    """The one line that a refusal says."""
    status, _, error = run(*words)
    assert status == 1 and error.count("\n") == 1 and "Traceback" not in error, error
    return error


def test_products_are_shown_with_every_set_of_rates_and_a_rate_is_set_for_a_day_to_come(bezant: Run) -> None:
    status, shown, _ = bezant("savings", "products")
    (line,) = shown.splitlines()[1:]
    assert (status, line.split()[:5]) == (0, ["saver", "actual/365", "monthly", "monthly", "2026-01-25"])
    assert "0: 3.65 %, 500000: 4.00 % (whole balance)" in line
    said = bezant("savings", "rate", "saver", "2099-01-01", "425")
    assert said[:2] == (0, "saver pays 425 basis points from 2099-01-01.\n")
    assert bezant("savings", "rate", "saver", "2099-01-01", "425")[:2] == said[:2], "said again, it is the same rate"
    _, shown, _ = bezant("savings", "products")
    assert [one.split()[4] for one in shown.splitlines()[1:]] == ["2026-01-25", "2099-01-01"]


def test_a_rate_that_cannot_be_set_is_refused_in_words(bezant: Run) -> None:
    assert "days to come only" in refused(bezant, "savings", "rate", "saver", "2026-01-25", "425")
    assert "no such savings product" in refused(bezant, "savings", "rate", "none", "2099-01-01", "425")
    for words in (("saver", "2099-13-01", "425"), ("saver", "2099-01-02", "10001"), ("saver", "2099-01-02", "-1")):
        status, _, error = bezant("savings", "rate", *words)
        assert status != 0 and "Traceback" not in error
    assert "no institution" in refused(bezant, "savings", "products", "--institution", "nobank")


def test_the_years_tax_report_has_a_line_a_customer_and_the_sums(bezant: Run) -> None:
    status, shown, _ = bezant("savings", "tax", "2026")
    lines = [line.split() for line in shown.splitlines()[1:]]
    # 4 % on 10,000.00: 7.67 for a week of January, 30.71 for February on what tax has left of them.
    amounts = ["38.38", "USD", "3.84", "USD", "0.00", "USD"]
    assert (status, [line[1:] for line in lines]) == (0, [amounts, amounts])
    assert lines[1][0] == "all"
    _, shown, _ = bezant("savings", "tax", "2025")
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize(("ending", "begins"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_an_account_is_drawn_in_a_file(
    bezant: Run, saved: tuple[System, UUID], tmp_path: Path, ending: str, begins: bytes
) -> None:
    file = tmp_path / f"saver{ending}"
    status, said, _ = bezant("savings", "plot", str(saved[1]), "--file", str(file))
    assert (status, said) == (0, f"35 days drawn in {file}\n")
    assert file.read_bytes().startswith(begins)


def test_what_cannot_be_drawn_is_refused_in_words(bezant: Run, saved: tuple[System, UUID], tmp_path: Path) -> None:
    assert "no savings account" in refused(bezant, "savings", "plot", str(UUID(int=1)))
    assert ".svg or a .png" in refused(bezant, "savings", "plot", str(saved[1]), "--file", str(tmp_path / "a.gif"))
    assert "savings.svg" not in [one.name for one in Path.cwd().iterdir()]


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

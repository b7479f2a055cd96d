"""The commands against a real database, as a person gives them: what they show, and what they say when it cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from api import cli
from engine.database.connections import Database
from gateways.iso8583.specifications import SIMNET

Run = Callable[..., tuple[int, str, str]]

MESSAGE = "0800 8220000000000000 0400000000000000 0302093000 000001 301"


@pytest.fixture
def bezant(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command in the module's database: its status, output and errors."""
    monkeypatch.setenv("BEZANT_DATABASE_URL", database_url)
    monkeypatch.setenv("BEZANT_DATA_FOLDER", str(tmp_path))
    monkeypatch.setenv("BEZANT_LOG_LEVEL", "error")
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.run(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture(scope="module")
def owner(database_url: str) -> Iterator[Database]:
    """The owner's own way in, to plant what should not be."""
    database = Database(database_url, b"")
    yield database
    database.dispose()


def test_before_anything_is_open_each_command_says_what_to_do(bezant: Run) -> None:
    for words in (("jobs", "list"), ("audit",), ("serve", "jobs"), ("serve", "issuer")):
        status, _, error = bezant(*words)
        assert (status, error.count("\n")) == (1, 1), error
        assert "`bezant institutions setup`" in error


def test_the_worlds_institutions_are_opened_once(bezant: Run) -> None:
    assert bezant("institutions", "setup")[:2] == bezant("institutions", "setup")[:2]
    status, shown, _ = bezant("institutions", "list")
    assert status == 0
    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["acquirer", "200001", "acquirer", "UTC"],
        ["bank", "100001", "issuer", "UTC"],
        ["northbank", "100002", "issuer", "America/New_York"],
        ["settlement", "900001", "settlement_bank", "UTC"],
        ["simnet", "900000", "network", "UTC"],
        ["southbank", "100003", "issuer", "UTC"],
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("bank", "--member-id", "100009", "--role", "issuer"), "is open already, as issuer 100001 in UTC"),
        (("eastbank", "--member-id", "100001", "--role", "issuer"), "The member id 100001 belongs to another"),
        (("e", "--member-id", "100009", "--role", "issuer"), "cannot name an institution"),
        (("eastbank", "--member-id", "100009", "--role", "bank"), "is no role of an institution"),
        (("eastbank", "--member-id", "1x", "--role", "issuer"), "up to 11 digits"),
        (("eastbank", "--member-id", "1", "--role", "issuer", "--time-zone", "Mars/Base"), "is no time zone"),
    ],
)
def test_an_institution_that_cannot_be_opened_is_refused_in_one_line(
    bezant: Run, words: tuple[str, ...], reason: str
) -> None:
    bezant("institutions", "setup")
    status, _, error = bezant("institutions", "add", *words)
    assert (status, error.count("\n")) == (1, 1)
    assert reason in error


def test_one_more_institution_is_opened_and_kept_up_to_date(bezant: Run) -> None:
    bezant("institutions", "setup")
    assert bezant("institutions", "add", "westbank", "--member-id", "100004", "--role", "issuer")[0] == 0
    status, shown, _ = bezant("institutions", "upgrade")
    assert status == 0
    assert "westbank" in shown


def test_jobs_are_listed_with_their_local_times(bezant: Run) -> None:
    bezant("institutions", "setup")
    status, shown, _ = bezant("jobs", "list", "--institution", "northbank")
    assert status == 0
    lines = {line.split()[1]: line.split() for line in shown.splitlines()[1:]}
    assert lines["hold-expiry"][2:4] == ["21:00", "America/New_York"]
    assert lines["hold-expiry"][-1] in ("01:00", "02:00"), "in UTC, in summer and in winter"


def test_a_history_of_nothing_is_no_question(bezant: Run) -> None:
    status, _, error = bezant("jobs", "history", "--most", "-1")
    assert (status, error.count("\n")) == (2, 1)
    assert "--most" in error


def test_a_job_runs_once_for_a_date_that_is_due(bezant: Run, owner: Database) -> None:
    bezant("institutions", "setup")
    date = (datetime.now(UTC) - timedelta(days=1)).date()
    with owner.owner().begin() as connection:
        evening = datetime.combine(date, time(21), UTC)
        connection.execute(text("update public.institutions set opened_at = :at"), {"at": evening})
    run = ("jobs", "run", "clearing", "--institution", "acquirer", "--date")
    status, shown, _ = bezant(*run, str(date))
    assert status == 0
    assert shown.startswith(f"clearing of acquirer for {date}: ")
    status, _, error = bezant(*run, str(date))
    assert (status, "was finished before: each business date is run once" in error) == (1, True)
    status, _, error = bezant(*run, "2099-01-01")
    assert (status, "is not due" in error) == (1, True)
    status, _, error = bezant("jobs", "run", "cleaning", "--institution", "acquirer", "--date", str(date))
    assert (status, "has no job 'cleaning'; it has clearing" in error) == (1, True)
    _, shown, _ = bezant("jobs", "history", "--institution", "acquirer")
    (line,) = (line for line in shown.splitlines() if "finished" in line)
    assert line.split()[:3] == ["acquirer", "clearing", str(date)]
    assert "open" in shown


def test_the_audit_proves_every_book_and_names_what_contradicts(bezant: Run, owner: Database) -> None:
    bezant("institutions", "setup")
    status, shown, _ = bezant("audit")
    assert (status, "Books proven" in shown) == (0, True)
    with owner.owner().begin() as connection:
        connection.exec_driver_sql("alter table i_bank.accounts drop constraint accounts_balance_at_least_floor_check")
    status, shown, error = bezant("audit", "--institution", "bank")
    assert status == 1
    finding = "bank: the database checks the limits: the database no longer checks"
    assert f"{finding} accounts_balance_at_least_floor_check" in shown
    assert "The books are not proven: 1 of" in error
    assert bezant("audit", "--institution", "southbank")[0] == 0
    assert bezant("audit", "--institution", "nobank")[0] == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("issuer", "--institution", "acquirer"), "acquirer has the role acquirer and cannot be served as issuer"),
        (("issuer", "--institution", "nobank"), "There is no institution 'nobank'"),
        (("jobs", "--institution", "nobank"), "There is no institution 'nobank'"),
    ],
)
def test_who_cannot_be_served_is_told_in_one_line(bezant: Run, words: tuple[str, ...], reason: str) -> None:
    bezant("institutions", "setup")
    status, _, error = bezant("serve", *words)
    assert (status, error.count("\n")) == (1, 1)
    assert reason in error


def test_a_database_that_does_not_answer_is_one_sentence(bezant: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_DATABASE_URL", "postgresql://bezant:geheim@127.0.0.1:1/bezant")
    status, _, error = bezant("institutions", "list")
    assert (status, error.count("\n")) == (1, 1)
    assert "PostgreSQL at 127.0.0.1:1 does not let bezant in" in error
    assert "geheim" not in error


def test_another_master_key_is_told_by_its_name(bezant: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    bezant("institutions", "setup")
    monkeypatch.setenv("BEZANT_MASTER_KEY", "0f" * 32)
    status, _, error = bezant("audit")
    assert (status, error.count("\n")) == (1, 1)
    assert "see that it runs, and that BEZANT_MASTER_KEY is the one" in error


def test_setup_under_another_master_key_is_refused_and_renews_no_password(
    bezant: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bezant("institutions", "setup")
    with monkeypatch.context() as other:
        other.setenv("BEZANT_MASTER_KEY", "0f" * 32)
        for words in (("setup",), ("add", "bank", "--member-id", "100001", "--role", "issuer")):
            status, _, error = bezant("institutions", *words)
            assert (status, error.count("\n")) == (1, 1)
            assert "its password does not follow from this BEZANT_MASTER_KEY" in error
    assert bezant("jobs", "list", "--institution", "bank")[0] == 0, "the login still opens"


def test_a_data_folder_that_cannot_be_is_one_sentence(
    bezant: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("BEZANT_DATABASE_URL")
    monkeypatch.setenv("BEZANT_DATA_FOLDER", str(tmp_path / "file"))
    for words in (("institutions", "list"), ("demo",)):
        status, _, error = bezant(*words)
        assert (status, error.count("\n")) == (1, 1)
        assert "Choose a data folder that you own" in error


def test_tables_that_are_too_old_are_named_with_what_to_do(bezant: Run, owner: Database) -> None:
    bezant("institutions", "setup")
    with owner.owner().begin() as connection:
        connection.exec_driver_sql("delete from i_northbank.alembic_version")
    status, _, error = bezant("jobs", "list", "--institution", "northbank")
    assert (status, error.count("\n")) == (1, 1)
    assert "The tables of northbank are at no revision" in error
    assert "`bezant institutions upgrade`" in error


def test_a_message_is_described(bezant: Run) -> None:
    hexadecimal = MESSAGE.replace(" ", "").encode().hex()
    status, shown, _ = bezant("iso", "describe", hexadecimal)
    assert status == 0
    assert "0800 (network management request)" in shown
    assert "301 (echo)" in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("zz",), "is not hexadecimal"),
        (("0800",), "MTI"),
        (("0800", "--dialect", "klingon"), "is none of terminal, ascii-hex, ascii-binary"),
    ],
)
def test_what_is_no_message_is_one_line(bezant: Run, words: tuple[str, ...], reason: str) -> None:
    status, _, error = bezant("iso", "describe", *words)
    assert (status, error.count("\n")) == (1, 1)
    assert reason in error


def test_a_message_is_written_from_its_elements_and_read_again(bezant: Run, tmp_path: Path) -> None:
    elements = json.dumps({"t": "0800", "11": "000001", "70": "301"})
    status, hexadecimal, _ = bezant("iso", "encode", elements, "--dialect", "bcd")
    assert (status, hexadecimal.strip()) == (0, "080080200000000000000400000000000000" + "000001" + "0301")
    status, shown, _ = bezant("iso", "describe", hexadecimal.strip(), "--dialect", "bcd", "--output", "json")
    assert status == 0
    assert [line["value"] for line in json.loads(shown)] == [
        "0800 (network management request)",
        "000001",
        "301 (echo)",
    ]
    file = tmp_path / "echo.bin"
    assert bezant("iso", "encode", elements, "--file", str(file))[0] == 0
    status, shown, _ = bezant("iso", "describe", "--file", str(file), "--output", "text")
    assert status == 0 and "301 (echo)" in shown


def test_a_dialect_of_the_users_own_is_read_from_a_file(bezant: Run, tmp_path: Path) -> None:
    rows = {key: dict(row) for key, row in SIMNET.items() if key in {"h", "t", "p", "1", "11"}}
    rows["11"] |= {"data_enc": "cp1047"}
    file = tmp_path / "own.json"
    file.write_text(json.dumps(rows))
    elements = '{"t": "0800", "11": "000001"}'
    status, hexadecimal, _ = bezant("iso", "encode", elements, "--specification", str(file))
    assert (status, hexadecimal.strip()) == (0, "30383030" + "0020000000000000" + "F0F0F0F0F0F1")
    file.write_text(json.dumps({**rows, "11": {"data_enc": "words"}}))
    status, _, error = bezant("iso", "encode", elements, "--specification", str(file))
    assert status == 1 and "specification DE 11" in error


@pytest.mark.parametrize("words", [("encode", "11"), ("encode", "{"), ("encode", '{"t": "08"}'), ("describe",)])
def test_what_cannot_be_written_is_said_in_one_sentence(bezant: Run, words: tuple[str, ...]) -> None:
    status, _, error = bezant("iso", *words)
    assert status == 1
    assert "Traceback" not in error and error.strip()

"""`bezant clearing` as a person gives it: files proven, shown, converted; what does not hold is named in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api import cli
from engine.vocabulary.files import FileTotals
from gateways.clearing.files import ClearingFiles, FileShape, scan, shape_of
from tests.gateways.clearing.records import IN_BOTH_SHAPES, IN_IPM_ONLY, PURCHASE, totals_of

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bezant(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command: its status, output and errors."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> tuple[int, str, str]:
        status = cli.run([str(word) for word in ("clearing", *words)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clearing.ipm"
    records = (*IN_BOTH_SHAPES, *IN_IPM_ONLY)
    ClearingFiles().write(path, totals_of(records), records)
    return path


def test_verify_says_what_a_file_holds(bezant: Run, file: Path) -> None:
    status, shown, _ = bezant("verify", file, "--output", "json")
    assert status == 0
    found = json.loads(shown)
    assert (found["shape"], found["records"], found["presentments"], found["chargebacks"]) == ("ipm ascii", 11, 3, 3)
    assert found["amount_minor_JPY"] == 700
    assert found["total_minor"] == sum(amount for name, amount in found.items() if name.startswith("amount_minor"))
    assert "every record and total holds" in bezant("verify", file)[1]


def test_show_masks_card_numbers(bezant: Run, file: Path) -> None:
    status, shown, _ = bezant("show", file)
    assert status == 0
    assert PURCHASE.pan.masked in shown and PURCHASE.pan.clear not in shown
    assert "CARD RECOVERY" in shown and "account_range_unknown" in shown
    assert bezant("show", file, "--first", 3, "--most", 1)[1].count(PURCHASE.pan.masked) == 1


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ((), FileShape()),
        (("--charset", "ebcdic", "--blocked"), FileShape("ipm", "ebcdic", is_blocked=True)),
        (("--layout", "fixed"), FileShape("fixed")),
    ],
)
def test_convert_writes_the_same_records_for_their_owner_only(
    bezant: Run, tmp_path: Path, words: tuple[str, ...], shape: FileShape
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    ClearingFiles(FileShape("fixed", "ebcdic")).write(source, totals_of(IN_BOTH_SHAPES), IN_BOTH_SHAPES)
    assert bezant("convert", source, target, *words)[0] == 0
    with target.open("rb") as reading:
        assert shape_of(reading) == shape
    assert [one for one in scan(target) if not isinstance(one, FileTotals)] == list(IN_BOTH_SHAPES)
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_done_is_said_in_one_line_and_leaves_nothing(bezant: Run, tmp_path: Path, file: Path) -> None:
    cut, target = tmp_path / "cut", tmp_path / "target"
    cut.write_bytes(file.read_bytes()[:-100])
    for words, reason in (
        (("verify", cut), "record 12"),
        (("show", cut), "record 12"),
        (("convert", cut, target), "record 12"),
        (("convert", file, target, "--layout", "fixed"), "there is none for fees and rejects"),
        (("convert", file, target, "--layout", "fixed", "--blocked"), "Only IPM-like files"),
        (("convert", file, file), "exists already"),
        (("verify", Path(__file__)), "neither a 1644"),
        (("verify", tmp_path / "none"), "No such file"),
    ):
        status, _, error = bezant(*words)
        assert (status, error.count("\n")) == (1, 1), error
        assert reason in error
        assert PURCHASE.pan.clear not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clearing.ipm", "cut"]

"""What somebody changes behind the program's back in the books of a finished day is named by `bezant audit`, run as a
person runs it: which institution, which row, and exit status 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from api.cli import run
from tests.simulation.copies import copied
from tests.simulation.played import PlayedDay


@dataclass(frozen=True, slots=True)
class Plant:
    """`row` finds what is changed, and what of it is to be named; `change` changes it, with its first column given."""

    name: str
    institution: str
    row: str
    change: str
    finding: str


PLANTS = (
    Plant(
        "a wrong balance",
        "bank",
        "select id from accounts where code = 2100 and balance_minor > 0 order by id limit 1",
        "update accounts set balance_minor = balance_minor + 1 where id = %(row)s",
        "{row}",
    ),
    Plant(
        "a missing entry",
        "acquirer",
        "select request_id, debit from entries where kind = 'purchase' order by chain, sequence, position limit 1",
        "delete from entries where request_id = %(row)s and kind = 'purchase'",
        "{named}",
    ),
    Plant(
        "a doubled presentment",
        "northbank",
        "select id, arn from presented_items order by arn limit 1",
        "alter table presented_items drop constraint presented_items_arn_key;"
        " create temporary table doubled as select * from presented_items where id = %(row)s;"
        " update doubled set id = gen_random_uuid(); insert into presented_items select * from doubled",
        "doubled presentment: ARN {named} is there 2 times",
    ),
    Plant(
        "a doubled item",
        "simnet",
        "select id, arn from items where state = 'accepted' and network_reference is not null order by arn limit 1",
        "create temporary table doubled as select * from items where id = %(row)s;"
        " update doubled set id = gen_random_uuid(), arn = '9' || substr(arn, 2);"
        " insert into items select * from doubled",
        "{named}",
    ),
    Plant(
        "an orphan hold",
        "southbank",
        "select id from authorizations where state = 'cleared' order by id limit 1",
        "delete from authorizations where id = %(row)s",
        "belongs to no authorization ({row})",
    ),
    Plant(
        "a hold that outlives its authorization",
        "bank",
        "select id from authorizations where state = 'cleared' order by id limit 1",
        "update authorizations set held_left_minor = 500 where id = %(row)s",
        "orphan hold: authorization {row}",
    ),
    Plant(
        "an amount that was changed after the day was closed",
        "settlement",
        "select request_id, chain || '/' || sequence from entries order by chain, sequence, position limit 1",
        "update entries set amount_minor = amount_minor + 1 where request_id = %(row)s",
        "{named}",
    ),
)


def test_the_books_of_the_day_are_proven(
    played: PlayedDay, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert played.settings.database_url is not None
    monkeypatch.setenv("BEZANT_DATABASE_URL", played.settings.database_url.get_secret_value())
    assert run(["audit"]) == 0
    assert "Books proven" in capsys.readouterr().out


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_the_audit_names_what_was_planted(
    plant: Plant,
    played: PlayedDay,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with copied(played.settings.database_url) as url:
        row, named = _planted(url, plant)
        monkeypatch.setenv("BEZANT_DATABASE_URL", url)
        monkeypatch.setenv("BEZANT_DATA_FOLDER", str(tmp_path))
        assert run(["audit"]) == 1
    shown = capsys.readouterr()
    findings = [line for line in shown.out.splitlines() if line.startswith(f"{plant.institution}: ")]
    assert any(plant.finding.format(row=row, named=named) in finding for finding in findings), shown.out
    assert "not proven" in shown.err


def _planted(url: str, plant: Plant) -> tuple[str, str]:
    """Change the row, as the owner; what its first and its last column said."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"set local search_path to i_{plant.institution}")
        row = connection.exec_driver_sql(plant.row).one()
        for statement in plant.change.split(";"):
            assert connection.exec_driver_sql(statement, {"row": row[0]}).rowcount
    engine.dispose()
    return str(row[0]), str(row[-1])

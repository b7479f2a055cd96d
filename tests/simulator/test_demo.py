"""A small day and what is shown of it: figures for machines, the screen, the purchase told; a failed proof is named."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import make_url, text

from api import cli
from api.settings import Settings
from api.system import System
from engine.database.connections import Database, DatabaseUnavailable
from engine.database.fresh import fresh_database
from engine.vocabulary.errors import BezantError
from simulator import commands
from simulator.demo import demonstrate, fresh_system
from simulator.faults import Level
from simulator.figures import Figures
from simulator.proofs import Proven
from simulator.screen import screen
from simulator.world_hash import world_hash

PAYMENTS = 40


@pytest.fixture(scope="module")
def settings(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(database_url=server_url, data_folder=tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def system(settings: Settings) -> Iterator[System]:
    with fresh_system(settings, "bezant_small_day") as system:
        yield system


@pytest.fixture(scope="module")
def figures(system: System) -> Figures:
    return asyncio.run(
        demonstrate(system, seed=7, payments=PAYMENTS, level=Level.HEAVY, tell=lambda what: None, elapsed=lambda: 1.5)
    )


def test_the_day_is_proven_although_much_goes_wrong(figures: Figures) -> None:
    assert [proof for proof in figures.proofs if not proof.holds] == []
    assert figures.faults
    owners = {proof.name.partition(":")[0] for proof in figures.proofs}
    assert {"bank", "northbank", "southbank", "acquirer", "simnet", "settlement", "the auditor"} <= owners


def test_its_figures_agree_with_each_other(figures: Figures) -> None:
    assert sum(figures.payments.values()) == PAYMENTS
    assert figures.net_positions["acquirer"] > 0 > figures.net_positions["bank"]
    assert sum(figures.net_positions.values()) == 0
    cleared = figures.cleared
    # More only where a merchant has given back more than it took: it is paid nothing, and owes.
    assert sum(figures.payouts.values()) >= cleared.bought_minor - cleared.given_back_minor - cleared.discount_minor
    assert figures.transfers["refused insufficient_funds"] == 1
    assert figures.interest_minor > 0


def test_machines_get_the_same_figures(figures: Figures) -> None:
    told = json.loads(json.dumps(figures.as_json()))
    assert re.fullmatch(r"[0-9a-f]{32}", told["world_hash"])
    assert told["seconds"] == 1.5
    assert all(told["proofs"].values()) and len(told["proofs"]) == len(figures.proofs)
    assert sum(told["payments"].values()) == PAYMENTS
    assert set(told["faults"]) == set(told["fault_endings"])
    assert sum(told["net_positions"]["USD"].values()) == 0
    steps = [step for step in told["purchase_trace"] if "institution" in step]
    assert [step["institution"] for step in steps[:5]] == ["acquirer", "simnet", "bank", "simnet", "acquirer"]


def test_a_purchase_is_told_from_the_terminal_to_the_payout(figures: Figures) -> None:
    happened = [what for step in figures.purchase.steps for what in step.what]
    assert happened[:5] == [
        "PaymentRequested", "RequestForwarded", "HoldPlaced", "ResponsePassedOn", "PaymentCaptured"
    ]  # fmt: skip
    moved = {posted.kind for step in figures.purchase.steps for posted in step.postings}
    assert {"card hold", "purchase", "merchant discount", "interchange", "network fee"} <= moved
    request, response = figures.purchase.dumps
    shown = {line.element: line.value for line in request}
    assert re.fullmatch(r"\d{6}\*{6}\d{4}", shown["2"]) and shown["35"].startswith("***")
    assert {line.element: line.value for line in response}["39"] == "00"


def test_the_screen_shows_it_and_says_where_the_files_are(figures: Figures) -> None:
    console = Console(record=True, width=180)
    console.print(screen(figures))
    shown = console.export_text()
    for expected in ("books proven", figures.world_hash, "net positions", "payouts", "HoldPlaced"):
        assert expected in shown
    kinds = {path.name.split("-")[0] for path in figures.folder.rglob("*") if path.is_file()}
    assert {"clearing", "confirmed", "settlement", "instructions", "statement", "payouts"} <= kinds


def test_the_hash_notices_one_changed_fact(figures: Figures, system: System) -> None:
    engines = {one.name: system.database.institution(one.name) for one in system.institutions()}
    assert world_hash(engines) == figures.world_hash
    with system.database.owner().begin() as connection:
        connection.execute(text("update i_bank.requests set code = 'x'"))
    assert world_hash(engines) == figures.world_hash, "a column that only repeats a fact is none"
    with system.database.owner().begin() as connection:
        one = "(select request_id from i_bank.entries limit 1)"
        connection.execute(text(f"update i_bank.entries set kind = 'x' where request_id = {one}"))
    assert world_hash(engines) != figures.world_hash


def test_a_proof_that_fails_is_named_and_makes_the_command_fail(
    figures: Figures,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    failing = Proven("the auditor: wallets", ("wallet of @ada: the books say 1, the model 2",))

    async def failed(system: System, **asked: object) -> Figures:
        return replace(figures, proofs=[*figures.proofs, failing])

    monkeypatch.setattr("simulator.demo.demonstrate", failed)
    monkeypatch.setattr("api.settings.load_settings", lambda: settings)
    monkeypatch.setattr("api.logs.set_up_logs", lambda *where: None)
    with pytest.raises(typer.Exit) as ended:
        commands.demo(seed=7, payments=1, faults=Level.NONE, json=tmp_path / "a.json")
    assert ended.value.exit_code == 1
    shown = capsys.readouterr().out
    assert "FAILED" in shown and "wallet of @ada" in shown and f"1 of {len(figures.proofs) + 1} proofs failed" in shown
    told = json.loads((tmp_path / "a.json").read_text())
    assert [name for name, holds in told["proofs"].items() if not holds] == list(told["findings"]) == [failing.name]


@pytest.mark.parametrize("words", [("demo",), ("bench", "ledger")])
@pytest.mark.parametrize(("file", "reason"), [("nowhere/a.json", "no such file or directory"), ("", "is a directory")])
def test_figures_that_cannot_be_written_are_told_before_anything_is_done(
    words: tuple[str, ...], file: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*words, "--json", str(tmp_path / file)]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"bezant: The figures cannot be written to {tmp_path / file}: {reason}.\n")


def test_under_a_key_of_ones_own_there_is_no_world_to_play(settings: Settings) -> None:
    own = settings.model_copy(update={"master_key": SecretStr("5a" * 32)})
    with pytest.raises(BezantError, match="lives under the test master key"), fresh_system(own):
        pass


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://bezant:geheim@127.0.0.1:1/bezant", "127.0.0.1:1 does not let bezant in"),
        ("postgresql://bezant:geheim@127.0.0.1:port/bezant", "is not one of PostgreSQL's"),
        ("geheim", "is not one of PostgreSQL's"),
    ],
)
def test_a_server_that_cannot_be_reached_is_told_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=reason) as unavailable:
        fresh_database(url, "bezant_nowhere")
    assert "geheim" not in str(unavailable.value)


def test_a_role_that_may_make_no_database_is_named(server_url: str) -> None:
    owner = Database(server_url, b"secret")
    with owner.owner().begin() as connection:
        connection.exec_driver_sql("create role bezant_humble login password 'humble'")
    owner.dispose()
    humble = make_url(server_url).set(username="bezant_humble", password="humble")
    with pytest.raises(DatabaseUnavailable, match="The role bezant_humble cannot make the database bezant_humbles"):
        fresh_database(humble.render_as_string(hide_password=False), "bezant_humbles")


def test_a_world_that_is_in_use_is_not_begun_anew(server_url: str) -> None:
    url = fresh_database(server_url, "bezant_in_use")
    database = Database(url, b"secret")
    with database.owner().connect(), pytest.raises(DatabaseUnavailable, match="Somebody works in the database"):
        fresh_database(server_url, "bezant_in_use")
    database.dispose()
    assert fresh_database(server_url, "bezant_in_use") == url

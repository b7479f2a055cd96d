"""`bezant cards` against a real database, as the bank's people give the commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from api import cli
from api.tokens import Tokens
from engine.crypto.keys import TEST_MASTER_KEY
from engine.vault.access import Permission

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bezant(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command in the module's database: its status, output and errors."""
    monkeypatch.setenv("BEZANT_DATABASE_URL", database_url)
    monkeypatch.setenv("BEZANT_DATA_FOLDER", str(tmp_path))
    monkeypatch.setenv("BEZANT_LOG_LEVEL", "error")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.run(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_card_lives_from_order_to_replacement_by_commands_alone(bezant: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bezant("institutions", "setup")[0] == 0
    _opened(monkeypatch)
    assert bezant("cards", "open-product", "everyday", "40000101", "--digits", "19")[0] == 0
    assert "40000101" in bezant("cards", "products")[1]
    status, said, _ = bezant("cards", "order", "@ada", "everyday", "--physical")
    assert status == 0
    card = _card_of(said)
    assert bezant("cards", "activate", card) == (1, "", "bezant: The plastic has not been sent yet.\n")
    for where in ("personalised", "shipped"):
        assert bezant("cards", "plastic", card, where)[0] == 0
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "4711")
    for words, state in (
        (("activate", card), "active"),
        (("pin", card), "active"),
        (("freeze", card), "frozen"),
        (("unfreeze", card), "active"),
        (("state", card, "blocked", "fraud_suspected"), "blocked"),
        (("state", card, "active", "unblocked"), "active"),
        (("renew", card, "4012"), "active"),
        (("report", card, "lost"), "lost"),
    ):
        status, said, error = bezant("cards", *words)
        assert (status, f"state {state}" in said) == (0, True), (words, said, error)
    status, said, _ = bezant("cards", "replace", card)
    assert status == 0
    shown = bezant("cards", "list", "@ada")[1]
    assert card in shown and _card_of(said) in shown and "4711" not in shown
    assert len(shown.splitlines()) == 3


def test_what_cannot_be_is_one_sentence(bezant: Run) -> None:
    nobody = "00000000-0000-0000-0000-000000000007"
    for words, sentence in (
        (("freeze", nobody), "no such card"),
        (("order", "@nobody", "everyday"), "no customer @nobody"),
        (("order", "@ada", "platinum"), "no such product"),
        (("report", nobody, "eaten"), "reported lost, stolen, never_arrived"),
        (("list", "@ada", "--institution", "acquirer"), "is no bank"),
    ):
        status, _, error = bezant("cards", *words)
        assert (status, error.count("\n"), sentence in error) == (1, 1, True), error


def test_an_operator_s_token_says_what_it_permits(bezant: Run) -> None:
    _, said, _ = bezant("cards", "operator-token", "eve", "--may-show")
    found = Tokens(TEST_MASTER_KEY).operator(said.strip())
    assert found is not None and (found.name, found.permissions) == ("eve", frozenset({Permission.SHOW}))
    assert bezant("cards", "operator-token", "e_ve")[0] == 1


def _card_of(said: str) -> str:
    found = re.search(r"card_id ([0-9a-f-]{36})", said)
    assert found is not None, said
    return found[1]


def _opened(monkeypatch: pytest.MonkeyPatch) -> None:
    from api.clock import WorldClock
    from api.settings import load_settings
    from api.system import opened
    from engine.accounts.model import OpenCustomer

    with opened(load_settings()) as system:
        seat = system.seat(system.institution("bank"), clock=WorldClock(system.database.owner()))
        (answer,) = seat.processor.execute([OpenCustomer(handle="@ada", name="Ada", opening_deposit_minor=5_000)])
        assert answer is not None and answer.code == "opened"

"""The command line says in one line what is wrong, and never shows a trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import typer

from api import cli, plugins
from engine.vocabulary.errors import BezantError

PAN = "5413330089020011"


def plug_in(monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> None:
    """Declare plug-ins as an installed distribution would."""

    def declared(group: str) -> list[EntryPoint]:
        return [EntryPoint(name, value, group) for name, value in entries]

    monkeypatch.setattr(plugins, "entry_points", declared)


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.fixture
def with_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Adds one command, `play`, by way of a plug-in."""

    def add(function: Callable[..., Any]) -> None:
        commands = typer.Typer()
        commands.command("play")(function)
        monkeypatch.setattr(cli, "played", commands, raising=False)
        plug_in(monkeypatch, ("play", "api.cli:played"))

    return add


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == "bezant 0.1.0\n"


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["--no-such-option"], ["play"], ["play", "x"], ["play", "1", "2"]]
)
def test_wrong_arguments_are_one_line(
    arguments: list[str], with_command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def play(_times: int) -> None: ...

    with_command(play)
    assert cli.run(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("bezant: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            BezantError("Port 8583 is in use: stop the other program."),
            1,
            "bezant: Port 8583 is in use: stop the other program.\n",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "day.json"),
            1,
            "bezant: No such file or directory: day.json\n",
        ),
        (KeyboardInterrupt(), 130, None),
        (typer.Exit(1), 1, ""),
    ],
)
def test_what_a_command_raises_becomes_a_line_and_a_status(
    error: BaseException,
    status: int,
    line: str | None,
    with_command: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_command(raising(error))
    assert cli.run(["play"]) == status
    if line is not None:
        assert capsys.readouterr().err == line


def test_a_bug_shows_its_kind_and_place_only(
    with_command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with_command(raising(AssertionError(f"card {PAN}")))
    assert cli.run(["play"]) == 1
    error = capsys.readouterr().err
    assert "AssertionError at api/cli.py:" in error
    assert PAN not in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_package.commands:commands", "cannot be loaded: ModuleNotFoundError"),
        ("api.cli:no_such_thing", "cannot be loaded: AttributeError"),
        ("api.cli:ROOT", "where a Typer is needed"),
    ],
)
def test_a_broken_plug_in_is_named_in_one_sentence(
    value: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug_in(monkeypatch, ("demo", value))
    assert cli.run(["demo"]) == 1
    error = capsys.readouterr().err
    assert f"The plug-in demo = {value} (bezant.commands)" in error
    assert reason in error
    assert error.count("\n") == 1


def test_running_without_assertions_is_refused() -> None:
    finished = subprocess.run(
        [sys.executable, "-O", "-m", "api", "--version"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert finished.stderr == "bezant: Bezant does not run under python -O: its assertions guard the books.\n"

"""The hosts as compose runs them, each a process of its own on one database."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from api import cli
from tests.api.processes import bezant_process, free_ports

HOSTS = ("network", "issuer", "acquirer", "jobs", "api")
WELL_WITHIN_S = 60


@pytest.fixture
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What all hosts of one installation share; set here as well."""
    shared = {
        "BEZANT_DATABASE_URL": database_url,
        "BEZANT_DATA_FOLDER": str(tmp_path),
        "BEZANT_LOG_LEVEL": "error",
        **free_ports(),
    }
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    return shared


@pytest.mark.slow
def test_five_processes_are_one_installation(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["seed"]) == 0
    with ExitStack() as running:
        for host in HOSTS:
            running.enter_context(bezant_process(environment, "serve", host))
        until = time.monotonic() + WELL_WITHIN_S
        waiting = list(HOSTS)
        while waiting:
            assert time.monotonic() < until, f"not well: {waiting}: {capsys.readouterr().err}"
            waiting = [host for host in waiting if cli.run(["health", host]) != 0]
        capsys.readouterr()
        assert cli.run(["pos", "purchase", "--amount", "5.00"]) == 0
        assert "approved" in capsys.readouterr().out
        assert cli.run(["audit"]) == 0
    assert cli.run(["health", "issuer"]) == 1


@pytest.mark.parametrize(
    ("host", "port"), [("network", "BEZANT_NETWORK_PORT"), ("acquirer", "BEZANT_POS_PORT"), ("api", "BEZANT_API_PORT")]
)
def test_a_busy_port_is_one_sentence_and_status_1(
    environment: dict[str, str], host: str, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["institutions", "setup"]) == 0
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", int(environment[port]))):
        assert cli.run(["serve", host]) == 1
    error = capsys.readouterr().err
    assert error == (
        f"bezant: port {environment[port]} on 127.0.0.1 is busy:"
        f" stop the other program or choose another port with {port}\n"
    )

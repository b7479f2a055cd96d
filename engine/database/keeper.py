"""Stands beside one embedded PostgreSQL server: starts it, and stops it when its last user has gone, even one that
was killed.

Run as a script of its own (`server.py` does), on the standard library alone. Its own session, so that Ctrl-C in a
user's terminal reaches neither it nor the server. Arguments: the users' lock file, the numbers of the inherited
descriptors of the server's lock and of its data folder, user and group to run the server as (`-` for our own), and
the server's command line.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any


def keep(users_lock: Path, server_lock: int, folder: int, account: tuple[int, int] | None, command: list[str]) -> None:
    """Start `command` and return when it has ended, by itself or because nobody holds `users_lock` (shared) any more.

    The server and all its processes inherit `server_lock`: the lock is free exactly when the last of them is gone.
    """
    identity: dict[str, Any] = {"user": account[0], "group": account[1], "extra_groups": []} if account else {}
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, pass_fds=(server_lock, folder), start_new_session=True, cwd="/", **identity
    )
    os.close(server_lock)

    def stop_when_alone() -> None:
        with users_lock.open("rb") as users:
            # Held until this process ends, so that a newcomer waits for the shutdown instead of meeting it.
            fcntl.flock(users, fcntl.LOCK_EX)
            server.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown"
            server.wait()

    threading.Thread(target=stop_when_alone, daemon=True).start()
    server.wait()


def main(arguments: list[str]) -> None:
    """Leave the caller's process tree, then keep the server; the caller's wait ends at once."""
    users_lock, server_lock, folder, user, group, *command = arguments
    if os.fork():
        return
    account = None if user == "-" else (int(user), int(group))
    keep(Path(users_lock), int(server_lock), int(folder), account, command)


if __name__ == "__main__":
    main(sys.argv[1:])

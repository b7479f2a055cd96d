"""Hosts as processes of their own: free ports, and children that are told to stop and do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PORTS = ("BEZANT_API_PORT", "BEZANT_POS_PORT", "BEZANT_NETWORK_PORT")


def free_ports() -> dict[str, str]:
    """A free port of this machine for each listener, as settings."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = {name: str(one.getsockname()[1]) for name, one in zip(PORTS, held, strict=True)}
    for one in held:
        one.close()
    return ports


@contextmanager
def bezant_process(environment: Mapping[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    """`bezant` with these words; told to stop at the end, when it must leave with status 0 and without complaint."""
    running = subprocess.Popen(
        [sys.executable, "-m", "api", *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=30)
        assert (running.returncode, errors) == (0, ""), words
    finally:
        running.kill()
        running.communicate()

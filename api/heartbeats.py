"""Heartbeats: how a host that nobody can call says that it is well.

A file that the host writes anew every second while all of it works, and takes away when it stops. It is for the same
machine or container: `bezant health` looks for the one of its own host name. A host that was killed leaves its file,
which grows old.
"""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

OLD_AFTER = timedelta(seconds=15)
"""A host that has not written for this long is not well: it writes every second."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The heartbeat of one host (`"issuer-bank"`) of this machine, under the data folder."""

    data_folder: Path
    host: str

    @property
    def path(self) -> Path:
        """Where it is. Containers may share the folder; their host names differ."""
        return self.data_folder / "heartbeats" / f"{socket.gethostname()}-{self.host}"

    def beat(self, at: datetime) -> None:
        """Say that all was well at `at`, by the machine's clock. Seen whole or not at all."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}")
        draft.write_text(at.isoformat())
        draft.replace(self.path)

    def stop(self) -> None:
        """Say no more."""
        self.path.unlink(missing_ok=True)

    def trouble(self, now: datetime) -> str | None:
        """What is wrong with the host, in words; None when it is well."""
        try:
            last = datetime.fromisoformat(self.path.read_text())
        except FileNotFoundError:
            return "it does not run here, or has never been well"
        return None if now - last < OLD_AFTER else f"it was last well at {last:%Y-%m-%d %H:%M:%S} UTC"

"""For developers: `python -m api.revise "why"` writes the next revision of every package whose tables have changed.

Compares each package's declared tables with what its revisions make, on a throw-away server, and generates what is
missing; read the files before committing them. A changed check constraint is written by hand (`schema.differences`
tells of it).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from api.roles import roles
from engine.database.connections import Database
from engine.database.schema import SchemaPart, revise, upgrade_public
from engine.database.server import EmbeddedServer


def written(message: str) -> list[Path]:
    """The revision files that were needed, newly written."""
    parts: dict[str, SchemaPart] = {part.label: part for role in roles().values() for part in role.parts}
    files: list[Path] = []
    with TemporaryDirectory() as folder, EmbeddedServer(Path(folder) / "postgresql") as url:
        database = Database(url, b"nobody logs in")
        upgrade_public(database)
        for label in sorted(parts):
            if (file := revise(database, _with_engine(parts, label), label, message)) is not None:
                files.append(file)
        database.dispose()
    return files


def _with_engine(parts: dict[str, SchemaPart], label: str) -> Sequence[SchemaPart]:
    """A package's tables stand beside the engine's."""
    return [parts["engine"]] if label == "engine" else [parts["engine"], parts[label]]


if __name__ == "__main__":
    console = Console()
    for path in written(sys.argv[1] if len(sys.argv) > 1 else "tables"):
        console.print(str(path), highlight=False)

"""`bezant bench`: run a benchmark, show its result, write it for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.commands.options import JsonFile
from engine.vocabulary.errors import BezantError

bench_commands = typer.Typer()

PictureFile = Annotated[Path | None, typer.Option("--picture", help="Draw latency against load in this file (SVG).")]

NAMES = ("authorization", "clearing", "crypto", "iso8583", "ledger", "savings")
"""Every benchmark there is; each is a module of this package with a `run`."""


@bench_commands.command("bench")
def bench(
    name: Annotated[str, typer.Argument(help=f"Which: {', '.join(NAMES)}.")],
    json_file: JsonFile = None,
    picture_file: PictureFile = None,
) -> None:
    """Measure how fast something is, against a peer on the same machine."""
    if name not in NAMES:
        raise BezantError(f"There is no benchmark {name!r}; there are: {', '.join(NAMES)}.")
    from importlib import import_module

    console = Console(highlight=False)
    result = import_module(f"benchmarks.{name}").run(lambda line: console.print(f"[dim]{line}[/dim]"))
    table = Table(title=f"bench {result.name}")
    for heading in ("", "ours", "peer", "ratio", "unit", "peer's name"):
        table.add_column(heading, justify="left" if heading in ("", "unit", "peer's name") else "right")
    for row in result.rows:
        table.add_row(row.name, f"{row.ours:,}", f"{row.peer:,}", f"{row.ratio:.2f}", row.unit, row.peer_name)
    console.print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(result.as_json(), indent=1) + "\n")
        console.print(f"written to {json_file}")
    if picture_file is not None and result.picture is not None:
        picture_file.write_text(result.picture)
        console.print(f"drawn in {picture_file}")

"""`bezant audit`: prove the books from their rows, or name the rows that contradict them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.commands.bars import waiting
from engine.vocabulary.errors import BezantError

commands = typer.Typer()


@commands.command("audit")
def audit_books(
    institution: Annotated[str | None, typer.Option(help="Of this institution alone.")] = None,
) -> None:
    """Prove every book, and that the books agree; what contradicts is named by institution and row (exit status 1)."""
    from api.audit import audit, proof_count
    from api.settings import load_settings
    from api.system import opened

    console = Console(highlight=False, soft_wrap=True)
    table = Table("Book", "Proof", "", box=None)
    failed = []
    with opened(load_settings()) as system:
        names = [one.name for one in system.institutions() if institution in (None, one.name)]
        if not names:
            wanted = "No institution is open" if institution is None else f"There is no institution {institution!r}"
            raise BezantError(f"{wanted}: `bezant institutions setup` opens those of the world.")
        institutions = [system.institution(name) for name in names]
        with waiting() as bars:
            proofs = bars.add_task("proofs", total=proof_count(system, institutions))
            rows = bars.add_task("", total=None, visible=False)

            def watch(institution: str, proof: str, done: int, total: int) -> None:
                bars.update(proofs, description=f"{institution}: {proof}")
                bars.update(rows, description="rows", completed=done, total=total, visible=total > 0)

            for verdict in audit(system, institutions, watch):
                table.add_row(verdict.institution, verdict.proof, "proven" if verdict.proven else "[red]not proven[/]")
                failed += [] if verdict.proven else [verdict]
                bars.advance(proofs)
    console.print(table)
    for verdict in failed:
        for finding in verdict.findings:
            console.print(f"{verdict.institution}: {verdict.proof}: {finding}", markup=False)
    if failed:
        raise BezantError(f"The books are not proven: {len(failed)} of {table.row_count} proofs fail.")
    console.print(f"Books proven: {table.row_count} proofs.")

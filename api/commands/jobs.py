"""`bezant jobs`: what is due when, what has run, and running one by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.commands.bars import waiting
from engine.vocabulary.errors import BezantError

if TYPE_CHECKING:
    from api.clock import WorldClock
    from api.system import Seat

commands = typer.Typer(name="jobs", help="The jobs of institutions: list, history, run.", no_args_is_help=True)

Whose = Annotated[str | None, typer.Option("--institution", help="Of this institution only.")]


@commands.command("list")
def listed(institution: Whose = None) -> None:
    """Show each job with its local time, and when it is due next."""
    table = Table("Institution", "Job", "Local time", "Time zone", "Next due (UTC)", box=None)
    with _seated(institution) as (seats, clock):
        for seat in seats:
            for job, due_at in seat.scheduler.due_after(clock.now()):
                place = (seat.institution.name, job.name, job.at, seat.institution.time_zone)
                table.add_row(*place, f"{due_at.astimezone(UTC):%Y-%m-%d %H:%M}")
    Console(highlight=False).print(table)


@commands.command("history")
def history(
    institution: Whose = None, most: Annotated[int, typer.Option(min=1, help="How many of each.")] = 20
) -> None:
    """Show the runs, newest first: what each counted, and what is still open."""
    table = Table("Institution", "Job", "Business date", "State", "Counts", box=None)
    with _seated(institution) as (seats, _clock):
        for seat in seats:
            for run in seat.scheduler.history(most):
                state = "open" if run.finished_at is None else f"finished {run.finished_at:%Y-%m-%d %H:%M:%S} UTC"
                counts = ", ".join(f"{name} {number}" for name, number in run.counts.items())
                table.add_row(seat.institution.name, run.job, str(run.business_date), state, counts)
    Console(highlight=False).print(table)


@commands.command("run")
def run(
    job: Annotated[str, typer.Argument(help="The job's name, as `bezant jobs list` has it.")],
    institution: Annotated[str, typer.Option(help="Whose job.")],
    date: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The business date, e.g. 2026-03-02.")],
) -> None:
    """Run a job that is due for one business date, unless it was run: each date is run once."""
    business_date = date.date()
    with _seated(institution) as ((seat,), clock), waiting() as bars:
        bar = bars.add_task(job, total=None)
        finished = seat.scheduler.run(
            job, business_date, clock.now(), lambda done, total: bars.update(bar, completed=done, total=total)
        )
    counts = ", ".join(f"{name} {number}" for name, number in finished.counts.items())
    Console(highlight=False, soft_wrap=True).print(f"{job} of {institution} for {business_date}: {counts}.")


@contextmanager
def _seated(name: str | None) -> Iterator[tuple[list[Seat], WorldClock]]:
    """The institutions that the command is about, seated without wires."""
    from api.clock import WorldClock
    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        names = [name] if name is not None else [one.name for one in system.institutions()]
        if not names:
            raise BezantError("No institution is open: `bezant institutions setup` opens some.")
        institutions = [system.institution(one) for one in names]
        clock = WorldClock(system.database.owner())
        yield [system.seat(one, clock=clock) for one in institutions], clock

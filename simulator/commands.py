"""The simulator's commands: `bezant demo`, `flows`, `year`, `reconcile`. The wall clock says here how long it took."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.commands.options import JsonFile
from simulator.faults import Level

LARGEST_DAY = 10_000
WIDTH_OF_A_FILE = 180

commands = typer.Typer(help="The simulated world.")


@commands.command("demo")
def demo(
    seed: Annotated[int, typer.Option(help="The same seed plays the same world.")] = 7,
    payments: Annotated[int, typer.Option(min=1, max=LARGEST_DAY, help="How many card payments the day has.")] = 1_500,
    faults: Annotated[Level, typer.Option(help="How much goes wrong on the wires.")] = Level.USUAL,
    json: JsonFile = None,
) -> None:
    """Play one simulated business day and the following settlement, and prove every book of it."""
    import asyncio
    from json import dumps
    from time import monotonic

    from rich.console import Console

    from api.interpreter import settle
    from api.logs import set_up_logs
    from api.settings import load_settings
    from simulator.demo import demonstrate, fresh_system
    from simulator.screen import screen

    began = monotonic()
    console = Console(highlight=False)
    if not console.is_terminal:
        # A file has no width of its own; this one holds the screen without breaking its columns.
        console.width = WIDTH_OF_A_FILE
    settle()
    with console.status("starting the database") as status, fresh_system(settings := load_settings()) as system:

        def tell(what: str) -> None:
            status.update(f"{monotonic() - began:3.0f} s  {what}")
            if not console.is_terminal:
                console.print(what)

        with (system.files_folder.parent / "log.txt").open("w", encoding="utf-8") as log:
            set_up_logs(settings.log_level, settings.log_format, log)
            figures = asyncio.run(
                demonstrate(
                    system,
                    seed=seed,
                    payments=payments,
                    level=faults,
                    tell=tell,
                    elapsed=lambda: monotonic() - began,
                )
            )
            set_up_logs(settings.log_level, settings.log_format)
    console.print(screen(figures))
    if json is not None:
        json.write_text(dumps(figures.as_json(), indent=2) + "\n", "utf-8")
    if not figures.proven:
        raise typer.Exit(1)


@commands.command("flows")
def flows(
    write: Annotated[bool, typer.Option("--write", help="Write the documents instead of comparing them.")] = False,
    folder: Annotated[Path, typer.Option(help="Where they are.")] = Path("docs/flows"),
) -> None:
    """Make the documents that are told by a run, and say whether those in the folder are the same."""
    from rich.console import Console

    from api.logs import set_up_logs
    from api.settings import load_settings
    from engine.vocabulary.errors import BezantError
    from simulator.demo import fresh_system
    from simulator.flows import POS_PURCHASE, one_purchase, pos_purchase

    settings = load_settings()
    set_up_logs("warning", settings.log_format)
    place = folder / POS_PURCHASE
    if not folder.is_dir():
        raise BezantError(f"There is no folder {folder}: run this where the documents are, or name it with --folder.")
    with fresh_system(settings, "bezant_flows") as system:
        made = pos_purchase(one_purchase(system))
    if write:
        place.write_text(made, "utf-8")
    elif not place.exists() or place.read_text("utf-8") != made:
        raise BezantError(f"{place} is not what a run says now: `bezant flows --write` writes it anew.")
    Console(highlight=False).print(f"{place} is what a run says.")


@commands.command("year")
def year(
    customers: Annotated[int, typer.Option(min=2, max=2_000, help="How many, in two banks.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed plays the same year.")] = 7,
) -> None:
    """Play a year of savings, and prove that what was posted is the interest that was defined."""
    import asyncio

    from rich.console import Console

    from api.logs import set_up_logs
    from api.settings import load_settings
    from engine.vocabulary.errors import BezantError
    from engine.vocabulary.money import format_minor
    from simulator.demo import fresh_system
    from simulator.savings_year import play_year

    settings = load_settings()
    set_up_logs("warning", settings.log_format)
    console = Console(highlight=False, soft_wrap=True)
    with fresh_system(settings, "bezant_year") as system:
        played = asyncio.run(play_year(system, customers=customers, seed=seed, tell=console.print))
    console.print(
        f"{played.accounts} savings accounts of {played.customers} customers, {played.closed} closed;"
        f" {played.purchases} card purchases; {played.nights} runs of the banks' jobs."
    )
    for what, minor in (
        ("rounded up", played.rounded_up_minor),
        ("interest posted", played.posted_minor),
        ("interest in the tax reports", played.reported_minor),
        ("tax withheld", played.withheld_minor),
        ("overdraft interest charged", played.charged_minor),
    ):
        console.print(f"{what}: {format_minor(minor, 'USD')}")
    if played.yields:
        middle = played.yields[len(played.yields) // 2]
        console.print(f"APY earned in December: {played.yields[0]} to {played.yields[-1]} %, the middle one {middle} %")
    for finding in played.findings:
        console.print(finding, markup=False)
    if played.findings:
        raise BezantError(f"The books of the year are not proven: {len(played.findings)} findings.")
    console.print(
        f"Books proven: {played.proofs} proofs; every account has the interest that its movements and rates define."
    )


@commands.command("reconcile")
def reconcile(
    seed: Annotated[int, typer.Option(help="The same seed plants the same breaks.")] = 7,
    payments: Annotated[int, typer.Option(min=300, max=100_000, help="How many the week has.")] = 600,
    times: Annotated[int, typer.Option(min=0, max=6, help="How many breaks of each kind are planted.")] = 3,
) -> None:
    """Plant breaks of twelve kinds in a week of an acquirer's sources, and say how many reconciliation finds."""
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    from engine.vocabulary.errors import BezantError
    from simulator.breaks import PLANTED, TODAY, planted_week

    breaks, score = planted_week(seed, payments, times)
    planted, found = (Counter(kind for kind, _ in places) for places in (score.planted, score.found))
    table = Table(title=f"A week of {payments:,} payments")
    for heading in ("kind of break", "planted", "found", "owner", "oldest, days"):
        table.add_column(heading, justify="right" if heading in ("planted", "found", "oldest, days") else "left")
    for kind in PLANTED:
        own = [one for one in breaks if one.kind is kind]
        oldest = max((one.age_days(TODAY) for one in own), default=0)
        owner = own[0].owner if own else ""
        table.add_row(kind, str(planted[kind]), str(found[kind]), owner, str(oldest))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"precision {score.precision:.3f}, recall {score.recall:.3f}")
    if score.planted != score.found:
        raise BezantError("Reconciliation has not found just what was planted.")

"""`bezant savings`: what is offered, other rates, a picture of an account, and a year's interest for the tax office."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from engine.vocabulary.errors import BezantError

if TYPE_CHECKING:
    from api.system import Seat

commands = typer.Typer(name="savings", help="Savings: products, rates, plot, tax.", no_args_is_help=True)

Bank = Annotated[str, typer.Option("--institution", help="Whose savings.")]


@commands.command("products")
def products(institution: Bank = "bank") -> None:
    """Show what is offered, with every set of rates by effective date."""
    from engine.savings.store import read_offered, read_rates

    table = Table("Product", "Day count", "Compounding", "Posting", "From", "Tiers (from: rate)", box=None)
    with _seated(institution) as seat, seat.processor.engine.connect() as connection:
        for one in read_offered(connection):
            for version in read_rates(connection, [one.id]):
                tiers = ", ".join(f"{least}: {rate / 100:.2f} %" for least, rate in version.tiers)
                terms = (one.name, one.day_count, one.compounding, one.posting)
                table.add_row(*terms, str(version.effective_on), f"{tiers} ({version.tier_method})")
    Console(highlight=False).print(table)


@commands.command("rate")
def rate(
    product: Annotated[str, typer.Argument(help="The product's name.")],
    effective_on: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="A day to come.")],
    rate_bps: Annotated[int, typer.Argument(min=0, max=10_000, help="Basis points a year, for every balance.")],
    institution: Bank = "bank",
) -> None:
    """Let a product pay another rate, for every balance, from a day to come."""
    from engine.savings.model import REFUSALS, SetRates

    day = effective_on.date()
    request = SetRates(
        reference=f"command {product} {day} {rate_bps}", product=product, effective_on=day, tiers=((0, rate_bps),)
    )
    with _seated(institution) as seat:
        (answer,) = seat.processor.execute([request])
    if answer is None or answer.code != "set":
        reasons = () if answer is None else answer.reasons
        raise BezantError(REFUSALS.get(reasons[0], "The rate was not set.") if reasons else "The rate was not set.")
    Console(highlight=False).print(f"{product} pays {rate_bps} basis points from {day}.")


@commands.command("plot")
def plot(
    savings_id: Annotated[UUID, typer.Argument(metavar="ID", help="The savings account.")],
    file: Annotated[Path, typer.Option(help="The picture; its ending says of which kind: .svg or .png.")] = Path(
        "savings.svg"
    ),
    institution: Bank = "bank",
) -> None:
    """Draw an account: balance, interest accrued and posted, and when its rate changed."""
    from api.pictures import draw_savings
    from engine.savings.statements import read_course
    from engine.savings.store import read_account

    if file.suffix not in (".svg", ".png"):
        raise BezantError(f"A picture is an .svg or a .png, not {file.name}.")
    with _seated(institution) as seat, seat.processor.engine.connect() as connection:
        account = read_account(connection, savings_id)
        if account is None:
            raise BezantError(f"{institution} has no savings account {savings_id}.")
        drawn = read_course(connection, account)
    if not drawn.points:
        raise BezantError(f"No night has counted interest for {savings_id} yet.")
    draw_savings(drawn, file)
    Console(highlight=False, soft_wrap=True).print(f"{len(drawn.points)} days drawn in {file}")


@commands.command("tax")
def tax(
    year: Annotated[int, typer.Argument(min=2000, max=9999, help="A calendar year.")], institution: Bank = "bank"
) -> None:
    """Show what each customer was paid, withheld and charged in a year, and the sums."""
    from engine.savings.statements import tax_report
    from engine.vocabulary.money import format_minor

    table = Table("Customer", "Interest", "Tax withheld", "Overdraft interest", box=None)
    with _seated(institution) as seat, seat.processor.engine.connect() as connection:
        report = tax_report(connection, year)
    for one in report:
        amounts = (one.interest_minor, one.withheld_minor, one.charged_minor)
        table.add_row(str(one.customer_id), *(format_minor(minor, one.asset) for minor in amounts))
    for asset in sorted({one.asset for one in report}):
        own = [one for one in report if one.asset == asset]
        sums = (
            sum(one.interest_minor for one in own),
            sum(one.withheld_minor for one in own),
            sum(one.charged_minor for one in own),
        )
        table.add_row("all", *(format_minor(minor, asset) for minor in sums))
    Console(highlight=False).print(table)


@contextmanager
def _seated(name: str) -> Iterator[Seat]:
    from api.clock import WorldClock
    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        yield system.seat(system.institution(name), clock=WorldClock(system.database.owner()))

"""`bezant up`, `seed`, `network` and `pos`: the world standing, its people, its members, and a terminal in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.status import Status
from rich.table import Table
from rich.text import Text

from engine.vocabulary.errors import BezantError
from simulator.pos_commands import pos

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from api.settings import Settings
    from api.system import System
    from simulator.population import Population

SHOWN_CARDS = 4
SHOWN_SHOPS = 3

commands = typer.Typer()
commands.add_typer(pos, name="pos")
network = typer.Typer(help="The simulated card network's members.", no_args_is_help=True)
commands.add_typer(network, name="network")


@commands.command("up")
def up() -> None:
    """Stand the whole test world up on this machine, on the real clock, until Ctrl-C."""
    import asyncio

    from api.settings import load_settings
    from api.system import opened

    console = Console(highlight=False)
    settings = load_settings()
    status = console.status("starting the database")
    status.start()
    try:
        with opened(settings) as system:
            asyncio.run(_up(system, settings, console, status))
    finally:
        status.stop()


@commands.command("seed")
def seed() -> None:
    """Open the institutions, people, cards and shops of the test world. Again changes nothing."""
    from api.settings import load_settings
    from api.system import opened
    from simulator.standing import settle_town, townspeople

    settings, population = load_settings(), townspeople()
    with opened(settings) as system:
        settle_town(system, population)
    people, shops = len(population.people), len(population.shops)
    Console(highlight=False, soft_wrap=True).print(f"The test world has {people} people and {shops} shops.")


@network.callback()
def _network() -> None:
    """Keeps `admit` a word of its own."""


@network.command("admit")
def admit(
    name: Annotated[str, typer.Argument(help="An issuer or acquirer that `bezant institutions add` has opened.")],
    account_range: Annotated[
        str | None, typer.Option(help="The first 6 to 8 digits of the cards that it issues.")
    ] = None,
    deposit: Annotated[str, typer.Option(help="What it brings to the settlement bank, in dollars.")] = "0.00",
) -> None:
    """Make an institution a member of the network, with a deposit at the settlement bank. Again changes nothing."""
    from api.settings import load_settings
    from api.system import opened
    from engine.vocabulary.money import parse_amount
    from simulator.standing import admit_member

    try:
        opening = parse_amount(deposit)
    except ValueError as fault:
        raise BezantError(f"--deposit: {fault}.") from None
    with opened(load_settings()) as system:
        admit_member(system, name, account_range, opening)
    Console(highlight=False, soft_wrap=True).print(f"{name} is a member of the network and may sign on.")


async def _up(system: System, settings: Settings, console: Console, status: Status) -> None:
    import asyncio
    from contextlib import AsyncExitStack

    from api.health import heartbeats
    from api.hosts import Standing, http_host, stopping
    from api.members import OUR_ACQUIRER, OUR_BANK
    from simulator import standing

    status.update("opening accounts, cards and shops")
    population = standing.townspeople()
    customers = await asyncio.to_thread(standing.settle_town, system, population)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stopping())
        hearts = [beat for host in ("acquirer", "issuer", "jobs") for beat in heartbeats(host, OUR_BANK, settings)]
        town = await stack.enter_async_context(Standing(system, standing.duties(system), heartbeats=hearts))
        await stack.enter_async_context(http_host(town, OUR_ACQUIRER, OUR_BANK, settings))
        status.update("signing on")
        is_well = await town.becomes_well(stop)
        status.stop()
        if is_well:
            # Not cut at the screen's edge, nor broken there: a token is for copying.
            console.print(*_welcome(settings, population, customers), crop=False)
        await town.until(stop)


def _welcome(
    settings: Settings, population: Population, customers: Mapping[str, UUID]
) -> Iterator[Table | Group | Text]:
    """Where everything is, and whose cards and tokens there are."""
    from api.members import OUR_BANK
    from api.tokens import Tokens
    from simulator.population import Kind
    from simulator.standing import holders

    tokens = Tokens(settings.master_key_bytes())
    host = settings.listen_host
    places = Table(title="The test world stands", title_justify="left", box=None, show_header=False)
    places.add_row("HTTP", f"http://{host}:{settings.api_port}/docs")
    places.add_row("terminals", f"{host}:{settings.pos_port}, ISO 8583:1987 with a two-byte length header")
    places.add_row("members of the network", f"{host}:{settings.network_port}, ISO 8583:1987 likewise")
    places.add_row("files", str(settings.data_folder / "files"))
    yield places
    cards = Table("Card", "Expiry", "PIN", "CVV2", "Bank", "Holder", box=None, title="Cards", title_justify="left")
    people = list(holders(settings, population))
    by_bank = {bank: [one for one in people if one.person.bank == bank] for bank in {one.person.bank for one in people}}
    shown = [one for bank in sorted(by_bank) for one in by_bank[bank][: SHOWN_CARDS if bank == OUR_BANK else 1]]
    for holder in shown:
        plastic, person = holder.plastic, holder.person
        cards.add_row(plastic.pan.clear, plastic.expiry, plastic.pin, plastic.cvv2, person.bank, f"@{person.handle}")
    yield cards
    bearers = {}
    for shop in [shop for shop in population.shops if shop.kind is Kind.ONLINE][:SHOWN_SHOPS]:
        bearers[f"{shop.name} ({shop.merchant_id})"] = tokens.of_merchant(shop.merchant_id)
    for person in population.of(OUR_BANK)[:SHOWN_SHOPS]:
        bearers[f"@{person.handle}"] = tokens.of_customer(customers[person.handle])
    widest = max(map(len, bearers))
    lines = [f" {whose:{widest}}  {token}" for whose, token in bearers.items()]
    yield Group(Text("Tokens for HTTP", style="table.title"), Text("\n".join(lines), no_wrap=True, overflow="ignore"))
    yield Text("Try: bezant pos purchase --amount 12.34. Ctrl-C ends it.")

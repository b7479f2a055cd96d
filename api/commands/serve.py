"""`bezant serve` and `bezant health`: one host of an installation in this process, and how it is."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from engine.vocabulary.errors import BezantError

if TYPE_CHECKING:
    from api.system import System
    from engine.database.institutions import Institution

commands = typer.Typer()


class HostName(StrEnum):
    """The hosts of an installation."""

    API = "api"
    ACQUIRER = "acquirer"
    ISSUER = "issuer"
    NETWORK = "network"
    JOBS = "jobs"


Which = Annotated[HostName, typer.Argument(help="Which host.", show_default=False)]
Whose = Annotated[
    str | None, typer.Option("--institution", help="Whose, where several have the role; ours unless said otherwise.")
]


@commands.command("serve")
def serve(host: Which, institution: Whose = None) -> None:
    """Run one host until Ctrl-C or SIGTERM."""
    import asyncio

    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        asyncio.run(_serve(system, host, institution))


@commands.command("health")
def health(host: Which, institution: Whose = None) -> None:
    """Say whether a host of this machine works: exit status 0 when it does, 1 when it does not."""
    import asyncio

    from api.health import trouble
    from api.members import OUR_BANK
    from api.settings import load_settings

    found = asyncio.run(trouble(host.value, institution or OUR_BANK, load_settings()))
    if found is not None:
        raise BezantError(f"The host {host.value} is not well: {found}")
    Console(highlight=False).print(f"The host {host.value} is well.")


async def _serve(system: System, host: HostName, name: str | None) -> None:
    from contextlib import AsyncExitStack

    from api.health import heartbeats
    from api.hosts import Duty, Standing, http_host, metrics_host, stopping
    from api.members import OUR_ACQUIRER, OUR_BANK
    from api.roles import MemberHost

    bank, acquirer = name or OUR_BANK, OUR_ACQUIRER
    match host:
        case HostName.API:
            # It takes payments as one more process of the acquirer; the bank it asks without a wire.
            duties = [
                Duty(_one(system, "acquirer", acquirer), MemberHost),
                Duty(_one(system, "issuer", bank), None, ticks=False),
            ]
        case HostName.JOBS:
            # Timers send messages: they are fired where the wires are.
            duties = [
                Duty(one, None, ticks=system.role_of(one).host is None, jobs=True)
                for one in map(
                    system.institution, [one.name for one in system.institutions()] if name is None else [name]
                )
            ]
            if not duties:
                raise BezantError("There is no institution to run jobs for: `bezant institutions setup` opens some.")
        case _:
            one = _one(system, host.value, name)
            duties = [Duty(one, system.role_of(one).host)]
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stopping())
        standing = await stack.enter_async_context(
            Standing(system, duties, heartbeats=heartbeats(host.value, duties[0].institution.name, system.settings))
        )
        if host is HostName.API:
            await stack.enter_async_context(http_host(standing, acquirer, bank, system.settings))
        elif system.settings.metrics_port:
            await stack.enter_async_context(metrics_host(standing, system.settings))
        await standing.until(stop)


def _one(system: System, role: str, name: str | None) -> Institution:
    """The institution to serve: the one of that name, else the only one of the role, else ours."""
    from api.members import OUR_ACQUIRER, OUR_BANK

    of_role = [one.name for one in system.institutions() if one.role == role]
    ours = [one for one in of_role if one in (OUR_BANK, OUR_ACQUIRER)]
    choice = [name] if name is not None else of_role if len(of_role) == 1 else ours
    if len(choice) != 1:
        listed = ", ".join(of_role) or "none is open, `bezant institutions setup` opens some"
        raise BezantError(f"Say which {role} to serve with --institution ({listed}).")
    institution = system.institution(choice[0])
    if institution.role != role:
        raise BezantError(f"{institution.name} has the role {institution.role} and cannot be served as {role}.")
    return institution

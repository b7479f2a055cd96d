"""`bezant institutions`: open them, list them, bring their tables up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

from engine.vocabulary.errors import BezantError

if TYPE_CHECKING:
    from engine.database.institutions import Institution

commands = typer.Typer(
    name="institutions", help="The institutions of this installation: open, list, upgrade.", no_args_is_help=True
)


@commands.command("setup")
def set_up() -> None:
    """Open the institutions of the world as it is documented, with their tables. Again changes nothing."""
    from api.system import MEMBERS

    _open(MEMBERS)


@commands.command("add")
def add(
    name: Annotated[str, typer.Argument(help="2 to 31 of a-z, 0-9 and _, beginning with a letter.")],
    member_id: Annotated[str, typer.Option(help="Its number among the members of the network, e.g. 100004.")],
    role: Annotated[str, typer.Option(help="issuer, acquirer, network or settlement_bank.")],
    time_zone: Annotated[str, typer.Option(help="Where its business day ends: an IANA name.")] = "UTC",
) -> None:
    """Open one institution: a schema, a login role and the tables of its role."""
    from engine.database.institutions import Institution, InstitutionRole

    if not (member_id.isdecimal() and member_id.isascii() and len(member_id) <= 11):
        raise BezantError("A member id has up to 11 digits, as DE 32 has it.")
    try:
        institution = Institution.named(name, member_id, cast("InstitutionRole", role), time_zone)
    except ValueError as refused:
        raise BezantError(str(refused)) from None
    _open((institution,))


@commands.command("list")
def listed() -> None:
    """Show the institutions that are open."""
    from api.settings import load_settings
    from api.system import opened

    table = Table("Name", "Member id", "Role", "Time zone", box=None)
    with opened(load_settings()) as system:
        for one in system.institutions():
            table.add_row(one.name, one.member_id, one.role, one.time_zone)
    Console(highlight=False).print(table)


@commands.command("upgrade")
def upgrade() -> None:
    """Bring the tables of all open institutions to this version of Bezant."""
    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        institutions = system.institutions()
        system.upgrade(institutions)
    _tell(f"Up to date: {', '.join(one.name for one in institutions) or 'nothing, no institution is open'}.")


def _open(members: tuple[Institution, ...]) -> None:
    from api.clock import WorldClock
    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        system.prepare()
        system.set_up(members, WorldClock(system.database.owner()).now())
    _tell(f"Open: {', '.join(one.name for one in members)}.")


def _tell(sentence: str) -> None:
    Console(highlight=False, soft_wrap=True).print(sentence)

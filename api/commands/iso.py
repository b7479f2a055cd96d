"""`bezant iso`: look into messages of ISO 8583, send them to any host, and be one."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from api.commands import iso_links
from engine.vocabulary.errors import BezantError, FormatError

commands = typer.Typer(
    name="iso", help="Look into messages of ISO 8583, send them to any host, and be one.", no_args_is_help=True
)


commands.command("send")(iso_links.send)
commands.command("replay")(iso_links.replay)
commands.command("listen")(iso_links.listen)


@commands.command("describe")
def describe(
    message: Annotated[list[str], typer.Argument(help="The message in hexadecimal; blanks do not matter.")],
    dialect: Annotated[str, typer.Option(help="terminal, simnet or simnet_file.")] = "terminal",
) -> None:
    """Show a message element by element; card numbers, PIN block, track and chip data are masked."""
    from gateways.iso8583.describe import describe_hex

    try:
        table = describe_hex("".join(message), dialect)
    except FormatError as fault:
        raise BezantError(f"This is no message that can be read: {fault}.") from None
    Console(highlight=False).print(table)

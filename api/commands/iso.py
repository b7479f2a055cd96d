"""`bezant iso`: look into messages of ISO 8583, write them, send them to any host, and be one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from api.commands import iso_links
from engine.vocabulary.errors import BezantError, FormatError
from gateways.iso8583.specifications import DIALECTS, Specification, dialect_named, load_specification

commands = typer.Typer(
    name="iso", help="Look into messages of ISO 8583, send them to any host, and be one.", no_args_is_help=True
)

commands.command("send")(iso_links.send)
commands.command("replay")(iso_links.replay)
commands.command("listen")(iso_links.listen)

Dialect = Annotated[str, typer.Option(help=f"How elements are written: {', '.join(DIALECTS)}; :tpdu behind it.")]
SpecificationFile = Annotated[
    Path | None,
    typer.Option("--specification", help="A dialect of your own instead: JSON in pyiso8583's dictionary format."),
]


@commands.command("describe")
def describe(
    message: Annotated[list[str] | None, typer.Argument(help="The message in hexadecimal, or - for input.")] = None,
    *,
    dialect: Dialect = "terminal",
    specification: SpecificationFile = None,
    file: Annotated[Path | None, typer.Option(help="Read the message from a file, as bytes.")] = None,
    output: Annotated[Literal["table", "text", "json"], typer.Option(help="How to show it.")] = "table",
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show what is secret, too.")] = False,
) -> None:
    """Show a message element by element; card numbers, tracks, PIN block, CVV and the chip's secrets are masked."""
    from gateways.iso8583.describe import describe_hex, render_json, render_table, render_text

    try:
        chosen = _dialect(dialect, specification)
        lines = describe_hex(_given(message, file), chosen, masked=not unmasked)
    except FormatError as fault:
        raise BezantError(f"This is no message that can be read: {fault}.") from None
    if output == "table":
        Console(highlight=False).print(render_table(lines))
    else:
        typer.echo(render_json(lines) if output == "json" else render_text(lines))


@commands.command("encode")
def encode(
    elements: Annotated[str, typer.Argument(help='The elements as JSON, {"t": "0800", "11": "000001"}; - for input.')],
    dialect: Dialect = "terminal",
    specification: SpecificationFile = None,
    file: Annotated[Path | None, typer.Option(help="Write the bytes to a file; without it, hexadecimal.")] = None,
) -> None:
    """Write a message from its elements. The bitmaps follow from them."""
    from gateways.iso8583.codec import encode as encoded

    text = sys.stdin.read() if elements == "-" else elements
    try:
        fields = json.loads(text)
    except ValueError:
        raise BezantError("The elements are not JSON: an object of element numbers and texts is expected.") from None
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise BezantError("The elements are not an object of element numbers and texts.")
    try:
        frame = encoded(fields, _dialect(dialect, specification))
    except FormatError as fault:
        raise BezantError(f"This is no message that can be written: {fault}.") from None
    if file is None:
        typer.echo(frame.hex().upper())
        return
    try:
        file.write_bytes(frame)
    except OSError as failed:
        raise BezantError(f"{file} cannot be written: {failed.strerror}.") from None


def _given(message: list[str] | None, file: Path | None) -> str:
    """The message in hexadecimal, from the one place that was named."""
    if (file is None) == (not message):
        raise BezantError("Name one message: as hexadecimal, as - for the input, or by --file.")
    if file is None:
        assert message is not None
        return sys.stdin.read() if message == ["-"] else "".join(message)
    try:
        return file.read_bytes().hex()
    except OSError as failed:
        raise BezantError(f"{file} cannot be read: {failed.strerror}.") from None


def _dialect(name: str, path: Path | None) -> Specification:
    return dialect_named(name) if path is None else load_specification(path)

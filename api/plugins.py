"""Commands and routers of packages that nothing may import: found through entry points, checked when loaded."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TypeVar

from engine.vocabulary.errors import BezantError

COMMANDS = "bezant.commands"
"""Entry points of this group are `typer.Typer` objects: their commands join the root of the command line."""

ROUTERS = "bezant.routers"
"""Entry points of this group are `fastapi.APIRouter` objects: their routes join the HTTP interface."""

Kind = TypeVar("Kind")


def load(group: str, kind: type[Kind]) -> list[Kind]:
    """The objects that installed distributions declare under `group`, in order of their names.

    A declaration that cannot be imported, or is no `kind`, is a `BezantError` that names it.
    """
    found: list[Kind] = []
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        place = f"{entry.name} = {entry.value} ({group})"
        try:
            thing = entry.load()
        except Exception as error:
            raise BezantError(f"The plug-in {place} cannot be loaded: {type(error).__name__}: {error}.") from error
        if not isinstance(thing, kind):
            raise BezantError(f"The plug-in {place} is a {type(thing).__name__} where a {kind.__name__} is needed.")
        found.append(thing)
    return found

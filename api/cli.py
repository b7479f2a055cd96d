"""The command line, `bezant`: where commands come together and where errors become one sentence.

A command raises `BezantError` for what a person can put right, and never prints a trace.
Exit status: 0 done, 1 not done (whatever a command refuses), 2 a command line that cannot be read, 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from api import plugins
from api.commands import audit, authorizations, cards, clearing, institutions, iso, jobs, keys, savings, serve
from api.logs import set_up_logs
from api.settings import load_settings
from engine.vocabulary.errors import BezantError

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = frozenset({"engine", "gateways", "issuer", "simulator", "api", "benchmarks"})


def program() -> typer.Typer:
    """The whole command line: the commands of this package first, then those of the plug-ins."""
    root = typer.Typer(
        name="bezant",
        help="A payment processor and the world around it.",
        callback=_options,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for commands in (institutions, keys, serve, jobs, cards, authorizations, savings, audit, clearing, iso):
        root.add_typer(commands.commands)
    for plugged_in in plugins.load(plugins.COMMANDS, typer.Typer):
        root.add_typer(plugged_in)
    return root


def run(arguments: Sequence[str]) -> int:
    """Run one command, return the exit status; whatever went wrong is one line on stderr, without trace or secret."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        if not __debug__:
            raise BezantError("Bezant does not run under python -O: its assertions guard the books.")
        status = program()(args=list(arguments), prog_name="bezant", standalone_mode=False)
    except BezantError as error:
        errors.print(f"bezant: {error}")
        return 1
    except typer.TyperException as error:
        # The text is empty where Typer has shown the help instead, for want of arguments.
        if text := " ".join(error.format_message().split()):
            errors.print(f"bezant: {text}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        errors.print("bezant: interrupted")
        return 130
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        errors.print(f"bezant: {error.strerror or type(error).__name__}{where}")
        return 1
    except Exception as error:
        # The text of an unexpected exception may quote anything: its kind and place are shown, the log masks the rest.
        structlog.get_logger("bezant").debug("unexpected exception", exc_info=True)
        errors.print(f"bezant: a bug of ours, {_place(error)}; BEZANT_LOG_LEVEL=debug shows the trace.")
        return 1
    return status if isinstance(status, int) else 0


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def _place(error: Exception) -> str:
    """The exception's kind and the innermost line of ours that it went through."""
    place = type(error).__name__
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        # The root may be a folder that libraries are installed into, too.
        if file.is_relative_to(ROOT) and file.relative_to(ROOT).parts[0] in PACKAGES:
            place = f"{type(error).__name__} at {file.relative_to(ROOT)}:{frame.lineno}"
    return place


def _show_version(wanted: bool) -> None:
    if wanted:
        Console(highlight=False).print(f"bezant {version('bezant')}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What holds for every command: logs as the settings have them."""
    settings = load_settings()
    set_up_logs(settings.log_level, settings.log_format)

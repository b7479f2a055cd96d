"""Options that commands of several packages share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.vocabulary.errors import BezantError


def _writable(file: Path | None) -> Path | None:
    """Said before the work is done whose figures could not be written."""
    if file is not None:
        try:
            file.open("a").close()
        except OSError as error:
            raise BezantError(f"The figures cannot be written to {file}: {str(error.strerror).lower()}.") from None
    return file


JsonFile = Annotated[
    Path | None, typer.Option("--json", callback=_writable, help="Write the figures to this file, for machines.")
]
"""`--json FILE`: a file that can be written, or None."""

"""How a card comes in, in the words of the command line. Alone here, so that `--help` loads nothing else."""

from __future__ import annotations

from enum import StrEnum


class EntryWord(StrEnum):
    """Inserted, tapped, swiped, typed at the counter, typed on a web page."""

    CHIP = "chip"
    CONTACTLESS = "contactless"
    MAGSTRIPE = "magstripe"
    MANUAL = "manual"
    ECOMMERCE = "ecommerce"

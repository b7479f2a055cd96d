"""The simulator's `MetaData`, to which each `store.py` of network and settlement bank adds its tables."""

from __future__ import annotations

from sqlalchemy import MetaData

from engine.database.tables import NAMING

metadata = MetaData(naming_convention=NAMING)

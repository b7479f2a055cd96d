"""The issuer's `MetaData`, to which each `store.py` of the issuer adds its tables."""

from __future__ import annotations

from sqlalchemy import MetaData

from engine.database.tables import NAMING

metadata = MetaData(naming_convention=NAMING)

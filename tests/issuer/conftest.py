"""A bank for each test: institutions are cheap, and nothing leaks from one test into another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from engine.database.connections import Database
from tests.issuer.world import Bank

_numbers = count(1)

OpenBank = Callable[..., Bank]


@pytest.fixture
def bank(database: Database, tmp_path: Path) -> Bank:
    """An issuer in UTC."""
    return Bank(database, tmp_path, next(_numbers))


@pytest.fixture
def open_bank(database: Database, tmp_path: Path) -> OpenBank:
    """A function that opens an issuer in a time zone."""
    return lambda time_zone: Bank(database, tmp_path, next(_numbers), time_zone)

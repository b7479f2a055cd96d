"""What the end-to-end tests share: settings on free ports, and an installation with a small world in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.settings import Settings
from api.system import System
from engine.database.connections import Database
from tests.conftest import ROLE_SECRET
from tests.e2e.world import World, free_port, open_world


def settings_of(folder: Path) -> Settings:
    """Settings of an installation of its own. Port 0: whichever is free."""
    return Settings(data_folder=folder, network_port=free_port()).model_copy(update={"pos_port": 0})


@pytest.fixture(scope="module")
def system(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A module's installation, on a fresh database of the run's server. Nothing is opened in it."""
    folder = tmp_path_factory.mktemp("installation")
    database = Database(database_url, ROLE_SECRET)
    yield System(settings_of(folder), database, folder / "files")
    database.dispose()


@pytest.fixture(scope="module")
def world(system: System) -> Iterator[World]:
    """All six institutions, running freely in this process."""
    with World(system, open_world(system)) as standing:
        yield standing

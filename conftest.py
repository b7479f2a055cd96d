"""Loads, for every test run from this folder, the rule that no test is skipped, and the day that many tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["tests.architecture.no_skips", "tests.played_day"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests over files that stand beside the repository are not even read where they are not to run: the project
    stands alone.
    """
    unwanted = "not shared_vectors" in config.option.markexpr
    return True if unwanted and collection_path.name == "shared_vectors" else None

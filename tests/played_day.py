"""Gives every test the day that is played once a run (`tests/simulation/played.py`). A plug-in, as the tests that look
at the day lie in several folders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.simulation.played import PlayedDay


@pytest.fixture(scope="session")
def played(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> PlayedDay:
    """A day of every scenario and every fault, its clearing, settlement and payouts, all of it listened to."""
    # Here, for a run of other tests alone need not know the world.
    from tests.simulation.played import play_day

    return play_day(server_url, tmp_path_factory.mktemp("played"))

"""What the tests of a whole world share: days played once a run, and what they left."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, TypedDict

import pytest
from pydantic import SecretStr

from api.settings import Settings
from simulator.demo import demonstrate, fresh_system
from simulator.faults import Level
from simulator.figures import Figures


class Plan(TypedDict):
    """Which day."""

    seed: int
    payments: int
    level: Level


EVENTFUL: Final[Plan] = {"seed": 297, "payments": 135, "level": Level.HEAVY}
"""The smallest day known on which every scenario of the plan and every kind of fault occurs."""
_PAYMENTS: Final = 40


class PlayDay(Protocol):
    """Plays the day of a seed in an installation of its own; the same arguments give the same figures back."""

    def __call__(
        self, seed: int, *, run: int = 1, payments: int = _PAYMENTS, level: Level = Level.USUAL
    ) -> Figures: ...


@pytest.fixture(scope="session")
def play_day(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> PlayDay:
    """Days by seed, size and faults, each played once a run; `run` plays one once more."""
    played: dict[tuple[int, int, int, Level], Figures] = {}

    def play(seed: int, *, run: int = 1, payments: int = _PAYMENTS, level: Level = Level.USUAL) -> Figures:
        if (seed, run, payments, level) not in played:
            settings = Settings(data_folder=tmp_path_factory.mktemp("day"), database_url=SecretStr(server_url))
            with fresh_system(settings, f"bezant_day_{len(played)}") as system:
                played[seed, run, payments, level] = asyncio.run(
                    demonstrate(
                        system, seed=seed, payments=payments, level=level, tell=lambda what: None, elapsed=lambda: 0
                    )
                )
        return played[seed, run, payments, level]

    return play


@pytest.fixture(scope="session")
def eventful_day(play_day: PlayDay) -> Figures:
    """The figures of the day on which everything happens."""
    return play_day(**EVENTFUL)

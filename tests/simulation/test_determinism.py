"""The same seed gives the same world, over real sockets and a real database; another seed gives another."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.conftest import PlayDay


def test_the_same_seed_gives_the_same_world_on_every_run(play_day: PlayDay) -> None:
    first, second = play_day(7, run=1), play_day(7, run=2)
    assert first.world_hash == second.world_hash
    assert replace(first, folder=second.folder) == second, "and every figure of it"
    assert first.proven


def test_another_seed_gives_another_world(play_day: PlayDay) -> None:
    seventh, eighth = play_day(7), play_day(8)
    assert seventh.world_hash != eighth.world_hash
    assert seventh.payouts != eighth.payouts
    assert eighth.proven

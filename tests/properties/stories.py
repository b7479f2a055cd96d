"""Sequences worth trying: several stories told at once, each in its own order, with pauses, and with steps that belong
nowhere in between. Steps drawn one by one alone would hardly ever tell a whole story.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

PLACES = 5
"""How many requests there are that something may be about."""


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody does about the request at `place`. `minor` and `word` say more where the kind needs it."""

    kind: str
    place: int = 0
    minor: int | None = None
    word: str = ""


Batches = list[tuple[timedelta, list[Action]]]
"""What comes together, and how long it is since the batch before."""


@st.composite
def batches(
    draw: Any, stories: Sequence[Sequence[Action]], strays: st.SearchStrategy[Action], waits: Sequence[timedelta]
) -> Batches:
    """A story for each place, interleaved; strays and waits between their steps."""
    lives = draw(st.permutations(stories))[:PLACES]
    steps: list[Any] = [place for place, life in enumerate(lives) for _ in life]
    strayed = draw(st.lists(strays, min_size=5, max_size=10))
    waited = draw(st.lists(st.sampled_from(waits), min_size=2, max_size=4))
    turns = draw(st.permutations([*steps, *strayed, *waited]))
    made: Batches = [(timedelta(0), [])]
    at = [0] * PLACES
    for turn in turns:
        match turn:
            case timedelta():
                made.append((turn, []))
            case Action():
                made[-1][1].append(turn)
            case place:
                made[-1][1].append(replace(lives[place][at[place]], place=place))
                at[place] += 1
    return made


def strays(*kinds: tuple[str, st.SearchStrategy[int | None], Sequence[str]]) -> st.SearchStrategy[Action]:
    """Actions of these kinds, about any request, whether it was made or not."""
    places = st.integers(0, PLACES - 1)
    return st.one_of(
        [st.builds(Action, st.just(kind), places, minor, st.sampled_from(words)) for kind, minor, words in kinds]
    )

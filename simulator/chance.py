"""Seeded chance: one seed, and a stream of its own for everything that is drawn, by name.

A draw more in one place changes nothing in another, so that a world stays recognisable while its parts are worked on.
"""

from __future__ import annotations

from hashlib import blake2b
from random import Random


class Chance:
    """All randomness of one world."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(self, name: str) -> Random:
        """A generator for one purpose ("people", "day"), the same for the same seed and name, whoever asks first."""
        return Random(self._number(name))

    def below(self, name: str, limit: int) -> int:
        """One number from 0 to `limit` - 1 that depends on seed and name alone: a decision about one named thing."""
        return self._number(name) % limit

    def _number(self, name: str) -> int:
        return int.from_bytes(blake2b(f"{self.seed}\x1f{name}".encode(), digest_size=16).digest(), "big")

"""A door that a test answers by hand, in place of an institution's processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError
from engine.vocabulary.keys import KEYS, key_of


class HandDoor:
    """Keeps each request with its reply; `full` makes it refuse, as an intake without room does."""

    def __init__(self) -> None:
        self.full = False
        self.requests: list[Any] = []
        self._replies: list[Callable[[Answer], None] | None] = []

    def submit(self, request: Any, reply: Callable[[Answer], None] | None = None) -> UUID:
        if self.full:
            raise BezantError("too many requests wait (1); try again later")
        self.requests.append(request)
        self._replies.append(reply)
        return key_of(KEYS[type(request)], request)

    def answer(self, index: int, code: str, **facts: str | int) -> None:
        """Answer the request of that number."""
        reply = self._replies[index]
        assert reply is not None, "nobody waits for this answer"
        reply(Answer(code, facts=facts))

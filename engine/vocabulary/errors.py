"""The two kinds of error that have a name of their own: malformed input, and what a person must be told.

A decline is neither: it is a value (`engine.vocabulary.responses`). A bug is an `assert`.
"""

from __future__ import annotations


class BezantError(Exception):
    """An error whose message is for people: one sentence that says what is wrong, where, and what to do.

    Holds no secret.
    """


class FormatError(ValueError):
    """Malformed input, named by the element or field it was found in.

    `element` is the standard's or the interface's name of the place ("DE 4", "amount"), `reason` says what is wrong
    without repeating any of the bytes (they may be a card number), `offset` is the position in the frame, in bytes,
    where known.
    """

    def __init__(self, element: str, reason: str, offset: int | None = None) -> None:
        self.element = element
        self.reason = reason
        self.offset = offset
        super().__init__(f"{element}: {reason}" + ("" if offset is None else f" (at byte {offset})"))

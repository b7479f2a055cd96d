"""What generated decoders and encoders share: source becomes a function.

The source holds keys and numbers of the specification only, all of them checked by `shapes.py`. What is made answers
None for a frame or a message that is not right in every respect, and raises nothing of its own; `reading.py` then says
what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateways.iso8583.specifications import CONTENT

INLINE: Final = {"ascii", "latin-1"}
"""Charsets whose bytes are their characters' numbers, so that Python's own conversion does."""


def compiled(name: str, argument: str, body: Sequence[str], names: Mapping[str, object]) -> Any:
    """The function of this name, argument and body. `names` are what its source may use, beside `fromhex` and a
    `CONTENT_n` for the n-th class of characters."""
    source = f"def {name}({argument}):\n" + "\n".join(f"    {line}" for line in body) + "\n"
    namespace: dict[str, Any] = {
        **names,
        "fromhex": bytes.fromhex,
        **{f"CONTENT_{number}": pattern.fullmatch for number, pattern in enumerate(CONTENT.values())},
    }
    exec(compile(source, f"<{name}>", "exec"), namespace)  # noqa: S102, the source is ours: numbers and names only
    return namespace[name]

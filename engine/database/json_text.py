"""One text for one JSON value, so that digests, fingerprints and columns agree about what was written."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

_PLAIN = frozenset({str, int, bool, type(None)})


def canonical_json(value: object) -> str:
    """`value` as JSON with sorted keys and no spaces; not ASCII-escaped.

    Beyond JSON's own: Decimal and UUID as strings, dates as ISO 8601, aware datetimes as ISO 8601 in UTC with
    microseconds, bytes as lower-case hex, enums as their values, tuples as lists. Keys are strings. A float is a bug
    (`AssertionError`): no amount or rate may be one.
    """
    _refuse_floats(value)
    return _ENCODER.encode(value)


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text; numbers with a fraction come as `Decimal`."""
    return json.loads(text, parse_float=Decimal)


def _refuse_floats(value: object) -> None:
    # The encoder in C writes floats without asking; this walk costs less than encoding in Python would.
    if isinstance(value, dict):
        for item in value.values():
            if type(item) not in _PLAIN:
                _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            if type(item) not in _PLAIN:
                _refuse_floats(item)
    else:
        assert not isinstance(value.value if isinstance(value, Enum) else value, float), (
            "a float has no place in stored JSON"
        )


def _plain(value: object) -> object:
    match value:
        case Decimal():
            assert value.is_finite(), "a rate or amount is finite"
            return format(value, "f")
        case UUID():
            return str(value)
        case datetime():
            assert value.tzinfo is not None, "a time without a zone says nothing"
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case Enum():
            return value.value
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form here")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)

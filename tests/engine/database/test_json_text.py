"""One text for one value, whatever order it was made in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.database.json_text import canonical_json, read_json


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


class Ratio(Enum):
    HALF = 0.5
    PAIR = ("a", 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [None, True, "ü"]}, '{"a":[null,true,"ü"],"b":1}'),
        ((1, (2, "x")), '[1,[2,"x"]]'),
        (Decimal("1.50"), '"1.50"'),
        (Decimal("1E+2"), '"100"'),
        (UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
        (date(2026, 3, 2), '"2026-03-02"'),
        (datetime(2026, 3, 2, 1, 2, 3, tzinfo=UTC), '"2026-03-02T01:02:03.000000+00:00"'),
        (datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=1))), '"2026-03-02T00:00:00.000000+00:00"'),
        (b"\x00\xff", '"00ff"'),
        ({"colour": Colour.RED, "size": Size.LARGE, "pair": Ratio.PAIR}, '{"colour":"red","pair":["a",1],"size":3}'),
    ],
)
def test_a_value_has_one_text(value: object, text: str) -> None:
    assert canonical_json(value) == text


@pytest.mark.parametrize("value", [1.5, [1, 2.0], {"a": {"b": (1, 0.1)}}, Ratio.HALF, {"a": float("nan")}])
def test_a_float_is_refused_wherever_it_hides(value: object) -> None:
    with pytest.raises(AssertionError, match="float"):
        canonical_json(value)


@pytest.mark.parametrize("value", [datetime(2026, 3, 2), Decimal("NaN")])
def test_a_time_without_zone_and_an_amount_that_is_none_are_bugs(value: object) -> None:
    with pytest.raises(AssertionError):
        canonical_json(value)


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        canonical_json({"a": object()})


leaves = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(values)
def test_a_plain_value_is_read_back_as_it_was(value: object) -> None:
    assert read_json(canonical_json(value)) == value


@given(st.dictionaries(st.text(), leaves))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_fractions_are_read_exactly() -> None:
    assert read_json("[0.1]") == [Decimal("0.1")]

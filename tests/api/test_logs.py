"""No log line shows a card number, a track or a secret, whichever way it came in."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from api.logs import mask, set_up_logs

PAN = "5413330089020011"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines; the log is as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    set_up_logs("debug", "json", stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (PAN, "541333******0011"),
        (f"card {PAN}.", "card 541333******0011."),
        ("5413 3300 8902 0011", "541333******0011"),
        ("3714-496353-98431", "371449*****8431"),
        (f"{PAN}=2512101079360805", "[track]"),
        (f"{PAN}D2512101079360805F", "[track]"),
        (f"16{PAN}", "165413********0011"),
        ("4000000000006", "400000***0006"),
    ],
)
def test_what_looks_like_a_card_number_is_cut(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text", ["rrn 123456789012", "stan 000001", "2026-01-02T03:04:05.123456Z", "amount 000000012345"]
)
def test_the_other_numbers_of_a_message_stay(text: str) -> None:
    assert mask(text) == text


def test_every_way_into_a_line_is_masked(lines: io.StringIO) -> None:
    log = structlog.get_logger("world")
    log.info(f"in the text {PAN}", field=PAN, number=int(PAN), nested={"list": [PAN], "pin_block": "0412AC89ABCDEF67"})
    log.info("in bytes", frame=PAN.encode(), cvv2="123", subject=ValueError(PAN))
    log.info("by position %s", PAN)
    logging.getLogger("library").warning("a library's %s", PAN)
    try:
        raise ValueError(f"bad card {PAN}")
    except ValueError:
        log.exception("failed")
    text = lines.getvalue()
    assert len(text.splitlines()) == 5
    for secret in (PAN, PAN.encode().hex(), "0412AC89ABCDEF67", '"123"'):
        assert secret not in text
    assert text.count("541333******0011") >= 7


def test_a_line_says_when_where_and_how_bad(lines: io.StringIO) -> None:
    structlog.get_logger("acquirer").warning("late reply", stan="000042")
    line = json.loads(lines.getvalue())
    assert (line["event"], line["stan"], line["level"], line["logger"]) == (
        "late reply",
        "000042",
        "warning",
        "acquirer",
    )
    assert line["timestamp"].endswith("Z")

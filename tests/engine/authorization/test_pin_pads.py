"""No key of a PIN pad serves twice, though messages cross; and what is refused for it moves nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from engine.authorization.pin_pads import WINDOW, PinPad, counted, id_of_pin_pad, parted
from engine.database.connections import Database
from engine.vocabulary.identifiers import Secret
from engine.vocabulary.messages import AuthorizationRequest
from tests.engine.acquiring import Acquirer
from tests.engine.authorization.payments import request
from tests.world import OPENED_AT

SERIAL = bytes.fromhex("FFFFFF00010000200000")


def serial(count: int, length: int = 10) -> bytes:
    return (int.from_bytes(SERIAL.ljust(length, b"\0"), "big") | count).to_bytes(length, "big")


def taken(counts: list[int]) -> list[bool]:
    """Which of these counts of one pad are taken, in this order."""
    pad: PinPad | None = None
    answers = []
    for count in counts:
        after = counted(pad, id_of_pin_pad("acquirer", SERIAL), serial(count))
        answers.append(after is not None)
        pad = after or pad
    return answers


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 1], [True, False]),
        ([1, 2, 1, 2], [True, True, False, False]),
        ([5, 3, 4, 3], [True, True, True, False]),
        ([1, 1 + WINDOW, 1], [True, True, False]),
        ([1, WINDOW, 1, 2], [True, True, False, True]),
        ([100, 100 - WINDOW, 101 - WINDOW], [True, False, True]),
        ([1, 2_000_000, 1_999_999, 1], [True, True, True, False]),
    ],
)
def test_each_count_of_a_pad_serves_once_in_whatever_order(counts: list[int], expected: list[bool]) -> None:
    assert taken(counts) == expected


@given(st.lists(st.integers(1, 60), max_size=40))
def test_no_count_is_taken_twice_and_none_within_the_window_is_lost(counts: list[int]) -> None:
    answers = taken(counts)
    accepted = [count for count, ok in zip(counts, answers, strict=True) if ok]
    assert len(accepted) == len(set(accepted))
    for place, (count, ok) in enumerate(zip(counts, answers, strict=True)):
        highest = max(counts[:place], default=0)
        assert ok is (count not in counts[:place] and count > highest - WINDOW) or count in counts[:place]


@pytest.mark.parametrize(("length", "bits"), [(10, 21), (12, 32)])
def test_a_serial_number_is_a_device_and_its_count(length: int, bits: int) -> None:
    device, count = parted(b"\xff" * length)
    assert count == 2**bits - 1
    assert int(device, 16) == 2 ** (8 * length) - 2**bits


@pytest.fixture(scope="module")
def acquirer(database: Database) -> Iterator[Acquirer]:
    yield Acquirer(database)


def test_a_used_serial_number_is_63_in_one_batch_and_in_the_next_and_goes_no_further(acquirer: Acquirer) -> None:
    def asking(count: int, stan: str) -> AuthorizationRequest:
        pin = Secret("0123456789ABCDEF")
        return request(stan=stan, transmitted_at=OPENED_AT, pin_block=pin, key_serial_number=serial(count))

    acquirer.network.sent.clear()
    answers = acquirer.processor.execute([asking(7, "000001"), asking(7, "000002"), asking(8, "000003")])
    (refused,) = (answer for answer in answers if answer is not None)
    assert (refused.code, refused.reasons) == ("63", ("key_serial_number_used",))
    (late,) = acquirer.processor.execute([asking(7, "000004")])
    assert late is not None and late.code == "63"
    assert len(acquirer.network.sent) == 2
    with acquirer.processor.engine.connect() as connection:
        rows = connection.execute(text("select device, counter, seen from pin_pads")).all()
    assert [tuple(row) for row in rows] == [(parted(SERIAL)[0], 8, 0b11)]

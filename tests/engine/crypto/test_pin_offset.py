"""IBM 3624 offsets and dynamic codes: psec and pyemv as second opinions, PINs of 4 to 12 digits."""

from __future__ import annotations

from collections.abc import Callable

import psec
import pyemv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crypto.dynamic_cvv import dynamic_card_verification_code, track_2_template
from engine.crypto.pin_offset import natural_pin, offset_of, pin_from_offset, validation_digits
from engine.vocabulary.errors import FormatError

# Both warn at each call; our own code is held to no warning by the other tests.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

KEYS = st.binary(min_size=16, max_size=16)
PANS = st.text("0123456789", min_size=12, max_size=19)
PINS = st.text("0123456789", min_size=4, max_size=12)
RULES = st.tuples(st.integers(0, 4), st.integers(4, 16), st.sampled_from("0123456789ABCDEF"))
TABLES = st.text("0123456789", min_size=16, max_size=16)


@settings(deadline=None)
@given(KEYS, PANS, PINS, TABLES, RULES)
def test_psec_has_the_same_offsets(key: bytes, pan: str, pin: str, table: str, rule: tuple[int, int, str]) -> None:
    start, length, fill = rule
    # psec wants all of the validation data from the card number.
    length = min(length, len(pan) - start)
    natural = natural_pin(key, validation_digits(pan, start, length, fill), table)
    offset = offset_of(natural, pin)
    assert offset == psec.pin.generate_ibm3624_offset(key, table, pin, pan, start, length, fill)
    assert (
        pin_from_offset(natural, offset)
        == pin
        == psec.pin.generate_ibm3624_pin(key, table, offset, pan, start, length, fill)
    )


@settings(deadline=None)
@given(KEYS, st.binary(max_size=40), st.binary(min_size=2, max_size=2), st.binary(min_size=4, max_size=4))
def test_pyemv_makes_the_same_dynamic_code(key: bytes, template: bytes, counter: bytes, number: bytes) -> None:
    # pyemv drops leading zeros.
    theirs = pyemv.cvv.generate_cvc3(key, template, counter, number).zfill(5)
    assert dynamic_card_verification_code(key, template, counter, number) == theirs[-3:]
    assert dynamic_card_verification_code(key, template, counter, number, 5) == theirs


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: validation_digits("12x4", 0, 4),
        lambda: validation_digits("4000001234562345", 0, 3),
        lambda: validation_digits("4000001234562345", 0, 16, "G"),
        lambda: natural_pin(bytes(16), "1" * 15),
        lambda: natural_pin(bytes(16), "1" * 16, "0" * 15),
        lambda: natural_pin(bytes(16), "1" * 16, length=13),
        lambda: offset_of("1234", "12345"),
        lambda: offset_of("123456789012", "123"),
        lambda: pin_from_offset("1234", "12a4"),
        lambda: dynamic_card_verification_code(bytes(16), b"", bytes(1), bytes(4)),
        lambda: dynamic_card_verification_code(bytes(16), b"", bytes(2), bytes(4), 6),
        lambda: track_2_template("4000001234562345", "3512", "1x1", "0"),
        lambda: track_2_template("4000001234562345", "351", "101", "0"),
    ],
)
def test_malformed_input_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(FormatError):
        wrong()

"""PVV and CVV: published vectors, the second decimalisation pass, and psec as a second opinion within its limits."""

from __future__ import annotations

import json
from pathlib import Path

import psec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.crypto.cvv import card_verification_value, expiry_as_used
from engine.crypto.decimalisation import decimalise
from engine.crypto.pvv import pin_verification_value
from engine.vocabulary.errors import FormatError

# psec warns at each call; our own code is held to no warning by the other tests.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

CASES = json.loads((Path(__file__).parents[2] / "vectors/pin_verification_cvv.json").read_text())["cases"]
KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN = "4000001234562345"


def digits(minimum: int, maximum: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=minimum, max_size=maximum)


@pytest.mark.parametrize("case", [case for case in CASES if "pvv" in case], ids=lambda case: case["pvv"])
def test_published_pvvs(case: dict[str, str]) -> None:
    pvk = bytes.fromhex(case["pvk"])
    assert pin_verification_value(pvk, case["pan"], case["pvki"], case["pin"]) == case["pvv"]


@pytest.mark.parametrize("case", [case for case in CASES if "cvv" in case], ids=lambda case: case["pan"] + case["cvv"])
def test_published_cvvs(case: dict[str, str]) -> None:
    cvk = bytes.fromhex(case["cvk"])
    assert card_verification_value(cvk, case["pan"], case["expiry_as_used"], case["service_code"]) == case["cvv"]


@pytest.mark.parametrize(
    ("block", "count", "expected"),
    [
        ("a1b2c3d4e5f60718", 4, "1234"),
        ("abcdefabcdef12ab", 3, "120"),
        ("abcdefabcdefabcd", 4, "0123"),
        ("fedcbafedcbafed9", 3, "954"),
    ],
)
def test_digits_first_then_letters_as_digits(block: str, count: int, expected: str) -> None:
    assert decimalise(bytes.fromhex(block), count) == expected


@settings(deadline=None)
@given(key=st.binary(min_size=16, max_size=16), pan=digits(12, 19), pvki=digits(1, 1), pin=digits(4, 4))
def test_psec_makes_the_same_pvv_of_4_digits(key: bytes, pan: str, pvki: str, pin: str) -> None:
    assert pin_verification_value(key, pan, pvki, pin) == psec.pin.generate_visa_pvv(key, pvki, pin, pan)


@settings(deadline=None)
@given(key=st.binary(min_size=16, max_size=16), pan=digits(12, 19), expiry=digits(4, 4), service_code=digits(3, 3))
@example(key=KEY, pan="8111116855303871", expiry="2712", service_code="000")
def test_psec_makes_the_same_cvv_where_it_makes_a_whole_one(
    key: bytes, pan: str, expiry: str, service_code: str
) -> None:
    ours, theirs = (
        card_verification_value(key, pan, expiry, service_code),
        psec.cvv.generate_cvv(key, pan, expiry, service_code),
    )
    assert len(ours) == 3
    assert ours.startswith(theirs)


def test_a_longer_pin_is_told_by_its_first_four_digits() -> None:
    assert pin_verification_value(KEY, PAN, "1", "123456") == pin_verification_value(KEY, PAN, "1", "1234")
    assert pin_verification_value(KEY, PAN, "1", "123456789012") != pin_verification_value(KEY, PAN, "1", "1235")


def test_the_key_index_is_part_of_the_pvv() -> None:
    assert pin_verification_value(KEY, PAN, "1", "1234") != pin_verification_value(KEY, PAN, "2", "1234")


def test_cvv2_is_over_month_first_and_the_others_over_year_first() -> None:
    assert expiry_as_used("2812", "000") == "1228"
    assert expiry_as_used("2812", "999") == expiry_as_used("2812", "201") == "2812"


@pytest.mark.parametrize(
    ("pan", "pvki", "pin"),
    [("1" * 11, "1", "1234"), (PAN, "", "1234"), (PAN, "12", "1234"), (PAN, "a", "1234"), (PAN, "1", "123")],
)
def test_a_pvv_of_malformed_input_is_refused(pan: str, pvki: str, pin: str) -> None:
    with pytest.raises(FormatError):
        pin_verification_value(KEY, pan, pvki, pin)


@pytest.mark.parametrize(
    ("key", "pan", "expiry", "service_code"),
    [
        (KEY[:8], PAN, "2812", "000"),
        (KEY, "1" * 11, "2812", "000"),
        (KEY, "1" * 20, "2812", "000"),
        (KEY, PAN, "281", "2000"),
        (KEY, PAN, "2812", "00"),
        (KEY, PAN, "28A2", "000"),
        (KEY, PAN, "28१2", "000"),
    ],
)
def test_a_cvv_of_malformed_input_is_refused(key: bytes, pan: str, expiry: str, service_code: str) -> None:
    with pytest.raises(FormatError):
        card_verification_value(key, pan, expiry, service_code)

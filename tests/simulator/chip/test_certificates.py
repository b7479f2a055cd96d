"""What is signed for a chip is recovered by the terminal, and nothing else is (EMV Book 2, 5 and 6)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.vocabulary.errors import FormatError
from simulator.chip.certificates import (
    Certificate,
    certify_chip,
    certify_issuer,
    sign_dynamic,
    sign_static,
)
from simulator.chip.rsa import ICC_KEYS, PrivateKey, PublicKey, published_key
from simulator.kernel.certificates import NotAuthentic, chip_key, dynamic_content, issuer_key, static_code

PAN, TODAY = "4000010000012348", "2602"
CA, ISSUER, ICC, PIN = (published_key(name) for name in ("ca", "issuer", "icc_0", "icc_pin"))
STATIC = b"static data to be authenticated"
OF_ISSUER = certify_issuer(CA, ISSUER.public, PAN, "1249", serial=1)
OF_CHIP = certify_chip(ISSUER, ICC.public, PAN, "1228", serial=2, static=STATIC)


def issuers(certificate: Certificate = OF_ISSUER, pan: str = PAN, today: str = TODAY) -> PublicKey:
    return issuer_key(CA.public, certificate.signed, certificate.remainder, certificate.exponent, pan=pan, today=today)


def chips(certificate: Certificate = OF_CHIP, pan: str = PAN, today: str = TODAY, static: bytes = STATIC) -> PublicKey:
    return chip_key(
        ISSUER.public,
        certificate.signed,
        certificate.remainder,
        certificate.exponent,
        pan=pan,
        today=today,
        static=static,
    )


@pytest.mark.parametrize(
    ("name", "bits"),
    [("ca", 1984), ("issuer", 1408), *((f"icc_{number}", 1152) for number in range(ICC_KEYS)), ("icc_pin", 1024)],
)
def test_keys_have_the_sizes_that_emv_has_room_for(name: str, bits: int) -> None:
    assert published_key(name).public.modulus.bit_length() == bits


def test_keys_of_issuer_and_chip_are_recovered_with_their_remainders() -> None:
    assert issuers() == ISSUER.public
    assert chips() == ICC.public
    assert len(OF_CHIP.remainder) == 144 - (176 - 42)
    assert OF_ISSUER.remainder == b""


def test_a_pin_encipherment_key_needs_no_static_data() -> None:
    certificate = certify_chip(ISSUER, PIN.public, PAN, "1228", serial=3)
    assert chips(certificate, static=b"") == PIN.public


@pytest.mark.parametrize(
    "change",
    [
        {"pan": "5100020000012348"},
        {"today": "5001"},
        {"certificate": replace(OF_ISSUER, exponent=b"\x05")},
        {"certificate": replace(OF_ISSUER, remainder=b"\x00")},
        {"certificate": replace(OF_ISSUER, signed=bytes(248))},
        {"certificate": replace(OF_ISSUER, signed=b"\xff" * 248)},
        {"certificate": replace(OF_ISSUER, signed=OF_ISSUER.signed[1:])},
        {"certificate": certify_chip(CA, ISSUER.public, PAN, "1249", serial=1)},
        {"certificate": certify_issuer(ISSUER, PIN.public, PAN, "1249", serial=1)},
    ],
)
def test_an_issuer_certificate_that_is_not_right_gives_no_key(change: dict[str, object]) -> None:
    with pytest.raises(NotAuthentic):
        issuers(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"pan": "4000010000012355"},
        {"today": "2901"},
        {"static": STATIC + b"!"},
        {"certificate": replace(OF_CHIP, remainder=bytes(len(OF_CHIP.remainder)))},
        {"certificate": replace(OF_CHIP, remainder=b"")},
    ],
)
def test_a_chip_certificate_that_is_not_right_gives_no_key(change: dict[str, object]) -> None:
    with pytest.raises(NotAuthentic):
        chips(**change)  # type: ignore[arg-type]


def test_a_certificate_is_good_through_the_month_that_it_names() -> None:
    assert chips(today="2812") == ICC.public


def test_static_and_dynamic_data_are_recovered() -> None:
    signed = sign_static(ISSUER, b"\xda\xc1", STATIC)
    assert static_code(ISSUER.public, signed, STATIC) == b"\xda\xc1"
    with pytest.raises(NotAuthentic):
        static_code(ISSUER.public, signed, STATIC[1:])
    dynamic = sign_dynamic(ICC, b"\x04ABCD", b"\xde\xad\xbe\xef")
    assert dynamic_content(ICC.public, dynamic, b"\xde\xad\xbe\xef") == b"\x04ABCD"
    with pytest.raises(NotAuthentic):
        dynamic_content(ICC.public, dynamic, bytes(4))
    with pytest.raises(NotAuthentic):
        static_code(ICC.public, dynamic, b"\xde\xad\xbe\xef")


@settings(max_examples=40)
@given(st.integers(0, 8 * 144 - 1))
def test_one_bit_that_is_wrong_anywhere_in_a_signature_makes_it_worthless(bit: int) -> None:
    signed = bytearray(sign_dynamic(ICC, b"\x04ABCD", b"terminal"))
    signed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotAuthentic):
        dynamic_content(ICC.public, bytes(signed), b"terminal")


@settings(max_examples=20)
@given(st.binary(min_size=143, max_size=143))
def test_private_and_public_key_undo_each_other(block: bytes) -> None:
    padded = b"\x00" + block
    assert ICC.public.apply(ICC.apply(padded)) == padded == ICC.apply(ICC.public.apply(padded))


@pytest.mark.parametrize("key", [ICC, ICC.public])
def test_a_block_that_does_not_fit_its_key_is_refused(key: PrivateKey | PublicKey) -> None:
    for block in (bytes(143), b"\xff" * 144):
        with pytest.raises(FormatError):
            key.apply(block)

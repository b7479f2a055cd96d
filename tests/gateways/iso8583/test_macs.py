"""The authentication code is over the bytes on the wire, in every dialect."""

from __future__ import annotations

import hashlib

import pytest

from engine.vocabulary.errors import FormatError
from gateways.iso8583.codec import decode
from gateways.iso8583.macs import encode_with_mac, mac_of
from gateways.iso8583.specifications import BCD, DIALECTS, SIMNET, with_header


def mac(covered: bytes) -> bytes:
    return hashlib.sha256(covered).digest()[:8]


@pytest.mark.parametrize("element", ["64", "128"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_code_is_over_all_bytes_before_it(dialect: str, element: str) -> None:
    specification = DIALECTS[dialect]
    fields = {"t": "1804", "11": "000001", **({"100": "200001"} if element == "128" else {})}
    frame = encode_with_mac(fields, specification, mac)
    read = decode(frame, specification)
    covered, code = mac_of(frame, read, specification)
    assert (code, bytes.fromhex(read[element])) == (mac(covered), mac(covered))
    assert frame.startswith(covered) and len(frame) - len(covered) in {8, 16}
    for position in range(len(covered)):
        assert mac(covered[:position] + bytes([covered[position] ^ 1]) + covered[position + 1 :]) != code


def test_a_short_code_is_filled_up_and_a_header_is_not_under_it() -> None:
    specification = with_header(BCD)
    frame = encode_with_mac({"h": "6000010002", "t": "0800", "11": "000001"}, specification, lambda _: b"\x01\x02")
    fields = decode(frame, specification)
    assert fields["64"] == "0102000000000000"
    assert mac_of(frame, fields, specification) == (frame[5:-8], bytes.fromhex(fields["64"]))


def test_a_message_without_its_code_is_named() -> None:
    with pytest.raises(FormatError, match="DE 64: is missing"):
        mac_of(b"", {"t": "0800", "11": "000001"}, SIMNET)
    with pytest.raises(FormatError, match="DE 128: is missing"):
        mac_of(b"", {"t": "0800", "64": "0" * 16, "100": "1"}, SIMNET)

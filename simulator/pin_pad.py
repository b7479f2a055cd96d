"""A PIN pad under DUKPT (ANSI X9.24-1): each PIN block has a key of its own, and the pad knows none of the old ones."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from engine.crypto import des
from engine.crypto.dukpt_tdes import Use, transaction_key, use_key
from engine.crypto.keys import device_key_of_test_world
from engine.crypto.pin_blocks import encode_format_0
from engine.vocabulary.identifiers import Pan, Secret

KEY_SET: Final = bytes.fromhex("FFFFFF0001")
"""First five bytes of the key serial numbers of this town; the last two name the acquirer's base key."""
_COUNTER_BITS: Final = 21
_MOST_BITS: Final = 10


class PinPad:
    """One pad, with its counter. `initial_key`: 16 bytes, loaded for the serial number (10 bytes, counter at zero)."""

    def __init__(self, initial_key: bytes, serial_number: bytes, *, counter: int = 0) -> None:
        self._initial_key = initial_key
        self._serial = int.from_bytes(serial_number, "big")
        self._counter = counter

    @property
    def counter(self) -> int:
        """How many transactions it has counted."""
        return self._counter

    def encrypt(self, pan: Pan, pin: str) -> tuple[Secret, bytes]:
        """DE 52, the PIN as typed in format 0 (16 hexadecimal digits), and the key serial number, 10 bytes."""
        self._counter += 1
        while self._counter.bit_count() > _MOST_BITS:
            self._counter += 1
        ksn = (self._serial | self._counter % (1 << _COUNTER_BITS)).to_bytes(10, "big")
        key = use_key(transaction_key(self._initial_key, ksn), Use.PIN)
        return Secret(des.once(key, encode_format_0(pin, pan.clear)).hex().upper()), ksn


def pin_pad_of_test_world(master_key: bytes, acquirer: str, terminal_id: str, *, counter: int = 0) -> PinPad:
    """The pad of a terminal of the test world, loaded by its acquirer. `KeyRefused` unless the master key is a test
    key."""
    device = int.from_bytes(blake2b(terminal_id.encode(), digest_size=3).digest(), "big") >> 5
    serial = KEY_SET + (device << _COUNTER_BITS).to_bytes(5, "big")
    return PinPad(device_key_of_test_world(master_key, acquirer, serial), serial, counter=counter)

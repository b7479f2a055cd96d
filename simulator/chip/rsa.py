"""RSA as EMV uses it (Book 2, annex A2.1 and B2.1): a block as long as the modulus, to the power of an exponent.

EMV signs by message recovery with a layout of its own, so a library's padded RSA is of no use; the arithmetic is
Python's. Keys are test keys, made once by a library and kept in `test_keys.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from engine.vocabulary.errors import FormatError


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A modulus and an exponent (3 or 65537)."""

    modulus: int
    exponent: int

    @property
    def length(self) -> int:
        """Of the modulus, in bytes."""
        return (self.modulus.bit_length() + 7) // 8

    @property
    def modulus_bytes(self) -> bytes:
        """The modulus, big endian."""
        return self.modulus.to_bytes(self.length, "big")

    @property
    def exponent_bytes(self) -> bytes:
        """The exponent in as few bytes as it takes (1 or 3)."""
        return self.exponent.to_bytes((self.exponent.bit_length() + 7) // 8, "big")

    def apply(self, block: bytes) -> bytes:
        """Recover what was signed, or encipher. `FormatError` for a block that is not as long as the modulus, or not
        below it."""
        number = int.from_bytes(block, "big")
        if len(block) != self.length or number >= self.modulus:
            raise FormatError("RSA block", "is not a number below the modulus, of its length")
        return pow(number, self.exponent, self.modulus).to_bytes(self.length, "big")


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A public key with the primes of its modulus."""

    public: PublicKey
    p: int = field(repr=False)
    q: int = field(repr=False)

    def apply(self, block: bytes) -> bytes:
        """Sign, or decipher, by the Chinese remainder theorem. `FormatError` as `PublicKey.apply`."""
        number, public = int.from_bytes(block, "big"), self.public
        if len(block) != public.length or number >= public.modulus:
            raise FormatError("RSA block", "is not a number below the modulus, of its length")
        left = pow(number, pow(public.exponent, -1, self.p - 1), self.p)
        right = pow(number, pow(public.exponent, -1, self.q - 1), self.q)
        result = right + self.q * ((left - right) * pow(self.q, -1, self.p) % self.p)
        return result.to_bytes(public.length, "big")


@cache
def published_key(name: str) -> PrivateKey:
    """A key of `test_keys.json`: `ca` (1984 bits), `issuer` (1408), `icc_0` to `icc_3` (1152), `icc_pin` (1024)."""
    found = _published()[name]
    p, q = int(found["p"], 16), int(found["q"], 16)
    return PrivateKey(PublicKey(p * q, int(found["exponent"])), p, q)


ICC_KEYS = 4
"""How many keys the chips of the test world share; a real chip has one of its own."""


@cache
def _published() -> dict[str, dict[str, str]]:
    text = files("simulator.chip").joinpath("test_keys.json").read_text(encoding="ascii")
    keys: dict[str, dict[str, str]] = json.loads(text)["keys"]
    return keys

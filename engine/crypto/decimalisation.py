"""Decimal digits from a cipher block, in two passes, as Visa's PVV and the CVV take them.

First the block's hexadecimal digits 0 to 9, from left to right. If there are too few of them, a second pass takes its
letters, A to F as 0 to 5, again from left to right. A block of almost nothing but letters is rare, which is why the
second pass is often forgotten.
"""

from __future__ import annotations

_LETTERS_AS_DIGITS = bytes.maketrans(b"abcdef", b"012345")


def decimalise(block: bytes, count: int) -> str:
    """The first `count` decimal digits of a block; `count` is at most the number of its hexadecimal digits."""
    hexadecimal = block.hex().encode()
    digits = hexadecimal.translate(None, b"abcdef")
    if len(digits) < count:
        assert count <= len(hexadecimal), "a block has no more digits than that"
        digits += hexadecimal.translate(_LETTERS_AS_DIGITS, b"0123456789")
    return digits[:count].decode()

"""The acquirer reference number (DE 31): 23 digits by which an item is known from its presentment to the last
dispute.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from engine.vocabulary.identifiers import luhn_complete

_FORMAT = "2"
_SEQUENCES = 10**11


def acquirer_reference_number(member_id: str, presented_on: date, payment_id: UUID) -> str:
    """Format digit, 6 digits of the acquirer, YDDD (last digit of the year, day of the year), 11 digits of sequence,
    Luhn check digit.

    The sequence is taken from the payment's identifier, so presenting again gives the same number. Two payments of
    one day may meet on one sequence (one chance in 100,000,000,000 a pair): the unique constraint refuses the second,
    and the next day gives it another number.
    """
    sequence = int.from_bytes(payment_id.bytes[4:], "big") % _SEQUENCES
    day = f"{presented_on.year % 10}{presented_on:%j}"
    return luhn_complete((_FORMAT, member_id.zfill(6)[-6:], day, f"{sequence:011d}"))

"""What a chip and its terminal say in DE 55, read strictly, and which of it an issuer goes by. Pure.

Sources: EMV 4.3 Book 3, annex C5 (terminal verification results, TVR) and C3 (cardholder verification); the card
verification results (CVR) of four bytes are coded as VIS codes them. TVR and CVR are believed once the cryptogram that
they are signed by is genuine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.vocabulary import tlv
from engine.vocabulary.emv import (
    AMOUNT_AUTHORISED,
    APPLICATION_CRYPTOGRAM,
    APPLICATION_TRANSACTION_COUNTER,
    ISSUER_APPLICATION_DATA,
    TERMINAL_VERIFICATION_RESULTS,
    TRANSACTION_CURRENCY,
    CryptogramVersion,
    IssuerApplicationData,
    cryptogram_input,
)
from engine.vocabulary.errors import FormatError
from engine.vocabulary.messages import AuthorizationRequest
from engine.vocabulary.money import ASSETS, Money

CRYPTOGRAM_INFORMATION: Final = "9F27"
VERIFICATION_METHOD: Final = "9F34"
SEQUENCE_NUMBER: Final = "5F34"

_ARQC: Final = 0x80
_KIND: Final = 0xC0
_METHOD: Final = 0x3F
_SIGNATURES: Final = frozenset({0x03, 0x05, 0x1E})
"""CVM codes with a signature (Book 3, annex C3)."""
_PIN_TRIES_EXCEEDED: Final = 0x00_00_20_00_00
"""Terminal verification results: PIN try limit exceeded, of the chip's own PIN."""
_PIN_FAILED_OFFLINE: Final = 0x02_00_00
_SCRIPT_FAILED: Final = 0x00_00_08
"""Bytes 2 to 4 of the card verification results; the latter of the transaction before."""
_SCRIPTS_SHIFT: Final = 4
_SCRIPTS: Final = 0x0F
"""How many script commands the transaction before brought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipReport:
    """DE 55 of a request. Scripts are those of the transaction before."""

    version: CryptogramVersion
    key_index: int
    counter: int
    """ATC."""
    cryptogram: bytes
    signed: bytes
    """What the cryptogram is made over."""
    asks_online: bool
    """The cryptogram is an ARQC, as far as tag 9F27 says."""
    amount_minor: int
    currency: str
    """ISO 4217, numeric, 3 digits."""
    pin_failed: bool
    """The chip was given a wrong PIN and no right one (CVR)."""
    pin_tries_exceeded: bool
    """The terminal could not verify a PIN at the chip, for no try is left (TVR)."""
    scripts_run: int
    script_failed: bool
    is_signed_for: bool
    """The terminal has the cardholder sign (tag 9F34)."""
    sequence_number: str | None
    """Tag 5F34, 2 digits, where it is there."""

    def says(self, amount: Money) -> bool:
        """Whether the chip has signed for this amount and currency (DE 4 and DE 49)."""
        return (self.amount_minor, self.currency) == (amount.amount_minor, ASSETS[amount.asset].numeric)


def read_chip_report(icc_data: bytes) -> ChipReport:
    """The content of DE 55. `FormatError` names the tag that is missing or malformed, and repeats no byte."""
    tags = tlv.leaves(tlv.decode(icc_data))
    said = IssuerApplicationData.decode(tags.get(ISSUER_APPLICATION_DATA, b""))
    signed = cryptogram_input(tags, said)
    cryptogram, kind = _exactly(tags, APPLICATION_CRYPTOGRAM, 8), _exactly(tags, CRYPTOGRAM_INFORMATION, 1)
    method, sequence_number = _exactly(tags, VERIFICATION_METHOD, 3), _exactly(tags, SEQUENCE_NUMBER, 1)
    if cryptogram is None:
        raise FormatError(f"tag {APPLICATION_CRYPTOGRAM}", "is missing")
    for tag in (AMOUNT_AUTHORISED, TRANSACTION_CURRENCY, SEQUENCE_NUMBER):
        if tag in tags and not tags[tag].hex().isdecimal():
            raise FormatError(f"tag {tag}", "is not of decimal digits")
    results = said.verification_results
    found = int.from_bytes(results[1:], "big") if len(results) == 4 and results[0] == 3 else 0
    terminal_found = int.from_bytes(tags[TERMINAL_VERIFICATION_RESULTS], "big")
    return ChipReport(
        version=said.version,
        key_index=said.key_index,
        counter=int.from_bytes(tags[APPLICATION_TRANSACTION_COUNTER], "big"),
        cryptogram=cryptogram,
        signed=signed,
        asks_online=kind is None or kind[0] & _KIND == _ARQC,
        amount_minor=int(tags[AMOUNT_AUTHORISED].hex()),
        currency=tags[TRANSACTION_CURRENCY].hex()[1:],
        pin_failed=bool(found & _PIN_FAILED_OFFLINE),
        pin_tries_exceeded=bool(terminal_found & _PIN_TRIES_EXCEEDED),
        scripts_run=found >> _SCRIPTS_SHIFT & _SCRIPTS,
        script_failed=bool(found & _SCRIPT_FAILED),
        is_signed_for=method is not None and method[0] & _METHOD in _SIGNATURES,
        sequence_number=None if sequence_number is None else sequence_number.hex(),
    )


def plastic_of(request: AuthorizationRequest, chip: ChipReport) -> str | None:
    """The sequence number (2 digits) that the request says its plastic has: tag 5F34, else DE 23; None where neither
    is there."""
    if chip.sequence_number is not None or request.card_sequence_number is None:
        return chip.sequence_number
    return request.card_sequence_number[-2:]


def _exactly(tags: dict[str, bytes], tag: str, length: int) -> bytes | None:
    content = tags.get(tag)
    if content is not None and len(content) != length:
        raise FormatError(f"tag {tag}", f"has not {length} bytes")
    return content

"""Questions about chips: cryptograms, the issuer's answer to them, scripts, and the keys of a new card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.crypto.door.keys import ExchangedKey
from engine.crypto.door.pins import PinBlockFormat, PinSource
from engine.vocabulary.emv import (
    APPLICATION_CRYPTOGRAM,
    APPLICATION_TRANSACTION_COUNTER,
    ISSUER_APPLICATION_DATA,
    CryptogramVersion,
    IssuerApplicationData,
    cryptogram_input,
)
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan


@dataclass(frozen=True, slots=True)
class ChipCard:
    """Which chip: card number, PAN sequence number (2 digits, DE 23 without its first), index of the issuer's keys."""

    pan: Pan
    sequence_number: str = "00"
    key_index: int = 1


@dataclass(frozen=True, slots=True)
class CryptogramVerification:
    """Did this chip make this cryptogram (ARQC, TC or AAC, 8 bytes) over this transaction?

    `counter`: ATC, 2 bytes; `transaction`: what it was made over (`engine.vocabulary.emv.cryptogram_input`).
    """

    card: ChipCard
    version: CryptogramVersion
    counter: bytes
    transaction: bytes = field(repr=False)
    cryptogram: bytes

    @classmethod
    def of(cls, pan: Pan, sequence_number: str, tags: Mapping[str, bytes]) -> CryptogramVerification:
        """The question that the data objects of DE 55 ask (by tag, upper case hexadecimal).

        `FormatError` names the tag that is missing or malformed.
        """
        said = IssuerApplicationData.decode(tags.get(ISSUER_APPLICATION_DATA, b""))
        transaction = cryptogram_input(tags, said)
        cryptogram = tags.get(APPLICATION_CRYPTOGRAM, b"")
        if len(cryptogram) != 8:
            raise FormatError("tag 9F26", "is missing or has not 8 bytes")
        card = ChipCard(pan, sequence_number, said.key_index)
        return cls(card, said.version, tags[APPLICATION_TRANSACTION_COUNTER], transaction, cryptogram)


@dataclass(frozen=True, slots=True)
class ResponseCryptogram:
    """The issuer's answer to a cryptogram (ARPC), which the chip verifies.

    `answer`: for CVN 10 the authorisation response code (2 bytes, as in tag 8A), and an ARPC of 8 bytes comes of it;
    for CVN 18 and 22 the card status update (4 bytes), and an ARPC of 4 bytes. Tag 91 is the ARPC, `answer`, and then
    `proprietary` (up to 8 bytes, CVN 18 and 22 only).
    """

    card: ChipCard
    version: CryptogramVersion
    counter: bytes
    cryptogram: bytes
    answer: bytes
    proprietary: bytes = b""


@dataclass(frozen=True, slots=True)
class ScriptCommand:
    """A command to this chip, in this transaction, under the issuer's MAC.

    `header`: CLA INS P1 P2; `content`: its data, encrypted on the way where `secret`.
    """

    card: ChipCard
    version: CryptogramVersion
    counter: bytes
    cryptogram: bytes
    header: bytes
    content: bytes = field(default=b"", repr=False)
    secret: bool = False


@dataclass(frozen=True, slots=True)
class PinChangeCommand:
    """PIN CHANGE to this chip: its offline PIN becomes the one in this PIN block. Format: as in `PinTranslation`."""

    card: ChipCard
    version: CryptogramVersion
    counter: bytes
    cryptogram: bytes
    pin_block: bytes = field(repr=False)
    zone: PinSource
    format: PinBlockFormat | None = None


@dataclass(frozen=True, slots=True)
class CardKeys:
    """The master keys of one chip, on their way to who personalises it: key blocks under a zone master key."""

    cryptogram: ExchangedKey
    integrity: ExchangedKey
    confidentiality: ExchangedKey
    dynamic_number: ExchangedKey

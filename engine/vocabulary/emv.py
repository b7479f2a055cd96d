"""The words of EMV that issuer, HSM and chip share: how a cryptogram is made, what it is made over, what the issuer
application data say.

A cryptogram version number (CVN) names one way of the schemes: which keys, which data, which padding. It comes in the
issuer application data (tag 9F10), so that the issuer knows what to do with the cryptogram beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from engine.vocabulary.errors import FormatError


class CryptogramVersion(IntEnum):
    """The ways of making an application cryptogram that are known here, by the byte that names them in 9F10."""

    CVN_10 = 0x0A
    """The card's master key (option A) is the key; padded with zeros; answered by ARPC method 1."""
    CVN_18 = 0x12
    """EMV common session keys under a master key of option B; method 2 padding; answered by ARPC method 2."""
    CVN_22 = 0x22
    """As CVN 18, but script keys follow the cryptogram, and the issuer application data are of format 2."""


AMOUNT_AUTHORISED = "9F02"
AMOUNT_OTHER = "9F03"
TERMINAL_COUNTRY = "9F1A"
TERMINAL_VERIFICATION_RESULTS = "95"
TRANSACTION_CURRENCY = "5F2A"
TRANSACTION_DATE = "9A"
TRANSACTION_TYPE = "9C"
UNPREDICTABLE_NUMBER = "9F37"
APPLICATION_INTERCHANGE_PROFILE = "82"
APPLICATION_TRANSACTION_COUNTER = "9F36"
ISSUER_APPLICATION_DATA = "9F10"
APPLICATION_CRYPTOGRAM = "9F26"

CRYPTOGRAM_TAGS: Mapping[str, int] = {
    AMOUNT_AUTHORISED: 6,
    AMOUNT_OTHER: 6,
    TERMINAL_COUNTRY: 2,
    TERMINAL_VERIFICATION_RESULTS: 5,
    TRANSACTION_CURRENCY: 2,
    TRANSACTION_DATE: 3,
    TRANSACTION_TYPE: 1,
    UNPREDICTABLE_NUMBER: 4,
    APPLICATION_INTERCHANGE_PROFILE: 2,
    APPLICATION_TRANSACTION_COUNTER: 2,
}
"""What a cryptogram is made over (EMV Book 2, 8.1.1), in this order, with lengths in bytes. The card's own words of
9F10 follow: its verification results for CVN 10, all of it for CVN 18 and 22."""


@dataclass(frozen=True, slots=True)
class IssuerApplicationData:
    """Tag 9F10: the index of the issuer's key, the cryptogram version, and the card verification results (CVR)."""

    key_index: int
    version: CryptogramVersion
    verification_results: bytes

    @classmethod
    def decode(cls, content: bytes) -> IssuerApplicationData:
        """Read the content of 9F10.

        Format 1: length 06, key index, CVN, CVR of 4 bytes, the issuer's own. Format 2 (CVN 22): length 1F, CVN, key
        index, CVR of 5 bytes, the issuer's own. As issuers number them, CVN 22 is taken in format 1 as well.
        `FormatError` for anything else.
        """
        if len(content) < 7:
            raise FormatError("tag 9F10", "has at least 7 bytes")
        in_format_2 = content[0] == 0x1F and content[1] == CryptogramVersion.CVN_22
        if in_format_2 and len(content) < 8:
            raise FormatError("tag 9F10", "has at least 8 bytes in format 2")
        if not in_format_2 and content[0] != 6:
            raise FormatError("tag 9F10", "does not begin with the length of a format known here")
        version, key_index = (content[1], content[2]) if in_format_2 else (content[2], content[1])
        try:
            known = CryptogramVersion(version)
        except ValueError:
            raise FormatError("tag 9F10", "names a cryptogram version that is not known here") from None
        return cls(key_index, known, content[3:8] if in_format_2 else content[3:7])


def cryptogram_input(tags: Mapping[str, bytes], said: IssuerApplicationData | None = None) -> bytes:
    """What the cryptogram of these data objects (by tag, upper case hexadecimal) is made over, without padding.

    9F10 says for which version; `said` is what it says, where its reader has read it already. `FormatError` names the
    tag that is missing or has another length.
    """
    parts = []
    for tag, length in CRYPTOGRAM_TAGS.items():
        content = tags.get(tag)
        if content is None or len(content) != length:
            raise FormatError(f"tag {tag}", f"is missing or has not {length} bytes")
        parts.append(content)
    content = tags.get(ISSUER_APPLICATION_DATA)
    if content is None:
        raise FormatError("tag 9F10", "is missing")
    said = said or IssuerApplicationData.decode(content)
    parts.append(said.verification_results if said.version is CryptogramVersion.CVN_10 else content)
    return b"".join(parts)

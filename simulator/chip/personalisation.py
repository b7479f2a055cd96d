"""Making a chip: from what an issuer decides about a card to the files and keys in it (EMV Book 3, annex A and 10.2).

The application identifier begins with F: it is registered with nobody. "simnet" is the network's own application.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Final

from engine.vocabulary import tlv
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.identifiers import Pan, Secret
from simulator.chip.certificates import certify_chip, certify_issuer, sign_static
from simulator.chip.dol import encode_dol
from simulator.chip.rsa import ICC_KEYS, PrivateKey, published_key

RID: Final = bytes.fromhex("F053494D4E")
"""The network's registered identifier, were it registered: F0 and "SIMN"."""
AID: Final = RID + bytes.fromhex("1010")
LABEL: Final = b"SIMNET"
PSE: Final = b"1PAY.SYS.DDF01"
PPSE: Final = b"2PAY.SYS.DDF01"
AUTHORITY_INDEX: Final = b"\x01"
"""Tag 8F: which of the authority's keys signed the issuer's certificate."""
PIN_TRIES: Final = 3
APPLICATION_VERSION: Final = bytes.fromhex("0001")

_OF_A_CRYPTOGRAM: Final = (
    ("9F02", 6), ("9F03", 6), ("9F1A", 2), ("95", 5), ("5F2A", 2), ("9A", 3), ("9C", 1), ("9F37", 4),
    ("9F35", 1), ("9F34", 3),
)  # fmt: skip
CONTACT_PDOL: Final = encode_dol((("9F1A", 2), ("9F35", 1)))
CONTACTLESS_PDOL: Final = encode_dol((("9F66", 4), *_OF_A_CRYPTOGRAM[:8]))
CDOL1: Final = encode_dol(_OF_A_CRYPTOGRAM)
DDOL: Final = encode_dol((("9F37", 4),))


class Profile(IntFlag):
    """Application interchange profile, tag 82, byte 1 (Book 3, annex C1)."""

    SDA = 0x40
    DDA = 0x20
    CARDHOLDER_VERIFICATION = 0x10
    TERMINAL_RISK_MANAGEMENT = 0x08
    ISSUER_AUTHENTICATION = 0x04
    """By EXTERNAL AUTHENTICATE; without it the second GENERATE AC carries the issuer's word."""
    CDA = 0x01


@dataclass(frozen=True, slots=True)
class ChipKeys:
    """The card's master keys (16 bytes each), derived from the issuer's: cryptograms, script MACs, script data."""

    cryptogram: bytes = field(repr=False)
    integrity: bytes = field(repr=False)
    confidentiality: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the chip goes without its issuer: transactions in a row (lower: prefers online, upper: declines), and
    their sum in minor units of the card's currency."""

    lower: int = 3
    upper: int = 5
    total_minor: int = 20_000


@dataclass(frozen=True, slots=True)
class IssuerActions:
    """Issuer action codes (tags 9F0D, 9F0E, 9F0F): which bits of the TVR decline or go online.

    Denial: a service that is not allowed. Online: nearly everything. Default, when the issuer cannot be reached: data
    authentication or cardholder verification failed, a new or expired card, an amount or a count over its limit.
    """

    default: bytes = bytes.fromhex("EC48BCA000")
    denial: bytes = bytes.fromhex("0010000000")
    online: bytes = bytes.fromhex("EC68BCF800")


ONLINE_PIN_FIRST: Final = bytes.fromhex("00000000000000004203440341035E031F03")
"""CVM list (tag 8E, Book 3, 10.5 and annex C3): online PIN, enciphered PIN, plain PIN, signature, none; each where the
terminal supports it, the next when it fails."""
OFFLINE_PIN_FIRST: Final = bytes.fromhex("00000000000000004403410342035E031F03")


@dataclass(frozen=True, slots=True, kw_only=True)
class Personalisation:
    """What an issuer has put into one chip. `expiry` and `effective` are YYMM, `track2` its copy with the iCVV.

    `data_authentication` is the best of SDA, DDA and CDA that the chip can do; SDA alone is a card without RSA key.
    """

    pan: Pan
    expiry: str
    track2: Secret
    keys: ChipKeys
    sequence_number: str = "01"
    effective: str = "2401"
    cardholder: str = "TEST/CARD"
    version: CryptogramVersion = CryptogramVersion.CVN_18
    pin: str | None = field(default=None, repr=False)
    data_authentication: Profile = Profile.CDA
    cvm_list: bytes = ONLINE_PIN_FIRST
    actions: IssuerActions = IssuerActions()
    limits: Limits = Limits()
    usage: bytes = bytes.fromhex("FFC0")
    """Application usage control, tag 9F07: everything, at home and abroad, cash back too."""
    country: str = "0840"
    currency: str = "0840"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """The part of a card that never changes: files by (SFI, record), keys, lists."""

    personalisation: Personalisation
    files: Mapping[tuple[int, int], bytes] = field(repr=False)
    locator: bytes
    """Application file locator, tag 94."""
    profile: bytes
    """Application interchange profile, tag 82."""
    cdol2: bytes
    key: PrivateKey | None = field(repr=False)
    """Signs dynamic data, tag 9F46's; None for a card that does SDA only."""
    pin_key: PrivateKey | None = field(repr=False)
    """Deciphers PINs, tag 9F2D's."""


def authentication_length(version: CryptogramVersion) -> int:
    """Bytes of issuer authentication data (tag 91) that the second GENERATE AC carries: 0 for those who have EXTERNAL
    AUTHENTICATE."""
    return 8 if version is CryptogramVersion.CVN_22 else 0


def make_chip(card: Personalisation) -> Chip:
    """The chip of this personalisation; the same again for the same."""
    signs = card.data_authentication is not Profile.SDA
    profile = Profile.SDA | Profile.CARDHOLDER_VERIFICATION | Profile.TERMINAL_RISK_MANAGEMENT
    if signs:
        profile |= Profile.DDA
    if card.data_authentication is Profile.CDA:
        profile |= Profile.CDA
    own_length = authentication_length(card.version)
    if not own_length:
        profile |= Profile.ISSUER_AUTHENTICATION
    interchange = bytes((profile, 0))
    issuer_word = (("91", own_length),) if own_length else ()
    cdol2 = encode_dol((("8A", 2), *issuer_word, *_OF_A_CRYPTOGRAM))
    signed = _signed_objects(card, cdol2)
    # Static data to be authenticated (Book 3, 10.3): the records so marked, without template, and the profile.
    static = tlv.encode(signed) + interchange
    key = published_key(f"icc_{int(card.pan.clear[-6:]) % ICC_KEYS}") if signs else None
    pin_key = published_key("icc_pin") if signs else None
    files = {
        (1, 1): _record(
            ("57", bytes.fromhex(_even(card.track2.clear.replace("=", "D")))), ("5F20", card.cardholder.encode("ascii"))
        ),
        (2, 1): _record(*signed),
        **{(3, number): one for number, one in enumerate(_certificates(card, key, pin_key, static), start=1)},
    }
    certificates = max(record for sfi, record in files if sfi == 3)
    locator = bytes((1 << 3, 1, 1, 0, 2 << 3, 1, 1, 1, 3 << 3, 1, certificates, 0))
    return Chip(
        personalisation=card,
        files=files,
        locator=locator,
        profile=interchange,
        cdol2=cdol2,
        key=key,
        pin_key=pin_key,
    )


def _signed_objects(card: Personalisation, cdol2: bytes) -> tuple[tuple[str, bytes], ...]:
    return (
        ("5A", bytes.fromhex(_even(card.pan.clear))),
        ("5F24", bytes.fromhex(f"{card.expiry}{_last_day(card.expiry)}")),
        ("5F25", bytes.fromhex(f"{card.effective}01")),
        ("5F28", bytes.fromhex(card.country)),
        ("5F34", bytes.fromhex(card.sequence_number)),
        ("8C", CDOL1),
        ("8D", cdol2),
        ("8E", card.cvm_list),
        ("9F07", card.usage),
        ("9F08", APPLICATION_VERSION),
        ("9F0D", card.actions.default),
        ("9F0E", card.actions.denial),
        ("9F0F", card.actions.online),
        ("9F14", bytes((card.limits.lower,))),
        ("9F23", bytes((card.limits.upper,))),
        ("9F42", bytes.fromhex(card.currency)),
        ("9F4A", b"\x82"),
    )


def _certificates(
    card: Personalisation, key: PrivateKey | None, pin_key: PrivateKey | None, static: bytes
) -> list[bytes]:
    pan, expires, issuer = card.pan.clear, card.expiry[2:] + card.expiry[:2], published_key("issuer")
    of_issuer = certify_issuer(published_key("ca"), issuer.public, pan, "1249", serial=1)
    beside = (("92", of_issuer.remainder),) if of_issuer.remainder else ()
    records = [
        _record(("90", of_issuer.signed)),
        _record(("8F", AUTHORITY_INDEX), ("9F32", of_issuer.exponent), *beside),
        _record(("93", sign_static(issuer, bytes.fromhex("DAC1"), static))),
    ]
    if key is not None and pin_key is not None:
        own = certify_chip(issuer, key.public, pan, expires, serial=2, static=static)
        records.append(_record(("9F46", own.signed), ("9F47", own.exponent), ("9F48", own.remainder), ("9F49", DDOL)))
        secret = certify_chip(issuer, pin_key.public, pan, expires, serial=3)
        records.append(_record(("9F2D", secret.signed), ("9F2E", secret.exponent)))
    return records


def _record(*objects: tuple[str, bytes]) -> bytes:
    return tlv.encode([("70", list(objects))])


def _even(digits: str) -> str:
    return digits + "F" * (len(digits) % 2)


def _last_day(expiry: str) -> str:
    year, month = 2000 + int(expiry[:2]), int(expiry[2:])
    if month == 2:
        return "29" if year % 4 == 0 else "28"
    return "30" if month in (4, 6, 9, 11) else "31"

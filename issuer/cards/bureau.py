"""What the card bureau gets to make a card: numbers, stripe, chip data and the chip's keys.

The bureau is an outside party: it has a zone master key with the bank, and the chip's keys come to it as key blocks
under that. Card numbers are shown to it under the vault's permission, and every showing is written down. The records
live in memory only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from engine.crypto.door import CardKeys, ChipCard, Hsm
from engine.vault.access import Access, show
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan, Secret
from issuer.cards.model import Card
from issuer.cards.numbers import Track2

ICVV_SERVICE_CODE, CVV2_SERVICE_CODE = "999", "000"
"""What a chip's CVV and a printed one are made with, in place of the stripe's service code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipProfile:
    """How a bank sets up its chips (EMV Book 3): the data objects that are the same in all of them.

    `key_index`: the version of the issuer's chip keys, which the chip names in tag 9F10.
    """

    version: CryptogramVersion = CryptogramVersion.CVN_18
    key_index: int = 1
    application_interchange_profile: bytes = bytes.fromhex("3D00")
    """Tag 82: SDA no, DDA and CDA yes, cardholder verification, terminal risk management, issuer authentication."""
    cardholder_verification: bytes = bytes.fromhex("0000000000000000410342035E031F00")
    """Tag 8E: offline PIN, else online PIN, else signature, where the terminal can; else none."""
    action_default: bytes = bytes.fromhex("FC50BCF800")
    """Tag 9F0D: declined when it could not go online."""
    action_denial: bytes = bytes.fromhex("0010000000")
    """Tag 9F0E: declined at once, for a card that is not for this kind of service."""
    action_online: bytes = bytes.fromhex("FC70BCF800")
    """Tag 9F0F: asked of the issuer."""
    usage_control: bytes = bytes.fromhex("FF00")
    """Tag 9F07: at home and abroad, cash, goods, services."""
    issuer_country: bytes = bytes.fromhex("0840")
    """Tag 5F28, ISO 3166-1 numeric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalisationRecord:
    """One card for the bureau. Which records its data objects lie in (tag 94) is the bureau's own layout.

    `offline_pin` is the PIN for the chip's VERIFY, from whoever has it in hand while the card is ordered; the bank
    keeps none. `keys`: the chip's own, as key blocks under the bureau's zone master key.
    """

    card: Card
    pan: Pan
    stripe: Secret
    """Track 2, without sentinels."""
    printed_cvv2: Secret
    track_2_equivalent: Secret
    """Tag 57: as the stripe, with the iCVV."""
    keys: CardKeys
    profile: ChipProfile
    offline_pin: Secret | None

    def data_objects(self) -> dict[str, bytes]:
        """What the chip says in READ RECORD and GET PROCESSING OPTIONS, by tag. Holds the card number."""
        card, profile = self.card, self.profile
        digits = self.pan.clear
        track = self.track_2_equivalent.clear.replace("=", "D")
        return {
            "5A": _compressed(digits),
            "57": _compressed(track),
            "5F24": bytes.fromhex(f"{card.expiry}{_LAST_DAY[card.expiry[2:]]}"),
            "5F28": profile.issuer_country,
            "5F30": bytes.fromhex(f"0{card.service_code}"),
            "5F34": bytes.fromhex(card.sequence_number),
            "82": profile.application_interchange_profile,
            "8E": profile.cardholder_verification,
            "9F07": profile.usage_control,
            "9F0D": profile.action_default,
            "9F0E": profile.action_denial,
            "9F0F": profile.action_online,
        }


_LAST_DAY: Mapping[str, str] = {
    f"{month:02d}": {2: "28", 4: "30", 6: "30", 9: "30", 11: "30"}.get(month, "31") for month in range(1, 13)
}


def personalisation_records(
    engine: Engine,
    hsm: Hsm,
    zone: str,
    access: Access,
    cards: Sequence[tuple[Card, Secret | None]],
    *,
    at: datetime,
    profile: ChipProfile | None = None,
) -> list[PersonalisationRecord]:
    """A record for each card (with the offline PIN of its chip, if it is to have one), in order.

    A card whose renewal is under way gets the plastic of the renewal. `zone`: the pair of bank and bureau. Raises
    `AccessRefused` without the permission to see card numbers, `KeyRefused` without a zone master key with the bureau.
    """
    profile = profile or ChipProfile()
    coming = [(_next_plastic(card), pin) for card, pin in cards]
    pans = show(engine, hsm, access, [card.card_token for card, _ in coming], at)
    missing = [card.id for card, _ in coming if card.card_token not in pans]
    if missing:
        raise BezantError(f"The vault does not know the number of card {missing[0]}.")
    keys = hsm.make_card_keys(
        zone,
        [ChipCard(pans[card.card_token], card.sequence_number, profile.key_index) for card, _ in coming],
        by_option_b=profile.version is not CryptogramVersion.CVN_10,
    )
    return [
        _record(hsm, card, pans[card.card_token], made, profile=profile, pin=pin)
        for (card, pin), made in zip(coming, keys, strict=True)
    ]


def _next_plastic(card: Card) -> Card:
    if card.renewal_expiry is None or card.renewal_sequence_number is None:
        return card
    return replace(card, expiry=card.renewal_expiry, sequence_number=card.renewal_sequence_number)


def _record(
    hsm: Hsm, card: Card, pan: Pan, keys: CardKeys, *, profile: ChipProfile, pin: Secret | None
) -> PersonalisationRecord:
    def track(cvv_made_with: str) -> Secret:
        return Secret(
            Track2(
                pan=pan,
                expiry=card.expiry,
                service_code=card.service_code,
                cvv=hsm.make_cvv(pan, card.expiry, cvv_made_with),
                pvki=card.pvki or "0",
                pvv=card.pvv or "0000",
            ).text
        )

    return PersonalisationRecord(
        card=card,
        pan=pan,
        stripe=track(card.service_code),
        printed_cvv2=Secret(hsm.make_cvv(pan, card.expiry, CVV2_SERVICE_CODE)),
        track_2_equivalent=track(ICVV_SERVICE_CODE),
        keys=keys,
        profile=profile,
        offline_pin=pin,
    )


def _compressed(digits: str) -> bytes:
    """Digits two to a byte, filled with F on the right (EMV format cn, and tag 57)."""
    return bytes.fromhex(digits + "F" * (len(digits) % 2))

"""Cards as their holders have them: what personalisation put on the stripe and on the back, and the PIN in the head.

Issuers keep none of this but the PVV. Only the simulated world holds plastic, and only in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from api.keys import PERSONALISATION
from engine.crypto.door import CardKeys, ChipCard, pair_name
from engine.crypto.door.keys import ExchangedKey, KeyName, KeyUsage
from engine.crypto.key_blocks import unwrap
from engine.crypto.keys import key_of_test_world
from engine.ports import Hsm
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.identifiers import Pan, Secret
from simulator.chip.card import SoftCard
from simulator.chip.cryptograms import KEY_INDEX
from simulator.chip.personalisation import ChipKeys, Personalisation, make_chip
from simulator.population import SERVICE_CODE, CardPlan

CVV2_SERVICE_CODE, ICVV_SERVICE_CODE = "000", "999"
"""What a CVV2 and a chip's CVV are computed with, in place of the stripe's service code."""
PVKI = "1"
SEQUENCE_NUMBER = "01"
"""PAN sequence number (EMV tag 5F34) of every first card."""
VERSIONS = {
    "bank": CryptogramVersion.CVN_18,
    "northbank": CryptogramVersion.CVN_22,
    "southbank": CryptogramVersion.CVN_10,
}
"""How each bank's chips make their cryptograms."""


@dataclass(frozen=True, slots=True)
class ChipSecrets:
    """What a chip holds beside what is on the plastic: its keys, how it uses them, and its copy's CVV."""

    version: CryptogramVersion
    keys: ChipKeys
    icvv: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plastic:
    """One card in one pocket. `expiry` is YYMM."""

    pan: Pan
    expiry: str
    pin: str = field(repr=False)
    pvv: str = field(repr=False)
    cvv: str = field(repr=False)
    cvv2: str = field(repr=False)
    chip_secrets: ChipSecrets | None = field(default=None, repr=False)
    """None for a card without chip."""
    sequence_number: str = SEQUENCE_NUMBER

    @property
    def track2(self) -> Secret:
        """Track 2 (ISO/IEC 7813): PAN, expiry, service code, then PVKI, PVV and CVV as discretionary digits."""
        return Secret(f"{self.pan.clear}={self.expiry}{SERVICE_CODE}{PVKI}{self.pvv}{self.cvv}")

    def soft_card(self) -> SoftCard:
        """Its chip, as it leaves the factory. There is one: who makes it keeps it, for it counts."""
        assert self.chip_secrets is not None, "the card has a chip"
        held = self.chip_secrets
        return SoftCard(
            make_chip(
                Personalisation(
                    pan=self.pan,
                    expiry=self.expiry,
                    track2=Secret(f"{self.pan.clear}={self.expiry}{SERVICE_CODE}{PVKI}{self.pvv}{held.icvv}"),
                    keys=held.keys,
                    sequence_number=self.sequence_number,
                    version=held.version,
                    pin=self.pin,
                )
            )
        )

    def counterfeit(self) -> Plastic:
        """A copy by somebody who did not know the CVVs, and could not copy the chip."""
        return replace(self, cvv=_next(self.cvv), cvv2=_next(self.cvv2), chip_secrets=None)


def personalise(
    hsm: Hsm, card: CardPlan, bank: str, master_key: bytes, *, sequence_number: str = SEQUENCE_NUMBER
) -> Plastic:
    """The plastic of a planned card, as the bureau makes it of what the issuer's HSM gives out.

    A renewal's has the next sequence number. `KeyRefused` unless the master key is a test key.
    """
    return Plastic(
        chip_secrets=_chip_secrets(hsm, card, bank, master_key, sequence_number),
        pan=card.pan,
        expiry=card.expiry,
        pin=card.pin,
        pvv=hsm.make_pvv(card.pan, card.pin, PVKI),
        cvv=hsm.make_cvv(card.pan, card.expiry, SERVICE_CODE),
        cvv2=hsm.make_cvv(card.pan, card.expiry, CVV2_SERVICE_CODE),
        sequence_number=sequence_number,
    )


def _chip_secrets(hsm: Hsm, card: CardPlan, bank: str, master_key: bytes, sequence_number: str) -> ChipSecrets:
    version, zone = VERSIONS[bank], pair_name(bank, PERSONALISATION)
    (keys,) = hsm.make_card_keys(
        zone,
        [ChipCard(card.pan, sequence_number, KEY_INDEX)],
        by_option_b=version is not CryptogramVersion.CVN_10,
    )
    bureaus = key_of_test_world(master_key, KeyName(zone, KeyUsage.ZONE_MASTER, 1))
    return ChipSecrets(version, chip_keys(keys, bureaus), hsm.make_cvv(card.pan, card.expiry, ICVV_SERVICE_CODE))


def chip_keys(keys: CardKeys, zone_master_key: bytes) -> ChipKeys:
    """A chip's keys, out of the key blocks that its issuer sent to the bureau under their zone master key."""

    def opened(exchanged: ExchangedKey) -> bytes:
        return unwrap(zone_master_key, exchanged.key_block)[1]

    return ChipKeys(opened(keys.cryptogram), opened(keys.integrity), opened(keys.confidentiality))


def other_pin(pin: str) -> str:
    """A PIN that is not this one."""
    return _next(pin)


def _next(digits: str) -> str:
    return f"{(int(digits) + 1) % 10 ** len(digits):0{len(digits)}d}"

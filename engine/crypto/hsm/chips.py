"""The HSM's part for chips: cryptograms, answers, scripts, and the keys of new cards."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from engine.crypto import emv_scripts
from engine.crypto.door.chips import (
    CardKeys,
    ChipCard,
    CryptogramVerification,
    PinChangeCommand,
    ResponseCryptogram,
    ScriptCommand,
)
from engine.crypto.door.keys import ExchangedKey, KeyName, KeyRefused, KeyUsage
from engine.crypto.emv_cryptograms import (
    application_cryptogram,
    card_master_key,
    cryptogram_key,
    response_cryptogram_1,
    response_cryptogram_2,
)
from engine.crypto.emv_keys import card_master_key_a, card_master_key_b
from engine.crypto.hsm.exchange import under_zone_master
from engine.crypto.hsm.pins import PinDesk
from engine.crypto.keys import key_of
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.errors import FormatError

_PIN_CHANGE = bytes.fromhex("84240002")


class ChipDesk(PinDesk):
    """What each method answers is said at the door (`engine.crypto.door.Hsm`)."""

    def verify_cryptograms(self, verifications: Sequence[CryptogramVerification]) -> list[bool]:
        """See `Hsm`."""
        return [self._verify_cryptogram(verification) for verification in verifications]

    def make_arpcs(self, answers: Sequence[ResponseCryptogram]) -> list[bytes]:
        """See `Hsm`."""
        return [self._arpc(answer) for answer in answers]

    def make_scripts(self, commands: Sequence[ScriptCommand | PinChangeCommand]) -> list[bytes | None]:
        """See `Hsm`."""
        return [
            self._script(one, one.header, one.content, secret=one.secret)
            if isinstance(one, ScriptCommand)
            else self._pin_change(one)
            for one in commands
        ]

    def make_card_keys(self, zone: str, cards: Sequence[ChipCard], *, by_option_b: bool = True) -> list[CardKeys]:
        """See `Hsm`."""
        protection = self._ring.current(KeyUsage.ZONE_MASTER, zone)
        derive = card_master_key_b if by_option_b else card_master_key_a

        def exported(usage: KeyUsage, card: ChipCard) -> ExchangedKey:
            issuer = self._issuer_key(usage, card)
            name = KeyName(self._ring.institution, usage, card.key_index)
            # CVC3 has option A always.
            made = (card_master_key_a if usage is KeyUsage.CHIP_DYNAMIC_NUMBER else derive)(
                issuer, card.pan.clear, card.sequence_number
            )
            return under_zone_master(protection, key_of(name, made))

        return [
            CardKeys(
                cryptogram=exported(KeyUsage.CHIP_CRYPTOGRAM, card),
                integrity=exported(KeyUsage.CHIP_INTEGRITY, card),
                confidentiality=exported(KeyUsage.CHIP_CONFIDENTIALITY, card),
                dynamic_number=exported(KeyUsage.CHIP_DYNAMIC_NUMBER, card),
            )
            for card in cards
        ]

    def _issuer_key(self, usage: KeyUsage, card: ChipCard) -> bytes:
        return self._ring.exact(usage, self._ring.institution, card.key_index).value_for(usage)

    def _card_key(self, usage: KeyUsage, card: ChipCard, version: CryptogramVersion) -> bytes:
        return card_master_key(version, self._issuer_key(usage, card), card.pan.clear, card.sequence_number)

    def _verify_cryptogram(self, asked: CryptogramVerification) -> bool:
        try:
            card_key = self._card_key(KeyUsage.CHIP_CRYPTOGRAM, asked.card, asked.version)
            key = cryptogram_key(asked.version, card_key, asked.counter)
            right = application_cryptogram(asked.version, key, asked.transaction)
        except (FormatError, KeyRefused):
            # A key index that nobody knows comes from the card, and spoils no other.
            return False
        return hmac.compare_digest(right, asked.cryptogram)

    def _arpc(self, asked: ResponseCryptogram) -> bytes:
        card_key = self._card_key(KeyUsage.CHIP_CRYPTOGRAM, asked.card, asked.version)
        key = cryptogram_key(asked.version, card_key, asked.counter)
        if asked.version is CryptogramVersion.CVN_10:
            return response_cryptogram_1(key, asked.cryptogram, asked.answer)
        return response_cryptogram_2(key, asked.cryptogram, asked.answer, asked.proprietary)

    def _pin_change(self, asked: PinChangeCommand) -> bytes | None:
        pin = self.open_pin(asked.zone, asked.pin_block, asked.card.pan, asked.format)
        if pin is None:
            return None
        cryptogram_master = self._card_key(KeyUsage.CHIP_CRYPTOGRAM, asked.card, asked.version)
        block = emv_scripts.chip_pin_block(asked.version, cryptogram_master, pin)
        return self._script(asked, _PIN_CHANGE, block, secret=True)

    def _script(self, asked: ScriptCommand | PinChangeCommand, header: bytes, content: bytes, *, secret: bool) -> bytes:
        if len(header) != 4:
            raise FormatError("script command", "has a header of 4 bytes: CLA, INS, P1, P2")

        def session_key(usage: KeyUsage) -> bytes:
            master = self._card_key(usage, asked.card, asked.version)
            return emv_scripts.script_key(asked.version, master, asked.counter, asked.cryptogram)

        if secret:
            content = emv_scripts.encrypt_content(session_key(KeyUsage.CHIP_CONFIDENTIALITY), content)
        length = len(content) + emv_scripts.MAC_LENGTH
        if length > 255:
            raise FormatError("script command", "has at most 255 bytes of data and MAC")
        whole = header + bytes((length,))
        key = session_key(KeyUsage.CHIP_INTEGRITY)
        return whole + content + emv_scripts.command_mac(key, whole, asked.counter, asked.cryptogram, content)

"""From the bank's record to a chip: what the chip signs its bank believes, and what the bank answers the chip."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.crypto.door import CryptogramVerification, KeyName, KeyUsage, ResponseCryptogram, ScriptCommand, pair_name
from engine.crypto.keys import TEST_MASTER_KEY, key_of_test_world
from engine.database.connections import Database
from engine.vault.access import Access, Permission
from engine.vocabulary import tlv
from engine.vocabulary.identifiers import Secret
from issuer.cards.bureau import ChipProfile, PersonalisationRecord, personalisation_records
from issuer.cards.store import read_cards
from simulator.chip.apdu import SECURE, Instruction
from simulator.chip.card import SoftCard
from simulator.chip.personalisation import IssuerActions, Personalisation, make_chip
from simulator.kernel.contact import contact
from simulator.kernel.setup import CardRead, End, EnterPin, GoOnline, KernelSetup, Sale, Transmit, Typed, Word
from simulator.plastic import chip_keys
from tests.issuer.world import PIN, Bank

BUREAU = "personalisation"
NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def bank(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return Bank(database, tmp_path_factory.mktemp("bureau"), 92)


@pytest.fixture(scope="module")
def record(bank: Bank) -> PersonalisationRecord:
    holder = bank.open("ada")
    with bank.connection() as connection:
        cards = read_cards(connection, [holder.card_id])
    (made,) = personalisation_records(
        bank.processor.engine,
        bank.processor.outside.hsm,
        pair_name(bank.institution.name, BUREAU),
        Access("bureau", "day 1", "batch 1", frozenset({Permission.SHOW})),
        [(cards[0], Secret(PIN))],
        at=bank.clock.now(),
        profile=ChipProfile(),
    )
    return made


def make_soft_card(record: PersonalisationRecord, zone_master_key: bytes) -> SoftCard:
    """The chip of this record: certificates, file layout and the chip's own limits are the bureau's."""
    profile, objects = record.profile, record.data_objects()
    return SoftCard(
        make_chip(
            Personalisation(
                pan=record.pan,
                expiry=record.card.expiry,
                track2=record.track_2_equivalent,
                keys=chip_keys(record.keys, zone_master_key),
                sequence_number=record.card.sequence_number,
                version=profile.version,
                pin=None if record.offline_pin is None else record.offline_pin.clear,
                cvm_list=profile.cardholder_verification,
                actions=IssuerActions(profile.action_default, profile.action_denial, profile.action_online),
                usage=profile.usage_control,
                country=objects["5F28"].hex(),
            )
        )
    )


def test_a_chip_of_the_banks_own_record_is_verified_by_its_hsm_and_obeys_it(
    bank: Bank, record: PersonalisationRecord
) -> None:
    hsm = bank.processor.outside.hsm
    zone = pair_name(bank.institution.name, BUREAU)
    card = make_soft_card(record, key_of_test_world(TEST_MASTER_KEY, KeyName(zone, KeyUsage.ZONE_MASTER, 1)))

    def issuer(read: CardRead) -> Word:
        tags = tlv.leaves(tlv.decode(read.icc_data))
        assert read.sequence_number is not None
        question = CryptogramVerification.of(record.pan, read.sequence_number[1:], tags)
        assert hsm.verify_cryptograms([question]) == [True]
        approves = bytes.fromhex("00820000")
        answer = ResponseCryptogram(question.card, question.version, question.counter, question.cryptogram, approves)
        (arpc,) = hsm.make_arpcs([answer])
        unblock = ScriptCommand(
            question.card,
            question.version,
            question.counter,
            question.cryptogram,
            bytes((SECURE, Instruction.PIN_CHANGE_UNBLOCK, 0, 0)),
        )
        (script,) = hsm.make_scripts([unblock])
        assert script is not None
        return Word("00", tlv.encode([("91", arpc + approves), ("72", [("86", script)])]))

    card.reset()
    kernel = contact(KernelSetup(), Sale(amount_minor=1_500, at=NOON, unpredictable=bytes.fromhex("01020304")))
    step, wrong = next(kernel), iter(["0000", "0000", "0000"])
    with pytest.raises(StopIteration) as ended:
        while True:
            match step:
                case Transmit(command):
                    step = kernel.send(card.transmit(command))
                case EnterPin(tries_left):
                    # Three wrong PINs at the chip, then none for the issuer.
                    step = kernel.send(Typed(None if tries_left is None else next(wrong)))
                case GoOnline(read):
                    assert card.state.memory.pin_tries_left == 0
                    step = kernel.send(issuer(read))
    assert ended.value.value.end is End.APPROVED_ONLINE, ended.value.value.reason
    assert card.state.session.is_issuer_authenticated is True
    assert card.state.memory.pin_tries_left == 3, "the issuer's script has unblocked the PIN"
    assert not card.state.memory.has_failed_script

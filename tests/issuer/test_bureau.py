"""What the card bureau gets: numbers, stripe and chip data that the bank verifies, keys that it can open, all of it
written down.
"""

from __future__ import annotations

import pytest

from engine.crypto.door import CvvVerification, KeyRefused, KeyUsage, pair_name
from engine.database.connections import Database
from engine.vault.access import Access, AccessRefused, Permission, read_accesses
from engine.vocabulary.identifiers import Secret
from issuer.cards.bureau import ICVV_SERVICE_CODE, PersonalisationRecord, personalisation_records
from issuer.cards.model import RenewCard
from issuer.cards.numbers import SERVICE_CODE, read_track_2
from issuer.cards.store import read_cards
from tests.issuer.world import EXPIRY, PIN, Bank, Holder
from tests.world import hsm_of

BUREAU = "personalisation"


@pytest.fixture(scope="module")
def bank(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return Bank(database, tmp_path_factory.mktemp("bureau"), 91)


@pytest.fixture(scope="module")
def ada(bank: Bank) -> Holder:
    return bank.open("ada")


def made(bank: Bank, holder: Holder, *permissions: Permission, zone: str | None = None) -> PersonalisationRecord:
    with bank.connection() as connection:
        cards = read_cards(connection, [holder.card_id])
    (record,) = personalisation_records(
        bank.processor.engine,
        bank.processor.outside.hsm,
        zone or pair_name(bank.institution.name, BUREAU),
        Access("bureau", bank.clock.now().isoformat(), "batch 1", frozenset(permissions)),
        [(cards[0], Secret(PIN))],
        at=bank.clock.now(),
    )
    return record


def test_stripe_and_chip_carry_what_the_bank_verifies(bank: Bank, ada: Holder) -> None:
    record = made(bank, ada, Permission.SHOW)
    assert (record.pan, record.offline_pin and record.offline_pin.clear) == (ada.pan, PIN)
    stripe, chip = read_track_2(record.stripe.clear), read_track_2(record.track_2_equivalent.clear)
    hsm = bank.processor.outside.hsm
    questions = [
        CvvVerification(ada.pan, EXPIRY, SERVICE_CODE, stripe.cvv),
        CvvVerification(ada.pan, EXPIRY, ICVV_SERVICE_CODE, chip.cvv),
        CvvVerification(ada.pan, EXPIRY, "000", record.printed_cvv2.clear),
    ]
    assert hsm.verify_cvvs(questions) == [True, True, True]
    assert stripe.cvv != chip.cvv, "a chip's track is of no use on a stripe"
    assert bank.told(bank.request(ada, 100, track2=record.stripe)).code == "00"
    assert bank.told(bank.request(ada, 100, track2=record.track_2_equivalent)).reasons == ("cvv_wrong",)
    chip_said = bank.icc_data(ada, 1, 100)
    by_chip = bank.request(ada, 100, track2=record.track_2_equivalent, pos_entry_mode="051", icc_data=chip_said)
    assert bank.told(by_chip).code == "00"


def test_the_chips_data_objects_say_the_card(bank: Bank, ada: Holder) -> None:
    tags = made(bank, ada, Permission.SHOW).data_objects()
    assert tags["5A"].hex().rstrip("f") == ada.pan.clear
    assert (tags["5F24"].hex(), tags["5F30"].hex(), tags["5F34"].hex()) == ("281231", "0201", "01")
    assert tags["57"].hex().upper().startswith(f"{ada.pan.clear}D{EXPIRY}201")
    assert len(tags["8E"]) % 2 == 0 and len(tags["82"]) == 2
    assert {len(tags[tag]) for tag in ("9F0D", "9F0E", "9F0F")} == {5}


def test_the_chips_keys_come_as_blocks_under_the_bureaus_zone_master_key_only(bank: Bank, ada: Holder) -> None:
    record = made(bank, ada, Permission.SHOW)
    assert record.keys.cryptogram.name.usage is KeyUsage.CHIP_CRYPTOGRAM
    blocks = {one.key_block for one in (record.keys.cryptogram, record.keys.integrity, record.keys.confidentiality)}
    assert len(blocks) == 3 and all(block[0] in "BD" for block in blocks)
    with pytest.raises(KeyRefused):
        made(bank, ada, Permission.SHOW, zone=pair_name("acquirer", BUREAU))
    with pytest.raises(KeyRefused):
        hsm_of("acquirer").make_card_keys(pair_name(bank.institution.name, BUREAU), [])


def test_nothing_of_it_is_shown_by_accident_and_every_showing_is_written_down(bank: Bank, ada: Holder) -> None:
    record = made(bank, ada, Permission.SHOW)
    shown = f"{record} {record.stripe} {record.offline_pin!r}"
    for secret in (ada.pan.clear, f"={EXPIRY}", f"'{PIN}'", f"'{record.printed_cvv2.clear}'"):
        assert secret not in shown
    with pytest.raises(AccessRefused):
        made(bank, ada)
    with bank.connection() as connection:
        found = read_accesses(connection, 100)
    assert {(one["actor"], one["reason"]) for one in found} == {("bureau", "batch 1")}
    assert {one["granted"] for one in found} == {True, False}


def test_a_card_whose_renewal_is_under_way_gets_the_plastic_of_the_renewal(bank: Bank) -> None:
    bob = bank.open("bob", sequence=2)
    assert bank.told(RenewCard(card_id=bob.card_id, expiry="3202", reference="1")).code == "changed"
    tags = made(bank, bob, Permission.SHOW).data_objects()
    assert (tags["5F24"].hex(), tags["5F34"].hex()) == ("320228", "02")

"""Whole transactions with an inserted card: who decides, what the issuer's word changes, what ends badly."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.crypto.emv_scripts import chip_pin_block, encrypt_content, script_key
from engine.vocabulary import tlv
from engine.vocabulary.emv import CryptogramVersion
from simulator.chip.apdu import Command, Instruction, Response, Status
from simulator.chip.card import SoftCard
from simulator.chip.personalisation import OFFLINE_PIN_FIRST, ChipKeys, Limits, Profile
from simulator.chip.rsa import published_key
from simulator.kernel.contact import contact
from simulator.kernel.results import Tvr
from simulator.kernel.setup import End, GoOnline, KernelSetup, Transmit, Typed
from tests.simulator.chip.cards import (
    APPROVES_AND_RESETS,
    OFFLINE,
    PAN,
    Issuer,
    Played,
    card,
    personalisation,
    play,
    remember,
    sale,
    script,
)

NO_CVM = bytes.fromhex("00000000000000001F00")
ONLINE = KernelSetup()
WITHOUT_LINE = replace(OFFLINE, can_go_online=False)


def bought(soft: SoftCard, issuer: Issuer | None = None, setup: KernelSetup = ONLINE, amount: int = 1_500) -> Played:
    return play(contact(setup, sale(amount)), soft, issuer, ["4711"] * 3)


@pytest.mark.parametrize("version", list(CryptogramVersion))
@pytest.mark.parametrize("best", [Profile.SDA, Profile.DDA, Profile.CDA])
def test_online_each_version_proves_itself_to_its_issuer_and_the_issuer_to_it(
    version: CryptogramVersion, best: Profile
) -> None:
    soft, issuer = card(version, data_authentication=best), Issuer()
    played = bought(soft, issuer)
    assert played.outcome.end is End.APPROVED_ONLINE
    assert len(issuer.heard) == 1, "the issuer has verified the ARQC"
    assert soft.state.session.is_issuer_authenticated is True
    assert soft.state.memory.last_online_atc == soft.state.memory.atc == 2


@pytest.mark.parametrize("version", list(CryptogramVersion))
def test_a_card_refuses_what_its_issuer_did_not_approve_and_the_terminal_must_reverse(
    version: CryptogramVersion,
) -> None:
    soft = card(version)
    played = bought(soft, Issuer(is_impostor=True))
    assert played.outcome.end is End.DECLINED_ONLINE
    assert played.outcome.must_reverse
    assert soft.state.memory.has_failed_issuer
    assert soft.state.memory.last_online_atc == 1


def test_an_issuer_that_sends_no_cryptogram_is_believed_and_remembered_as_missing() -> None:
    soft = card()
    conversation = contact(ONLINE, sale())

    class Plain(Issuer):
        def answer(self, version, read):  # type: ignore[no-untyped-def]
            return replace(super().answer(version, read), icc_data=None)

    played = play(conversation, soft, Plain(), ["4711"])
    assert played.outcome.end is End.APPROVED_ONLINE
    assert soft.state.memory.has_missed_issuer


def test_a_decline_of_the_issuers_ends_in_an_aac_without_reversal() -> None:
    played = bought(card(), Issuer(code="51", update=bytes(4)))
    assert (played.outcome.end, played.outcome.must_reverse) == (End.DECLINED_ONLINE, False)
    assert played.outcome.objects["9F27"] == b"\x00"


def test_small_amounts_are_approved_offline_and_counted_until_the_chip_asks_for_its_issuer() -> None:
    soft = card(cvm_list=NO_CVM, limits=Limits(lower=2, upper=9))
    ends = [bought(soft, Issuer(update=APPROVES_AND_RESETS), OFFLINE).outcome.end for _ in range(4)]
    assert ends == [End.APPROVED_OFFLINE, End.APPROVED_OFFLINE, End.APPROVED_ONLINE, End.APPROVED_OFFLINE]
    assert soft.state.memory.consecutive_offline == 1


def test_the_sum_that_a_chip_spends_alone_has_a_limit() -> None:
    soft = card(cvm_list=NO_CVM, limits=Limits(lower=9, upper=9, total_minor=5_000))
    assert bought(soft, None, OFFLINE, 3_000).outcome.end is End.APPROVED_OFFLINE
    played = bought(soft, None, OFFLINE, 3_000)
    assert played.outcome.end is End.DECLINED_OFFLINE, "nobody answers, and the sum is over the limit"
    assert soft.state.memory.offline_minor == 3_000


def test_a_new_card_wants_its_issuer_and_declines_without() -> None:
    new = card(is_new=True, cvm_list=NO_CVM)
    assert bought(new, None, WITHOUT_LINE).outcome.end is End.DECLINED_OFFLINE
    assert bought(new, Issuer(), OFFLINE).outcome.end is End.APPROVED_ONLINE
    assert new.state.memory.last_online_atc == 2


def test_a_terminal_without_line_declines_what_would_go_online_by_the_default_codes() -> None:
    soft = card(cvm_list=NO_CVM)
    assert bought(soft, None, WITHOUT_LINE).outcome.end is End.APPROVED_OFFLINE
    over = bought(soft, None, WITHOUT_LINE, 12_000)
    assert (over.outcome.end, over.outcome.objects["8A"]) == (End.DECLINED_OFFLINE, b"Z1")


@pytest.mark.parametrize(("amount", "end", "code"), [(1_500, End.APPROVED_OFFLINE, b"Y3")])
def test_silence_after_an_arqc_is_decided_by_terminal_and_card(amount: int, end: End, code: bytes) -> None:
    soft = card(cvm_list=NO_CVM)
    played = play(contact(OFFLINE, sale(amount, lot=1)), soft, None)
    assert (played.outcome.end, played.outcome.objects["8A"]) == (end, code)


def test_silence_over_the_floor_limit_declines() -> None:
    played = bought(card(cvm_list=NO_CVM), None, OFFLINE, 10_000)
    assert (played.outcome.end, played.outcome.objects["8A"]) == (End.DECLINED_OFFLINE, b"Z3")


def test_the_counter_grows_with_each_transaction_whatever_comes_of_it() -> None:
    soft = card()
    counters = []
    for issuer in (Issuer(), None, Issuer(code="05", update=bytes(4)), Issuer(is_impostor=True)):
        bought(soft, issuer)
        counters.append(soft.state.memory.atc)
    assert counters == [2, 3, 4, 5]


def test_a_card_pulled_out_after_its_arqc_says_so_the_next_time() -> None:
    soft = card()
    conversation = contact(ONLINE, sale())
    soft.reset()
    step = next(conversation)
    while not isinstance(step, GoOnline):
        heard = soft.transmit(step.command) if isinstance(step, Transmit) else Typed("4711")
        step = conversation.send(heard)
    assert soft.state.memory.has_unfinished
    issuer = Issuer()
    bought(soft, issuer)
    issuer_words = tlv.leaves(tlv.decode(issuer.heard[0].icc_data))["9F10"]
    assert issuer_words[5] & 0x80, "last online transaction not completed"
    assert not soft.state.memory.has_unfinished


def test_offline_pin_enciphered_is_verified_by_the_chip_and_goes_nowhere_else() -> None:
    soft, issuer = card(cvm_list=OFFLINE_PIN_FIRST), Issuer()
    played = play(contact(ONLINE, sale()), soft, issuer, ["1234", "4711"])
    assert played.outcome.end is End.APPROVED_ONLINE
    assert played.outcome.verification == bytes.fromhex("440302")
    assert played.pins_asked == [3, 2]
    assert issuer.heard[0].pin is None
    assert soft.state.memory.pin_tries_left == 3, "a right PIN gives the tries back"
    assert all(bytes.fromhex("244711") not in command.content for command in played.commands)


def test_three_wrong_pins_block_the_offline_pin_until_a_script_unblocks_it() -> None:
    soft = card(cvm_list=bytes.fromhex("000000000000000044035E03"))
    wrong = play(contact(ONLINE, sale()), soft, Issuer(), ["1111", "2222", "3333"])
    assert wrong.outcome.end is End.APPROVED_ONLINE, "the signature is the next rule"
    assert wrong.outcome.needs_signature
    assert soft.state.memory.pin_tries_left == 0

    def unblock(atc: bytes, arqc: bytes) -> bytes:
        return tlv.encode([("72", script(Instruction.PIN_CHANGE_UNBLOCK, atc, arqc))])

    healed = play(contact(ONLINE, sale()), soft, Issuer(scripts=unblock), [])
    assert healed.pins_asked == [], "no try was left"
    assert soft.state.memory.pin_tries_left == 3
    assert play(contact(ONLINE, sale()), soft, Issuer(), ["4711"]).outcome.verification == bytes.fromhex("440302")


def test_a_script_changes_the_pin_and_only_the_card_can_read_it() -> None:
    soft = card(cvm_list=OFFLINE_PIN_FIRST)
    keys = soft.chip.personalisation.keys

    def change(atc: bytes, arqc: bytes) -> bytes:
        key = script_key(CryptogramVersion.CVN_18, keys.confidentiality, atc, arqc)
        block = encrypt_content(key, chip_pin_block(CryptogramVersion.CVN_18, keys.cryptogram, "908172"))
        return tlv.encode([("71", script(Instruction.PIN_CHANGE_UNBLOCK, atc, arqc, p2=2, content=block))])

    play(contact(ONLINE, sale()), soft, Issuer(scripts=change), ["4711"])
    again = play(contact(ONLINE, sale()), soft, Issuer(), ["4711", "908172"])
    assert again.outcome.verification == bytes.fromhex("440302")


@pytest.mark.parametrize(
    ("instruction", "place", "content"),
    [
        (Instruction.APPLICATION_BLOCK, 0, b""),
        (Instruction.CARD_BLOCK, 0, b""),
        (Instruction.PUT_DATA, 0x9F14, b"\x00"),
    ],
)
def test_scripts_block_the_application_or_card_or_set_a_limit(
    instruction: Instruction, place: int, content: bytes
) -> None:
    soft = card(cvm_list=NO_CVM)

    def ordered(atc: bytes, arqc: bytes) -> bytes:
        one = script(instruction, atc, arqc, p1=place >> 8, p2=place & 0xFF, content=content)
        return tlv.encode([("72", one)])

    assert bought(soft, Issuer(scripts=ordered)).outcome.end is End.APPROVED_ONLINE
    after = bought(soft, Issuer(), OFFLINE).outcome
    expected = {
        Instruction.APPLICATION_BLOCK: End.FALLBACK,
        Instruction.CARD_BLOCK: End.TERMINATED,
        Instruction.PUT_DATA: End.APPROVED_ONLINE,
    }
    assert after.end is expected[instruction]
    assert soft.state.memory.scripts == (1 if instruction is not Instruction.PUT_DATA else 0)


def test_a_status_update_blocks_the_application_and_no_more_cryptogram_but_aacs_is_given() -> None:
    soft = card(cvm_list=NO_CVM)
    bought(soft, Issuer(update=bytes.fromhex("00A00000")))
    assert soft.state.memory.is_application_blocked


def test_a_genuine_approval_without_the_issuers_yes_in_the_status_update_is_no_approval() -> None:
    played = bought(card(), Issuer(update=bytes(4)))
    assert played.outcome.end is End.DECLINED_ONLINE
    assert played.outcome.must_reverse


def test_a_chip_that_does_not_answer_falls_back_and_a_blocked_card_does_not() -> None:
    mute = card()
    mute.is_mute = True
    assert bought(mute).outcome.end is End.FALLBACK
    blocked = card()
    remember(blocked, is_card_blocked=True)
    assert bought(blocked).outcome.end is End.TERMINATED


def test_a_card_without_an_application_of_the_terminals_falls_back() -> None:
    setup = replace(ONLINE, aids=(bytes.fromhex("A0000000031010"),))
    assert bought(card(), None, setup).outcome.end is End.FALLBACK


@pytest.mark.parametrize("tag", ["5A", "5F24", "8C", "8D"])
def test_a_card_without_a_mandatory_object_is_not_used(tag: str) -> None:
    def without(command: Command, response: Response) -> Response:
        if command.ins != Instruction.READ_RECORD or not response.ok:
            return response
        ((template, content),) = tlv.decode(response.content)
        kept = [one for one in content if isinstance(one, tuple) and one[0] != tag]
        return Response(Status.OK, tlv.encode([(template, kept)]))

    played = play(contact(ONLINE, sale()), card(), None, tamper=without)
    assert (played.outcome.end, played.outcome.reason) == (End.TERMINATED, f"the card has no object {tag}")


@pytest.mark.parametrize("content", [b"", b"\x70", b"\x70\x05\x5a", b"\x77\x00", bytes(3)])
def test_nonsense_of_the_card_ends_the_transaction_and_nothing_else(content: bytes) -> None:
    def nonsense(command: Command, response: Response) -> Response:
        return Response(Status.OK, content) if command.ins == Instruction.READ_RECORD else response

    assert play(contact(ONLINE, sale()), card(), None, tamper=nonsense).outcome.end is End.TERMINATED


def test_the_issuer_hears_all_that_the_cryptogram_is_made_over_and_no_card_number() -> None:
    issuer = Issuer()
    bought(card(), issuer)
    (heard,) = issuer.heard
    tags = tlv.leaves(tlv.decode(heard.icc_data))
    assert {"9F26", "9F27", "9F10", "9F37", "9F36", "95", "9A", "9C", "9F02", "9F03", "5F2A", "82", "9F1A"} <= set(tags)
    assert not {"5A", "57", "5F20"} & set(tags)
    assert (heard.pan, heard.expiry, heard.sequence_number, heard.pin) == (PAN, "2812", "001", "4711")
    assert tags["9F02"] == bytes.fromhex("000000001500")
    assert len(heard.icc_data) <= 255


def test_cash_back_is_in_the_cryptogram() -> None:
    issuer = Issuer()
    play(contact(ONLINE, sale(6_500, cashback_minor=5_000, transaction_type="09")), card(), issuer, ["4711"])
    tags = tlv.leaves(tlv.decode(issuer.heard[0].icc_data))
    assert (tags["9F02"], tags["9F03"], tags["9C"]) == (
        bytes.fromhex("000000006500"), bytes.fromhex("000000005000"), b"\x09",
    )  # fmt: skip


def test_a_copied_card_without_the_chips_key_is_found_out_by_data_authentication() -> None:
    soft = card(cvm_list=NO_CVM)
    others = next(key for key in map(published_key, ("icc_0", "icc_1")) if key != soft.chip.key)
    soft.chip = replace(soft.chip, key=others)
    played = bought(soft, None, OFFLINE)
    assert played.outcome.tvr & Tvr.CDA_FAILED
    assert played.outcome.end is not End.APPROVED_OFFLINE


def test_a_card_with_another_issuers_master_key_fails_at_its_issuer() -> None:
    stranger = personalisation()
    soft = card(keys=ChipKeys(bytes(16), stranger.keys.integrity, stranger.keys.confidentiality))
    with pytest.raises(AssertionError, match="ARQC"):
        bought(soft, Issuer())

"""The chip alone: what it answers to each command, and after which."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyemv import ac, kd

from engine.vocabulary import tlv
from engine.vocabulary.emv import CryptogramVersion, cryptogram_input
from simulator.chip.apdu import PLAIN, PROPRIETARY, SECURE, Command, Instruction, Response, Status, wrong_pin
from simulator.chip.card import LARGEST_ATC, SoftCard
from simulator.chip.dol import decode_dol, encode_dol, fill, length_of, take_apart
from simulator.chip.personalisation import AID, CDOL1, PPSE, PSE
from simulator.kernel.contact import contact
from simulator.kernel.setup import KernelSetup
from tests.simulator.chip.cards import ISSUER_KEY, PAN, Issuer, card, play, remember, sale

# pyemv warns at each call; our own code is held to no warning by the other tests.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

SELECT = Command(PLAIN, Instruction.SELECT, 4, 0, AID)
BEGIN = Command(PROPRIETARY, Instruction.GET_PROCESSING_OPTIONS, 0, 0, bytes.fromhex("8303084022"))
READ = Command(PLAIN, Instruction.READ_RECORD, 1, 2 << 3 | 4)
VERIFY = Command(PLAIN, Instruction.VERIFY, 0, 0x80, bytes.fromhex("244711FFFFFFFFFF"), expects=False)
WRONG = replace(VERIFY, content=bytes.fromhex("240000FFFFFFFFFF"))
CHALLENGE = Command(PLAIN, Instruction.GET_CHALLENGE)
AMOUNT = bytes.fromhex("000000001500") + bytes(6) + bytes.fromhex("08400000000000084026021000DEADBEEF")
ARQC = Command(PROPRIETARY, Instruction.GENERATE_AC, 0x80, 0, AMOUNT + bytes.fromhex("221F0002"))
TC = replace(ARQC, p1=0x40, content=b"00" + ARQC.content)
AAC = replace(TC, p1=0x00)
ISSUER = Command(PLAIN, Instruction.EXTERNAL_AUTHENTICATE, 0, 0, bytes(8), expects=False)
DDA = Command(PLAIN, Instruction.INTERNAL_AUTHENTICATE, 0, 0, bytes(4))
COUNTER = Command(PROPRIETARY, Instruction.GET_DATA, 0x9F, 0x36)
BLOCK = Command(SECURE, Instruction.APPLICATION_BLOCK, 0, 0, bytes(8), expects=False)


def statuses(soft: SoftCard, *commands: Command) -> list[int]:
    return [soft.transmit(command).status for command in commands]


OK, NO = Status.OK, Status.CONDITIONS_NOT_SATISFIED


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ([SELECT, BEGIN, READ, VERIFY, ARQC, TC], [OK] * 6),
        ([READ, BEGIN, VERIFY, ARQC, CHALLENGE, DDA, ISSUER, COUNTER], [NO] * 8),
        ([SELECT, READ, VERIFY, ARQC], [OK, NO, NO, NO]),
        ([SELECT, BEGIN, BEGIN], [OK, OK, NO]),
        ([SELECT, BEGIN, ISSUER], [OK, OK, NO]),
        ([SELECT, BEGIN, ARQC, ISSUER, ISSUER], [OK, OK, OK, Status.AUTHENTICATION_FAILED, NO]),
        ([SELECT, BEGIN, ARQC, TC, TC], [OK, OK, OK, OK, NO]),
        ([SELECT, BEGIN, ARQC, AAC, BEGIN], [OK, OK, OK, OK, NO]),
        ([SELECT, BEGIN, ARQC, VERIFY], [OK, OK, OK, NO]),
        ([SELECT, BEGIN, BLOCK], [OK, OK, NO]),
        ([SELECT, BEGIN, ARQC, BLOCK], [OK, OK, OK, Status.WRONG_SECURE_MESSAGING]),
        ([SELECT, BEGIN, ARQC, SELECT, BLOCK], [OK, OK, OK, OK, NO]),
        ([SELECT, BEGIN, CHALLENGE, DDA, COUNTER], [OK] * 5),
        ([SELECT, COUNTER], [OK, OK]),
    ],
)
def test_a_command_is_obeyed_only_after_those_that_must_come_before(
    commands: list[Command], expected: list[int]
) -> None:
    assert statuses(card(), *commands) == expected


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (replace(SELECT, content=b"\xa0" * 7), Status.FILE_NOT_FOUND),
        (replace(SELECT, p2=2), Status.FILE_NOT_FOUND),
        (replace(SELECT, p1=0), Status.WRONG_PARAMETERS),
        (replace(SELECT, content=PPSE), Status.FILE_NOT_FOUND),
        (replace(SELECT, content=PSE), Status.OK),
        (replace(SELECT, content=AID[:5]), Status.OK),
        (Command(0xB0, Instruction.SELECT), Status.UNKNOWN_CLASS),
        (Command(PLAIN, 0x99), Status.UNKNOWN_INSTRUCTION),
        (replace(BEGIN, content=b"\x83\x00"), Status.WRONG_LENGTH),
        (replace(BEGIN, content=b"\x83\x05"), Status.WRONG_LENGTH),
    ],
)
def test_a_command_that_cannot_be_is_refused_by_its_status(command: Command, status: Status) -> None:
    soft = card()
    if command.ins == Instruction.GET_PROCESSING_OPTIONS:
        soft.transmit(SELECT)
    assert soft.transmit(command).status == status
    assert soft.state.memory.atc == 1, "nothing has begun"


def test_records_and_counters_that_are_not_there() -> None:
    soft = card()
    statuses(soft, SELECT, BEGIN)
    assert statuses(
        soft, replace(READ, p1=9), replace(READ, p2=9 << 3 | 4), replace(READ, p2=0), replace(COUNTER, p2=0x99)
    ) == [Status.RECORD_NOT_FOUND, Status.FILE_NOT_FOUND, Status.WRONG_PARAMETERS, Status.OBJECT_NOT_FOUND]


def test_a_wrong_pin_costs_a_try_the_third_blocks_and_a_right_one_gives_them_back() -> None:
    soft = card()
    statuses(soft, SELECT, BEGIN)
    assert statuses(soft, WRONG, WRONG, VERIFY, WRONG, WRONG, WRONG, VERIFY) == [
        wrong_pin(2), wrong_pin(1), OK, wrong_pin(2), wrong_pin(1), wrong_pin(0), Status.METHOD_BLOCKED,
    ]  # fmt: skip
    soft.reset()
    assert soft.state.memory.pin_tries_left == 0, "a reset gives no tries back"


def test_a_pin_block_that_is_none_costs_no_try() -> None:
    soft = card()
    statuses(soft, SELECT, BEGIN)
    assert statuses(soft, replace(VERIFY, content=bytes(8))) == [Status.WRONG_CONTENT]
    assert soft.state.memory.pin_tries_left == 3


def test_an_enciphered_pin_needs_a_challenge_of_this_card_that_is_used_once() -> None:
    soft = card()
    statuses(soft, SELECT, BEGIN)
    enciphered = replace(VERIFY, p2=0x88, content=bytes(128))
    assert statuses(soft, enciphered) == [Status.CHALLENGE_GONE]
    first, second = soft.transmit(CHALLENGE).content, soft.transmit(CHALLENGE).content
    assert first != second
    assert statuses(soft, enciphered, enciphered) == [Status.CHALLENGE_GONE] * 2
    assert soft.state.memory.pin_tries_left == 3


def test_the_counter_ends_the_card_rather_than_begin_anew() -> None:
    soft = card()
    remember(soft, atc=LARGEST_ATC - 1)
    assert statuses(soft, SELECT, BEGIN) == [OK, OK]
    assert statuses(soft, SELECT, BEGIN) == [OK, NO]
    assert soft.state.memory.atc == LARGEST_ATC


def test_no_second_arqc_and_no_list_of_another_length() -> None:
    soft = card()
    statuses(soft, SELECT, BEGIN)
    assert statuses(soft, replace(ARQC, content=ARQC.content[:-1]), replace(ARQC, p1=0xC0)) == [
        Status.WRONG_LENGTH, Status.WRONG_PARAMETERS,
    ]  # fmt: skip
    statuses(soft, ARQC)
    assert statuses(soft, replace(TC, p1=0x80)) == [Status.WRONG_PARAMETERS]


@pytest.mark.parametrize("version", [CryptogramVersion.CVN_10, CryptogramVersion.CVN_18])
def test_an_arqc_is_what_an_independent_library_makes_of_the_same_transaction(version: CryptogramVersion) -> None:
    issuer = Issuer()
    play(contact(KernelSetup(), sale()), card(version), issuer, ["4711"])
    tags = tlv.leaves(tlv.decode(issuer.heard[0].icc_data))
    key = kd.derive_icc_mk_a(ISSUER_KEY, PAN, "01")
    if version is CryptogramVersion.CVN_18:
        key = kd.derive_common_sk(key, tags["9F36"] + bytes(6))
    padding = ac.PaddingType.VISA if version is CryptogramVersion.CVN_10 else ac.PaddingType.EMV
    assert ac.generate_ac(key, cryptogram_input(tags), padding) == tags["9F26"]


@given(st.binary(max_size=300))
def test_any_bytes_get_a_status_and_never_break_a_card(apdu: bytes) -> None:
    soft = card()
    for command in (SELECT, BEGIN):
        soft.transmit(command)
    assert len(soft.exchange(apdu)) >= 2


@given(
    st.builds(
        Command,
        cla=st.sampled_from([PLAIN, PROPRIETARY, SECURE]),
        ins=st.sampled_from(list(Instruction)),
        p1=st.integers(0, 255),
        p2=st.integers(0, 255),
        content=st.binary(max_size=255),
        expects=st.booleans(),
    )
)
def test_commands_come_back_from_their_bytes(command: Command) -> None:
    assert Command.decode(command.encode()) == command
    response = Response(0x9000, command.content)
    assert Response.decode(response.encode()) == response


OBJECTS = st.dictionaries(
    st.sampled_from(["9F02", "95", "9A", "9F37", "5A", "9F1A", "82", "5F2A"]), st.binary(max_size=12), min_size=1
)


@given(OBJECTS, st.dictionaries(st.sampled_from(["9F02", "95", "9F37", "5A"]), st.integers(0, 20), min_size=1))
def test_a_list_is_answered_with_as_many_bytes_as_it_asks_for(objects: dict[str, bytes], asked: dict[str, int]) -> None:
    dol = encode_dol(asked.items())
    content = fill(dol, objects)
    assert len(content) == length_of(dol) == sum(asked.values())
    assert {one.tag: one.length for one in decode_dol(dol)} == asked
    assert fill(dol, take_apart(dol, content)) == content


@pytest.mark.parametrize(
    ("tag", "length", "value", "filled"),
    [
        ("9F02", 6, "1500", "000000001500"),  # numeric: filled on the left
        ("9F1A", 1, "0840", "40"),  # numeric: cut on the left
        ("9F37", 4, "DEADBEEFAA", "DEADBEEF"),  # binary: cut on the right
        ("95", 5, "80", "8000000000"),  # binary: filled on the right
        ("5A", 10, "4000010000012348", "4000010000012348FFFF"),  # compressed numeric: filled with F
        ("9F69", 3, None, "000000"),  # not known: zeros
    ],
)
def test_values_are_fitted_as_their_format_says(tag: str, length: int, value: str | None, filled: str) -> None:
    objects = {} if value is None else {tag: bytes.fromhex(value)}
    assert fill(encode_dol([(tag, length)]), objects) == bytes.fromhex(filled)


def test_the_first_cryptograms_list_is_as_long_as_our_commands() -> None:
    assert length_of(CDOL1) == len(ARQC.content)

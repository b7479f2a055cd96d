"""Every bit of TVR and TSI that the kernel sets, each by a transaction that needs it (EMV Book 3, annex C5 and C6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.vocabulary import tlv
from simulator.chip.apdu import Command, Instruction, Response, Status
from simulator.chip.card import SoftCard
from simulator.chip.personalisation import ONLINE_PIN_FIRST, Limits, Profile
from simulator.kernel.contact import contact
from simulator.kernel.results import Tsi, Tvr
from simulator.kernel.setup import ATTENDED, Capability, End, KernelSetup, RandomSelection, Sale
from tests.simulator.chip.cards import (
    OFFLINE,
    PAN,
    Issuer,
    Played,
    card,
    play,
    remember,
    sale,
    script,
)

Tamper = Callable[[Command, Response], Response]
NO_CVM = bytes.fromhex("00000000000000001F00")
OFFLINE_PLAIN = bytes.fromhex("00000000000000000100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    bits: Tvr
    card: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    setup: KernelSetup = OFFLINE
    sale: Sale = field(default_factory=sale)
    pins: Sequence[str | None] = ()
    issuer: Issuer = field(default_factory=Issuer)
    tamper: Tamper | None = None
    is_new: bool = False


def listed(content: bytes | tlv.DataObjects) -> tlv.DataObjects:
    assert not isinstance(content, bytes), "a template's content is objects"
    return content


def replaced(tag: str, value: bytes | None) -> Tamper:
    """The card's records say something else of this object, or nothing."""

    def tamper(command: Command, response: Response) -> Response:
        if command.ins != Instruction.READ_RECORD or not response.ok:
            return response
        ((template, content),) = tlv.decode(response.content)
        objects = [
            (one, value if one == tag and value is not None else was)
            for one, was in listed(content)
            if one != tag or value is not None
        ]
        return Response(Status.OK, tlv.encode([(template, objects)]))

    return tamper


def forged(instruction: Instruction, tag: str) -> Tamper:
    """The signature in this answer is another's."""

    def tamper(command: Command, response: Response) -> Response:
        if command.ins != instruction or not response.ok:
            return response
        ((template, content),) = tlv.decode(response.content)
        if template == "80":
            return Response(Status.OK, tlv.encode([("80", bytes(len(content)))]))
        objects = [(one, bytes(len(was)) if one == tag else was) for one, was in listed(content)]
        return Response(Status.OK, tlv.encode([(template, objects)]))

    return tamper


def unknown_counters(command: Command, response: Response) -> Response:
    return Response(Status.OBJECT_NOT_FOUND) if command.ins == Instruction.GET_DATA else response


def online(**changes: Any) -> KernelSetup:
    return replace(KernelSetup(), **changes)


def bad_script(template: str) -> Callable[[bytes, bytes], bytes]:
    def made(atc: bytes, arqc: bytes) -> bytes:
        return tlv.encode([(template, script(Instruction.APPLICATION_BLOCK, atc, arqc, key=bytes(16)))])

    return made


NOTHING = {"cvm_list": NO_CVM}
NO_AUTHENTICATION = Capability(ATTENDED & ~(Capability.SDA | Capability.DDA | Capability.CDA))
NO_CDA = Capability(ATTENDED & ~Capability.CDA)
NO_PIN = Capability(ATTENDED & ~(Capability.PLAIN_PIN | Capability.ENCIPHERED_PIN | Capability.ONLINE_PIN))

CASES = {
    "nothing to say": Case(bits=Tvr.NONE, card=NOTHING),
    "data authentication not performed": Case(
        bits=Tvr.DATA_AUTHENTICATION_NOT_PERFORMED,
        card=NOTHING,
        setup=replace(OFFLINE, capabilities=NO_AUTHENTICATION),
    ),
    "SDA selected": Case(bits=Tvr.SDA_SELECTED, card={**NOTHING, "data_authentication": Profile.SDA}),
    "SDA failed": Case(
        bits=Tvr.SDA_SELECTED | Tvr.SDA_FAILED,
        card={**NOTHING, "data_authentication": Profile.SDA},
        tamper=replaced("5F25", bytes.fromhex("230101")),
    ),
    "SDA without its signature": Case(
        bits=Tvr.SDA_SELECTED | Tvr.SDA_FAILED | Tvr.CHIP_OBJECT_MISSING,
        card={**NOTHING, "data_authentication": Profile.SDA},
        tamper=replaced("93", None),
    ),
    "DDA failed": Case(
        bits=Tvr.DDA_FAILED,
        card=NOTHING,
        setup=replace(OFFLINE, capabilities=NO_CDA),
        tamper=forged(Instruction.INTERNAL_AUTHENTICATE, ""),
    ),
    "DDA of a card whose authority is not known": Case(
        bits=Tvr.DDA_FAILED, card=NOTHING, setup=replace(OFFLINE, capabilities=NO_CDA, authorities={})
    ),
    "CDA failed before the cryptogram": Case(
        bits=Tvr.CDA_FAILED, card=NOTHING, tamper=replaced("5F25", bytes.fromhex("230101"))
    ),
    "CDA failed with the ARQC": Case(
        bits=Tvr.CDA_FAILED | Tvr.OVER_FLOOR_LIMIT,
        card=NOTHING,
        setup=online(),
        tamper=forged(Instruction.GENERATE_AC, "9F4B"),
    ),
    "no chip certificate": Case(
        bits=Tvr.CDA_FAILED | Tvr.CHIP_OBJECT_MISSING, card=NOTHING, tamper=replaced("9F46", None)
    ),
    "on the exception file": Case(
        bits=Tvr.ON_EXCEPTION_FILE, card=NOTHING, setup=replace(OFFLINE, exceptions=frozenset({PAN}))
    ),
    "application versions differ": Case(
        bits=Tvr.VERSIONS_DIFFER, card=NOTHING, setup=replace(OFFLINE, version=bytes.fromhex("0002"))
    ),
    "expired application": Case(
        bits=Tvr.EXPIRED | Tvr.CDA_FAILED, card=NOTHING, sale=sale(at=datetime(2029, 1, 1, tzinfo=UTC))
    ),
    "application not yet effective": Case(
        bits=Tvr.NOT_YET_EFFECTIVE, card=NOTHING, sale=sale(at=datetime(2023, 12, 31, tzinfo=UTC))
    ),
    "service not allowed abroad": Case(
        bits=Tvr.USAGE_NOT_ALLOWED, card={**NOTHING, "usage": bytes.fromhex("AB80"), "country": "0276"}
    ),
    "cash back not allowed": Case(
        bits=Tvr.USAGE_NOT_ALLOWED,
        card={**NOTHING, "usage": bytes.fromhex("FF00")},
        sale=sale(transaction_type="09", cashback_minor=500),
    ),
    "new card": Case(bits=Tvr.NEW_CARD, card=NOTHING, is_new=True),
    "cardholder verification failed": Case(
        bits=Tvr.VERIFICATION_FAILED, card={"cvm_list": bytes.fromhex("00000000000000000000")}
    ),
    "no rule's condition holds": Case(
        bits=Tvr.VERIFICATION_FAILED, card={"cvm_list": bytes.fromhex("00000000000000001F04")}
    ),
    "method not known, the next one is": Case(
        bits=Tvr.METHOD_UNKNOWN, card={"cvm_list": bytes.fromhex("000000000000000060001F00")}
    ),
    "no CVM list": Case(bits=Tvr.CHIP_OBJECT_MISSING, card={"cvm_list": b""}),
    "PIN try limit exceeded": Case(
        bits=Tvr.PIN_TRIES_EXCEEDED | Tvr.VERIFICATION_FAILED,
        card={"cvm_list": OFFLINE_PLAIN},
        pins=["1111", "2222", "3333"],
    ),
    "PIN try limit exceeded before": Case(
        bits=Tvr.PIN_TRIES_EXCEEDED | Tvr.VERIFICATION_FAILED,
        card={"cvm_list": OFFLINE_PLAIN},
        memory={"pin_tries_left": 0},
    ),
    "PIN pad missing": Case(
        bits=Tvr.PIN_PAD_MISSING | Tvr.VERIFICATION_FAILED,
        card={"cvm_list": OFFLINE_PLAIN},
        setup=replace(OFFLINE, capabilities=NO_PIN),
    ),
    "PIN pad broken": Case(
        bits=Tvr.PIN_PAD_MISSING | Tvr.VERIFICATION_FAILED,
        card={"cvm_list": OFFLINE_PLAIN},
        setup=replace(OFFLINE, pin_pad_works=False),
    ),
    "PIN not entered": Case(
        bits=Tvr.PIN_NOT_ENTERED | Tvr.VERIFICATION_FAILED, card={"cvm_list": OFFLINE_PLAIN}, pins=[None]
    ),
    "online PIN entered": Case(bits=Tvr.ONLINE_PIN_ENTERED, card={"cvm_list": ONLINE_PIN_FIRST}, pins=["4711"]),
    "over the floor limit": Case(bits=Tvr.OVER_FLOOR_LIMIT, card=NOTHING, sale=sale(10_000)),
    "over the floor limit with what was spent before": Case(
        bits=Tvr.OVER_FLOOR_LIMIT, card=NOTHING, sale=sale(6_000, earlier_minor=4_000)
    ),
    "over the lower offline limit": Case(
        bits=Tvr.OVER_LOWER_LIMIT, card={**NOTHING, "limits": Limits(lower=3, upper=5)}, memory={"atc": 4}
    ),
    "over both offline limits": Case(bits=Tvr.OVER_LOWER_LIMIT | Tvr.OVER_UPPER_LIMIT, card=NOTHING, memory={"atc": 9}),
    "counters that the card does not tell": Case(
        bits=Tvr.OVER_LOWER_LIMIT | Tvr.OVER_UPPER_LIMIT, card=NOTHING, tamper=unknown_counters
    ),
    "selected at random below the threshold": Case(bits=Tvr.SELECTED_AT_RANDOM, card=NOTHING, sale=sale(lot=20)),
    "not selected: the lot is over the target": Case(bits=Tvr.NONE, card=NOTHING, sale=sale(lot=21)),
    "selected at random, biased": Case(
        bits=Tvr.SELECTED_AT_RANDOM,
        card=NOTHING,
        setup=replace(OFFLINE, selection=RandomSelection(threshold_minor=0, target=0, most=100)),
        sale=sale(5_000, lot=50),
    ),
    "not selected: below the bias": Case(
        bits=Tvr.NONE,
        card=NOTHING,
        setup=replace(OFFLINE, selection=RandomSelection(threshold_minor=0, target=0, most=100)),
        sale=sale(5_000, lot=51),
    ),
    "forced online by the merchant": Case(bits=Tvr.FORCED_ONLINE, card=NOTHING, sale=sale(is_forced_online=True)),
    "issuer authentication failed": Case(
        bits=Tvr.ISSUER_AUTHENTICATION_FAILED | Tvr.OVER_FLOOR_LIMIT,
        card=NOTHING,
        setup=online(),
        issuer=Issuer(is_impostor=True),
    ),
    "script failed before the final cryptogram": Case(
        bits=Tvr.SCRIPT_FAILED_BEFORE | Tvr.OVER_FLOOR_LIMIT,
        card=NOTHING,
        setup=online(),
        issuer=Issuer(scripts=bad_script("71")),
    ),
    "script failed after the final cryptogram": Case(
        bits=Tvr.SCRIPT_FAILED_AFTER | Tvr.OVER_FLOOR_LIMIT,
        card=NOTHING,
        setup=online(),
        issuer=Issuer(scripts=bad_script("72")),
    ),
}


def transaction(case: Case) -> tuple[Played, SoftCard]:
    soft = card(is_new=case.is_new, **case.card)
    remember(soft, **case.memory)
    return play(contact(case.setup, case.sale), soft, case.issuer, list(case.pins), tamper=case.tamper), soft


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_terminal_verification_results_have_the_bits_of_the_book(case: Case) -> None:
    played, _ = transaction(case)
    assert played.outcome.tvr == case.bits, f"{played.outcome.tvr!r}, {played.outcome.reason}"


def test_every_bit_of_the_book_but_one_is_set_by_some_case() -> None:
    # The default TDOL belongs to TC hashes, which neither our cards nor our terminals use.
    seen = Tvr.NONE
    for case in CASES.values():
        seen |= case.bits
    every = Tvr.NONE
    for bit in Tvr:
        every |= bit
    assert every & ~seen == Tvr.DEFAULT_TDOL_USED


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            CASES["nothing to say"],
            Tsi.DATA_AUTHENTICATION
            | Tsi.CARDHOLDER_VERIFICATION
            | Tsi.TERMINAL_RISK_MANAGEMENT
            | Tsi.CARD_RISK_MANAGEMENT,
        ),
        (
            CASES["data authentication not performed"],  # goes online for it
            Tsi.CARDHOLDER_VERIFICATION
            | Tsi.TERMINAL_RISK_MANAGEMENT
            | Tsi.CARD_RISK_MANAGEMENT
            | Tsi.ISSUER_AUTHENTICATION,
        ),
        (
            CASES["no CVM list"],  # goes online for it
            Tsi.DATA_AUTHENTICATION
            | Tsi.TERMINAL_RISK_MANAGEMENT
            | Tsi.CARD_RISK_MANAGEMENT
            | Tsi.ISSUER_AUTHENTICATION,
        ),
        (
            Case(bits=Tvr.OVER_FLOOR_LIMIT, card=NOTHING, setup=online()),
            Tsi.DATA_AUTHENTICATION
            | Tsi.CARDHOLDER_VERIFICATION
            | Tsi.TERMINAL_RISK_MANAGEMENT
            | Tsi.CARD_RISK_MANAGEMENT
            | Tsi.ISSUER_AUTHENTICATION,
        ),
        (
            CASES["script failed after the final cryptogram"],
            Tsi.DATA_AUTHENTICATION
            | Tsi.CARDHOLDER_VERIFICATION
            | Tsi.TERMINAL_RISK_MANAGEMENT
            | Tsi.CARD_RISK_MANAGEMENT
            | Tsi.ISSUER_AUTHENTICATION
            | Tsi.SCRIPTS,
        ),
    ],
)
def test_the_status_says_what_was_performed(case: Case, expected: Tsi) -> None:
    played, _ = transaction(case)
    assert played.outcome.tsi == expected, repr(played.outcome.tsi)


def test_bits_lie_where_the_book_has_them() -> None:
    byte_2_bit_7 = bytes.fromhex("0040000000")
    assert int(Tvr.EXPIRED).to_bytes(5, "big") == byte_2_bit_7
    assert int(Tvr.DATA_AUTHENTICATION_NOT_PERFORMED).to_bytes(5, "big") == bytes.fromhex("8000000000")
    assert int(Tvr.SCRIPT_FAILED_AFTER).to_bytes(5, "big") == bytes.fromhex("0000000010")
    assert int(Tsi.SCRIPTS).to_bytes(2, "big") == bytes.fromhex("0400")


def test_what_says_nothing_is_approved_offline() -> None:
    played, _ = transaction(CASES["nothing to say"])
    assert played.outcome.end is End.APPROVED_OFFLINE

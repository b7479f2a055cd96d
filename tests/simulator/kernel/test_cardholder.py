"""Cardholder verification: which rule of a CVM list applies, and what its result is (EMV Book 3, 10.5, annex C3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.kernel.contact import contact
from simulator.kernel.results import Tvr
from simulator.kernel.setup import ATTENDED, Capability, KernelSetup, Sale
from tests.simulator.chip.cards import Issuer, Played, card, play, sale

SIGNATURE, NO_CVM = "1E", "1F"
X_AND_Y = "000003E800001388"  # 10.00 and 50.00
CASH_MACHINE = KernelSetup(terminal_type="14")
ABROAD = KernelSetup(currency="0978")


def verified(rules: str, setup: KernelSetup, one: Sale, pins: list[str | None], amounts: str = X_AND_Y) -> Played:
    soft = card(cvm_list=bytes.fromhex(amounts + rules))
    return play(contact(setup, one), soft, Issuer(), pins)


@pytest.mark.parametrize(
    ("condition", "setup", "one", "holds"),
    [
        ("00", KernelSetup(), sale(), True),
        ("01", CASH_MACHINE, sale(transaction_type="01"), True),
        ("01", KernelSetup(), sale(transaction_type="01"), False),
        ("01", CASH_MACHINE, sale(), False),
        ("02", KernelSetup(), sale(), True),
        ("02", KernelSetup(), sale(transaction_type="01"), False),
        ("02", KernelSetup(), sale(transaction_type="09", cashback_minor=100), False),
        ("04", KernelSetup(), sale(transaction_type="01"), True),
        ("04", CASH_MACHINE, sale(transaction_type="01"), False),
        ("05", KernelSetup(), sale(transaction_type="09", cashback_minor=100), True),
        ("05", KernelSetup(), sale(), False),
        ("06", KernelSetup(), sale(1_000), True),
        ("06", KernelSetup(), sale(1_001), False),
        ("06", ABROAD, sale(1_000), False),
        ("07", KernelSetup(), sale(1_001), True),
        ("07", KernelSetup(), sale(1_000), False),
        ("07", ABROAD, sale(1_001), False),
        ("08", KernelSetup(), sale(5_000), True),
        ("08", KernelSetup(), sale(5_001), False),
        ("09", KernelSetup(), sale(5_001), True),
        ("09", KernelSetup(), sale(5_000), False),
        ("55", KernelSetup(), sale(), False),
    ],
)
def test_a_rule_applies_when_its_condition_holds_and_else_the_next_is_looked_at(
    condition: str, setup: KernelSetup, one: Sale, holds: bool
) -> None:
    played = verified(f"{SIGNATURE}{condition}{NO_CVM}00", setup, one, [])
    expected = f"{SIGNATURE}{condition}00" if holds else f"{NO_CVM}0002"
    assert played.outcome.verification.hex().upper() == expected
    assert not played.outcome.tvr & Tvr.VERIFICATION_FAILED


def test_condition_3_asks_whether_the_terminal_can() -> None:
    without = replace(KernelSetup(), capabilities=Capability(ATTENDED & ~Capability.SIGNATURE))
    assert verified(f"{SIGNATURE}03{NO_CVM}00", without, sale(), []).outcome.verification[0] == 0x1F
    assert verified(f"{SIGNATURE}03{NO_CVM}00", KernelSetup(), sale(), []).outcome.needs_signature


@pytest.mark.parametrize(
    ("rules", "pins", "result", "failed"),
    [
        ("0100", ["4711"], "010002", False),  # plain PIN, right
        ("0100", ["1111", "4711"], "010002", False),  # right at the second try
        ("0400", ["4711"], "040002", False),  # enciphered PIN
        ("0300", ["4711"], "030000", False),  # plain PIN and signature
        ("0500", ["4711"], "050000", False),  # enciphered PIN and signature
        ("0200", ["4711"], "020000", False),  # online PIN: unknown yet
        ("0200", ["0000"], "020000", False),  # whether right or wrong
        ("1E00", [], "1E0000", False),  # signature
        ("1F00", [], "1F0002", False),  # nothing
        ("0000", [], "000001", True),  # fail
        ("01001F00", [None], "010001", True),  # no next rule is wanted
        ("41001F00", [None], "1F0002", False),  # the next rule is
        ("410042001E00", [None, None], "1E0000", False),
        ("41004200", [None, None], "420001", True),  # the list ends
        ("1F04", [], "3F0000", True),  # no condition held
    ],
)
def test_each_method_has_its_result(rules: str, pins: list[str | None], result: str, failed: bool) -> None:
    played = verified(rules, KernelSetup(), sale(), pins)
    assert played.outcome.verification.hex().upper() == result
    assert bool(played.outcome.tvr & Tvr.VERIFICATION_FAILED) is failed


def test_a_pin_and_signature_rule_with_a_wrong_pin_wants_no_signature() -> None:
    played = verified("0300", KernelSetup(), sale(), ["1111", "2222", "3333"])
    assert not played.outcome.needs_signature
    assert played.outcome.verification.hex().upper() == "030001"


def test_a_pin_that_is_none_is_not_sent_to_the_card() -> None:
    played = verified("0100", KernelSetup(), sale(), ["12"])
    assert played.outcome.tvr & Tvr.PIN_NOT_ENTERED
    assert 0x20 not in [command.ins for command in played.commands]

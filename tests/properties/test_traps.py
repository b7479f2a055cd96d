"""Traps that make a toy wrong, those that no other test has by name (`docs/FIDELITY.md` lists all)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Secret, network_reference
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import decode, encode
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import SIMNET, TERMINAL, Specification
from issuer.authorization.model import PinCheck
from tests.engine.acquiring import Acquirer, approval, purchase
from tests.issuer.purse import PRESENTMENT, REQUEST, REVERSAL, TOKEN, UNKNOWN_TOKEN, Purse
from tests.issuer.world import Bank
from tests.properties.conftest import Twins


def test_a_trace_number_used_again_is_another_transaction_and_clearing_finds_the_right_one(
    databases: Twins, tmp_path: Path
) -> None:
    bank = Bank(databases[0], tmp_path, 11)
    holder = bank.open("ada", 10_000)
    first = bank.request(holder, 3_000, stan="000042")
    bank.clock.move(timedelta(days=1))
    at = bank.clock.now()
    second = replace(
        first,
        transmitted_at=at,
        network_reference=network_reference(first.acquirer_id, first.terminal_id, first.stan, at),
    )
    assert (bank.told(first).code, bank.told(second).code) == ("00", "00")
    assert bank.balances(holder) == (4_000, 6_000)
    assert bank.told(bank.presentment(1, second, 2_500)).facts["released_minor"] == 3_000
    assert bank.told(bank.reversal(first)).code == "00"
    assert bank.balances(holder) == (7_500, 0)
    assert bank.findings() == []


def test_a_trace_number_used_again_is_another_payment_of_the_acquirer(databases: Twins) -> None:
    acquirer = Acquirer(databases[0], "wrapped", "200011")
    first = purchase(acquirer_id="200011", stan="000042")
    acquirer.submit(first)
    acquirer.clock.move(timedelta(days=1))
    second = replace(first, transmitted_at=first.transmitted_at + timedelta(days=1))
    acquirer.submit(second)
    assert [message.body.transmitted_at for message in acquirer.network.sent] == [
        first.transmitted_at,
        second.transmitted_at,
    ]
    acquirer.submit(approval(second))
    one, other = acquirer.payment(first), acquirer.payment(second)
    assert one is not None and other is not None
    assert (one.state, other.state) == ("pending", "captured")


def test_the_approvals_of_de_39_are_these_six() -> None:
    assert {code.value for code in ResponseCode if code.approved} == {"00", "08", "10", "11", "85", "87"}


@pytest.mark.parametrize("dialect", [TERMINAL, SIMNET], ids=["terminal", "simnet"])
def test_a_pin_block_of_format_4_does_not_fit_de_52(dialect: Specification) -> None:
    fields = to_fields(replace(REQUEST, pin_block=Secret("0" * 16)))
    assert decode(encode(fields, dialect), dialect)["52"] == "0" * 16
    with pytest.raises(FormatError, match="DE 52"):
        encode(fields | {"52": "4" * 32}, dialect)


def test_a_pin_block_of_another_size_is_unreadable_and_costs_no_try(databases: Twins, tmp_path: Path) -> None:
    bank = Bank(databases[0], tmp_path, 12)
    holder = bank.open("grace")
    asked = bank.told(bank.request(holder, 100, pin_block=Secret("4" * 32)))
    assert asked.code != ResponseCode.APPROVED
    assert bank.told(bank.request(holder, 100, pin_block=bank.pin_block(holder))).code == ResponseCode.APPROVED


def approved() -> Purse:
    purse = Purse()
    purse.ask()
    return purse


def declined() -> Purse:
    purse = Purse()
    purse.ask(pin=PinCheck.WRONG)
    return purse


def reversed_before() -> Purse:
    purse = approved()
    purse.reverse()
    return purse


def cleared() -> Purse:
    purse = approved()
    purse.present(PRESENTMENT)
    return purse


def expired() -> Purse:
    purse = approved()
    purse.expire(purse.authorization.transacted_at + timedelta(days=4))
    return purse


@pytest.mark.parametrize("token", [TOKEN, UNKNOWN_TOKEN], ids=["the card", "another card"])
@pytest.mark.parametrize("purse", [Purse, approved, declined, reversed_before, cleared, expired])
def test_a_reversal_advice_is_never_refused(purse: Callable[[], Purse], token: UUID) -> None:
    decision = purse().reverse(REVERSAL, card_token=token)
    assert decision.answer is not None
    assert decision.answer.code == ResponseCode.APPROVED

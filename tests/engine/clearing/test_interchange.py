"""The rule of interchange: its table, its direction, its exactness, and what rounding leaves over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clearing.entry_mode import clearing_entry_mode
from engine.clearing.interchange import (
    RATES,
    Business,
    business_of,
    interchange,
    network_fee,
)
from engine.clearing.reference import acquirer_reference_number
from engine.vocabulary.identifiers import Pan, luhn_valid
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money

DEBIT_CARD = Pan("4000010000000004")
CREDIT_CARD = Pan("5100020000000008")

PURCHASE = Presentment(
    arn="2" * 23,
    network_reference="S00000000000001",
    acquirer_id="200001",
    pan=DEBIT_CARD,
    processing_code="000000",
    amount=Money(10_000, "USD"),
    transacted_at=datetime(2026, 3, 2, 10, 0, tzinfo=UTC),
    authorized_on=date(2026, 3, 2),
    approval_code="123456",
    pos_entry_mode=clearing_entry_mode("051"),
    mcc="5732",
    terminal_id="T0000001",
    merchant_id="M00000000000001",
    merchant_name="A SHOP",
    business_date=date(2026, 3, 2),
)


def test_a_hundred_with_a_debit_card_at_a_shop_costs_as_the_design_says() -> None:
    assert interchange(PURCHASE) == Decimal("120.000000")
    assert network_fee(PURCHASE) == Decimal("10.000000")


@pytest.mark.parametrize(
    ("mcc", "entry", "pan", "expected"),
    [
        ("5411", "051", DEBIT_CARD, "49.000000"),
        ("5411", "051", CREDIT_CARD, "115.000000"),
        ("5812", "071", DEBIT_CARD, "109.000000"),
        ("5812", "071", CREDIT_CARD, "156.500000"),
        ("7011", "012", DEBIT_CARD, "175.000000"),
        ("3000", "812", CREDIT_CARD, "222.500000"),
        ("5732", "902", CREDIT_CARD, "163.250000"),
        ("5732", "812", CREDIT_CARD, "205.000000"),
    ],
)
def test_rates_by_business_reading_and_funding(mcc: str, entry: str, pan: Pan, expected: str) -> None:
    item = replace(PURCHASE, mcc=mcc, pos_entry_mode=clearing_entry_mode(entry), pan=pan)
    assert str(interchange(item)) == expected


def test_every_kind_of_business_has_a_rate_for_every_funding() -> None:
    assert len(RATES) == len(Business) * 2
    assert {business_of(f"{mcc:04d}") for mcc in range(10_000)} == set(Business)


@given(st.integers(1, 10**12 - 1), st.sampled_from(["5411", "5812", "3005", "5999"]), st.sampled_from(["051", "812"]))
def test_a_refund_turns_interchange_round_and_pays_the_same_fee(amount: int, mcc: str, entry: str) -> None:
    item = replace(PURCHASE, amount=Money(amount, "USD"), mcc=mcc, pos_entry_mode=clearing_entry_mode(entry))
    refund = replace(item, processing_code="200000")
    assert interchange(refund) == -interchange(item) < 0
    assert network_fee(refund) == network_fee(item) > 0


@pytest.mark.parametrize(
    ("online", "clearing"),
    [
        ("051", "510901C99394"),
        ("071", "M10901M99094"),
        ("022", "200901299090"),
        ("012", "600901699090"),
        ("801", "210901299094"),
        ("812", "600950S99090"),
        ("000", "090990099099"),
    ],
)
def test_three_digits_of_entry_mode_become_twelve_positions(online: str, clearing: str) -> None:
    assert clearing_entry_mode(online) == clearing


@given(st.uuids(), st.dates())
def test_an_acquirer_reference_number_has_23_digits_and_checks(payment_id: UUID, on: date) -> None:
    arn = acquirer_reference_number("200001", on, payment_id)
    assert len(arn) == 23
    assert luhn_valid(arn)
    assert arn[:7] == "2200001"
    assert arn[7:11] == f"{on.year % 10}{on.timetuple().tm_yday:03d}"
    assert acquirer_reference_number("200001", on, payment_id) == arn

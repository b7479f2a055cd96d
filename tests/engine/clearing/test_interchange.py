"""The rule of interchange: its table, its direction, its exactness, and what rounding leaves over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clearing.entry_mode import clearing_entry_mode
from engine.clearing.interchange import business_of, interchange, network_fee, price
from engine.clearing.reference import acquirer_reference_number
from engine.clearing.tariff import PRODUCTS, SCHEDULES, Business, Funding, Pair, Program
from engine.vocabulary.identifiers import Pan, luhn_valid
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money, round_half_even

DEBIT_CARD = Pan("4000010000000004")
CREDIT_CARD = Pan("5100020000000008")
REGULATED_CARD = Pan("4000030000000000")
DAY = date(2026, 3, 2)

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
    merchant_name=f"{'A SHOP':25}{'SPRINGFIELD':13}US",
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


def test_every_pair_business_and_funding_has_a_schedule_that_ends_with_a_program_for_every_item() -> None:
    assert set(SCHEDULES) == {(pair, business, kind) for pair in Pair for business in Business for kind in Funding}
    for schedule in SCHEDULES.values():
        last = schedule[-1]
        assert last == Program(code=last.code, rate=last.rate), "it asks nothing"
        assert all(program != Program(code=program.code, rate=program.rate) for program in schedule[:-1])
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


# --- each rate and each reason, once ---

SHOPS = {
    Business.EVERYDAY: "5411",
    Business.RESTAURANT: "5812",
    Business.TRAVEL: "7011",
    Business.GENERAL: "5732",
}
PLACES = {Pair.DOMESTIC: "US", Pair.REGIONAL: "CA", Pair.INTERREGIONAL: "JP"}
CARDS = {Funding.DEBIT: DEBIT_CARD, Funding.CREDIT: CREDIT_CARD}


def at(country: str) -> str:
    return f"{'A SHOP':25}{'SOMEWHERE':13}{country}"


def fitting(program: Program, item: Presentment) -> Presentment:
    """The item with just what a program asks, and nothing of what better ones would."""
    amount = program.most_minor or program.least_minor or 10_000
    days = 7 if program.within_days == 7 else 0 if program.within_days is not None else 9
    return replace(
        item,
        amount=Money(amount, "USD"),
        pos_entry_mode=clearing_entry_mode("051" if program.is_read else "812"),
        transacted_at=item.transacted_at - timedelta(days=days),
    )


def rate_of(pair: Pair, business: Business, funding: Funding, program: Program) -> Presentment:
    item = replace(PURCHASE, mcc=SHOPS[business], pan=CARDS[funding], merchant_name=at(PLACES[pair]))
    return fitting(program, item)


EVERY_PROGRAM = [(*key, program) for key, schedule in SCHEDULES.items() for program in schedule]


@pytest.mark.parametrize(
    ("pair", "business", "funding", "program"),
    EVERY_PROGRAM,
    ids=[f"{business}-{one.code}" for _, business, _, one in EVERY_PROGRAM],
)
def test_each_rate_is_given_to_an_item_that_has_what_it_asks(
    pair: Pair, business: Business, funding: Funding, program: Program
) -> None:
    item = rate_of(pair, business, funding, program)
    priced = price(item, DAY)
    assert priced.rate == program.code
    assert priced.interchange == program.rate.of(item.amount.amount_minor)
    better = SCHEDULES[pair, business, funding]
    assert [code for code, _ in priced.downgrades] == [one.code for one in better[: better.index(program)]]
    assert all(reasons for _, reasons in priced.downgrades)


@pytest.mark.parametrize(
    ("changes", "rate", "downgrades"),
    [
        ({}, "DGED-READ", None),
        ({"pos_entry_mode": clearing_entry_mode("812")}, "DGED-REMOTE", "DGED-READ card_not_read"),
        (
            {"approval_code": None},
            "DGED-STANDARD",
            "DGED-READ authorization_not_carried; DGED-REMOTE authorization_not_carried",
        ),
        (
            {"network_reference": None},
            "DGED-STANDARD",
            "DGED-READ authorization_not_carried; DGED-REMOTE authorization_not_carried",
        ),
        ({"transacted_at": PURCHASE.transacted_at - timedelta(days=2)}, "DGED-READ", None),
        (
            {"transacted_at": PURCHASE.transacted_at - timedelta(days=3)},
            "DGED-REMOTE",
            "DGED-READ presented_after_2_days",
        ),
        (
            {"transacted_at": PURCHASE.transacted_at - timedelta(days=8), "approval_code": None},
            "DGED-STANDARD",
            "DGED-READ authorization_not_carried, presented_after_2_days;"
            " DGED-REMOTE authorization_not_carried, presented_after_7_days",
        ),
        ({"mcc": "5411", "amount": Money(500, "USD")}, "DEVD-SMALL", None),
        ({"mcc": "5411", "amount": Money(501, "USD")}, "DEVD-READ", "DEVD-SMALL amount_above_500"),
        ({"pan": CREDIT_CARD, "amount": Money(250_000, "USD")}, "DGEC-LARGE", None),
        ({"pan": CREDIT_CARD, "amount": Money(249_999, "USD")}, "DGEC-READ", "DGEC-LARGE amount_below_250000"),
        ({"merchant_name": at("PT")}, "ID-READ", None),
        ({"merchant_name": at("CA")}, "RD-STANDARD", None),
        ({"merchant_name": "A SHOP"}, "ID-READ", "DOMESTIC country_unknown"),
        ({"merchant_name": at("XX")}, "ID-READ", "DOMESTIC country_unknown"),
    ],
)
def test_each_reason_for_a_downgrade(changes: dict[str, Any], rate: str, downgrades: str | None) -> None:
    priced = price(replace(PURCHASE, **changes), DAY)
    assert (priced.rate, priced.reasons) == (rate, downgrades)


def test_a_refund_needs_neither_an_authorization_nor_haste() -> None:
    late = replace(
        PURCHASE,
        processing_code="200000",
        approval_code=None,
        network_reference=None,
        transacted_at=PURCHASE.transacted_at - timedelta(days=90),
    )
    assert price(late, DAY).interchange == -price(PURCHASE, DAY).interchange
    assert price(late, DAY).rate == "DGED-READ"


@pytest.mark.parametrize(
    ("amount_minor", "mcc", "country", "rate", "interchange_exact"),
    [
        (10_000, "5732", "US", "DGED-READ+CAP", "27.000000"),
        (100, "5732", "US", "DGED-READ", "6.150000"),
        (10_000, "5732", "JP", "ID-READ", "120.000000"),
    ],
)
def test_the_law_caps_domestic_debit_of_regulated_issuers_where_the_rate_is_higher(
    amount_minor: int, mcc: str, country: str, rate: str, interchange_exact: str
) -> None:
    item = replace(PURCHASE, pan=REGULATED_CARD, amount=Money(amount_minor, "USD"), mcc=mcc, merchant_name=at(country))
    priced = price(item, DAY)
    assert (priced.rate, str(priced.interchange)) == (rate, interchange_exact)
    refund = price(replace(item, processing_code="200000"), DAY)
    assert refund.interchange == -priced.interchange


@given(st.lists(st.tuples(st.integers(1, 10**9), st.sampled_from(["5411", "5812", "5732"])), min_size=1))
def test_the_aggregate_is_the_sum_of_items_to_the_last_decimal_and_rounding_is_what_is_left(
    items: list[tuple[int, str]],
) -> None:
    exact = [price(replace(PURCHASE, amount=Money(amount, "USD"), mcc=mcc), DAY).interchange for amount, mcc in items]
    aggregate = sum(exact, Decimal(0))
    assert aggregate == Decimal(sum(int(one.scaleb(6)) for one in exact)).scaleb(-6)
    rounding_minor = round_half_even(aggregate) - sum(map(round_half_even, exact))
    assert abs(rounding_minor) <= len(items) // 2 + 1
    assert abs(aggregate - sum(map(round_half_even, exact)) - rounding_minor) <= Decimal("0.5")


def test_products_are_those_of_account_ranges() -> None:
    assert all(len(prefix) == 8 and prefix.isdecimal() for prefix in PRODUCTS)

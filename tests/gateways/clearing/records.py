"""Records of every kind, of known values, and strategies that make others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import strategies as st

from engine.vocabulary.clearing import (
    Chargeback,
    ClearingRecord,
    FeeCollection,
    FileReject,
    MessageReject,
    PresentmentReversal,
    amount_of,
)
from engine.vocabulary.files import FileTotals
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import ASSETS, Money

DAY = date(2026, 3, 2)

PURCHASE = Presentment(
    arn="72000016061000000000018",
    network_reference="S00000000000001",
    acquirer_id="200001",
    pan=Pan("4000010012345670"),
    processing_code="000000",
    amount=Money(12_345, "USD"),
    transacted_at=datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC),
    authorized_on=DAY,
    approval_code="A1B2C3",
    pos_entry_mode="210101210001",
    mcc="5411",
    terminal_id="TERM0001",
    merchant_id="MERCHANT0000001",
    merchant_name="CORNER SHOP LISBON PT",
    business_date=DAY,
)
REFUND = replace(
    PURCHASE,
    arn="72000016061000000000026",
    network_reference=None,
    processing_code="200000",
    amount=Money(45, "EUR"),
    authorized_on=None,
    approval_code=None,
    terminal_id="T2",
    merchant_id="M2",
    is_final=False,
    interchange="-0.540000",
    network_fee="10.000000",
)
CASH = replace(
    PURCHASE, arn="72000016061000000000034", processing_code="010000", rate="IC-REMOTE", downgrades="IC-READ late"
)
ITEMS = (PURCHASE, REFUND)
IN_BOTH_SHAPES: tuple[ClearingRecord, ...] = (
    PURCHASE,
    REFUND,
    CASH,
    PresentmentReversal(presentment=PURCHASE),
    PresentmentReversal(presentment=CASH),
    Chargeback(presentment=REFUND, reason_code="4837"),
    Chargeback(presentment=PURCHASE, reason_code="4853", is_partial=True),
    Chargeback(presentment=CASH, reason_code="4855", is_reversal=True),
)
IN_IPM_ONLY: tuple[ClearingRecord, ...] = (
    FeeCollection(
        fee_id="F1",
        sender_id="200001",
        recipient_id="100001",
        amount=Money(700, "JPY"),
        reason_code="7621",
        text="CARD RECOVERY",
        business_date=DAY,
    ),
    MessageReject(
        arn=PURCHASE.arn,
        amount=PURCHASE.amount,
        acquirer_id="200001",
        reason="account_range_unknown",
        business_date=DAY,
    ),
    FileReject(
        name="clearing-2026-03-02-200001.ipm",
        sender_id="200001",
        reason="record 7 DE 4: is cut off",
        business_date=DAY,
    ),
)


def totals_of(records: Sequence[ClearingRecord]) -> FileTotals:
    amounts = [amount_of(one) for one in records]
    return FileTotals(
        file_id="200001-2026-03-02-1",
        kind="clearing",
        sender_id="200001",
        recipient_id="900000",
        business_date=DAY,
        record_count=len(records),
        amount_total_minor=sum(one.amount_minor for one in amounts if one is not None),
    )


def digits(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=least, max_size=most)


def words(least: int, most: int) -> st.SearchStrategy[str]:
    return (
        st.from_regex(rf"[!-~]([ -~]{{0,{most - 2}}}[!-~])?", fullmatch=True) if least else words(1, most) | st.just("")
    )


EXACT = st.none() | st.decimals(-(10**12), 10**12, places=6).map(lambda value: f"{value:.6f}")

PRESENTMENTS = st.builds(
    Presentment,
    arn=digits(23, 23),
    network_reference=st.none() | words(1, 16),
    acquirer_id=digits(1, 11),
    pan=digits(12, 19).map(Pan),
    processing_code=digits(6, 6),
    amount=st.builds(Money, st.integers(0, 10**12 - 1), st.sampled_from(sorted(ASSETS))),
    transacted_at=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(
        lambda at: at.replace(microsecond=0, tzinfo=UTC)
    ),
    authorized_on=st.none() | st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    approval_code=st.none() | st.text("ABC0123456789", min_size=6, max_size=6),
    pos_entry_mode=st.text("ABC0123456789", min_size=12, max_size=12),
    mcc=digits(4, 4),
    terminal_id=words(1, 8),
    merchant_id=words(1, 15),
    merchant_name=words(0, 99),
    business_date=st.just(DAY),
    is_final=st.booleans(),
    interchange=EXACT,
    network_fee=EXACT,
    rate=st.none() | words(1, 24),
    downgrades=st.none() | words(1, 400),
)
RECORDS = st.one_of(
    PRESENTMENTS,
    st.builds(PresentmentReversal, presentment=PRESENTMENTS),
    st.builds(
        Chargeback,
        presentment=PRESENTMENTS,
        reason_code=digits(4, 4),
        is_partial=st.booleans(),
        is_reversal=st.booleans(),
    ),
)

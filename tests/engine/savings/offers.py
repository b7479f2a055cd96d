"""Products and rates, as plain values."""

from __future__ import annotations

from datetime import date
from typing import Any

from engine.savings.products import BalanceMethod, DayCount, Frequency, RateVersion, SavingsProduct, TierMethod
from engine.vocabulary.identifiers import STATIC, derive_id

PRODUCT = derive_id("test/product", on=STATIC)


def offer(**terms: Any) -> SavingsProduct:
    """A product: monthly, actual/365, if nothing else is said."""
    usual: dict[str, Any] = {
        "id": PRODUCT,
        "name": "saver",
        "asset": "USD",
        "day_count": DayCount.ACTUAL_365,
        "balance_method": BalanceMethod.DAILY_BALANCE,
        "compounding": Frequency.MONTHLY,
        "posting": Frequency.MONTHLY,
        "term_months": 0,
        "promotional_bps": 0,
        "promotional_days": 0,
        "overdraft_minor": 0,
        "withdrawals_a_month": None,
        "withholding_bps": 0,
    }
    return SavingsProduct(**(usual | terms))


def rates(*tiers: tuple[int, int], since: date = date(2000, 1, 1), **terms: Any) -> RateVersion:
    """What it pays from a day on."""
    usual: dict[str, Any] = {
        "id": derive_id("test/rates", on=since),
        "product_id": PRODUCT,
        "effective_on": since,
        "tier_method": TierMethod.WHOLE_BALANCE,
        "minimum_minor": 0,
        "overdraft_bps": 0,
    }
    return RateVersion(tiers=tiers, **(usual | terms))

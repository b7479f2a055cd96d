"""The chart of accounts: one list of codes for all books, each with its normal side and whether it may go below zero.

The *ledger balance* of a customer is defined here, once: `available + held`. A hold moves money between the two and
so never changes it; statements, limits and interest read the sum, clearing and authorizations the parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from engine.vocabulary.identifiers import STATIC, derive_id


class Side(StrEnum):
    """The side on which an account's balance grows: assets and expenses by debit, liabilities, income and equity by
    credit.
    """

    DEBIT = "debit"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One code of the chart. `minimum_minor` is the balance it may not go below unless forced; None is no limit."""

    code: int
    name: str
    side: Side
    minimum_minor: int | None = None


SETTLEMENT_BANK = 1100
NETWORK_RECEIVABLE = 1200
UNPLACED_ITEMS = 1210
MEMBER_POSITION = 1300
CENTRAL_CASH = 1000
CUSTOMER_AVAILABLE = 2100
CUSTOMER_HELD = 2101
SAVINGS = 2110
NETWORK_PAYABLE = 2200
SINGLE_MESSAGES = 2210
INTEREST_ACCRUED = 2300
TAX_WITHHELD = 2310
MERCHANT_PAYABLE = 2400
BANK_DEPOSIT = 2500
EQUITY = 3000
INTERCHANGE_INCOME = 4100
DISCOUNT_INCOME = 4300
NETWORK_FEE_INCOME = 4400
OVERDRAFT_INTEREST = 4500
INTEREST_EXPENSE = 5100
NETWORK_FEE_EXPENSE = 5200
INTERCHANGE_EXPENSE = 5300
ROUNDING = 5900

CHART: dict[int, ChartLine] = {
    line.code: line
    for line in (
        ChartLine(CENTRAL_CASH, "central cash", Side.DEBIT),
        ChartLine(SETTLEMENT_BANK, "settlement bank", Side.DEBIT),
        ChartLine(NETWORK_RECEIVABLE, "network receivable", Side.DEBIT),
        ChartLine(UNPLACED_ITEMS, "unplaced items", Side.DEBIT),
        ChartLine(MEMBER_POSITION, "member position", Side.DEBIT),
        ChartLine(CUSTOMER_AVAILABLE, "customer available", Side.CREDIT, 0),
        ChartLine(CUSTOMER_HELD, "customer held", Side.CREDIT, 0),
        ChartLine(SAVINGS, "savings", Side.CREDIT, 0),
        ChartLine(NETWORK_PAYABLE, "network payable", Side.CREDIT),
        ChartLine(SINGLE_MESSAGES, "single messages to be cleared", Side.CREDIT),
        ChartLine(INTEREST_ACCRUED, "interest accrued", Side.CREDIT),
        ChartLine(TAX_WITHHELD, "tax withheld", Side.CREDIT),
        ChartLine(MERCHANT_PAYABLE, "merchant payable", Side.CREDIT),
        ChartLine(BANK_DEPOSIT, "bank deposit", Side.CREDIT),
        ChartLine(EQUITY, "equity", Side.CREDIT),
        ChartLine(INTERCHANGE_INCOME, "interchange income", Side.CREDIT),
        ChartLine(DISCOUNT_INCOME, "discount income", Side.CREDIT),
        ChartLine(NETWORK_FEE_INCOME, "network fee income", Side.CREDIT),
        ChartLine(OVERDRAFT_INTEREST, "overdraft interest", Side.CREDIT),
        ChartLine(INTEREST_EXPENSE, "interest expense", Side.DEBIT),
        ChartLine(NETWORK_FEE_EXPENSE, "network fee expense", Side.DEBIT),
        ChartLine(INTERCHANGE_EXPENSE, "interchange expense", Side.DEBIT),
        ChartLine(ROUNDING, "rounding", Side.DEBIT),
    )
}

HELD_OF = {CUSTOMER_AVAILABLE: CUSTOMER_HELD}
"""The code that holds what is promised out of another. Ledger balance = the one + the other."""

HELD_CODES = frozenset(HELD_OF.values())
DEBIT_CODES = frozenset(code for code, line in CHART.items() if line.side is Side.DEBIT)


def account_id(book: str, code: int, asset: str, owner_id: UUID | None = None) -> UUID:
    """The identifier of the account `code` of `owner_id` (None: the institution itself) in `book`, holding `asset`."""
    return derive_id(f"{book}/account", code, asset, str(owner_id or ""), on=STATIC)

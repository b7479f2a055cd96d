"""What reconciliation compares, and what it finds: what each source says of itself, and the breaks between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from engine.vocabulary.messages import Presentment
from engine.vocabulary.settlement import SettlementReport

PAYOUT_RETURNED_LINE = "payout returned"
"""Kind of a statement line."""


class BreakKind(StrEnum):
    """What is wrong."""

    MISSING_PRESENTMENT = "missing presentment"
    DOUBLED_FILE = "doubled file"
    AMOUNT_DRIFT = "amount drift"
    WRONG_FEE = "wrong fee"
    WRONG_RATE = "wrong rate"
    LATE = "late"
    MISROUTED = "misrouted"
    UNKNOWN_AUTHORIZATION = "unknown authorization"
    POSITION_DRIFT = "position drift"
    PAYOUT_RETURNED = "payout returned"
    STATEMENT_LINE_MISSING = "statement line missing"
    STATEMENT_LINE_EXTRA = "statement line extra"
    STATEMENT_LINE_SPLIT = "statement line split"


class Owner(StrEnum):
    """Whose desk a break is on."""

    CLEARING = "clearing"
    NETWORK = "network"
    TREASURY = "treasury"
    MERCHANTS = "merchants"


OWNERS: Mapping[BreakKind, Owner] = {
    BreakKind.MISSING_PRESENTMENT: Owner.CLEARING,
    BreakKind.DOUBLED_FILE: Owner.CLEARING,
    BreakKind.AMOUNT_DRIFT: Owner.CLEARING,
    BreakKind.WRONG_FEE: Owner.NETWORK,
    BreakKind.WRONG_RATE: Owner.NETWORK,
    BreakKind.LATE: Owner.CLEARING,
    BreakKind.MISROUTED: Owner.NETWORK,
    BreakKind.UNKNOWN_AUTHORIZATION: Owner.CLEARING,
    BreakKind.POSITION_DRIFT: Owner.NETWORK,
    BreakKind.PAYOUT_RETURNED: Owner.MERCHANTS,
    BreakKind.STATEMENT_LINE_MISSING: Owner.TREASURY,
    BreakKind.STATEMENT_LINE_EXTRA: Owner.TREASURY,
    BreakKind.STATEMENT_LINE_SPLIT: Owner.TREASURY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorized:
    """An approval whose amount was captured. `issuer_id` is None where only the network knows."""

    reference: str
    asset: str
    captured_minor: int
    captured_on: date
    issuer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """One record of a file that we sent."""

    file_id: str
    item: Presentment


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """One item as the network took it in, on its clearing date; `issuer_id` is whom it was routed to, None where we
    are not told."""

    item: Presentment
    issuer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """One line of a statement of our deposit. Positive is received."""

    reference: str
    kind: str
    amount_minor: int
    asset: str
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidOut:
    """One merchant's payout, as instructed."""

    payout_id: str
    instruction_id: str
    amount_minor: int
    asset: str
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What each source says."""

    authorized: Sequence[Authorized] = ()
    presented: Sequence[Presented] = ()
    confirmed: Sequence[Confirmed] = ()
    reports: Sequence[SettlementReport] = ()
    statement: Sequence[Stated] = ()
    payouts: Sequence[PaidOut] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How much may be out, and for how many days, before it is a break."""

    capture_days: int = 1
    """From capture to presentment."""
    late_days: int = 7
    """From the transaction to its presentment."""
    statement_days: int = 3
    """From a report or payout to its movement: a weekend lies between."""
    amount_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A posting that would put the books right, for people to make and to check."""

    debit_code: int
    credit_code: int
    amount_minor: int
    asset: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A disagreement. `reference` is what both sources call it, `since` the day from which it counts."""

    kind: BreakKind
    reference: str
    asset: str
    expected_minor: int
    found_minor: int
    since: date
    proposed: Adjustment | None = None

    @property
    def owner(self) -> Owner:
        """Who has to act."""
        return OWNERS[self.kind]

    def age_days(self, today: date) -> int:
        """How long it has stood."""
        return (today - self.since).days

"""Postings: the one way money moves in a book. A posting has a debit and a credit side, so it cannot be unbalanced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """`amount_minor` moves from `credit` to `debit` in the double-entry sense: `debit` is debited, `credit` credited.

    Both accounts belong to one book and hold one asset. `kind` is the word a statement shows ("card hold",
    "purchase"). `effective_on` is the business date the money counts from; `subject_id` the noun it is about (an
    authorization, a transfer). `forced` lets it pass a balance limit: what the network has already settled is booked
    whether funds are there or not. `corrects` names the entry that this one corrects: nothing is ever changed in
    place.
    """

    debit: UUID
    credit: UUID
    amount_minor: int
    kind: str
    effective_on: date
    subject_id: UUID | None = None
    forced: bool = False
    corrects: UUID | None = None


class PostingOutcome(StrEnum):
    """What the ledger says of postings, in order of precedence: the first that applies is the answer."""

    OK = "ok"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    ACCOUNTS_ARE_THE_SAME = "accounts_are_the_same"
    ACCOUNT_MISSING = "account_missing"
    ACCOUNT_CLOSED = "account_closed"
    ASSETS_DIFFER = "assets_differ"
    WOULD_GO_BELOW_LIMIT = "would_go_below_limit"
    WOULD_OVERFLOW = "would_overflow"

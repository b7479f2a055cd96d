"""Postings: the one way money moves in a book. A posting has a debit and a credit side, so it cannot be unbalanced."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Posting(NamedTuple):
    """`amount_minor` moves from `credit` to `debit` in the double-entry sense: `debit` is debited, `credit` credited.

    A named tuple, for every request makes some; always written with its fields' names. Both accounts belong to one
    book and hold one asset. `kind` is the word a statement shows ("card hold", "purchase"). `effective_on` is the
    business date the money counts from; `subject_id` the noun it is about (an authorization, a transfer). `forced` lets
    it pass a balance limit: what the network has already settled is booked whether funds are there or not. `corrects`
    names the journal that this posting turns round: nothing is ever changed in place.
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
    """What the ledger says of what it is asked, in order of precedence: of all that apply, the first is the answer.

    Postings are looked at one after the other, each on the balances that the one before it leaves; the first that is
    refused gives the answer of its journal, and the first journal that is refused that of its chain.
    """

    OK = "ok"
    LINKED_FAILED = "linked_failed"
    """Nothing is said about this journal itself: another of its chain was refused."""
    EXISTS = "exists"
    """The journal or account is there already, just as asked. Nothing was added."""
    EXISTS_WITH_DIFFERENT_CONTENT = "exists_with_different_content"
    JOURNAL_MISSING = "journal_missing"
    """There is no journal of this reference to correct."""
    ALREADY_CORRECTED = "already_corrected"
    POSTINGS_MISSING = "postings_missing"
    TOO_MANY_POSTINGS = "too_many_postings"
    KEPT_BY_A_STAGE = "kept_by_a_stage"
    """The account is another stage's (a customer's, a merchant's): its money moves by that stage alone."""
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    ACCOUNTS_ARE_THE_SAME = "accounts_are_the_same"
    CODE_UNKNOWN = "code_unknown"
    """No account of this code can be opened by itself: the chart does not have it, or it is a held counterpart."""
    ASSET_UNKNOWN = "asset_unknown"
    LIMIT_BELOW_ZERO = "limit_below_zero"
    ACCOUNT_MISSING = "account_missing"
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_NOT_EMPTY = "account_not_empty"
    ASSETS_DIFFER = "assets_differ"
    HELD_ELSEWHERE = "held_elsewhere"
    """What is held comes from and goes back to its own account, nowhere else."""
    WOULD_GO_BELOW_LIMIT = "would_go_below_limit"
    WOULD_EXCEED_LIMIT = "would_exceed_limit"
    WOULD_OVERFLOW = "would_overflow"

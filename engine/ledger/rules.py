"""The rules of posting. Pure: they read and fold a `State`; the database checks the same limits a second time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from engine.ledger.chart import CHART, Side
from engine.ledger.model import LARGEST_MINOR, Account, Entry
from engine.vocabulary.decision import State
from engine.vocabulary.postings import Posting, PostingOutcome


def check(state: State, postings: Sequence[Posting]) -> PostingOutcome:
    """What would become of these postings, taken together and in order:

    OK, or the first outcome in precedence that refuses them.

    Nothing is changed. The balances seen by the second posting are those after the first.
    """
    balances: dict[UUID, int] = {}
    for posting in postings:
        outcome = _check_one(state, balances, posting)
        if outcome is not PostingOutcome.OK:
            return outcome
    return PostingOutcome.OK


def _check_one(state: State, balances: dict[UUID, int], posting: Posting) -> PostingOutcome:
    if posting.amount_minor <= 0:
        return PostingOutcome.AMOUNT_NOT_POSITIVE
    if posting.debit == posting.credit:
        return PostingOutcome.ACCOUNTS_ARE_THE_SAME
    debit, credit = state.get(Account, posting.debit), state.get(Account, posting.credit)
    if debit is None or credit is None:
        return PostingOutcome.ACCOUNT_MISSING
    if (debit.closed or credit.closed) and not posting.forced:
        return PostingOutcome.ACCOUNT_CLOSED
    if debit.asset != credit.asset:
        return PostingOutcome.ASSETS_DIFFER
    for account, side in ((debit, Side.DEBIT), (credit, Side.CREDIT)):
        change = _change(account, side, posting.amount_minor)
        after = balances.get(account.id, account.balance_minor) + change
        below = account.minimum_minor is not None and after < account.minimum_minor
        if change < 0 and below and not posting.forced:
            return PostingOutcome.WOULD_GO_BELOW_LIMIT
        if abs(after) > LARGEST_MINOR:
            return PostingOutcome.WOULD_OVERFLOW
        balances[account.id] = after
    return PostingOutcome.OK


def post(state: State, request_id: UUID, postings: Sequence[Posting], occurred_at: datetime) -> list[Entry]:
    """Fold postings that `check` has passed into the state's accounts; the entries as they will be written."""
    outcome = check(state, postings)
    assert outcome is PostingOutcome.OK, f"a decision posts what the ledger refuses: {outcome}"
    entries = []
    for line, posting in enumerate(postings):
        debit = _after(state.need(Account, posting.debit), Side.DEBIT, posting.amount_minor)
        credit = _after(state.need(Account, posting.credit), Side.CREDIT, posting.amount_minor)
        state.put(debit)
        state.put(credit)
        entries.append(
            Entry(
                request_id=request_id,
                line=line,
                debit=debit.id,
                credit=credit.id,
                amount_minor=posting.amount_minor,
                kind=posting.kind,
                subject_id=posting.subject_id,
                effective_on=posting.effective_on,
                forced=posting.forced,
                corrects=posting.corrects,
                debit_number=debit.entry_count,
                credit_number=credit.entry_count,
                debit_after=debit.balance_minor,
                credit_after=credit.balance_minor,
                debit_held_after=_held(state, debit),
                credit_held_after=_held(state, credit),
                occurred_at=occurred_at,
            )
        )
    return entries


def _change(account: Account, side: Side, amount_minor: int) -> int:
    return amount_minor if CHART[account.code].side is side else -amount_minor


def _after(account: Account, side: Side, amount_minor: int) -> Account:
    balance = account.balance_minor + _change(account, side, amount_minor)
    floor = None if account.minimum_minor is None else min(account.minimum_minor, balance)
    return replace(account, balance_minor=balance, floor_minor=floor, entry_count=account.entry_count + 1)


def _held(state: State, account: Account) -> int | None:
    return None if account.held_id is None else state.need(Account, account.held_id).balance_minor

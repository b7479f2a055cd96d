"""The rules of posting. Pure: they read and fold a `State`; the database checks the same limits a second time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from engine.ledger.chart import DEBIT_CODES, HELD_CODES
from engine.ledger.model import LARGEST_MINOR, Account, Entry
from engine.vocabulary.decision import State
from engine.vocabulary.postings import Posting, PostingOutcome


def check(state: State, postings: Sequence[Posting]) -> PostingOutcome:
    """What would become of these postings, taken together and in order:

    OK, or the outcome of the first that is refused.

    Nothing is changed. The balances seen by the second posting are those after the first.
    """
    trial = Trial(state)
    for posting in postings:
        outcome = trial.take(posting)
        if outcome is not PostingOutcome.OK:
            return outcome
    return PostingOutcome.OK


class Trial:
    """Postings tried one after the other on balances of its own, above a state that it leaves alone."""

    __slots__ = ("_accounts", "_balances")

    def __init__(self, state: State) -> None:
        self._accounts = state.of(Account)
        self._balances: dict[int, int] = {}

    def take(self, posting: Posting) -> PostingOutcome:
        """The first outcome, in order of precedence, that refuses this posting after those taken before; or OK, and
        it is taken.
        """
        amount, forced = posting.amount_minor, posting.forced
        if amount <= 0:
            return PostingOutcome.AMOUNT_NOT_POSITIVE
        debit_number, credit_number = posting.debit.int, posting.credit.int
        if debit_number == credit_number:
            return PostingOutcome.ACCOUNTS_ARE_THE_SAME
        debit, credit = self._accounts.get(debit_number), self._accounts.get(credit_number)
        if debit is None or credit is None:
            return PostingOutcome.ACCOUNT_MISSING
        if (debit.closed or credit.closed) and not forced:
            return PostingOutcome.ACCOUNT_CLOSED
        if debit.asset != credit.asset:
            return PostingOutcome.ASSETS_DIFFER
        held = debit.code in HELD_CODES or credit.code in HELD_CODES
        own = held and (debit.held_id == credit.id or credit.held_id == debit.id)
        if held and not own:
            return PostingOutcome.HELD_ELSEWHERE
        debit_change, credit_change = _changes(debit, credit, amount)
        debit_after = self._balances.get(debit_number, debit.balance_minor) + debit_change
        credit_after = self._balances.get(credit_number, credit.balance_minor) + credit_change
        if not forced:
            if _below(debit, debit_change, debit_after) or _below(credit, credit_change, credit_after):
                return PostingOutcome.WOULD_GO_BELOW_LIMIT
            # Between an account and its held counterpart the ledger balance stays as it is.
            if not own and (
                self._above(debit, debit_change, debit_after) or self._above(credit, credit_change, credit_after)
            ):
                return PostingOutcome.WOULD_EXCEED_LIMIT
        if max(amount, abs(debit_after), abs(credit_after)) > LARGEST_MINOR:
            return PostingOutcome.WOULD_OVERFLOW
        self._balances[debit_number], self._balances[credit_number] = debit_after, credit_after
        return PostingOutcome.OK

    def _above(self, account: Account, change: int, after: int) -> bool:
        if account.maximum_minor is None or change < 0:
            return False
        if account.held_id is None:
            return after > account.maximum_minor
        number = account.held_id.int
        return after + self._balances.get(number, self._accounts[number].balance_minor) > account.maximum_minor


def post(state: State, request_id: UUID, postings: Sequence[Posting], occurred_at: datetime) -> list[Entry]:
    """Fold postings that `check` has passed into the state's accounts; the entries as they will be written."""
    outcome = check(state, postings)
    assert outcome is PostingOutcome.OK, f"a decision posts what the ledger refuses: {outcome}"
    accounts = state.of(Account)
    entries = []
    for line, posting in enumerate(postings):
        debit, credit = accounts[posting.debit.int], accounts[posting.credit.int]
        debit_change, credit_change = _changes(debit, credit, posting.amount_minor)
        debit = accounts[posting.debit.int] = _after(debit, debit_change)
        credit = accounts[posting.credit.int] = _after(credit, credit_change)
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


def _changes(debit: Account, credit: Account, amount_minor: int) -> tuple[int, int]:
    """What the two balances change by, each on its account's normal side."""
    return (
        amount_minor if debit.code in DEBIT_CODES else -amount_minor,
        -amount_minor if credit.code in DEBIT_CODES else amount_minor,
    )


def _below(account: Account, change: int, after: int) -> bool:
    return change < 0 and account.minimum_minor is not None and after < account.minimum_minor


def _after(account: Account, change: int) -> Account:
    own, code, asset, owner_id, held_id, balance, minimum, maximum, _, _, count, closed = account
    balance += change
    floor = None if minimum is None else min(minimum, balance)
    ceiling = None if maximum is None else max(maximum, balance)
    return Account(own, code, asset, owner_id, held_id, balance, minimum, maximum, floor, ceiling, count + 1, closed)


def _held(state: State, account: Account) -> int | None:
    return None if account.held_id is None else state.need(Account, account.held_id).balance_minor

"""The rules of posting. Pure: they read and fold a `State`; the database checks the same limits a second time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        balances = self._balances
        outcome, debit_after, credit_after = _judged(self._accounts, balances, posting)
        if outcome is PostingOutcome.OK:
            balances[posting.debit.int], balances[posting.credit.int] = debit_after, credit_after
        return outcome


def _judged(
    accounts: Mapping[int, Account], balances: Mapping[int, int], posting: Posting
) -> tuple[PostingOutcome, int, int]:
    """What the ledger says of a posting, and both balances after it. `balances` are those that differ by now from
    what the accounts say.
    """
    amount, forced = posting.amount_minor, posting.forced
    if amount <= 0:
        return _refused(PostingOutcome.AMOUNT_NOT_POSITIVE)
    debit_number, credit_number = posting.debit.int, posting.credit.int
    if debit_number == credit_number:
        return _refused(PostingOutcome.ACCOUNTS_ARE_THE_SAME)
    debit, credit = accounts.get(debit_number), accounts.get(credit_number)
    if debit is None or credit is None:
        return _refused(PostingOutcome.ACCOUNT_MISSING)
    if (debit.closed or credit.closed) and not forced:
        return _refused(PostingOutcome.ACCOUNT_CLOSED)
    if debit.asset != credit.asset:
        return _refused(PostingOutcome.ASSETS_DIFFER)
    debit_code, credit_code = debit.code, credit.code
    held = debit_code in HELD_CODES or credit_code in HELD_CODES
    own = held and (debit.held_id == credit.id or credit.held_id == debit.id)
    if held and not own:
        return _refused(PostingOutcome.HELD_ELSEWHERE)
    # What the two balances change by, each on its account's normal side.
    debit_change = amount if debit_code in DEBIT_CODES else -amount
    credit_change = -amount if credit_code in DEBIT_CODES else amount
    debit_after = balances.get(debit_number, debit.balance_minor) + debit_change
    credit_after = balances.get(credit_number, credit.balance_minor) + credit_change
    if not forced:
        for account, change, after in ((debit, debit_change, debit_after), (credit, credit_change, credit_after)):
            if change < 0 and account.minimum_minor is not None and after < account.minimum_minor:
                return _refused(PostingOutcome.WOULD_GO_BELOW_LIMIT)
        # Between an account and its held counterpart the ledger balance stays as it is.
        if not own and (
            (debit.maximum_minor is not None and _above(accounts, balances, debit, debit_change, debit_after))
            or (credit.maximum_minor is not None and _above(accounts, balances, credit, credit_change, credit_after))
        ):
            return _refused(PostingOutcome.WOULD_EXCEED_LIMIT)
    if amount > LARGEST_MINOR or abs(debit_after) > LARGEST_MINOR or abs(credit_after) > LARGEST_MINOR:
        return _refused(PostingOutcome.WOULD_OVERFLOW)
    return PostingOutcome.OK, debit_after, credit_after


def _refused(outcome: PostingOutcome) -> tuple[PostingOutcome, int, int]:
    return outcome, 0, 0


def post(state: State, request_id: UUID, postings: Sequence[Posting], occurred_at: datetime) -> list[Entry]:
    """Fold postings that `check` has passed into the state's accounts; the entries as they will be written."""
    accounts = state.of(Account)
    entries = []
    for line, posting in enumerate(postings):
        outcome, debit_after, credit_after = _judged(accounts, _AS_THEY_STAND, posting)
        assert outcome is PostingOutcome.OK, f"a decision posts what the ledger refuses: {outcome}"
        debit_id, credit_id = posting.debit, posting.credit
        debit = accounts[debit_id.int] = _after(accounts[debit_id.int], debit_after)
        credit = accounts[credit_id.int] = _after(accounts[credit_id.int], credit_after)
        entry = (
            request_id,
            line,
            debit_id,
            credit_id,
            posting.amount_minor,
            posting.kind,
            posting.subject_id,
            posting.effective_on,
            posting.forced,
            posting.corrects,
            debit.entry_count,
            credit.entry_count,
            debit_after,
            credit_after,
            _held(accounts, debit),
            _held(accounts, credit),
            occurred_at,
        )
        entries.append(_made(Entry, entry))
    return entries


_AS_THEY_STAND: Mapping[int, int] = {}
_made = tuple.__new__  # each posting makes three: a named tuple's own constructor takes three times as long


def _above(
    accounts: Mapping[int, Account], balances: Mapping[int, int], account: Account, change: int, after: int
) -> bool:
    assert account.maximum_minor is not None, "only an account with a limit can be above it"
    if change < 0:
        return False
    if account.held_id is None:
        return after > account.maximum_minor
    number = account.held_id.int
    return after + balances.get(number, accounts[number].balance_minor) > account.maximum_minor


def _after(account: Account, balance: int) -> Account:
    own, code, asset, owner_id, held_id, _, minimum, maximum, _, _, count, closed = account
    floor = minimum if minimum is None or minimum < balance else balance
    ceiling = maximum if maximum is None or maximum > balance else balance
    return _made(
        Account,
        (own, code, asset, owner_id, held_id, balance, minimum, maximum, floor, ceiling, count + 1, closed),
    )


def _held(accounts: Mapping[int, Account], account: Account) -> int | None:
    return None if account.held_id is None else accounts[account.held_id.int].balance_minor

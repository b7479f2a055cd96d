"""What holds whatever is posted: money is neither made nor lost, limits hold but for force, all or nothing."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from engine.ledger import rules
from engine.ledger.chart import DEBIT_CODES
from engine.ledger.journals.model import CorrectJournal, Journal, LinkedJournals, PostJournal
from engine.ledger.model import Account, Entry
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import STATIC, derive_id
from engine.vocabulary.postings import Posting, PostingOutcome
from tests.engine.ledger.books import (
    BANK_ID,
    BANK_OPENING,
    NOW,
    TODAY,
    BookInMemory,
    available,
    closing,
    held,
    move,
    opening,
    paid_in,
)

NAMES = ("ann", "bob", "eve")
SIDES = (BANK_ID, available("ann", "EUR"), *(part(name) for name in NAMES for part in (available, held)))
REQUEST = derive_id("request", on=STATIC)
BOB_MAXIMUM = 60
# Pairs that may pass come more often than others.
PAIRS = st.one_of(
    st.sampled_from([(available(name), held(name)) for name in NAMES]).flatmap(
        lambda pair: st.sampled_from([pair, pair[::-1]])
    ),
    st.tuples(*[st.sampled_from((BANK_ID, available("ann"), available("bob")))] * 2),
    st.tuples(*[st.sampled_from((*SIDES, available("nobody")))] * 2),
)
POSTINGS = st.lists(
    st.builds(
        lambda pair, amount_minor, forced: move(pair[0], pair[1], amount_minor, forced=forced),
        PAIRS,
        st.integers(-1, 60),
        st.sampled_from((False, False, False, True)),
    ),
    max_size=6,
)


STANDING = BookInMemory(
    (
        BANK_OPENING,
        opening("ann"),
        opening("bob", BOB_MAXIMUM),
        opening("eve"),
        closing("eve"),
        opening("ann", asset="EUR"),
        paid_in("ann", 100),
    )
)
"""Ann has 100, Bob at most 60, Eve's account is closed."""


def _book() -> BookInMemory:
    """One like it."""
    book = BookInMemory()
    book.state = State([*STANDING.state.all(Account), *STANDING.state.all(Journal)])
    book.entries = list(STANDING.entries)
    return book


def _posted(state: State, journals: list[list[Posting]]) -> list[Entry]:
    """Post those that pass."""
    entries: list[Entry] = []
    for postings in journals:
        if rules.check(state, postings) is PostingOutcome.OK:
            entries += rules.post(state, REQUEST, postings, NOW)
    return entries


def _accounts(state: State) -> dict[object, Account]:
    return {account.id: account for account in state.all(Account)}


@given(st.lists(POSTINGS, max_size=12))
def test_money_is_neither_made_nor_lost(journals: list[list[Posting]]) -> None:
    state = _book().state
    _posted(state, journals)
    for asset in ("USD", "EUR"):
        assert not sum(
            account.balance_minor if account.code in DEBIT_CODES else -account.balance_minor
            for account in state.all(Account)
            if account.asset == asset
        )


@given(st.lists(POSTINGS, max_size=12))
def test_limits_hold_but_for_force(journals: list[list[Posting]]) -> None:
    state = _book().state
    for postings in journals:
        before = _accounts(state)
        entries = _posted(state, [postings])
        for account in state.all(Account):
            assert account.floor_minor is None or account.floor_minor <= account.balance_minor
            assert account.ceiling_minor is None or account.balance_minor <= account.ceiling_minor
            if any(entry.forced for entry in entries):
                continue
            earlier = before[account.id].balance_minor
            if account.minimum_minor is not None:
                assert account.balance_minor >= min(account.minimum_minor, earlier)
        if not any(entry.forced for entry in entries):
            ledger = {
                when: sum(accounts[part("bob")].balance_minor for part in (available, held))
                for when, accounts in (("before", before), ("after", _accounts(state)))
            }
            assert ledger["after"] <= max(BOB_MAXIMUM, ledger["before"])


@given(st.lists(POSTINGS, max_size=12))
def test_a_closed_account_takes_forced_postings_only(journals: list[list[Posting]]) -> None:
    eve = {available("eve"), held("eve")}
    entries = _posted(_book().state, journals)
    assert all(entry.forced for entry in entries if eve & {entry.debit, entry.credit})


@given(st.lists(POSTINGS, max_size=12))
def test_a_hold_never_changes_the_ledger_balance_and_nothing_else_touches_what_is_held(
    journals: list[list[Posting]],
) -> None:
    for entry in _posted(_book().state, journals):
        for name in NAMES:
            own = {available(name), held(name)}
            assert held(name) not in {entry.debit, entry.credit} or {entry.debit, entry.credit} == own


@given(st.lists(POSTINGS, max_size=12))
def test_entries_run_without_a_gap_and_keep_the_balance_after_each(journals: list[list[Posting]]) -> None:
    state = _book().state
    balances = {account.id: account.balance_minor for account in state.all(Account)}
    counts = Counter({account.id: account.entry_count for account in state.all(Account)})
    for entry in _posted(state, journals):
        for side, sign, number, after in (
            (entry.debit, 1, entry.debit_number, entry.debit_after),
            (entry.credit, -1, entry.credit_number, entry.credit_after),
        ):
            counts[side] += 1
            balances[side] += sign * entry.amount_minor * (1 if side == BANK_ID else -1)
            assert (number, after) == (counts[side], balances[side])
    assert balances == {account.id: account.balance_minor for account in state.all(Account)}


@given(POSTINGS, POSTINGS)
def test_two_journals_pass_together_exactly_if_they_pass_one_after_the_other(
    first: list[Posting], second: list[Posting]
) -> None:
    together, apart = _book().state, _book().state
    outcomes = [rules.check(apart, first)]
    if outcomes[0] is PostingOutcome.OK:
        rules.post(apart, REQUEST, first, NOW)
        outcomes.append(rules.check(apart, second))
        if outcomes[1] is PostingOutcome.OK:
            rules.post(apart, REQUEST, second, NOW)
    assert rules.check(together, [*first, *second]) is outcomes[-1]
    if outcomes[-1] is PostingOutcome.OK:
        rules.post(together, REQUEST, [*first, *second], NOW)
        assert _accounts(together) == _accounts(apart)


@given(POSTINGS)
def test_asking_changes_nothing(postings: list[Posting]) -> None:
    state = _book().state
    before = _accounts(state)
    rules.check(state, postings)
    assert _accounts(state) == before


@given(POSTINGS)
def test_a_correction_gives_every_balance_back(postings: list[Posting]) -> None:
    book = _book()
    before = {account.id: account.balance_minor for account in book.state.all(Account)}
    if book.ask(PostJournal(reference="j", postings=tuple(postings))).code == PostingOutcome.OK:
        answer = book.ask(CorrectJournal(reference="c", corrects="j", effective_on=TODAY, forced=True))
        assert answer.code == PostingOutcome.OK
    assert {account.id: account.balance_minor for account in book.state.all(Account)} == before


@given(st.lists(POSTINGS, min_size=1, max_size=4))
def test_a_chain_stands_exactly_if_each_of_its_journals_would_after_the_ones_before(
    journals: list[list[Posting]],
) -> None:
    chained, alone = _book(), _book()
    asked = tuple(PostJournal(reference=str(n), postings=tuple(postings)) for n, postings in enumerate(journals))
    answer = chained.ask(LinkedJournals(reference="chain", journals=asked))
    codes = [alone.ask(journal).code for journal in asked]
    failed = next((n for n, code in enumerate(codes) if code != PostingOutcome.OK), None)
    assert answer.code == (PostingOutcome.OK if failed is None else codes[failed])
    if failed is None:
        assert _accounts(chained.state) == _accounts(alone.state)
        assert [entry._replace(line=0, request_id=REQUEST) for entry in chained.entries] == [
            entry._replace(line=0, request_id=REQUEST) for entry in alone.entries
        ]
    else:
        assert _accounts(chained.state) == _accounts(_book().state)

"""Every outcome of the ledger has its case, and of two that apply the one of higher precedence is the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import pytest

from engine.ledger import rules
from engine.ledger.chart import CUSTOMER_AVAILABLE, CUSTOMER_HELD, NETWORK_PAYABLE, SAVINGS
from engine.ledger.journals.model import (
    MOST_POSTINGS,
    CloseAccount,
    CorrectJournal,
    LinkedJournals,
    OpenAccount,
    PostJournal,
    Request,
)
from engine.ledger.model import LARGEST_MINOR, Account, new_account
from engine.vocabulary.decision import State
from engine.vocabulary.postings import Posting
from engine.vocabulary.postings import PostingOutcome as Outcome
from tests.engine.ledger.books import (
    BANK_ID,
    BANK_OPENING,
    INSTITUTION,
    TODAY,
    BookInMemory,
    available,
    closing,
    held,
    move,
    opening,
    owner,
    paid_in,
)


@dataclass(frozen=True)
class Case:
    """Ten minor units from one account to another, and what is wrong with that. A missing account is None."""

    payer: Account | None
    payee: Account | None
    posting: Posting

    def outcome(self) -> Outcome:
        """What the ledger says."""
        return rules.check(State([one for one in (self.payer, self.payee) if one is not None]), (self.posting,))


def _account(name: str) -> Account:
    # Savings: no held counterpart that a case would have to bring along.
    return Account(
        id=available(name), code=SAVINGS, asset="USD", owner_id=owner(name), held_id=None, balance_minor=100,
        minimum_minor=0, floor_minor=0,
    )  # fmt: skip


GOOD = Case(_account("payer"), _account("payee"), move(available("payer"), available("payee"), 10))


def _payer(case: Case, **changes: object) -> Case:
    return case if case.payer is None else replace(case, payer=case.payer._replace(**changes))  # type: ignore[arg-type]


def _payee(case: Case, **changes: object) -> Case:
    return case if case.payee is None else replace(case, payee=case.payee._replace(**changes))  # type: ignore[arg-type]


WRONG: dict[Outcome, Callable[[Case], Case]] = {
    Outcome.AMOUNT_NOT_POSITIVE: lambda case: replace(case, posting=case.posting._replace(amount_minor=0)),
    Outcome.ACCOUNTS_ARE_THE_SAME: lambda case: replace(case, posting=case.posting._replace(credit=case.posting.debit)),
    Outcome.ACCOUNT_MISSING: lambda case: replace(case, payer=None),
    Outcome.ACCOUNT_CLOSED: lambda case: _payee(_payer(case, closed=True), closed=True),
    Outcome.ASSETS_DIFFER: lambda case: _payee(case, asset="EUR"),
    Outcome.HELD_ELSEWHERE: lambda case: _payer(case, code=CUSTOMER_HELD),
    Outcome.WOULD_GO_BELOW_LIMIT: lambda case: _payer(case, balance_minor=9),
    Outcome.WOULD_EXCEED_LIMIT: lambda case: _payee(
        case, maximum_minor=100 if case.payee is None else case.payee.balance_minor
    ),
    Outcome.WOULD_OVERFLOW: lambda case: _payee(
        case,
        balance_minor=LARGEST_MINOR,
        maximum_minor=None if case.payee is None or case.payee.maximum_minor is None else LARGEST_MINOR,
    ),
}


def test_nothing_wrong() -> None:
    assert GOOD.outcome() is Outcome.OK


@pytest.mark.parametrize("outcome", WRONG)
def test_each_outcome_of_a_posting(outcome: Outcome) -> None:
    assert WRONG[outcome](GOOD).outcome() is outcome


@pytest.mark.parametrize(("first", "second"), list(combinations(WRONG, 2)))
def test_of_two_outcomes_the_first_is_the_answer(first: Outcome, second: Outcome) -> None:
    order = list(Outcome)
    assert order.index(first) < order.index(second), "the order in which they are listed is their precedence"
    assert WRONG[second](WRONG[first](GOOD)).outcome() is first


ANNS = paid_in("ann", 100)
STANDING = (
    BANK_OPENING,
    opening("ann"),
    opening("bob", 50),
    opening("eve"),
    closing("eve"),
    opening("ann", asset="EUR"),
    ANNS,
)


def _journal(reference: str, *postings: Posting) -> PostJournal:
    return PostJournal(reference=reference, postings=postings)


def _correction(reference: str, corrects: str = ANNS.reference) -> CorrectJournal:
    return CorrectJournal(reference=reference, corrects=corrects, effective_on=TODAY)


def _pay(reference: str, amount_minor: int, payer: str = "ann", payee: str = "bob") -> PostJournal:
    return _journal(reference, move(available(payer), available(payee), amount_minor))


CASES: tuple[tuple[Outcome, Request], ...] = (
    (Outcome.OK, _pay("1", 50)),
    (Outcome.OK, _correction("1")),
    (Outcome.OK, opening("cleo")),
    (Outcome.EXISTS, ANNS),
    (Outcome.EXISTS, opening("ann")),
    (Outcome.EXISTS_WITH_DIFFERENT_CONTENT, replace(ANNS, postings=())),
    (Outcome.EXISTS_WITH_DIFFERENT_CONTENT, _correction(ANNS.reference)),
    (Outcome.EXISTS_WITH_DIFFERENT_CONTENT, _correction(ANNS.reference, "nothing")),
    (Outcome.EXISTS_WITH_DIFFERENT_CONTENT, opening("ann", 100)),
    (Outcome.JOURNAL_MISSING, _correction("1", "nothing")),
    (Outcome.JOURNAL_MISSING, _correction("1", "1")),
    (Outcome.POSTINGS_MISSING, _journal("1")),
    (Outcome.POSTINGS_MISSING, LinkedJournals(reference="c", journals=())),
    (
        Outcome.TOO_MANY_POSTINGS,
        _journal("1", *[move(BANK_ID, available("ann"), 1)] * (MOST_POSTINGS + 1)),
    ),
    (Outcome.AMOUNT_NOT_POSITIVE, _pay("1", -1)),
    (Outcome.ACCOUNTS_ARE_THE_SAME, _pay("1", 1, "ann", "ann")),
    (Outcome.ACCOUNT_MISSING, _pay("1", 1, "ann", "nobody")),
    (Outcome.ACCOUNT_MISSING, CloseAccount(reference="1", account_id=available("nobody"))),
    (Outcome.ACCOUNT_CLOSED, _pay("1", 1, "ann", "eve")),
    (Outcome.ACCOUNT_CLOSED, closing("eve", "again")),
    (Outcome.ACCOUNT_NOT_EMPTY, closing("ann")),
    (Outcome.CODE_UNKNOWN, OpenAccount(reference="1", code=9999, asset="USD")),
    (Outcome.CODE_UNKNOWN, OpenAccount(reference="1", code=CUSTOMER_HELD, asset="USD", owner_id=owner("cleo"))),
    (Outcome.CODE_UNKNOWN, CloseAccount(reference="1", account_id=held("ann"))),
    (Outcome.ASSET_UNKNOWN, OpenAccount(reference="1", code=SAVINGS, asset="XXX")),
    (Outcome.LIMIT_BELOW_ZERO, OpenAccount(reference="1", code=SAVINGS, asset="USD", maximum_minor=-1)),
    (Outcome.ASSETS_DIFFER, _journal("1", move(BANK_ID, available("ann", "EUR"), 1))),
    (Outcome.HELD_ELSEWHERE, _journal("1", move(BANK_ID, held("ann"), 1))),
    (Outcome.WOULD_GO_BELOW_LIMIT, _pay("1", 101)),
    (Outcome.WOULD_EXCEED_LIMIT, _pay("1", 51)),
    (Outcome.WOULD_OVERFLOW, _journal("1", move(BANK_ID, available("ann"), LARGEST_MINOR))),
    (Outcome.WOULD_OVERFLOW, _journal("1", move(BANK_ID, available("ann"), LARGEST_MINOR + 1))),
)


@pytest.mark.parametrize(("outcome", "request_"), CASES)
def test_each_outcome_of_a_request(outcome: Outcome, request_: Request) -> None:
    book = BookInMemory(STANDING)
    before = len(book.entries)
    answer = book.ask(request_)
    assert answer.code == outcome
    assert answer.reasons == (() if outcome is Outcome.OK else (outcome,))
    assert outcome is Outcome.OK or len(book.entries) == before, "what is refused leaves nothing"


def test_a_second_correction_of_one_journal_is_refused() -> None:
    book = BookInMemory((*STANDING, _correction("1")))
    assert book.ask(_correction("2")).code == Outcome.ALREADY_CORRECTED
    assert book.balance(available("ann")) == 0
    # What came first still has its say: the reference, then the journal, then the correction, then its postings.
    assert book.ask(_correction("1")).code == Outcome.EXISTS


def test_of_a_chain_the_refused_journal_has_its_own_outcome_and_the_others_are_linked() -> None:
    book = BookInMemory(STANDING)
    # The second is refused only because the first stands; the third would be refused by itself.
    chain = LinkedJournals(reference="c", journals=(_pay("1", 40), _pay("2", 20), _pay("3", 1, "ann", "eve")))
    answer = book.ask(chain)
    assert answer.code == Outcome.WOULD_EXCEED_LIMIT
    assert answer.facts["journals"] == [
        {"reference": "1", "outcome": "linked_failed"},
        {"reference": "2", "outcome": "would_exceed_limit", "posting": 0},
        {"reference": "3", "outcome": "linked_failed"},
    ]
    assert book.balance(available("ann")) == 100


def test_what_another_stage_keeps_is_not_the_general_ledgers_to_move_or_close() -> None:
    book = BookInMemory(STANDING)
    wallet = new_account(INSTITUTION.name, CUSTOMER_AVAILABLE, "USD", owner("ann"))
    promised = new_account(INSTITUTION.name, CUSTOMER_HELD, "USD", owner("ann"))
    payable = new_account(INSTITUTION.name, NETWORK_PAYABLE, "USD")
    for kept in (wallet, promised, payable):
        book.state.put(kept)
    for number, posting in enumerate((move(payable.id, available("ann"), 1), move(BANK_ID, wallet.id, 1))):
        assert book.ask(_journal(f"kept {number}", posting)).code == Outcome.KEPT_BY_A_STAGE
    assert book.ask(CloseAccount(reference="1", account_id=payable.id)).code == Outcome.KEPT_BY_A_STAGE
    assert not book.state.need(Account, payable.id).closed


def test_every_outcome_has_a_case() -> None:
    elsewhere = {Outcome.ALREADY_CORRECTED, Outcome.LINKED_FAILED, Outcome.KEPT_BY_A_STAGE}
    assert {outcome for outcome, _ in CASES} | elsewhere == set(Outcome)

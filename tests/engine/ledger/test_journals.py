"""Journals, chains, corrections and accounts on a real database, beside the same book in memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from engine.database.connections import Database
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.journals.decide import journal_id
from engine.ledger.journals.model import CorrectJournal, LinkedJournals, PostJournal, Request
from engine.ledger.journals.store import read_journals
from engine.ledger.model import Account
from engine.processor import Processor
from engine.runtime.batch import KEY_REUSED
from engine.vocabulary.postings import Posting
from tests.engine.ledger.bank import Bank
from tests.engine.ledger.books import (
    BANK_ID,
    BANK_OPENING,
    BOOK,
    TODAY,
    BookInMemory,
    available,
    closing,
    held,
    move,
    opening,
    paid_in,
)

_numbers = count(1)
STANDING: tuple[Request, ...] = (BANK_OPENING, opening("ann"), opening("bob", 60), paid_in("ann", 100))


def _bank(database: Database) -> Bank:
    return Bank(database, f"journals{next(_numbers)}")


@pytest.fixture
def bank(database: Database) -> Bank:
    """Ann has 100, Bob may have 60."""
    bank = _bank(database)
    assert bank.told(*STANDING) == ["ok"] * 4
    return bank


def pay(reference: str, amount_minor: int, *, forced: bool = False) -> PostJournal:
    """From Ann to Bob."""
    return journal(reference, move(available("ann"), available("bob"), amount_minor, forced=forced))


def journal(reference: str, *postings: Posting) -> PostJournal:
    """A journal of these."""
    return PostJournal(reference=reference, postings=postings)


def correction(reference: str, corrects: str) -> CorrectJournal:
    """A journal turned round."""
    return CorrectJournal(reference=reference, corrects=corrects, effective_on=TODAY)


def balances(bank: Bank) -> dict[object, object]:
    """Balance by account."""
    return dict(bank.rows("select id, balance_minor from accounts"))  # type: ignore[arg-type]


def test_the_same_again_gives_the_earlier_answer_approval_or_refusal_alike(bank: Bank) -> None:
    first = bank.asked(pay("1", 40), pay("2", 61), closing("ann"))
    assert [answer and answer.code for answer in first] == ["ok", "would_go_below_limit", "account_not_empty"]
    bank.told(correction("c", "1"))
    assert bank.asked(pay("1", 40), pay("2", 61), closing("ann")) == first
    assert bank.told(pay("1", 41)) == [KEY_REUSED]


def test_a_reference_is_one_journal_however_it_is_asked_for(bank: Bank) -> None:
    bank.told(pay("1", 10))
    again = LinkedJournals(reference="a", journals=(pay("1", 10), pay("2", 10)))
    other = LinkedJournals(reference="b", journals=(pay("2", 10), pay("1", 11)))
    twice = LinkedJournals(reference="c", journals=(pay("2", 10), pay("2", 10)))
    assert bank.told(again, other, twice) == ["exists", "exists_with_different_content", "exists"]
    assert bank.told(LinkedJournals(reference="d", journals=(pay("2", 10), pay("3", 10))), pay("2", 10)) == [
        "ok",
        "exists",
    ]
    assert balances(bank)[available("bob")] == 30


def test_a_reference_is_used_whatever_accounts_it_was_used_for(bank: Bank) -> None:
    bank.told(opening("eve"), pay("1", 10))
    elsewhere = journal("1", move(BANK_ID, available("eve"), 1))
    chains = [LinkedJournals(reference=str(number), journals=(elsewhere,)) for number in range(2)]
    assert bank.told(chains[0]) == ["exists_with_different_content"]
    assert bank.told(chains[1], correction("2", "1")) == ["exists_with_different_content", "ok"]


def test_a_chain_corrects_what_it_has_posted_itself_and_reposts_it(bank: Bank) -> None:
    chain = LinkedJournals(reference="c", journals=(pay("wrong", 50), correction("turned", "wrong"), pay("right", 5)))
    assert bank.told(chain) == ["ok"]
    assert balances(bank) == {
        BANK_ID: 100, available("ann"): 95, held("ann"): 0, available("bob"): 5, held("bob"): 0,
    }  # fmt: skip
    wrong = journal_id(BOOK, "wrong")
    assert bank.rows("select kind, amount_minor, subject_id from entries where corrects is not null") == [
        ("correction", 50, wrong)
    ]
    with bank.processor.engine.connect() as connection:
        (turned,) = read_journals(connection, [journal_id(BOOK, "turned")])
    assert (turned.reference, turned.corrects) == ("turned", wrong)
    assert bank.findings(LEDGER_PROOFS) == []


def test_a_correction_may_be_corrected_and_each_only_once(bank: Bank) -> None:
    assert bank.told(pay("1", 10)) == ["ok"]
    assert bank.told(correction("2", "1"), correction("3", "2"), correction("4", "2"), correction("5", "1")) == [
        "ok",
        "ok",
        "already_corrected",
        "already_corrected",
    ]
    assert balances(bank)[available("bob")] == 10


def test_money_that_has_left_is_not_corrected_back_but_by_force(bank: Bank) -> None:
    assert bank.told(pay("1", 100 - 40)) == ["ok"]
    assert bank.told(correction("2", "pay in ann")) == ["would_go_below_limit"]
    by_force = CorrectJournal(reference="3", corrects="pay in ann", effective_on=TODAY, forced=True)
    assert bank.told(by_force) == ["ok"]
    assert balances(bank)[available("ann")] == -60
    assert bank.findings(LEDGER_PROOFS) == []


def test_a_hold_leaves_room_under_a_maximum_to_nobody(bank: Bank) -> None:
    hold = move(available("bob"), held("bob"), 60)
    release = move(held("bob"), available("bob"), 60)
    assert bank.told(pay("1", 60), journal("2", hold), pay("3", 1), journal("4", release)) == [
        "ok",
        "ok",
        "would_exceed_limit",
        "ok",
    ]
    assert bank.told(pay("5", 1, forced=True), pay("6", 1)) == ["ok", "would_exceed_limit"]
    assert bank.rows("select balance_minor, ceiling_minor from accounts where maximum_minor = 60") == [(61, 61)]
    assert bank.findings(LEDGER_PROOFS) == []


def test_the_database_checks_the_maximum_a_second_time(database: Database, bank: Bank) -> None:
    bank.told(pay("1", 60))
    with pytest.raises(IntegrityError), database.owner().begin() as connection:
        connection.execute(
            text(f"update {bank.institution.schema_name}.accounts set balance_minor = 61 where maximum_minor = 60")
        )


def test_a_closed_account_stays_closed_with_its_counterpart(bank: Bank) -> None:
    assert bank.told(closing("bob", "first"), pay("1", 1)) == ["ok", "account_closed"]
    assert bank.told(pay("2", 1), closing("bob", "second")) == ["account_closed", "account_closed"]
    assert bank.rows("select count(*) from accounts where closed") == [(2,)]
    assert bank.told(pay("3", 1, forced=True)) == ["ok"]
    assert bank.told(pay("4", 1)) == ["account_closed"]


def _raced(bank: Bank, asked: Callable[[int], Request]) -> list[str]:
    """The codes of what two processes are told who ask at the same time."""
    codes: list[str] = []
    start = Barrier(2)

    def work(processor: Processor, number: int) -> None:
        start.wait()
        codes.extend(answer.code for answer in processor.execute([asked(number)]) if answer is not None)

    threads = [Thread(target=work, args=(bank.another(), number)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(codes)


def test_of_two_who_use_a_reference_at_once_in_different_chains_one_finds_it_there(bank: Bank) -> None:
    for turn in range(5):
        chains = [
            LinkedJournals(reference=f"{turn} {number}", journals=(pay(f"shared {turn}", 1),)) for number in range(2)
        ]
        assert _raced(bank, chains.__getitem__) == ["exists", "ok"]
    assert balances(bank)[available("bob")] == 5


def test_of_two_who_correct_one_journal_at_once_one_is_refused(bank: Bank) -> None:
    for turn in range(5):
        bank.told(pay(f"{turn}", 10))
        corrections = [correction(f"{turn}/{number}", f"{turn}") for number in range(2)]
        assert _raced(bank, corrections.__getitem__) == [
            "already_corrected",
            "ok",
        ]
    assert balances(bank)[available("bob")] == 0
    assert bank.findings(LEDGER_PROOFS) == []


PAIRS = [(BANK_ID, available("ann")), (available("ann"), available("bob")), (available("bob"), available("eve"))]
PAIRS += [(available(name), held(name)) for name in ("ann", "bob")]
JOURNALS: st.SearchStrategy[PostJournal | CorrectJournal] = st.one_of(
    st.builds(
        lambda reference, postings: PostJournal(reference=str(reference), postings=tuple(postings)),
        st.integers(0, 15),
        st.lists(
            st.builds(
                lambda pair, turned, amount, forced: move(pair[turned], pair[not turned], amount, forced=forced),
                st.sampled_from(PAIRS),
                st.booleans(),
                st.integers(0, 70),
                st.sampled_from((False, False, False, True)),
            ),
            max_size=3,
        ),
    ),
    st.builds(
        lambda reference, corrects: correction(str(reference), str(corrects)), st.integers(0, 15), st.integers(0, 15)
    ),
)
REQUESTS = st.lists(
    st.one_of(
        JOURNALS,
        JOURNALS,
        st.builds(
            lambda number, journals: LinkedJournals(reference=f"chain {number}", journals=tuple(journals)),
            st.integers(0, 99),
            st.lists(JOURNALS, max_size=3),
        ),
        st.builds(lambda name, number: closing(name, str(number)), st.sampled_from(("bob", "eve")), st.integers(0, 9)),
        st.just(opening("eve")),
    ),
    max_size=20,
    unique_by=lambda request: (type(request).__name__, request.reference),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=REQUESTS, together=st.booleans())
def test_the_database_and_the_book_in_memory_agree(database: Database, requests: list[Request], together: bool) -> None:
    bank, book = _bank(database), BookInMemory(STANDING)
    bank.told(*STANDING)
    expected = [book.ask(request) for request in requests]
    answers = bank.asked(*requests) if together else [bank.asked(request)[0] for request in requests]
    assert answers == expected
    assert balances(bank) == {account.id: account.balance_minor for account in book.state.all(Account)}
    assert bank.findings(LEDGER_PROOFS) == []

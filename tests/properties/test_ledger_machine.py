"""The general ledger on a real database against a naive model: any requests in any order, from several sessions.

Hard cases that come up by chance: the same reference again, with the same content or other, alone or within a chain; a
chain that fails at its last journal; corrections of corrections, of what has been corrected, of what came earlier in
the chain; holds and releases at the limit; closed accounts; several sessions that ask at the same instant, for the
same journal or against the same balance. What several ask at once must come out as if they had asked in some order.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import date, datetime, timedelta
from itertools import count, permutations
from typing import ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from engine.bookkeeping import bookkeeping_stage, general_book
from engine.database.connections import Database
from engine.ledger import store
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.chart import CUSTOMER_AVAILABLE, CUSTOMER_HELD, EQUITY
from engine.ledger.history import Balance, StatementLine, balances_at, balances_on, statement
from engine.ledger.journals.model import (
    CloseAccount,
    CorrectJournal,
    LinkedJournals,
    OpenAccount,
    PostJournal,
    Request,
)
from engine.processor import Processor
from engine.vocabulary.identifiers import STATIC, derive_id
from engine.vocabulary.postings import Posting
from tests.properties.ledger_model import Change, Model, Told, said
from tests.world import HandClock, open_institution_for_tests, processor_of

SESSIONS = 3
OWNERS = ("ann", "bob", "cleo")
DAYS = tuple(date(2026, 3, day) for day in (1, 2, 3))
PAGE = 3

_examples = count(1)


class Books:
    """One institution, with several processors as that many processes would have them."""

    def __init__(self, database: Database) -> None:
        self.institution = open_institution_for_tests(database, "books", "910001", "issuer")
        self.database = database
        self.clock = HandClock()
        self.book = general_book(self.institution)
        self.sessions = [self.session() for _ in range(SESSIONS)]
        self.threads = ThreadPoolExecutor(SESSIONS)

    def session(self) -> Processor:
        """One more."""
        return processor_of(self.database, self.institution, [bookkeeping_stage(self.institution)], self.clock)

    def findings(self) -> list[str]:
        """What the ledger's proofs find."""
        with self.sessions[0].engine.connect() as connection:
            return [f"{proof.name}: {found}" for proof in LEDGER_PROOFS for found in proof.find(connection)]


@pytest.fixture(scope="module")
def books(database: Database) -> Books:
    """The institution that all examples share; each has owners and references of its own in it."""
    return Books(database)


T = TypeVar("T")
Place = tuple[str, int]
DrawnPosting = tuple[Place, Place, str, int, date, bool]
DrawnJournal = tuple[int, tuple[DrawnPosting, ...]] | tuple[int, int, date, bool]

_usual: st.SearchStrategy[Place] = st.tuples(
    st.sampled_from(OWNERS), st.sampled_from((CUSTOMER_AVAILABLE, CUSTOMER_AVAILABLE, EQUITY))
)
_odd: st.SearchStrategy[Place] = st.tuples(
    st.sampled_from((*OWNERS, "nobody")), st.sampled_from((CUSTOMER_AVAILABLE, CUSTOMER_HELD, EQUITY))
)
_ODD_AMOUNTS = (0, -1, 2**63 - 1, 2**63)


def _mostly(usual: st.SearchStrategy[T], odd: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    return st.integers(0, 11).flatmap(lambda chance: odd if chance == 7 else usual)


places = _mostly(_usual, _odd)
assets = st.sampled_from(("USD", "USD", "USD", "EUR"))
amounts = _mostly(st.integers(1, 40), st.sampled_from(_ODD_AMOUNTS))
references = st.integers(1, 60)
days = st.sampled_from(DAYS)
forced = st.sampled_from((False, False, False, True))
maxima = st.sampled_from((None, None, 100, -1))
sessions = st.integers(0, SESSIONS - 1)
earlier = st.integers(0, 1_000)
postings: st.SearchStrategy[DrawnPosting] = st.tuples(places, places, assets, amounts, days, forced)
_posted = st.tuples(references, _mostly(st.lists(postings, min_size=1, max_size=2), st.just([])).map(tuple))
_corrected = st.tuples(references, earlier, days, forced)
journals: st.SearchStrategy[DrawnJournal] = st.booleans().flatmap(lambda new: _posted if new else _corrected)


class LedgerMachine(RuleBasedStateMachine):
    """Every step is asked of one of the sessions, or of several at once, and of the model."""

    books: ClassVar[Books]

    def __init__(self) -> None:
        super().__init__()
        self.example = next(_examples)
        self.model = Model(self.books.book)
        self.asked: list[Request] = []
        self.numbers = count(1)
        self.instants: list[tuple[datetime, dict[UUID, Balance]]] = []

    # --- what is asked ---

    @initialize()
    def open_accounts(self) -> None:
        """Everybody has a wallet, ann's and bob's with something in it, cleo's with a limit; ann has one of euros."""
        for owner, code, asset, maximum in (
            *((owner, EQUITY, "USD", None) for owner in OWNERS),
            ("ann", CUSTOMER_AVAILABLE, "USD", None),
            ("ann", CUSTOMER_AVAILABLE, "EUR", None),
            ("bob", CUSTOMER_AVAILABLE, "USD", None),
            ("cleo", CUSTOMER_AVAILABLE, "USD", 70),
        ):
            self._open(0, owner, code, asset, maximum)
        funding = tuple(self._posting(((owner, EQUITY), (owner, CUSTOMER_AVAILABLE), "USD", 300, DAYS[0], False))
                        for owner in ("ann", "bob"))  # fmt: skip
        self._ask(0, PostJournal(reference=self._new(), postings=funding))

    @rule(session=sessions, journal=journals)
    def post_or_correct(self, session: int, journal: DrawnJournal) -> None:
        self._ask(session, self._journal(journal))

    @rule(session=sessions, payer=st.sampled_from(OWNERS), payee=st.sampled_from(OWNERS), amount=st.integers(1, 60))
    def pay(self, session: int, payer: str, payee: str, amount: int) -> None:
        paid = self._posting(((payer, CUSTOMER_AVAILABLE), (payee, CUSTOMER_AVAILABLE), "USD", amount, DAYS[2], False))
        self._ask(session, PostJournal(reference=self._new(), postings=(paid,)))

    @rule(session=sessions, owner=st.sampled_from(OWNERS), amount=st.integers(1, 60), release=st.booleans())
    def hold_or_release(self, session: int, owner: str, amount: int, release: bool) -> None:
        parts = (owner, CUSTOMER_AVAILABLE), (owner, CUSTOMER_HELD)
        debit, credit = reversed(parts) if release else parts
        hold = self._posting((debit, credit, "USD", amount, DAYS[1], False))
        self._ask(session, PostJournal(reference=self._new(), postings=(hold,)))

    @rule(
        session=sessions, reference=references, chain=_mostly(st.lists(journals, min_size=2, max_size=3), st.just([]))
    )
    def link(self, session: int, reference: int, chain: list[DrawnJournal]) -> None:
        self._ask(session, self._linked(reference, chain))

    @rule(session=sessions, place=_odd, asset=st.sampled_from(("USD", "EUR", "XXX")), maximum=maxima)
    def open(self, session: int, place: Place, asset: str, maximum: int | None) -> None:
        self._open(session, *place, asset, maximum)

    @rule(session=sessions, place=_odd, asset=st.sampled_from(("USD", "EUR")))
    def close(self, session: int, place: Place, asset: str) -> None:
        self._ask(session, CloseAccount(reference=self._new(), account_id=self._account(place, asset)))

    @rule(session=sessions, which=earlier)
    def ask_again(self, session: int, which: int) -> None:
        self._ask(session, self.asked[which % len(self.asked)])

    @rule(which=earlier, same=st.booleans(), drawn=st.lists(journals, min_size=SESSIONS, max_size=SESSIONS))
    def ask_at_once(self, which: int, same: bool, drawn: list[DrawnJournal]) -> None:
        """From all sessions at the same instant: new journals, or one new and one old request."""
        requests: list[Request] = [self._journal(one) for one in drawn]
        if same:
            requests[1:] = [requests[0], self.asked[which % len(self.asked)]]
        pairs = zip(self.books.sessions, requests, strict=True)
        told = list(self.books.threads.map(lambda pair: said(pair[0].execute([pair[1]])[0]), pairs))
        self.asked += requests
        self._follow(requests, told)

    @rule(drawn=st.lists(journals, min_size=2, max_size=5), session=sessions)
    def ask_in_one_batch(self, drawn: list[DrawnJournal], session: int) -> None:
        requests = [self._journal(one) for one in drawn]
        answers = self.books.sessions[session].execute(requests)
        self.asked += requests
        now = self.books.clock.now()
        assert [said(answer) for answer in answers] == [self.model.ask(request, now) for request in requests]
        self._compare_balances()

    @rule(session=sessions)
    def start_a_session_anew(self, session: int) -> None:
        self.books.sessions[session] = self.books.session()

    @rule()
    def let_time_pass(self) -> None:
        self.instants.append((self.books.clock.now(), self._balances()))
        self.books.clock.move(timedelta(minutes=1))

    # --- what is compared ---

    def teardown(self) -> None:
        """History: each account's statement, backwards and forwards; balances at past instants and on each date."""
        self.let_time_pass()
        assert self._histories(forwards=True) == self.model.histories
        assert self._histories(forwards=False) == self.model.histories
        identifiers = list(self.model.accounts)
        with self.books.sessions[0].engine.connect() as connection:
            for instant, balances in self.instants:
                found = balances_at(connection, identifiers, instant)
                assert {one: found[one] for one in balances} == balances
            for day in DAYS:
                assert balances_on(connection, identifiers, day) == self._balances(day)

    def _histories(self, *, forwards: bool) -> dict[UUID, list[Change]]:
        """Each account's statement, walked page by page in one direction."""
        histories: dict[UUID, list[Change]] = {}
        with self.books.sessions[0].engine.connect() as connection:
            for identifier in self.model.accounts:
                lines: list[StatementLine] = []
                after: int | None = 0 if forwards else None
                before: int | None = None
                more = True
                while more:
                    page = statement(connection, identifier, after=after, before=before, limit=PAGE, holds=True)
                    lines = [*lines, *page.lines] if forwards else [*page.lines, *lines]
                    if page.lines:
                        after, before = (lines[-1].number, None) if forwards else (None, lines[0].number)
                    more = page.more
                assert [line.number for line in lines] == list(range(1, len(lines) + 1))
                histories[identifier] = [
                    Change(
                        line.change_minor,
                        line.balance.available_minor,
                        line.balance.held_minor,
                        line.effective_on,
                        line.occurred_at,
                    )
                    for line in lines
                ]
        return histories

    def _open(self, session: int, owner: str, code: int, asset: str, maximum: int | None) -> None:
        owner_id = self._owner(owner)
        reference = self._new()
        self._ask(
            session, OpenAccount(reference=reference, code=code, asset=asset, owner_id=owner_id, maximum_minor=maximum)
        )

    def _ask(self, session: int, request: Request) -> None:
        (answer,) = self.books.sessions[session].execute([request])
        self.asked.append(request)
        assert said(answer) == self.model.ask(request, self.books.clock.now()), request
        self._compare_balances()

    def _follow(self, requests: Sequence[Request], told: Sequence[Told]) -> None:
        """Find the order in which the sessions have asked: one in which the model gives the same answers and books."""
        now = self.books.clock.now()
        histories = self._histories(forwards=True)
        for order in permutations(range(len(requests))):
            model = deepcopy(self.model)
            if all(model.ask(requests[place], now) == told[place] for place in order) and model.histories == histories:
                self.model = model
                return
        raise AssertionError(f"no order of {requests} gives {told} and these entries")

    def _compare_balances(self) -> None:
        assert self._differences() == []

    def _differences(self) -> list[tuple[UUID, object, object]]:
        with self.books.sessions[0].engine.connect() as connection:
            found = store.read(connection, list(self.model.accounts))
        kept = {one: (account.balance_minor, account.entry_count, account.closed) for one, account in found.items()}
        wanted = {one: (k.balance, len(k.changes), k.closed) for one, k in self.model.accounts.items()}
        return [(one, kept.get(one), wanted[one]) for one in wanted if kept.get(one) != wanted[one]]

    def _balances(self, until: date = DAYS[-1]) -> dict[UUID, Balance]:
        def total(identifier: UUID | None) -> int:
            changes = [] if identifier is None else self.model.accounts[identifier].changes
            return sum(change.minor for change in changes if change.effective_on <= until)

        return {one: Balance(total(one), total(kept.held)) for one, kept in self.model.accounts.items()}

    # --- words of this example alone ---

    def _new(self) -> str:
        return f"{self.example}: new {next(self.numbers)}"

    def _owner(self, name: str) -> UUID:
        return derive_id("owner", name, self.example, on=STATIC)

    def _account(self, place: Place, asset: str) -> UUID:
        return self.books.book.account(place[1], asset, self._owner(place[0]))

    def _posting(self, drawn: DrawnPosting) -> Posting:
        debit, credit, asset, amount, effective_on, is_forced = drawn
        return Posting(
            debit=self._account(debit, asset),
            # Assets differ now and then: an amount that three divides goes into dollars, whatever it came from.
            credit=self._account(credit, "USD" if amount % 3 == 0 else asset),
            amount_minor=amount,
            kind="transfer",
            effective_on=effective_on,
            forced=is_forced,
        )

    def _journal(self, drawn: DrawnJournal) -> PostJournal | CorrectJournal:
        reference = f"{self.example}: {drawn[0]}"
        if len(drawn) == 2:
            return PostJournal(reference=reference, postings=tuple(self._posting(one) for one in drawn[1]))
        _, corrects, effective_on, is_forced = drawn
        missing = corrects % 10 == 7
        known = [f"{self.example}: {corrects % 60}"] if missing else list(self.model.journals)
        return CorrectJournal(
            reference=reference,
            corrects=known[corrects % len(known)],
            effective_on=effective_on,
            forced=is_forced,
        )

    def _linked(self, reference: int, chain: Sequence[DrawnJournal]) -> LinkedJournals:
        return LinkedJournals(
            reference=f"{self.example}: {reference}", journals=tuple(self._journal(one) for one in chain)
        )


def play(books: Books, examples: int, steps: int) -> None:
    """So many examples of so many steps, then the proofs over what all of them have left."""
    LedgerMachine.books = books
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=(Phase.reuse, Phase.generate),  # shrinking against a database takes minutes, and steps are few
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    assert books.findings() == []


def test_the_books_are_what_the_model_says(books: Books) -> None:
    play(books, examples=24, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_books_are_what_the_model_says_for_longer(books: Books) -> None:
    play(books, examples=150, steps=60)

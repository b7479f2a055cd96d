"""History on a real database, beside a model that walks the postings one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.database.connections import Database
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.history import Balance, Page, StatementLine, balances_at, balances_on, statement
from engine.ledger.journals.model import CorrectJournal, PostJournal, Request
from engine.vocabulary.postings import Posting, PostingOutcome
from tests.engine.ledger.bank import Bank
from tests.engine.ledger.books import BANK_ID, BANK_OPENING, TODAY, available, held, move, opening

NAMES = ("ann", "bob")
ACCOUNTS = (BANK_ID, *(available(name) for name in NAMES))
HELD = {available(name): held(name) for name in NAMES}
DAYS = tuple(TODAY + timedelta(days=days) for days in range(-3, 4))
_numbers = count(1)


@dataclass(frozen=True)
class Line:
    """What the model keeps of one posting, seen from one account."""

    number: int
    change_minor: int
    balance: Balance
    counterpart: UUID
    effective_on: date
    occurred_at: datetime


class Model:
    """Every account's postings in order, with plain sums and nothing else."""

    def __init__(self) -> None:
        self.postings: list[tuple[Posting, datetime]] = []

    def lines(self, account: UUID, holds: bool) -> list[Line]:
        """The account's statement, whole."""
        own, kept, lines, number = 0, 0, [], 0
        for posting, at in self.postings:
            change = self._change(account, posting)
            kept += self._change(HELD.get(account), posting)
            if change:
                own, number = own + change, number + 1
                counterpart = posting.credit if posting.debit == account else posting.debit
                if holds or counterpart != HELD.get(account):
                    lines.append(Line(number, change, Balance(own, kept), counterpart, posting.effective_on, at))
        return lines

    def at(self, account: UUID, instant: datetime) -> Balance:
        """Its balance as of an instant."""
        return self._sum(account, [posting for posting, at in self.postings if at <= instant])

    def on(self, account: UUID, day: date) -> Balance:
        """Its balance as of an effective date."""
        return self._sum(account, [posting for posting, _ in self.postings if posting.effective_on <= day])

    def _sum(self, account: UUID, postings: list[Posting]) -> Balance:
        return Balance(
            sum(self._change(account, posting) for posting in postings),
            sum(self._change(HELD.get(account), posting) for posting in postings),
        )

    def _change(self, account: UUID | None, posting: Posting) -> int:
        if account not in (posting.debit, posting.credit):
            return 0
        grows_by = posting.debit if account == BANK_ID else posting.credit
        return posting.amount_minor if grows_by == account else -posting.amount_minor


class Story:
    """A bank and the model beside it; an hour passes between two requests."""

    def __init__(self, database: Database) -> None:
        self.bank = Bank(database, f"history{next(_numbers)}")
        self.model = Model()
        self.bank.told(BANK_OPENING, *(opening(name) for name in NAMES))

    def post(self, *postings: Posting, reference: str) -> None:
        """One journal, in both if the ledger takes it."""
        self._keep(PostJournal(reference=reference, postings=postings), postings)

    def _keep(self, request: Request, postings: tuple[Posting, ...]) -> None:
        self.bank.clock.move(timedelta(hours=1))
        (answer,) = self.bank.told(request)
        if answer == PostingOutcome.OK:
            self.model.postings += [(posting, self.bank.clock.now()) for posting in postings]

    def page(self, account: UUID, *, after: int | None = None, before: int | None = None, limit: int = 3,
             holds: bool = True) -> Page:  # fmt: skip
        """A page of a statement."""
        with self.bank.processor.engine.connect() as connection:
            return statement(connection, account, after=after, before=before, limit=limit, holds=holds)

    def walk(self, account: UUID, limit: int, holds: bool, forward: bool) -> list[StatementLine]:
        """All pages of a statement, in the order of posting."""
        lines: list[StatementLine] = []
        page = self.page(account, after=0 if forward else None, limit=limit, holds=holds)
        while page.lines:
            assert len(page.lines) <= limit
            lines = [*lines, *page.lines] if forward else [*page.lines, *lines]
            if not page.more:
                return lines
            if forward:
                page = self.page(account, after=lines[-1].number, limit=limit, holds=holds)
            else:
                page = self.page(account, before=lines[0].number, limit=limit, holds=holds)
        assert not lines, "a page that says there is more is followed by one"
        return lines


def _as_modelled(line: StatementLine) -> Line:
    return Line(line.number, line.change_minor, line.balance, line.counterpart, line.effective_on, line.occurred_at)


PAIRS = [(BANK_ID, available("ann")), (BANK_ID, available("bob")), (available("ann"), available("bob"))]
PAIRS += [(available(name), held(name)) for name in NAMES]
MOVES = st.lists(
    st.lists(
        st.builds(
            lambda pair, turned, amount_minor, on: move(pair[turned], pair[not turned], amount_minor, on=on),
            st.sampled_from(PAIRS),
            st.sampled_from((0, 0, 1)),
            st.integers(1, 90),
            st.sampled_from(DAYS),
        ),
        min_size=1,
        max_size=3,
    ),
    max_size=12,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES, limit=st.integers(1, 4), forward=st.booleans(), holds=st.booleans())
def test_history_is_what_the_model_says(
    database: Database, moves: list[list[Posting]], limit: int, forward: bool, holds: bool
) -> None:
    story = Story(database)
    start = story.bank.clock.now()
    story.post(move(BANK_ID, available("ann"), 100), reference="first")
    for number, postings in enumerate(moves):
        story.post(*postings, reference=str(number))
    with story.bank.processor.engine.connect() as connection:
        for hours in range(len(moves) + 2):
            instant = start + timedelta(hours=hours)
            balances = balances_at(connection, ACCOUNTS, instant)
            assert balances == {account: story.model.at(account, instant) for account in ACCOUNTS}
            assert _net(balances) == 0
        for day in DAYS:
            balances = balances_on(connection, ACCOUNTS, day)
            assert balances == {account: story.model.on(account, day) for account in ACCOUNTS}
            assert _net(balances) == 0
    for account in ACCOUNTS:
        walked = story.walk(account, limit, holds, forward)
        assert [_as_modelled(line) for line in walked] == story.model.lines(account, holds)
    assert story.bank.findings(LEDGER_PROOFS) == []


def _net(balances: dict[UUID, Balance]) -> int:
    return sum(
        balance.ledger_minor if account == BANK_ID else -balance.ledger_minor for account, balance in balances.items()
    )


@pytest.fixture
def story(database: Database) -> Iterator[Story]:
    """Ann, with five entries of which the third is a hold."""
    story = Story(database)
    for number in range(5):
        pair = (available("ann"), held("ann")) if number == 2 else (BANK_ID, available("ann"))
        story.post(move(*pair, 10 + number), reference=str(number))
    yield story


def test_pages_stay_as_they_are_while_new_entries_arrive(story: Story) -> None:
    newest = story.page(available("ann"), limit=2)
    assert ([line.number for line in newest.lines], newest.more) == ([4, 5], True)
    story.post(move(BANK_ID, available("ann"), 99), reference="later")
    earlier = story.page(available("ann"), before=4, limit=3)
    assert ([line.number for line in earlier.lines], earlier.more) == ([1, 2, 3], False)
    later = story.page(available("ann"), after=5)
    assert ([line.change_minor for line in later.lines], later.more) == ([99], False)
    assert story.page(available("ann"), after=6) == Page()


def test_without_holds_the_lines_still_say_what_is_held(story: Story) -> None:
    lines = story.page(available("ann"), limit=5, holds=False).lines
    assert [line.number for line in lines] == [1, 2, 4, 5]
    assert [(line.balance.available_minor, line.balance.held_minor) for line in lines] == [
        (10, 0), (21, 0), (22, 12), (36, 12),
    ]  # fmt: skip
    assert [line.balance.ledger_minor for line in lines] == [10, 21, 34, 48]


def test_a_correction_counts_from_its_effective_date_and_is_recorded_when_it_is(story: Story) -> None:
    then = story.bank.clock.now()
    story.bank.clock.move(timedelta(days=2))
    long_ago = TODAY - timedelta(days=30)
    story.bank.told(CorrectJournal(reference="correction", corrects="4", effective_on=long_ago))
    with story.bank.processor.engine.connect() as connection:
        before = balances_on(connection, [available("ann")], TODAY - timedelta(days=1))
        as_said = balances_at(connection, [available("ann")], then)
        today = balances_on(connection, [available("ann")], TODAY)
        line = statement(connection, available("ann"), limit=1).lines[0]
    assert before == {available("ann"): Balance(-14, 0)}, "as is now known"
    assert as_said == {available("ann"): Balance(36, 12)}, "as the books said at the time"
    assert today == {available("ann"): Balance(22, 12)}
    assert (line.change_minor, line.effective_on) == (-14, long_ago)
    assert line.occurred_at == line.recorded_at == story.bank.clock.now()
    assert line.corrects == line.subject_id, "the journal it turns round"


def test_accounts_without_entries_and_accounts_that_are_not_there(story: Story) -> None:
    with story.bank.processor.engine.connect() as connection:
        asked = [available("bob"), available("nobody")]
        assert balances_at(connection, asked, story.bank.clock.now()) == {available("bob"): Balance(0, 0)}
    assert story.page(available("nobody")) == story.page(available("bob")) == Page()

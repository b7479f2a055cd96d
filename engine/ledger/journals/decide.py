"""The rules of the general ledger.

Hard cases: a reference that is used already, by the same content or by other; a journal whose second posting is
refused (nothing of it stands); a chain whose last journal is refused (nothing of it stands), or that uses one
reference twice; an account that another stage keeps; a correction of what is not there, of what was corrected, of
what came earlier in the same chain, of money that has left since; an account closed while something is held out of
it, closed twice, opened twice.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from engine.ledger.book import Book
from engine.ledger.chart import CHART, HELD_CODES
from engine.ledger.journals.model import (
    CORRECTION,
    MOST_POSTINGS,
    CloseAccount,
    CorrectJournal,
    Journal,
    JournalPosted,
    JournalRequest,
    LinkedJournals,
    OpenAccount,
    PostJournal,
    Request,
    lines_of,
    postings_of,
)
from engine.ledger.model import Account, AccountClosed, open_accounts
from engine.ledger.rules import Trial
from engine.vocabulary.decision import Answer, Decision, Json, State
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.money import ASSETS
from engine.vocabulary.postings import Posting, PostingOutcome

_OK = PostingOutcome.OK


def decide(book: Book, state: State, request: Request, now: datetime) -> Decision:
    """Post, correct, post a chain, open or close. Every answer's code is a `PostingOutcome`."""
    match request:
        case PostJournal() | CorrectJournal():
            return _one(book, state, request)
        case LinkedJournals():
            return _chain(book, state, request)
        case OpenAccount():
            return _open(book, state, request)
        case CloseAccount():
            return _close(book, state, request)


def _is_own(book: Book, account: Account) -> bool:
    """Whether the general ledger opened this account: its identifier follows from the ledger's own name.

    Other stages prove what they keep by their own nouns; a journal between their accounts would break those proofs.
    """
    return account.id == book.account(account.code, account.asset, account.owner_id)


def journal_id(book: Book, reference: str) -> UUID:
    """The identifier of the journal of this reference. A reference is one journal's for ever."""
    return book.id("journal", reference, on=STATIC)


class _Drawn:
    """Journals drawn up one after the other: each is judged as if those before it stood already."""

    def __init__(self, book: Book, state: State) -> None:
        self._book = book
        self._state = state
        self._new = State()
        self._trial = Trial(state)
        self.journals: list[Journal] = []
        self.postings: list[Posting] = []
        self.refused_posting: int | None = None

    def add(self, asked: JournalRequest) -> PostingOutcome:
        """Draw up one more; the outcome. After a refusal nothing more is added."""
        journal = self._drawn_up(asked)
        earlier = self._find(journal_id(self._book, asked.reference))
        if earlier is not None:
            return PostingOutcome.EXISTS if earlier == journal else PostingOutcome.EXISTS_WITH_DIFFERENT_CONTENT
        if journal is None:
            return PostingOutcome.JOURNAL_MISSING
        if journal.corrects is not None and self._corrected(journal.corrects):
            return PostingOutcome.ALREADY_CORRECTED
        if not journal.lines:
            return PostingOutcome.POSTINGS_MISSING
        if len(self.postings) + len(journal.lines) > MOST_POSTINGS:
            return PostingOutcome.TOO_MANY_POSTINGS
        postings = postings_of(journal)
        for number, posting in enumerate(postings):
            outcome = self._kept_elsewhere(posting) or self._trial.take(posting)
            if outcome is not _OK:
                self.refused_posting = number
                return outcome
        self._new.put(journal)
        self.journals.append(journal)
        self.postings.extend(postings)
        return _OK

    def _kept_elsewhere(self, posting: Posting) -> PostingOutcome | None:
        for identifier in (posting.debit, posting.credit):
            account = self._state.get(Account, identifier)
            if account is not None and not _is_own(self._book, account):
                return PostingOutcome.KEPT_BY_A_STAGE
        return None

    def _drawn_up(self, asked: JournalRequest) -> Journal | None:
        identifier = journal_id(self._book, asked.reference)
        if isinstance(asked, PostJournal):
            return Journal(id=identifier, reference=asked.reference, corrects=None, lines=lines_of(asked.postings))
        original = self._find(journal_id(self._book, asked.corrects))
        if original is None:
            return None
        turned = [
            posting._replace(
                debit=posting.credit,
                credit=posting.debit,
                kind=CORRECTION,
                effective_on=asked.effective_on,
                forced=asked.forced,
            )
            for posting in reversed(postings_of(original))
        ]
        return Journal(id=identifier, reference=asked.reference, corrects=original.id, lines=lines_of(turned))

    def _find(self, identifier: UUID) -> Journal | None:
        return self._new.get(Journal, identifier) or self._state.get(Journal, identifier)

    def _corrected(self, identifier: UUID) -> bool:
        return any(kept.find(Journal, "corrects", identifier) is not None for kept in (self._new, self._state))


def _one(book: Book, state: State, request: JournalRequest) -> Decision:
    drawn = _Drawn(book, state)
    outcome = drawn.add(request)
    facts: dict[str, Json] = {"journal_id": str(journal_id(book, request.reference))} if outcome is _OK else {}
    if drawn.refused_posting is not None:
        facts["posting"] = drawn.refused_posting
    return _decision(drawn, outcome, facts)


def _chain(book: Book, state: State, request: LinkedJournals) -> Decision:
    drawn = _Drawn(book, state)
    outcome, failed = _OK if request.journals else PostingOutcome.POSTINGS_MISSING, None
    for number, asked in enumerate(request.journals):
        if (outcome := drawn.add(asked)) is not _OK:
            failed = number
            break
    told: list[Json] = []
    for number, asked in enumerate(request.journals):
        its_own = outcome if failed in (None, number) else PostingOutcome.LINKED_FAILED
        one: dict[str, Json] = {"reference": asked.reference, "outcome": its_own.value}
        if its_own is _OK:
            one["journal_id"] = str(journal_id(book, asked.reference))
        elif number == failed and drawn.refused_posting is not None:
            one["posting"] = drawn.refused_posting
        told.append(one)
    return _decision(drawn, outcome, {"journals": told})


def _decision(drawn: _Drawn, outcome: PostingOutcome, facts: dict[str, Json]) -> Decision:
    if outcome is not _OK:
        return Decision(answer=_answer(outcome, facts))
    return Decision(
        events=tuple(JournalPosted(subject=journal) for journal in drawn.journals),
        postings=tuple(drawn.postings),
        answer=_answer(outcome, facts),
    )


def _open(book: Book, state: State, request: OpenAccount) -> Decision:
    identifier = book.account(request.code, request.asset, request.owner_id)
    facts: dict[str, Json] = {"account_id": str(identifier)}
    if (account := state.get(Account, identifier)) is not None:
        same = account.maximum_minor == request.maximum_minor
        return Decision(
            answer=_answer(
                PostingOutcome.EXISTS if same else PostingOutcome.EXISTS_WITH_DIFFERENT_CONTENT, facts if same else {}
            )
        )
    if request.code not in CHART or request.code in HELD_CODES:
        return Decision(answer=_answer(PostingOutcome.CODE_UNKNOWN))
    if request.asset not in ASSETS:
        return Decision(answer=_answer(PostingOutcome.ASSET_UNKNOWN))
    if request.maximum_minor is not None and request.maximum_minor < 0:
        return Decision(answer=_answer(PostingOutcome.LIMIT_BELOW_ZERO))
    opened = open_accounts(book.name, (request.code,), request.asset, request.owner_id, request.maximum_minor)
    return Decision(events=opened, answer=_answer(_OK, facts))


def _close(book: Book, state: State, request: CloseAccount) -> Decision:
    account = state.get(Account, request.account_id)
    if account is None:
        return Decision(answer=_answer(PostingOutcome.ACCOUNT_MISSING))
    if not _is_own(book, account):
        return Decision(answer=_answer(PostingOutcome.KEPT_BY_A_STAGE))
    if account.code in HELD_CODES:
        return Decision(answer=_answer(PostingOutcome.CODE_UNKNOWN))
    if account.closed:
        return Decision(answer=_answer(PostingOutcome.ACCOUNT_CLOSED))
    parts = [account] if account.held_id is None else [account, state.need(Account, account.held_id)]
    if any(part.balance_minor for part in parts):
        return Decision(answer=_answer(PostingOutcome.ACCOUNT_NOT_EMPTY))
    return Decision(
        events=tuple(AccountClosed(subject=part._replace(closed=True)) for part in parts), answer=_answer(_OK)
    )


def _answer(outcome: PostingOutcome, facts: dict[str, Json] | None = None) -> Answer:
    return Answer(outcome.value, () if outcome is _OK else (outcome.value,), facts or {})

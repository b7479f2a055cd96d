"""What a book should hold, reckoned naively: the model beside the real one, written without its rules.

Nothing is shared with `engine.ledger` but the words of requests and answers. Accounts are plain lists of changes, and
every balance is summed from them anew.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from engine.ledger.book import Book
from engine.ledger.chart import CUSTOMER_AVAILABLE, CUSTOMER_HELD, EQUITY
from engine.ledger.journals.model import (
    CloseAccount,
    CorrectJournal,
    LinkedJournals,
    OpenAccount,
    PostJournal,
    Request,
)
from engine.vocabulary.decision import Answer
from engine.vocabulary.postings import Posting

Told = tuple[str, Any, Any]
"""What an answer says: its code, the outcomes of a chain's journals, the posting that was refused."""
_CODES = (CUSTOMER_AVAILABLE, EQUITY)


def said(answer: Answer | None) -> Told:
    """A real answer, as the model gives its own."""
    assert answer is not None
    chain = answer.facts.get("journals")
    outcomes = [one["outcome"] for one in chain if isinstance(one, dict)] if isinstance(chain, list) else None
    return answer.code, outcomes, answer.facts.get("posting")


@dataclass(slots=True)
class Change:
    """One line of an account's history."""

    minor: int
    available_after: int
    held_after: int
    effective_on: date
    at: datetime


@dataclass(slots=True)
class Kept:
    """An account: all of these books grow by credit."""

    asset: str
    minimum: int | None
    maximum: int | None
    held: UUID | None
    is_held: bool = False
    closed: bool = False
    changes: list[Change] = field(default_factory=list)

    @property
    def balance(self) -> int:
        """Summed anew each time."""
        return sum(change.minor for change in self.changes)


@dataclass(frozen=True, slots=True)
class Stood:
    """A journal that stands: what it turned round, and its postings."""

    corrects: str | None
    postings: tuple[tuple[UUID, UUID, int, str, date, bool], ...]


class Refused(Exception):
    """A journal is refused: with this outcome, at this posting."""

    def __init__(self, outcome: str, posting: int | None = None) -> None:
        self.outcome, self.posting = outcome, posting


class Model:
    """One book."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.accounts: dict[UUID, Kept] = {}
        self.journals: dict[str, Stood] = {}
        self.answered: dict[tuple[type, str], tuple[Request, Told]] = {}

    @property
    def histories(self) -> dict[UUID, list[Change]]:
        """What happened to each account, in order."""
        return {identifier: kept.changes for identifier, kept in self.accounts.items()}

    def ask(self, request: Request, now: datetime) -> Told:
        """The answer that is due; the model is changed as the book should be."""
        key = type(request), request.reference
        if key in self.answered:
            first, told = self.answered[key]
            return told if first == request else ("key_reused", None, None)
        match request:
            case OpenAccount():
                told = self._open(request)
            case CloseAccount():
                told = self._close(request), None, None
            case LinkedJournals():
                told = self._linked(request, now)
            case PostJournal() | CorrectJournal():
                told = self._single(request, now)
        self.answered[key] = request, told
        return told

    def _open(self, request: OpenAccount) -> Told:
        identifier = self.book.account(request.code, request.asset, request.owner_id)
        if (kept := self.accounts.get(identifier)) is not None:
            same = kept.maximum == request.maximum_minor
            return ("exists" if same else "exists_with_different_content"), None, None
        if request.code not in _CODES:
            return "code_unknown", None, None
        if request.asset not in ("USD", "EUR"):
            return "asset_unknown", None, None
        if request.maximum_minor is not None and request.maximum_minor < 0:
            return "limit_below_zero", None, None
        if request.code == EQUITY:
            self.accounts[identifier] = Kept(request.asset, None, request.maximum_minor, None)
        else:
            held = self.book.account(CUSTOMER_HELD, request.asset, request.owner_id)
            self.accounts[identifier] = Kept(request.asset, 0, request.maximum_minor, held)
            self.accounts[held] = Kept(request.asset, 0, None, None, is_held=True)
        return "ok", None, None

    def _close(self, request: CloseAccount) -> str:
        kept = self.accounts.get(request.account_id)
        if kept is None:
            return "account_missing"
        if kept.is_held:
            return "code_unknown"
        if kept.closed:
            return "account_closed"
        parts = [kept] if kept.held is None else [kept, self.accounts[kept.held]]
        if any(part.balance for part in parts):
            return "account_not_empty"
        for part in parts:
            part.closed = True
        return "ok"

    def _single(self, request: PostJournal | CorrectJournal, now: datetime) -> Told:
        before = deepcopy((self.accounts, self.journals))
        try:
            self._journal(request, now)
        except Refused as refused:
            self.accounts, self.journals = before
            return refused.outcome, None, refused.posting
        return "ok", None, None

    def _linked(self, request: LinkedJournals, now: datetime) -> Told:
        before = deepcopy((self.accounts, self.journals))
        if not request.journals:
            return "postings_missing", [], None
        for number, one in enumerate(request.journals):
            try:
                self._journal(one, now)
            except Refused as refused:
                self.accounts, self.journals = before
                outcomes = ["linked_failed"] * len(request.journals)
                outcomes[number] = refused.outcome
                return refused.outcome, outcomes, None
        return "ok", ["ok"] * len(request.journals), None

    def _journal(self, asked: PostJournal | CorrectJournal, now: datetime) -> None:
        wanted = self._wanted(asked)
        if (earlier := self.journals.get(asked.reference)) is not None:
            raise Refused("exists" if earlier == wanted else "exists_with_different_content")
        if wanted is None:
            raise Refused("journal_missing")
        if wanted.corrects is not None and wanted.corrects in [one.corrects for one in self.journals.values()]:
            raise Refused("already_corrected")
        if not wanted.postings:
            raise Refused("postings_missing")
        for number, (debit, credit, amount, _, effective_on, forced) in enumerate(wanted.postings):
            if (outcome := self._refusal(debit, credit, amount, forced)) is not None:
                raise Refused(outcome, number)
            for identifier, minor in ((debit, -amount), (credit, amount)):
                self.accounts[identifier].changes.append(Change(minor, 0, 0, effective_on, now))
            for identifier in (debit, credit):
                kept = self.accounts[identifier]
                kept.changes[-1].available_after = kept.balance
                kept.changes[-1].held_after = 0 if kept.held is None else self.accounts[kept.held].balance
        self.journals[asked.reference] = wanted

    def _wanted(self, asked: PostJournal | CorrectJournal) -> Stood | None:
        if isinstance(asked, PostJournal):
            return Stood(None, tuple(_plain(posting) for posting in asked.postings))
        original = self.journals.get(asked.corrects)
        if original is None:
            return None
        turned = [
            (credit, debit, amount, "correction", asked.effective_on, asked.forced)
            for debit, credit, amount, *_ in reversed(original.postings)
        ]
        return Stood(asked.corrects, tuple(turned))

    def _refusal(self, debit: UUID, credit: UUID, amount: int, forced: bool) -> str | None:
        if amount <= 0:
            return "amount_not_positive"
        if debit == credit:
            return "accounts_are_the_same"
        if debit not in self.accounts or credit not in self.accounts:
            return "account_missing"
        payer, payee = self.accounts[debit], self.accounts[credit]
        if (payer.closed or payee.closed) and not forced:
            return "account_closed"
        if payer.asset != payee.asset:
            return "assets_differ"
        within = payer.held == credit or payee.held == debit
        if (payer.is_held or payee.is_held) and not within:
            return "held_elsewhere"
        if not forced and payer.minimum is not None and payer.balance - amount < payer.minimum:
            return "would_go_below_limit"
        if not forced and not within and payee.maximum is not None:
            held = 0 if payee.held is None else self.accounts[payee.held].balance
            if payee.balance + held + amount > payee.maximum:
                return "would_exceed_limit"
        largest = 2**63 - 1
        if max(amount, abs(payer.balance - amount), abs(payee.balance + amount)) > largest:
            return "would_overflow"
        return None


def _plain(posting: Posting) -> tuple[UUID, UUID, int, str, date, bool]:
    return posting.debit, posting.credit, posting.amount_minor, posting.kind, posting.effective_on, posting.forced

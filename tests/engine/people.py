"""People for the tests of transfers and savings: on a plain state, and in a bank on the database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from engine.accounts.decide import decide as open_account
from engine.accounts.model import KEYS, Customer, OpenCustomer, normal_handle
from engine.accounts.store import customer_rows, load
from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.model import Account
from engine.runtime.fold import evolve
from engine.runtime.stage import Stage
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.identifiers import STATIC

BOOK = Book("bank", "UTC")


def accounts_stage(book: Book) -> Stage:
    """The stage that opens customers."""
    return Stage("accounts", KEYS, partial(load, book), partial(open_account, book), nouns=(customer_rows,))


def customer_id(handle: str, book: Book = BOOK) -> UUID:
    """The identifier of the customer of a handle."""
    return book.id("customer", handle, on=STATIC)


class People:
    """Decisions taken one after the other on one state, as the shell folds them."""

    def __init__(self, decide: Any, now: datetime) -> None:
        self.state = State()
        self.now = now
        self._decide = decide
        self._count = 0

    def join(self, handle: str, money: int, asset: str = "USD") -> Customer:
        """Open a customer with money in the wallet."""
        opened = open_account(
            BOOK,
            self.state,
            OpenCustomer(handle=handle, name=handle, asset=asset, opening_deposit_minor=money),
            self.now,
        )
        self.fold(opened)
        found = self.state.find(Customer, "handle", normal_handle(handle))
        assert found is not None
        return found

    def ask(self, request: Any) -> Answer:
        """Decide a request and fold what follows."""
        decision = self.decide(request)
        self.fold(decision)
        assert decision.answer is not None
        return decision.answer

    def decide(self, request: Any) -> Decision:
        """Decide a request; nothing is folded."""
        decision = self._decide(BOOK, self.state, request, self.now)
        assert isinstance(decision, Decision)
        return decision

    def fold(self, decision: Decision) -> None:
        """Fold a decision as the shell does."""
        evolve(self.state, decision)
        self._count += 1
        rules.post(self.state, BOOK.id("request", self._count, on=STATIC), decision.postings, self.now)

    def balance(self, account_id: UUID) -> int:
        """What an account holds."""
        return self.state.need(Account, account_id).balance_minor


def codes(answers: Iterable[Answer | None]) -> list[str]:
    """The codes of answers, all of them given; a refusal as its first reason."""
    told = []
    for answer in answers:
        assert answer is not None
        told.append(answer.reasons[0] if answer.reasons else answer.code)
    return told

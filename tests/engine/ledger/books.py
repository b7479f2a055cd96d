"""A book in memory, for tests of the ledger's rules: the general ledger on a plain state, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from engine.bookkeeping import general_book
from engine.database.institutions import Institution
from engine.ledger import rules
from engine.ledger.chart import CUSTOMER_AVAILABLE, CUSTOMER_HELD, SETTLEMENT_BANK
from engine.ledger.journals.decide import decide
from engine.ledger.journals.model import CloseAccount, OpenAccount, PostJournal, Request
from engine.ledger.model import Account, Entry
from engine.runtime.fold import evolve
from engine.vocabulary.decision import Answer, State
from engine.vocabulary.identifiers import STATIC, derive_id
from engine.vocabulary.postings import Posting

INSTITUTION = Institution.named("firstbook", "the book", "issuer", "UTC")
BOOK = general_book(INSTITUTION)
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TODAY = date(2026, 3, 2)
BANK_ID = BOOK.account(SETTLEMENT_BANK, "USD")


def owner(name: str) -> UUID:
    """An owner's identifier."""
    return derive_id("owner", name, on=STATIC)


def available(name: str, asset: str = "USD") -> UUID:
    """The account of what somebody may spend."""
    return BOOK.account(CUSTOMER_AVAILABLE, asset, owner(name))


def held(name: str, asset: str = "USD") -> UUID:
    """The account of what somebody has promised."""
    return BOOK.account(CUSTOMER_HELD, asset, owner(name))


def opening(name: str, maximum_minor: int | None = None, asset: str = "USD") -> OpenAccount:
    """Somebody's accounts."""
    return OpenAccount(
        reference=f"open {name} {asset}",
        code=CUSTOMER_AVAILABLE,
        asset=asset,
        owner_id=owner(name),
        maximum_minor=maximum_minor,
    )


BANK_OPENING = OpenAccount(reference="open bank", code=SETTLEMENT_BANK, asset="USD")


def closing(name: str, reference: str = "close") -> CloseAccount:
    """Somebody's accounts, closed."""
    return CloseAccount(reference=f"{reference} {name}", account_id=available(name))


def move(debit: UUID, credit: UUID, amount_minor: int, *, on: date = TODAY, forced: bool = False) -> Posting:
    """One posting."""
    return Posting(debit=debit, credit=credit, amount_minor=amount_minor, kind="move", effective_on=on, forced=forced)


def paid_in(name: str, amount_minor: int) -> PostJournal:
    """Money that came in at the bank, in somebody's account."""
    return PostJournal(reference=f"pay in {name}", postings=(move(BANK_ID, available(name), amount_minor),))


class BookInMemory:
    """Accounts, journals and entries, and the answers to requests one after the other."""

    def __init__(self, requests: Sequence[Request] = ()) -> None:
        self.state = State()
        self.entries: list[Entry] = []
        for number, request in enumerate(requests):
            assert self.ask(request).code == "ok", f"request {number}"

    def ask(self, request: Request, now: datetime = NOW) -> Answer:
        """Decide, and fold what follows."""
        decision = decide(BOOK, self.state, request, now)
        evolve(self.state, decision)
        request_id = derive_id("request", len(self.entries), on=STATIC)
        self.entries += rules.post(self.state, request_id, decision.postings, now)
        assert decision.answer is not None, "the general ledger answers at once"
        return decision.answer

    def balance(self, account_id: UUID) -> int:
        """An account's balance."""
        return self.state.need(Account, account_id).balance_minor

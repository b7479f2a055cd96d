"""A bank in memory for tests of rules: one customer with a card and 100.00, and the messages that come for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from engine.accounts.model import Customer, CustomerState
from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.chart import CUSTOMER_AVAILABLE, SETTLEMENT_BANK
from engine.ledger.model import Account, open_accounts
from engine.runtime.fold import evolve
from engine.vocabulary.decision import Decision, State
from engine.vocabulary.identifiers import STATIC, Pan
from engine.vocabulary.messages import AuthorizationRequest, OriginalData, Presentment, ReversalAdvice
from engine.vocabulary.money import Money
from engine.vocabulary.postings import Posting
from issuer.authorization.decide import decide as authorize
from issuer.authorization.model import (
    Authorization,
    PinCheck,
    ReleaseExpiredHold,
    TokenisedReversal,
    VerifiedRequest,
)
from issuer.cards.model import Card, CardState
from issuer.cards.numbers import card_number
from issuer.cards.store import card_id
from issuer.clearing.decide import decide as clear
from issuer.clearing.model import PresentedItem, TokenisedPresentment

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
TODAY = date(2026, 3, 3)
BOOK = Book("bank", "UTC")
PAN = card_number("40000100", 1)
TOKEN = UUID("00000000-0000-8000-8000-000000000001")
UNKNOWN_TOKEN = UUID("00000000-0000-8000-8000-00000000ffff")
OPENING_MINOR = 10_000

REQUEST = AuthorizationRequest(
    acquirer_id="200001",
    terminal_id="T0000001",
    merchant_id="M00000000000001",
    merchant_name="Corner Shop Springfield US",
    mcc="5411",
    stan="000001",
    transmitted_at=NOW,
    rrn="606212000001",
    pan=PAN,
    expiry="2812",
    processing_code="000000",
    amount=Money(3_000, "USD"),
    pos_entry_mode="801",
    pos_condition_code="00",
    network_reference="S00000000000001",
)
REVERSAL = ReversalAdvice(
    acquirer_id="200001",
    terminal_id="T0000001",
    merchant_id="M00000000000001",
    stan="000002",
    transmitted_at=NOW + timedelta(seconds=45),
    rrn="606212000002",
    pan=PAN,
    processing_code="000000",
    amount=Money(3_000, "USD"),
    original=OriginalData(message_type="0100", stan="000001", transmitted_at=NOW, acquirer_id="200001"),
    network_reference="S00000000000001",
)
PRESENTMENT = Presentment(
    arn="12000016062000000000017",
    network_reference="S00000000000001",
    acquirer_id="200001",
    pan=PAN,
    processing_code="000000",
    amount=Money(3_000, "USD"),
    transacted_at=NOW,
    authorized_on=TODAY,
    approval_code=None,
    pos_entry_mode="510101513000",
    mcc="5411",
    terminal_id="T0000001",
    merchant_id="M00000000000001",
    merchant_name="Corner Shop Springfield US",
    business_date=TODAY,
    interchange="36.500000",
)


class Purse:
    """A state with one card, and what happens to it: every decision is folded in, postings through the ledger's own
    rules."""

    def __init__(self, **card: Any) -> None:
        self.state = State()
        self.requests = 0
        customer_id = BOOK.id("customer", "@ada", on=STATIC)
        wallet = BOOK.account(CUSTOMER_AVAILABLE, "USD", customer_id)
        self.customer = Customer(
            id=customer_id,
            handle="@ada",
            name="Ada",
            state=CustomerState.ACTIVE,
            account_id=wallet,
            asset="USD",
            opened_on=TODAY,
        )
        given = Card(
            id=card_id(BOOK, TOKEN),
            card_token=TOKEN,
            first_six=PAN.clear[:6],
            last_four=PAN.clear[-4:],
            customer_id=customer_id,
            account_id=wallet,
            expiry="2812",
            state=CardState.ACTIVE,
            pvki="1",
            pvv="1234",
            pin_tries_left=3,
            issued_on=TODAY,
        )
        self.state.put(self.customer)
        self.state.put(replace(given, **card))
        for event in (
            *open_accounts(BOOK.name, (CUSTOMER_AVAILABLE,), "USD", customer_id),
            *open_accounts(BOOK.name, (SETTLEMENT_BANK,), "USD"),
        ):
            self.state.put(event.subject)
        self.post(BOOK.account(SETTLEMENT_BANK, "USD"), wallet, OPENING_MINOR)

    def post(self, debit: UUID, credit: UUID, amount_minor: int) -> None:
        posting = Posting(debit=debit, credit=credit, amount_minor=amount_minor, kind="set-up", effective_on=TODAY)
        rules.post(self.state, self._next(), [posting], NOW)

    def take(self, decision: Decision, now: datetime = NOW) -> Decision:
        evolve(self.state, decision)
        rules.post(self.state, self._next(), decision.postings, now)
        return decision

    def ask(self, request: AuthorizationRequest = REQUEST, now: datetime = NOW, **verdicts: Any) -> Decision:
        facts: dict[str, Any] = {"card_token": TOKEN, "cvv": None, "cvv2": None, "pin": PinCheck.ABSENT} | verdicts
        return self.take(authorize(BOOK, None, self.state, VerifiedRequest(request=request, **facts), now), now)

    def reverse(self, request: ReversalAdvice = REVERSAL, card_token: UUID = TOKEN, now: datetime = NOW) -> Decision:
        reversal = TokenisedReversal(request=request, card_token=card_token)
        return self.take(authorize(BOOK, None, self.state, reversal, now), now)

    def expire(self, now: datetime, authorization: Authorization | None = None) -> Decision:
        asked = (authorization or self.authorization).id
        request = ReleaseExpiredHold(authorization_id=asked, business_date=now.date())
        return self.take(authorize(BOOK, None, self.state, request, now), now)

    def present(self, presentment: Presentment = PRESENTMENT, card_token: UUID = TOKEN) -> Decision:
        return self.take(clear(BOOK, self.state, TokenisedPresentment(request=presentment, card_token=card_token), NOW))

    def _next(self) -> UUID:
        self.requests += 1
        return BOOK.id("request", self.requests, on=TODAY)

    @property
    def card(self) -> Card:
        return self.state.need(Card, card_id(BOOK, TOKEN))

    @property
    def authorization(self) -> Authorization:
        (found,) = self.state.all(Authorization)
        return found

    @property
    def items(self) -> list[PresentedItem]:
        return self.state.all(PresentedItem)

    @property
    def available(self) -> int:
        return self.state.need(Account, self.customer.account_id).balance_minor

    @property
    def held(self) -> int:
        held_id = self.state.need(Account, self.customer.account_id).held_id
        assert held_id is not None
        return self.state.need(Account, held_id).balance_minor

    def own(self, code: int, asset: str = "USD") -> int:
        """Balance of the bank's own account; 0 if it was never opened."""
        account = self.state.get(Account, BOOK.account(code, asset))
        return 0 if account is None else account.balance_minor


def other_pan() -> Pan:
    return card_number("40000100", 2)

"""The rules of savings.

Hard cases: the same day accrued twice, a day left out, a day that is not over; money that moves after midnight but
before the night's accrual of the day before (it does not count); interest paid late, after an outage, which counts
from its own day all the same; a customer closed with money or interest still to come (refused); half a minor unit
when interest is paid; a book that has to follow sums that keep growing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from engine.accounts.decide import is_empty
from engine.accounts.model import Customer, CustomerState, CustomerStateChanged
from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.chart import INTEREST_ACCRUED, INTEREST_EXPENSE, SAVINGS
from engine.ledger.model import Account, open_accounts
from engine.savings.accrual import MICRO, daily_interest, payable
from engine.savings.model import (
    HIGHEST_RATE_BPS,
    INTEREST,
    AccrualBook,
    AccrualBooked,
    AccrueInterest,
    BookAccrual,
    CloseCustomer,
    ClosingBalance,
    InterestAccrued,
    InterestPosted,
    MoveSavings,
    OpenSavings,
    PostInterest,
    SavingsAccount,
    SavingsMoved,
    SavingsOpened,
    closing_id,
)
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.postings import Posting, PostingOutcome

Request = OpenSavings | MoveSavings | CloseCustomer | AccrueInterest | BookAccrual | PostInterest

DAY = timedelta(days=1)
REFUSAL_OF = dict.fromkeys(PostingOutcome, "not_possible") | {
    PostingOutcome.ACCOUNT_CLOSED: "account_closed",
    PostingOutcome.WOULD_GO_BELOW_LIMIT: "insufficient_funds",
    PostingOutcome.WOULD_EXCEED_LIMIT: "limit_exceeded",
    PostingOutcome.WOULD_OVERFLOW: "amount_malformed",
}
"""The reason for each outcome of the ledger: what no move should meet is refused in words all the same."""


def decide(book: Book, state: State, request: Request, now: datetime) -> Decision:
    """Open a savings account, move money to and from it, close a customer, accrue, book or pay interest."""
    match request:
        case OpenSavings():
            return _open(book, state, request, now)
        case MoveSavings():
            return _move(book, state, request, now)
        case CloseCustomer():
            return _close(book, state, request, now)
        case AccrueInterest():
            return _accrue(book, state, request, now)
        case BookAccrual():
            return _book(book, state, request)
        case PostInterest():
            return _pay(book, state, request)


def _open(book: Book, state: State, request: OpenSavings, now: datetime) -> Decision:
    customer = state.get(Customer, request.customer_id)
    if customer is None:
        return _refused("unknown_customer")
    if not 0 <= request.rate_bps <= HIGHEST_RATE_BPS:
        return _refused("rate_malformed")
    if request.opening_minor < 0:
        return _refused("amount_malformed")
    if reason := _barred(customer):
        return _refused(reason)
    on = book.business_date(now)
    savings_id = book.id("savings", str(customer.id), request.reference, on=on)
    savings = SavingsAccount(
        id=savings_id,
        customer_id=customer.id,
        account_id=book.account(SAVINGS, customer.asset, savings_id),
        asset=customer.asset,
        rate_bps=request.rate_bps,
        day_count=request.day_count,
        opened_on=on,
        accrued_through=on - DAY,
    )
    opened = open_accounts(book.name, (SAVINGS,), customer.asset, savings_id)
    postings = _moved(customer, savings, request.opening_minor, on) if request.opening_minor else ()
    # The new account is in no state yet: the ledger is asked about it and the wallet alone.
    wallet = state.need(Account, customer.account_id)
    outcome = rules.check(State((wallet, *(event.subject for event in opened))), postings)
    if outcome is not PostingOutcome.OK:
        return _refused(REFUSAL_OF[outcome])
    return Decision(
        events=(*opened, SavingsOpened(subject=savings)),
        postings=postings,
        answer=Answer("opened", facts={"savings_id": str(savings.id)}),
    )


def _move(book: Book, state: State, request: MoveSavings, now: datetime) -> Decision:
    savings = state.get(SavingsAccount, request.savings_id)
    if savings is None:
        return _refused("unknown_savings")
    if savings.customer_id != request.customer_id:
        return _refused("not_yours")
    customer = state.need(Customer, savings.customer_id)
    if reason := _barred(customer):
        return _refused(reason)
    if not request.amount_minor:
        return _refused("amount_malformed")
    postings = _moved(customer, savings, request.amount_minor, book.business_date(now))
    if (outcome := rules.check(state, postings)) is not PostingOutcome.OK:
        return _refused(REFUSAL_OF[outcome])
    return Decision(events=(SavingsMoved(subject=savings),), postings=postings, answer=Answer("moved"))


def _close(book: Book, state: State, request: CloseCustomer, now: datetime) -> Decision:
    customer = state.get(Customer, request.customer_id)
    if customer is None:
        return _refused("unknown_customer")
    if customer.state is CustomerState.CLOSED:
        return _refused("account_closed")
    if not is_empty(state, customer):
        return _refused("wallet_not_empty")
    own = [savings for savings in state.all(SavingsAccount) if savings.customer_id == customer.id]
    if any(state.need(Account, savings.account_id).balance_minor for savings in own):
        return _refused("savings_not_empty")
    yesterday = book.business_date(now) - DAY
    if any(savings.accrued_through < yesterday or _payable(savings) for savings in own):
        return _refused("interest_due")
    closed = replace(customer, state=CustomerState.CLOSED)
    return Decision(events=(CustomerStateChanged(subject=closed),), answer=Answer("closed"))


def _accrue(book: Book, state: State, request: AccrueInterest, now: datetime) -> Decision:
    savings = state.get(SavingsAccount, request.savings_id)
    if savings is None:
        return _refused("unknown_savings")
    if request.business_date >= book.business_date(now):
        return _refused("day_not_over")
    if request.business_date <= savings.accrued_through:
        return _refused("already_accrued")
    if request.business_date > savings.accrued_through + DAY:
        return _refused("day_missing")
    closing = state.need(ClosingBalance, closing_id(savings.id, request.business_date))
    # Interest that this very batch has paid counts too; it is the only thing booked for a day that is over.
    balance_minor = closing.balance_minor + savings.paid_minor - closing.paid_minor
    micro, remainder = daily_interest(balance_minor, savings.rate_bps, savings.day_count.basis, savings.remainder)
    accrued = replace(
        savings,
        accrued_through=request.business_date,
        earned_micro=savings.earned_micro + micro,
        remainder=remainder,
    )
    return Decision(
        events=(InterestAccrued(subject=accrued),), answer=Answer("accrued", facts={"interest_micro": micro})
    )


def _book(book: Book, state: State, request: BookAccrual) -> Decision:
    identity = book.id("accrual_book", request.asset, on=STATIC)
    before = state.get(AccrualBook, identity) or AccrualBook(
        id=identity, asset=request.asset, booked_through=request.business_date
    )
    # A sum that was read before another one was booked may be the smaller of the two.
    earned_micro = max(before.earned_micro, request.earned_micro)
    whole = earned_micro // MICRO - before.booked_minor
    after = replace(
        before,
        booked_through=max(before.booked_through, request.business_date),
        earned_micro=earned_micro,
        booked_minor=before.booked_minor + whole,
    )
    posting = Posting(
        debit=book.account(INTEREST_EXPENSE, request.asset),
        credit=book.account(INTEREST_ACCRUED, request.asset),
        amount_minor=whole,
        kind="interest accrued",
        effective_on=request.business_date,
        subject_id=after.id,
    )
    return Decision(
        events=(
            *book.opening(state, (INTEREST_EXPENSE, INTEREST_ACCRUED), request.asset),
            AccrualBooked(subject=after),
        ),
        postings=(posting,) if whole else (),
        answer=Answer("booked", facts={"amount_minor": whole}),
    )


def _pay(book: Book, state: State, request: PostInterest) -> Decision:
    savings = state.get(SavingsAccount, request.savings_id)
    if savings is None:
        return _refused("unknown_savings")
    if request.period_end != savings.accrued_through:
        return _refused("period_not_accrued")
    amount_minor = _payable(savings)
    assert amount_minor >= 0, "interest is never taken back"
    if not amount_minor:
        return Decision(answer=Answer("paid", facts={"amount_minor": 0}))
    posting = Posting(
        debit=book.account(INTEREST_ACCRUED, savings.asset),
        credit=savings.account_id,
        amount_minor=amount_minor,
        kind=INTEREST,
        effective_on=request.period_end + DAY,
        subject_id=savings.id,
    )
    return Decision(
        events=(
            *book.opening(state, (INTEREST_ACCRUED,), savings.asset),
            InterestPosted(subject=replace(savings, paid_minor=savings.paid_minor + amount_minor)),
        ),
        postings=(posting,),
        answer=Answer("paid", facts={"amount_minor": amount_minor}),
    )


def _payable(savings: SavingsAccount) -> int:
    return payable(savings.accrued_micro, savings.remainder, savings.day_count.basis)


def _moved(customer: Customer, savings: SavingsAccount, amount_minor: int, on: date) -> tuple[Posting, ...]:
    inwards = amount_minor > 0
    posting = Posting(
        debit=customer.account_id if inwards else savings.account_id,
        credit=savings.account_id if inwards else customer.account_id,
        amount_minor=abs(amount_minor),
        kind="to savings" if inwards else "from savings",
        effective_on=on,
        subject_id=savings.id,
    )
    return (posting,)


def _barred(customer: Customer) -> str | None:
    match customer.state:
        case CustomerState.CLOSED:
            return "account_closed"
        case CustomerState.FROZEN:
            return "account_frozen"
        case CustomerState.ACTIVE:
            return None


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

"""The rules of savings accounts; interest by the night is `overnight.py`'s, products are `terms.py`'s.

Hard cases: a movement that counts from a day whose interest has been counted, or even posted (the account is corrected
by the next night, period by period); one in the batch of the correction itself; closing before last night's accrual
has run (what is due is counted from the history, to the day); closing while overdrawn; a deposit before its maturity;
the last withdrawal of a month; a customer closed with an account still open; a book that has to follow sums that
grow, and shrink by a correction.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from engine.accounts.decide import is_empty
from engine.accounts.model import Customer, CustomerState, CustomerStateChanged
from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.chart import SAVINGS
from engine.ledger.model import Account, AccountOpened, new_account
from engine.savings import corrections, terms
from engine.savings.interest import matures_on
from engine.savings.model import (
    LONGEST_NAME,
    BookAccrual,
    CloseCustomer,
    CloseSavings,
    CorrectInterest,
    MoveSavings,
    OpenProduct,
    OpenSavings,
    PlanSavings,
    RoundUp,
    SavingsAccount,
    SavingsClosed,
    SavingsMoved,
    SavingsOpened,
    SavingsPlanned,
    SetRates,
)
from engine.savings.products import DAY, LARGEST_BALANCE_MINOR, SavingsProduct
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.postings import Posting, PostingOutcome

Request = (
    OpenProduct
    | SetRates
    | OpenSavings
    | MoveSavings
    | PlanSavings
    | RoundUp
    | CloseSavings
    | CloseCustomer
    | CorrectInterest
    | BookAccrual
)

REFUSAL_OF = dict.fromkeys(PostingOutcome, "not_possible") | {
    PostingOutcome.ACCOUNT_CLOSED: "account_closed",
    PostingOutcome.WOULD_GO_BELOW_LIMIT: "insufficient_funds",
    PostingOutcome.WOULD_EXCEED_LIMIT: "limit_exceeded",
    PostingOutcome.WOULD_OVERFLOW: "amount_malformed",
}
"""The reason for each outcome of the ledger: what no move should meet is refused in words all the same."""


def decide(book: Book, state: State, request: Request, now: datetime) -> Decision:
    """Offer products, open, move, plan and close accounts, correct and book their interest."""
    match request:
        case OpenProduct():
            return terms.open_product(book, state, request)
        case SetRates():
            return terms.set_rates(book, state, request, now)
        case OpenSavings():
            return _open(book, state, request, now)
        case MoveSavings():
            return _move(book, state, request, now)
        case PlanSavings():
            return _plan(state, request)
        case RoundUp():
            return _round_up(book, state, request, now)
        case CloseSavings():
            return _close(book, state, request, now)
        case CloseCustomer():
            return _close_customer(state, request)
        case CorrectInterest():
            return corrections.correct(book, state, request, now)
        case BookAccrual():
            return corrections.follow(book, state, request)


def _open(book: Book, state: State, request: OpenSavings, now: datetime) -> Decision:
    customer = state.get(Customer, request.customer_id)
    if customer is None:
        return _refused("unknown_customer")
    product = state.get(SavingsProduct, terms.product_id(book, request.product))
    if product is None:
        return _refused("unknown_product")
    if product.asset != customer.asset:
        return _refused("wrong_asset")
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
        product_id=product.id,
        opened_on=on,
        accrued_through=on - DAY,
        posted_through=on - DAY,
        matures_on=matures_on(product, on),
    )
    limit = -product.overdraft_minor
    account = new_account(book.name, SAVINGS, customer.asset, savings_id, LARGEST_BALANCE_MINOR)
    opened = AccountOpened(subject=account._replace(minimum_minor=limit, floor_minor=limit))
    postings = (_moved(customer, savings, request.opening_minor, on),) if request.opening_minor else ()
    # The new account is in no state yet: the ledger is asked about it and the wallet alone.
    wallet = state.need(Account, customer.account_id)
    outcome = rules.check(State((wallet, opened.subject)), postings)
    if outcome is not PostingOutcome.OK:
        return _refused(REFUSAL_OF[outcome])
    return Decision(
        events=(opened, SavingsOpened(subject=savings)),
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
    if not request.amount_minor:
        return _refused("amount_malformed")
    today = book.business_date(now)
    on = request.effective_on or today
    if not savings.opened_on <= on <= today:
        return _refused("date_malformed")
    if reason := _shut(customer, savings):
        return _refused(reason)
    moved = savings if request.amount_minor > 0 else _withdrawing(state, savings, today)
    if isinstance(moved, str):
        return _refused(moved)
    return _transfer(state, customer, _late(moved, on), request.amount_minor, on)


def _withdrawing(state: State, savings: SavingsAccount, today: date) -> SavingsAccount | str:
    product = state.need(SavingsProduct, savings.product_id)
    if savings.matures_on is not None and today < savings.matures_on:
        return "not_matured"
    month = today.replace(day=1)
    number = 1 + (savings.withdrawals if savings.withdrawals_in == month else 0)
    if product.withdrawals_a_month is not None and number > product.withdrawals_a_month:
        return "withdrawals_used_up"
    return replace(savings, withdrawals=number, withdrawals_in=month)


def _plan(state: State, request: PlanSavings) -> Decision:
    savings = state.get(SavingsAccount, request.savings_id)
    if savings is None:
        return _refused("unknown_savings")
    if savings.customer_id != request.customer_id:
        return _refused("not_yours")
    name = request.goal_name
    if name is not None and not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
        return _refused("name_malformed")
    if (name is None) != (request.goal_minor is None) or (request.goal_minor or 1) < 1 or request.round_up_minor < 0:
        return _refused("amount_malformed")
    if reason := _shut(state.need(Customer, savings.customer_id), savings):
        return _refused(reason)
    planned = replace(
        savings,
        goal_name=name,
        goal_minor=request.goal_minor,
        goal_on=request.goal_on if name is not None else None,
        round_up_minor=request.round_up_minor,
    )
    return Decision(events=(SavingsPlanned(subject=planned),), answer=Answer("planned"))


def _round_up(book: Book, state: State, request: RoundUp, now: datetime) -> Decision:
    customer = state.get(Customer, request.customer_id)
    own = (one for one in state.all(SavingsAccount) if one.customer_id == request.customer_id)
    savings = next((one for one in own if one.round_up_minor and one.closed_on is None), None)
    if customer is None or savings is None or customer.account_id != request.wallet_id:
        return _refused("no_round_ups")
    if reason := _shut(customer, savings):
        return _refused(reason)
    if not (missing := -request.amount_minor % savings.round_up_minor):
        return Decision(answer=Answer("nothing"))
    return _transfer(state, customer, savings, missing, book.business_date(now), rounding_up=True)


def _transfer(
    state: State, customer: Customer, savings: SavingsAccount, amount_minor: int, on: date, *, rounding_up: bool = False
) -> Decision:
    posting = _moved(customer, savings, amount_minor, on)
    if rounding_up:
        posting = posting._replace(kind="round-up")
    if (outcome := rules.check(state, (posting,))) is not PostingOutcome.OK:
        return _refused(REFUSAL_OF[outcome])
    answer = Answer("rounded up", facts={"amount_minor": amount_minor}) if rounding_up else Answer("moved")
    return Decision(events=(SavingsMoved(subject=savings),), postings=(posting,), answer=answer)


def _close(book: Book, state: State, request: CloseSavings, now: datetime) -> Decision:
    savings = state.get(SavingsAccount, request.savings_id)
    if savings is None:
        return _refused("unknown_savings")
    if savings.customer_id != request.customer_id:
        return _refused("not_yours")
    customer = state.need(Customer, savings.customer_id)
    if reason := _shut(customer, savings):
        return _refused(reason)
    today = book.business_date(now)
    # Today's money is gone when the day ends: yesterday is the last that earns.
    anew = corrections.counted_anew(book, state, savings, today, today - DAY, closes=True)
    if anew is None:
        return _refused("being_corrected")
    after, postings = anew
    left = state.need(Account, savings.account_id).balance_minor + sum(
        posting.amount_minor if posting.credit == savings.account_id else -posting.amount_minor for posting in postings
    )
    if left < 0:
        return _refused("overdrawn")
    if left:
        postings = (*postings, _moved(customer, savings, -left, today))
    closed = replace(after, closed_on=today, round_up_minor=0)
    paid = closed.paid_minor - savings.paid_minor
    return corrections.booked(
        book,
        state,
        change=(savings, closed),
        happened=(SavingsClosed(subject=closed), postings),
        on=today,
        answer=Answer("closed", facts={"interest_minor": paid, "moved_minor": left}),
    )


def _close_customer(state: State, request: CloseCustomer) -> Decision:
    customer = state.get(Customer, request.customer_id)
    if customer is None:
        return _refused("unknown_customer")
    if customer.state is CustomerState.CLOSED:
        return _refused("account_closed")
    if not is_empty(state, customer):
        return _refused("wallet_not_empty")
    own = [one for one in state.all(SavingsAccount) if one.customer_id == customer.id and one.closed_on is None]
    if any(state.need(Account, savings.account_id).balance_minor for savings in own):
        return _refused("savings_not_empty")
    if own:
        return _refused("savings_open")
    closed = replace(customer, state=CustomerState.CLOSED)
    return Decision(events=(CustomerStateChanged(subject=closed),), answer=Answer("closed"))


def _late(savings: SavingsAccount, on: date) -> SavingsAccount:
    """A movement that counts from a day which has been counted has the account corrected."""
    if on > savings.accrued_through:
        return savings
    return replace(savings, recompute_from=min(on, savings.recompute_from or on))


def _moved(customer: Customer, savings: SavingsAccount, amount_minor: int, on: date) -> Posting:
    inwards = amount_minor > 0
    return Posting(
        debit=customer.account_id if inwards else savings.account_id,
        credit=savings.account_id if inwards else customer.account_id,
        amount_minor=abs(amount_minor),
        kind="to savings" if inwards else "from savings",
        effective_on=on,
        subject_id=savings.id,
    )


def _shut(customer: Customer, savings: SavingsAccount) -> str | None:
    return "account_closed" if savings.closed_on is not None else _barred(customer)


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

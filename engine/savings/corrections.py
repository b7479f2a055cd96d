"""What an account's interest comes to by its whole history, booked as the difference from what has been booked; and
the general ledger, which follows what accounts earn. Pure.

A period that was posted otherwise than its movements say now gets one more entry with the effective date that its
posting had: the balances by effective date are then those of an undisturbed account, and so is all later interest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from uuid import UUID

from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.chart import INTEREST_ACCRUED, INTEREST_EXPENSE, TAX_WITHHELD
from engine.ledger.chart import OVERDRAFT_INTEREST as OVERDRAFT_INCOME
from engine.ledger.model import Account
from engine.savings.accrual import Accrued, Due
from engine.savings.interest import closing, course
from engine.savings.model import (
    INTEREST,
    OVERDRAFT_INTEREST,
    TAX,
    AccrualBook,
    AccrualBooked,
    BookAccrual,
    CorrectInterest,
    EarnedTotal,
    History,
    InterestCorrected,
    SavingsAccount,
    history_id,
)
from engine.savings.products import DAY, MICRO, RateVersion, SavingsProduct
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.postings import Posting, PostingOutcome

OWN_CODES = (INTEREST_EXPENSE, INTEREST_ACCRUED, TAX_WITHHELD, OVERDRAFT_INCOME)
"""The bank's own accounts that interest is booked on."""


def accrual_book_id(book: Book, asset: str) -> UUID:
    """The identifier of the accrual book of an asset."""
    return book.id("accrual_book", asset, on=STATIC)


def with_accrued(savings: SavingsAccount, accrued: Accrued) -> SavingsAccount:
    """The account with these sums."""
    return replace(savings, **{field.name: getattr(accrued, field.name) for field in fields(Accrued)})


def correct(book: Book, state: State, request: CorrectInterest, now: datetime) -> Decision:
    """Count an account's interest anew, up to where it has been counted."""
    savings = state.get(SavingsAccount, request.savings_id)
    if savings is None:
        return _refused("unknown_savings")
    if savings.closed_on is not None:
        return _refused("account_closed")
    today = book.business_date(now)
    anew = counted_anew(book, state, savings, today, savings.accrued_through)
    if anew is None:
        return _refused("being_corrected")
    corrected, postings = anew
    happened = (InterestCorrected(subject=corrected), postings)
    return booked(book, state, change=(savings, corrected), happened=happened, on=today, answer=Answer("corrected"))


def counted_anew(
    book: Book, state: State, savings: SavingsAccount, today: date, through: date, *, closes: bool = False
) -> tuple[SavingsAccount, tuple[Posting, ...]] | None:
    """The account with what its history comes to, and the postings that make the books say so. None if it has moved for
    a day that has passed since the history was read.

    `closes`: everything is posted, up to and with `through`, and what is left of a minor unit ends.
    """
    history = state.need(History, history_id(savings.id))
    if history.recompute_from != savings.recompute_from:
        return None
    product = state.need(SavingsProduct, savings.product_id)
    versions = tuple(one for one in state.all(RateVersion) if one.product_id == product.id)
    end = course(
        product,
        versions,
        savings.opened_on,
        history.movements,
        through,
        posted_through=through if closes else savings.posted_through,
        ends_there=closes,
    )
    due = [(last_day + DAY, one) for last_day, one in end.booked.items()]
    accrued = end.accrued
    if closes:
        last, accrued = closing(accrued, product)
        due.append((today, last))
    anew = replace(with_accrued(savings, accrued), recompute_from=None)
    if closes:
        anew = replace(anew, accrued_through=through, posted_through=through)
    own = {INTEREST: INTEREST_ACCRUED, TAX: TAX_WITHHELD, OVERDRAFT_INTEREST: OVERDRAFT_INCOME}
    return anew, tuple(
        _posting((book.account(own[kind], savings.asset), savings.account_id), minor, kind, on, savings.id)
        for on, kind, minor in unbooked(history, due)
    )


def unbooked(history: History, due: Iterable[tuple[date, Due]]) -> list[tuple[date, str, int]]:
    """What the entries lack of what is due (by the date that it counts from), in order: minor units in, by date and
    kind."""
    missing: Counter[tuple[date, str]] = Counter()
    for on, one in due:
        missing[on, INTEREST] += one.paid_minor
        missing[on, TAX] -= one.withheld_minor
        missing[on, OVERDRAFT_INTEREST] -= one.charged_minor
    missing.subtract(history.booked)
    return [(on, kind, minor) for (on, kind), minor in sorted(missing.items()) if minor]


def booked(
    book: Book,
    state: State,
    *,
    change: tuple[SavingsAccount, SavingsAccount],
    happened: tuple[Event, tuple[Posting, ...]],
    on: date,
    answer: Answer,
) -> Decision:
    """The decision that changes an account and books it, the ledger following what it has earned less or more."""
    before, after = change
    event, postings = happened
    held = _accrual_book(book, state, before.asset, on)
    total = held.earned_micro + after.earned_micro - before.earned_micro
    followed, follows = _follow(book, held, total, on)
    events = (AccrualBooked(subject=followed), event)
    return _allowed(book, state, before.asset, events=events, postings=(*follows, *postings), answer=answer)


def follow(book: Book, state: State, request: BookAccrual) -> Decision:
    """Let the ledger show what all accounts of an asset have earned."""
    held = _accrual_book(book, state, request.asset, request.business_date)
    total = state.need(EarnedTotal, held.id).earned_micro
    followed, postings = _follow(book, held, total, request.business_date)
    after = replace(followed, booked_through=max(held.booked_through, request.business_date))
    answer = Answer("booked", facts={"amount_minor": after.booked_minor - held.booked_minor})
    events = (AccrualBooked(subject=after),)
    return _allowed(book, state, request.asset, events=events, postings=postings, answer=answer)


def _accrual_book(book: Book, state: State, asset: str, on: date) -> AccrualBook:
    identity = accrual_book_id(book, asset)
    return state.get(AccrualBook, identity) or AccrualBook(id=identity, asset=asset, booked_through=on - DAY)


def _follow(book: Book, held: AccrualBook, earned_micro: int, on: date) -> tuple[AccrualBook, tuple[Posting, ...]]:
    whole = earned_micro // MICRO - held.booked_minor
    after = replace(held, earned_micro=earned_micro, booked_minor=held.booked_minor + whole)
    sides = (book.account(INTEREST_EXPENSE, held.asset), book.account(INTEREST_ACCRUED, held.asset))
    posting = _posting(sides, whole, "interest accrued", on, after.id)
    return after, (posting,) if whole else ()


def _posting(sides: tuple[UUID, UUID], minor: int, kind: str, on: date, about: UUID) -> Posting:
    debit, credit = sides if minor > 0 else sides[::-1]
    # Interest is booked as it is counted, whatever has become of the balance since.
    return Posting(
        debit=debit, credit=credit, amount_minor=abs(minor), kind=kind, effective_on=on, subject_id=about, forced=True
    )


def _allowed(
    book: Book, state: State, asset: str, *, events: tuple[Event, ...], postings: Sequence[Posting], answer: Answer
) -> Decision:
    # All of them at once: the night that posts finds them there.
    opened = book.opening(state, OWN_CODES, asset)
    tried = State((*state.all(Account), *(one.subject for one in opened)))
    outcome = rules.check(tried, postings)
    if outcome is not PostingOutcome.OK:
        return _refused("not_possible")
    return Decision(events=(*opened, *events), postings=tuple(postings), answer=answer)


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

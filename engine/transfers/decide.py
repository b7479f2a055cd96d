"""The rules of money between people.

Hard cases: the same send twice (the shell answers it), two sends with funds for one, an answer after the request has
expired but before its timer fired, a timer that fires after the answer, a second answer, somebody else's request, a
wallet that was frozen or closed since the request was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from engine.accounts.model import Customer, CustomerState, normal_handle
from engine.ledger import rules
from engine.ledger.book import Book
from engine.transfers.model import (
    EXPIRY,
    LARGEST_TRANSFER_MINOR,
    LONGEST_NOTE,
    REQUEST_LIVES,
    AnswerRequest,
    MoneyRequest,
    MoneyRequestDeclined,
    MoneyRequested,
    MoneyRequestExpired,
    MoneyRequestPaid,
    MoneySent,
    RequestMoney,
    RequestState,
    SendMoney,
    Transfer,
)
from engine.vocabulary.decision import Answer, Decision, State, Timer, TimerCancelled, TimerFired
from engine.vocabulary.postings import Posting, PostingOutcome

Request = SendMoney | RequestMoney | AnswerRequest | TimerFired

REFUSAL_OF = dict.fromkeys(PostingOutcome, "not_possible") | {
    PostingOutcome.ACCOUNT_CLOSED: "account_closed",
    PostingOutcome.WOULD_GO_BELOW_LIMIT: "insufficient_funds",
    PostingOutcome.WOULD_EXCEED_LIMIT: "limit_exceeded",
    PostingOutcome.WOULD_OVERFLOW: "amount_too_large",
}
"""The reason for each outcome of the ledger: what no transfer should meet is refused in words all the same."""


def decide(book: Book, state: State, request: Request, now: datetime) -> Decision:
    """Send, ask for, pay or decline, or let a request for money expire."""
    match request:
        case SendMoney():
            return _send(book, state, request, now)
        case RequestMoney():
            return _ask(book, state, request, now)
        case AnswerRequest():
            return _answer(book, state, request, now)
        case TimerFired():
            return _expire(state, request)


def _send(book: Book, state: State, request: SendMoney, now: datetime) -> Decision:
    on = book.business_date(now)
    sender, receiver = state.get(Customer, request.sender_id), _customer(state, request.handle)
    reasons = (
        *_between(sender, receiver),
        *_terms(request.amount_minor, request.asset, request.note, sender, receiver),
        *_leaving(sender),
        *_other(receiver),
    )
    if reasons or sender is None or receiver is None:
        return _refused(*reasons)
    transfer = Transfer(
        id=book.id("transfer", str(sender.id), request.reference, on=on),
        sender_id=sender.id,
        receiver_id=receiver.id,
        amount_minor=request.amount_minor,
        asset=request.asset,
        note=request.note,
        request_id=None,
        business_date=on,
        sent_at=now,
    )
    posting = _posting(transfer, sender, receiver)
    if (outcome := rules.check(state, (posting,))) is not PostingOutcome.OK:
        return _refused(REFUSAL_OF[outcome])
    return Decision(
        events=(MoneySent(subject=transfer),),
        postings=(posting,),
        answer=Answer("sent", facts={"transfer_id": str(transfer.id)}),
    )


def _ask(book: Book, state: State, request: RequestMoney, now: datetime) -> Decision:
    requester, payer = state.get(Customer, request.requester_id), _customer(state, request.payer_handle)
    reasons = (
        *_between(requester, payer),
        *_terms(request.amount_minor, request.asset, request.note, requester, payer),
        *_closed(requester),
        *_other(payer),
    )
    if reasons or requester is None or payer is None:
        return _refused(*reasons)
    asked = MoneyRequest(
        id=book.id("money_request", str(requester.id), request.reference, on=book.business_date(now)),
        requester_id=requester.id,
        payer_id=payer.id,
        amount_minor=request.amount_minor,
        asset=request.asset,
        note=request.note,
        state=RequestState.OPEN,
        requested_at=now,
        expires_at=now + REQUEST_LIVES,
    )
    return Decision(
        events=(MoneyRequested(subject=asked),),
        timers=(Timer(asked.id, EXPIRY, asked.expires_at),),
        answer=Answer("requested", facts={"request_id": str(asked.id), "expires_at": asked.expires_at.isoformat()}),
    )


def _answer(book: Book, state: State, request: AnswerRequest, now: datetime) -> Decision:
    asked = state.get(MoneyRequest, request.request_id)
    if asked is None:
        return _refused("unknown_request")
    if asked.payer_id != request.payer_id:
        return _refused("not_yours")
    if asked.state is RequestState.EXPIRED or (asked.state is RequestState.OPEN and now >= asked.expires_at):
        return _refused("expired")
    if asked.state is not RequestState.OPEN:
        return _refused("already_answered")
    if not request.accept:
        return Decision(
            events=(MoneyRequestDeclined(subject=replace(asked, state=RequestState.DECLINED)),),
            timers=(TimerCancelled(asked.id, EXPIRY),),
            answer=Answer("declined"),
        )
    payer, requester = state.need(Customer, asked.payer_id), state.need(Customer, asked.requester_id)
    if reasons := (*_leaving(payer), *_other(requester)):
        return _refused(*reasons)
    on = book.business_date(now)
    transfer = Transfer(
        id=book.id("transfer", str(asked.id), on=on),
        sender_id=payer.id,
        receiver_id=requester.id,
        amount_minor=asked.amount_minor,
        asset=asked.asset,
        note=asked.note,
        request_id=asked.id,
        business_date=on,
        sent_at=now,
    )
    posting = _posting(transfer, payer, requester)
    if (outcome := rules.check(state, (posting,))) is not PostingOutcome.OK:
        return _refused(REFUSAL_OF[outcome])
    return Decision(
        events=(MoneySent(subject=transfer), MoneyRequestPaid(subject=replace(asked, state=RequestState.PAID))),
        postings=(posting,),
        timers=(TimerCancelled(asked.id, EXPIRY),),
        answer=Answer("paid", facts={"transfer_id": str(transfer.id)}),
    )


def _expire(state: State, fired: TimerFired) -> Decision:
    asked = state.need(MoneyRequest, fired.subject_id)
    if asked.state is not RequestState.OPEN:
        return Decision(answer=Answer("answered_before"))
    return Decision(
        events=(MoneyRequestExpired(subject=replace(asked, state=RequestState.EXPIRED)),),
        answer=Answer("expired"),
    )


def _customer(state: State, handle: str) -> Customer | None:
    return state.find(Customer, "handle", normal_handle(handle))


def _between(own: Customer | None, other: Customer | None) -> Iterator[str]:
    if own is None:
        yield "unknown_customer"
    if other is None:
        yield "unknown_handle"
    elif own is not None and own.id == other.id:
        yield "same_person"


def _terms(amount_minor: int, asset: str, note: str, *people: Customer | None) -> Iterator[str]:
    if amount_minor <= 0:
        yield "amount_not_positive"
    if amount_minor > LARGEST_TRANSFER_MINOR:
        yield "amount_too_large"
    if len(note) > LONGEST_NOTE or not note.isprintable():
        yield "note_malformed"
    if any(person is not None and person.asset != asset for person in people):
        yield "wrong_asset"


def _closed(own: Customer | None) -> Iterator[str]:
    if own is not None and own.state is CustomerState.CLOSED:
        yield "account_closed"


def _leaving(payer: Customer | None) -> Iterator[str]:
    yield from _closed(payer)
    if payer is not None and payer.state is CustomerState.FROZEN:
        yield "account_frozen"


def _other(other: Customer | None) -> Iterator[str]:
    if other is not None and other.state is CustomerState.CLOSED:
        yield "handle_closed"


def _posting(transfer: Transfer, sender: Customer, receiver: Customer) -> Posting:
    return Posting(
        debit=sender.account_id,
        credit=receiver.account_id,
        amount_minor=transfer.amount_minor,
        kind="transfer",
        effective_on=transfer.business_date,
        subject_id=transfer.id,
    )


def _refused(*reasons: str) -> Decision:
    return Decision(answer=Answer("refused", reasons))

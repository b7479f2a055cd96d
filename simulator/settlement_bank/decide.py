"""The rules of the settlement bank.

Hard cases: a deposit opened again (its key); a member without a deposit here (refused: the position stays open); a
merchant without one (the payout goes out and comes back, and the statement shows both); a payer without enough (a
member's deposit may be overdrawn: settlement is final, and the bank carries its members over the day); a movement
between the reading of entries and the drawing of the statement (it is on the next one).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.chart import BANK_DEPOSIT, CENTRAL_CASH
from engine.ledger.model import open_accounts
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.events import Event
from engine.vocabulary.money import ASSETS
from engine.vocabulary.postings import Posting, PostingOutcome
from simulator.settlement_bank.model import (
    CASH,
    Deposit,
    DepositOpened,
    DepositStated,
    Drawing,
    Line,
    MoneyMoved,
    Movement,
    MovementState,
    OpenDeposit,
    PayOut,
    PayoutReturned,
    SettleMember,
    Statement,
    StatementDrawn,
    id_of_deposit,
)

OPENING, SETTLEMENT, PAYOUT, PAYOUT_RETURNED = "opening", "settlement", "payout", "payout returned"
"""Kinds of postings, and so of statement lines (`engine.vocabulary.settlement.StatementLine`)."""


def decide(book: Book, state: State, request: OpenDeposit | SettleMember | PayOut | Drawing, now: datetime) -> Decision:
    """Open a deposit, move money, or draw a statement."""
    match request:
        case OpenDeposit():
            return _open(book, state, request, now)
        case SettleMember():
            return _settle(book, state, request)
        case PayOut():
            return _pay_out(book, state, request)
        case Drawing():
            return _draw(book, state, request)


def _open(book: Book, state: State, request: OpenDeposit, now: datetime) -> Decision:
    if request.asset not in ASSETS:
        return _refused("asset_unknown")
    if request.opening_minor < 0:
        return _refused("amount_negative")
    identifier = id_of_deposit(book, request.reference, request.asset)
    account = book.account(BANK_DEPOSIT, request.asset, identifier)
    deposit = Deposit(id=identifier, reference=request.reference, asset=request.asset, account_id=account)
    events: tuple[Event, ...] = (
        DepositOpened(subject=deposit),
        *book.opening(state, (CENTRAL_CASH,), request.asset),
        *open_accounts(book.name, (BANK_DEPOSIT,), request.asset, identifier),
    )
    if not request.opening_minor:
        return Decision(events=events, answer=Answer("opened"))
    movement = Movement(
        id=book.id("movement", OPENING, request.reference, request.asset, on=book.business_date(now)),
        kind=OPENING,
        reference=request.reference,
        payer=CASH,
        payee=request.reference,
        amount_minor=request.opening_minor,
        asset=request.asset,
        business_date=book.business_date(now),
    )
    cash = book.account(CENTRAL_CASH, request.asset)
    return Decision(
        events=(*events, MoneyMoved(subject=movement)),
        postings=(_posting(movement, debit=cash, credit=account, kind=OPENING),),
        answer=Answer("opened"),
    )


def _settle(book: Book, state: State, request: SettleMember) -> Decision:
    member, network = (
        state.get(Deposit, id_of_deposit(book, reference, request.asset))
        for reference in (request.member_id, request.network_id)
    )
    if member is None or network is None:
        return _refused("deposit_unknown")
    if not request.net_minor:
        return Decision(answer=Answer("settled"))
    payer, payee = (network, member) if request.net_minor > 0 else (member, network)
    movement = Movement(
        id=book.id("movement", SETTLEMENT, request.network_id, request.reference, on=request.business_date),
        kind=SETTLEMENT,
        reference=request.reference,
        payer=payer.reference,
        payee=payee.reference,
        amount_minor=abs(request.net_minor),
        asset=request.asset,
        business_date=request.business_date,
    )
    postings = (_posting(movement, debit=payer.account_id, credit=payee.account_id, kind=SETTLEMENT),)
    return _moved(state, movement, postings, "settled")


def _pay_out(book: Book, state: State, request: PayOut) -> Decision:
    payer = state.get(Deposit, id_of_deposit(book, request.acquirer_id, request.asset))
    payee = state.get(Deposit, id_of_deposit(book, request.deposit_reference, request.asset))
    if payer is None:
        return _refused("deposit_unknown")
    movement = Movement(
        id=book.id("movement", PAYOUT, request.acquirer_id, request.payout_id, on=request.business_date),
        kind=PAYOUT,
        reference=request.payout_id,
        payer=payer.reference,
        payee=request.deposit_reference,
        amount_minor=request.amount_minor,
        asset=request.asset,
        business_date=request.business_date,
    )
    if payee is not None:
        postings = (_posting(movement, debit=payer.account_id, credit=payee.account_id, kind=PAYOUT),)
        return _moved(state, movement, postings, "paid")
    cash = book.account(CENTRAL_CASH, request.asset)
    there_and_back = (
        _posting(movement, debit=payer.account_id, credit=cash, kind=PAYOUT),
        _posting(movement, debit=cash, credit=payer.account_id, kind=PAYOUT_RETURNED),
    )
    return _moved(state, replace(movement, state=MovementState.RETURNED), there_and_back, "returned")


def _moved(state: State, movement: Movement, postings: tuple[Posting, ...], code: str) -> Decision:
    if (outcome := rules.check(state, postings)) is not PostingOutcome.OK:
        return _refused(outcome.value)
    returned = movement.state is MovementState.RETURNED
    event = PayoutReturned(subject=movement) if returned else MoneyMoved(subject=movement)
    return Decision(events=(event,), postings=postings, answer=Answer(code))


def _draw(book: Book, state: State, drawing: Drawing) -> Decision:
    request = drawing.request
    deposit = state.get(Deposit, id_of_deposit(book, request.deposit, request.asset))
    if deposit is None:
        return _refused("deposit_unknown")
    new = [entry for entry in drawing.entries if entry.number > deposit.stated_entries]
    assert [entry.number for entry in new] == [deposit.stated_entries + 1 + at for at in range(len(new))], (
        "entries of an account have no gap"
    )
    number = deposit.statement_count + 1
    closing = deposit.stated_minor + sum(entry.amount_minor for entry in new)
    statement = Statement(
        id=book.id("statement", request.deposit, request.asset, number, on=request.business_date),
        statement_id=f"{request.deposit}-{request.asset}-{number:05d}",
        deposit=request.deposit,
        number=number,
        business_date=request.business_date,
        occasion=request.occasion,
        asset=request.asset,
        opening_minor=deposit.stated_minor,
        closing_minor=closing,
        lines=tuple(
            Line(
                reference=entry.reference,
                kind=entry.kind,
                amount_minor=entry.amount_minor,
                counterpart=entry.counterpart,
            )
            for entry in new
        ),
    )
    stated = replace(
        deposit, statement_count=number, stated_entries=deposit.stated_entries + len(new), stated_minor=closing
    )
    return Decision(
        events=(StatementDrawn(subject=statement), DepositStated(subject=stated)),
        answer=Answer("drawn", (), {"number": number}),
    )


def _posting(movement: Movement, *, debit: UUID, credit: UUID, kind: str) -> Posting:
    return Posting(
        debit=debit,
        credit=credit,
        amount_minor=movement.amount_minor,
        kind=kind,
        effective_on=movement.business_date,
        subject_id=movement.id,
    )


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

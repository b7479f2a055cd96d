"""The rules of settlement and payouts. Pure.

Hard cases: a payout asked for twice (its key), with nothing due or more refunded than sold (no payout, the items
wait), returned by the bank (booked back, its items wait for the next, but for
those that the network does not take: the merchant is no longer owed them); a report or statement twice (its key), late,
or the one before the other (each is booked by itself, they are compared once both are there); a report that does not
say what our items come to, a movement that is not what was reported or that nobody asked for, a statement missing
between two (each is kept as a `SettlementBreak`). What the bank has moved is a fact and is always booked; what
remains of a disagreement stays in the network receivable, where it shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from engine.clearing.decide import booked_back
from engine.clearing.model import ClearingItem, ItemRejected, ItemState
from engine.ledger import rules
from engine.ledger.chart import EQUITY, NETWORK_RECEIVABLE, ROUNDING, SETTLEMENT_BANK, account_id
from engine.ledger.model import Account
from engine.merchants.decide import open_own
from engine.merchants.model import Merchant
from engine.settlement.model import (
    BookReport,
    BookStatement,
    DueItems,
    ItemDueAgain,
    ItemPaidOut,
    MerchantPaid,
    PayMerchant,
    Payout,
    PayoutReturned,
    PayoutState,
    PayoutStated,
    Position,
    PositionReported,
    PositionSettled,
    Settlement,
    SettlementBreak,
    SettlementBroken,
    SettlementState,
    Statement,
    StatementBooked,
    id_of_payout,
    id_of_position,
    id_of_settlement,
    id_of_statement,
)
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import derive_id
from engine.vocabulary.postings import Posting, PostingOutcome
from engine.vocabulary.settlement import BankStatement, SettlementReport, StatementLine


def decide(book: str, state: State, request: PayMerchant | BookReport | BookStatement, now: datetime) -> Decision:
    """The rules of settlement, in the book of the institution `book`."""
    match request:
        case PayMerchant():
            return _pay(book, state, request)
        case BookReport():
            report = request.report
            return _Reading(book, state, report.report_id, report.asset, report.business_date).report(report)
        case BookStatement():
            statement = request.statement
            reading = _Reading(book, state, statement.statement_id, statement.asset, statement.business_date)
            return reading.statement(statement)


def _pay(book: str, state: State, request: PayMerchant) -> Decision:
    merchant = state.need(Merchant, request.merchant)
    waiting = (state.need(ClearingItem, one) for one in state.need(DueItems, merchant.id).items)
    due = [item for item in waiting if item.payout_id is None and item.business_date <= request.business_date]
    amount_minor = sum(item.due_to_merchant_minor for item in due)
    if amount_minor <= 0:
        return Decision(answer=Answer("nothing_due", facts={"balance_minor": amount_minor}))
    payout = Payout(
        id=id_of_payout(book, merchant.id, request.business_date),
        merchant=merchant.id,
        account_id=merchant.account_id,
        deposit_reference=merchant.deposit_reference,
        amount_minor=amount_minor,
        item_count=len(due),
        asset=merchant.asset,
        business_date=request.business_date,
        state=PayoutState.INSTRUCTED,
    )
    posting = Posting(
        debit=merchant.account_id,
        credit=account_id(book, SETTLEMENT_BANK, merchant.asset),
        amount_minor=amount_minor,
        kind="payout",
        effective_on=request.business_date,
        subject_id=payout.id,
    )
    if (outcome := rules.check(state, (posting,))) is not PostingOutcome.OK:
        return Decision(answer=Answer("refused", (outcome,)))
    return Decision(
        events=(
            MerchantPaid(subject=payout),
            *(ItemPaidOut(subject=replace(item, payout_id=payout.id)) for item in due),
        ),
        postings=(posting,),
        answer=Answer("paid", facts={"payout": str(payout.id), "amount_minor": amount_minor}),
    )


class _Reading:
    """One report or statement being read: what follows from it, and what in it does not agree with our books."""

    def __init__(self, book: str, state: State, source: str, asset: str, on: date) -> None:
        self._book = book
        self._state = state
        self._source = source
        self._asset = asset
        self._on = on
        self._events: list[Event] = []
        self._postings: list[Posting] = []
        self._breaks: list[str] = []
        self._settlements: dict[UUID, Settlement] = {}
        self._payouts: dict[UUID, Payout] = {}

    def report(self, report: SettlementReport) -> Decision:
        """A net position as the network sees it, compared with our own items."""
        position = self._state.need(Position, id_of_position(self._book, report.report_id))
        settlement = self._settlement(report.report_id)
        assert settlement.reported_minor is None, "a report's key is its identity: it is booked once"
        for what, ours, theirs in _compared(position, report):
            if ours != theirs:
                self._break(report.report_id, f"report_{what}", ours, theirs)
        reported = replace(settlement, business_date=report.business_date, reported_minor=report.net_position_minor)
        if self._breaks:
            reported = replace(reported, state=SettlementState.BROKEN)
        else:
            reported = replace(reported, rounding_minor=position.rounding_minor)
            self._post(position.rounding_minor, NETWORK_RECEIVABLE, ROUNDING, "rounding", settlement.id)
        self._events.append(PositionReported(subject=self._matched(reported)))
        return self._decision()

    def statement(self, statement: BankStatement) -> Decision:
        """Everything that the settlement bank has moved, line by line."""
        self._follows(statement)
        for line in statement.lines:
            match line.kind:
                case "settlement":
                    self._settled(line)
                case "payout":
                    self._paid(line)
                case "payout returned":
                    self._returned(line)
                case "opening":
                    self._post(line.amount_minor, SETTLEMENT_BANK, EQUITY, "opening deposit", None)
                case _:
                    self._break(line.reference, "statement_line_unknown", 0, line.amount_minor)
        booked = Statement(
            id=id_of_statement(self._book, statement.asset, statement.number),
            statement_id=statement.statement_id,
            number=statement.number,
            asset=statement.asset,
            business_date=statement.business_date,
            closing_minor=statement.closing_minor,
        )
        self._events.append(StatementBooked(subject=booked))
        return self._decision()

    def _follows(self, statement: BankStatement) -> None:
        closing_minor = 0
        if statement.number > 1:
            before = self._state.get(Statement, id_of_statement(self._book, statement.asset, statement.number - 1))
            if before is None:
                self._break(statement.statement_id, "statement_before_missing", statement.number - 1, 0)
                return
            closing_minor = before.closing_minor
        if statement.opening_minor != closing_minor:
            self._break(statement.statement_id, "statement_opening", closing_minor, statement.opening_minor)

    def _settled(self, line: StatementLine) -> None:
        settlement = self._settlement(line.reference)
        received_minor = (settlement.received_minor or 0) + line.amount_minor
        self._post(line.amount_minor, SETTLEMENT_BANK, NETWORK_RECEIVABLE, "settlement", settlement.id)
        settlement = self._matched(replace(settlement, received_minor=received_minor))
        self._settlements[settlement.id] = settlement
        self._events.append(PositionSettled(subject=settlement))

    def _paid(self, line: StatementLine) -> None:
        payout = self._payout(line, -1, (PayoutState.INSTRUCTED,))
        if payout is not None:
            paid = self._payouts[payout.id] = replace(payout, state=PayoutState.PAID)
            self._events.append(PayoutStated(subject=paid))

    def _returned(self, line: StatementLine) -> None:
        payout = self._payout(line, 1, (PayoutState.INSTRUCTED, PayoutState.PAID))
        if payout is None:
            return
        returned = self._payouts[payout.id] = replace(payout, state=PayoutState.RETURNED)
        self._events.append(PayoutReturned(subject=returned))
        bank = account_id(self._book, SETTLEMENT_BANK, self._asset)
        self._post_between(line.amount_minor, bank, payout.account_id, "payout returned", payout.id)
        for item in self._state.all(ClearingItem):
            if item.payout_id != payout.id:
                continue
            if item.state is ItemState.UNCOLLECTED:
                rejected = replace(item, state=ItemState.REJECTED, payout_id=None)
                self._events.append(ItemRejected(subject=rejected))
                self._postings += booked_back(self._book, item, self._on)
            else:
                self._events.append(ItemDueAgain(subject=replace(item, payout_id=None)))

    def _payout(self, line: StatementLine, sign: int, states: tuple[PayoutState, ...]) -> Payout | None:
        """The payout of a line if the line says of it what may be true; else what is wrong is kept."""
        identifier = payout_named(line.reference)
        payout = None
        if identifier is not None:
            payout = self._payouts.get(identifier) or self._state.get(Payout, identifier)
        if payout is None or payout.asset != self._asset:
            self._break(line.reference, "payout_unknown", 0, line.amount_minor)
        elif line.amount_minor != sign * payout.amount_minor:
            self._break(line.reference, "payout_amount", sign * payout.amount_minor, line.amount_minor)
        elif payout.state not in states:
            self._break(line.reference, f"payout_is_{payout.state}", 0, line.amount_minor)
        else:
            return payout
        return None

    def _settlement(self, reference: str) -> Settlement:
        identifier = id_of_settlement(self._book, reference)
        known = self._settlements.get(identifier) or self._state.get(Settlement, identifier)
        return known or Settlement(
            id=identifier,
            reference=reference,
            asset=self._asset,
            business_date=self._on,
            reported_minor=None,
            received_minor=None,
            rounding_minor=0,
            state=SettlementState.OPEN,
        )

    def _matched(self, settlement: Settlement) -> Settlement:
        """The settlement with its state, once the network and the bank have both spoken."""
        reported, received = settlement.reported_minor, settlement.received_minor
        if reported == 0 and received is None:
            # Nothing to move: the bank has nothing to say.
            received = 0
        if reported is None or received is None or settlement.state is SettlementState.BROKEN:
            return settlement
        if reported == received:
            return replace(settlement, state=SettlementState.SETTLED)
        self._break(settlement.reference, "settlement_amount", reported, received)
        return replace(settlement, state=SettlementState.BROKEN)

    def _post(self, amount_minor: int, debit: int, credit: int, kind: str, subject_id: UUID | None) -> None:
        debited, credited = (account_id(self._book, code, self._asset) for code in (debit, credit))
        self._post_between(amount_minor, debited, credited, kind, subject_id)

    def _post_between(self, amount_minor: int, debit: UUID, credit: UUID, kind: str, subject_id: UUID | None) -> None:
        """Post a signed amount: negative turns it round, nothing is nothing."""
        if amount_minor < 0:
            debit, credit = credit, debit
        if amount_minor:
            self._postings.append(
                Posting(
                    debit=debit,
                    credit=credit,
                    amount_minor=abs(amount_minor),
                    kind=kind,
                    effective_on=self._on,
                    subject_id=subject_id,
                )
            )

    def _break(self, reference: str, reason: str, expected_minor: int, found_minor: int) -> None:
        self._breaks.append(reason)
        kept = SettlementBreak(
            id=derive_id(f"{self._book}/break", self._source, len(self._breaks), on=self._on),
            reference=reference,
            reason=reason,
            asset=self._asset,
            business_date=self._on,
            expected_minor=expected_minor,
            found_minor=found_minor,
        )
        self._events.append(SettlementBroken(subject=kept, reasons=(reason,)))

    def _decision(self) -> Decision:
        opened = open_own(self._book, self._state, self._asset)
        accounts = State((*self._state.all(Account), *(event.subject for event in opened)))
        if (outcome := rules.check(accounts, self._postings)) is not PostingOutcome.OK:
            return Decision(answer=Answer("refused", (outcome,)))
        reasons = tuple(dict.fromkeys(self._breaks))
        return Decision(
            events=(*opened, *self._events),
            postings=tuple(self._postings),
            answer=Answer("broken" if reasons else "agreed", reasons),
        )


def payout_named(reference: str) -> UUID | None:
    """The payout that a statement line names, if it can be the name of one."""
    try:
        return UUID(reference)
    except ValueError:
        return None


def _compared(ours: Position, theirs: SettlementReport) -> Iterator[tuple[str, int, int]]:
    """What a report says, item sum by item sum: name, ours, theirs."""
    yield "purchases_count", ours.purchases_count, theirs.purchases_count
    yield "purchases_minor", ours.purchases_minor, theirs.purchases_minor
    yield "credits_count", ours.credits_count, theirs.credits_count
    yield "credits_minor", ours.credits_minor, theirs.credits_minor
    yield "interchange_micro", _micro(ours.interchange_exact), _micro(Decimal(theirs.interchange_exact))
    yield "network_fee_micro", _micro(ours.network_fee_exact), _micro(Decimal(theirs.network_fee_exact))
    yield "rounding_minor", ours.rounding_minor, theirs.rounding_minor
    yield "net_position_minor", ours.net_minor, theirs.net_position_minor


def _micro(exact: Decimal) -> int:
    """Millionths of a minor unit: exact amounts as whole numbers."""
    return int(exact.scaleb(6))

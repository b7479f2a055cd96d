"""The rules of settlement: the network's report beside our items, the settlement bank's statement beside the report.
Pure.

What moved at the settlement bank is booked as it moved; the rounding leg is booked with the report, from our own
items. Where two sources do not agree, a `SettlementBreak` is kept and nothing is corrected; what was only early or
late stops being one (`issuer.audit`) when the other half comes.

Hard cases: a statement before its report, a movement twice, a movement of another amount, a second report for the
same clearing date, a report or a movement that does not come, a statement missing in the row, a line that we do not
understand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from uuid import UUID

from engine.ledger.book import Book
from engine.ledger.chart import NETWORK_PAYABLE, ROUNDING, SETTLEMENT_BANK
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.postings import Posting
from engine.vocabulary.settlement import BankStatement, StatementLine
from issuer.clearing.model import (
    BreakFound,
    BreakKind,
    ComparedCheck,
    ComparedReport,
    Settlement,
    SettlementBreak,
    SettlementMoved,
    SettlementReported,
    Statement,
    StatementBooked,
)

ACCOUNTS = (NETWORK_PAYABLE, SETTLEMENT_BANK, ROUNDING)
OPENING_LINE, SETTLEMENT_LINE = "opening", "settlement"
"""Kinds of statement lines. An opening is the money that customers' opening deposits have brought: it is in the
books already."""


def settlement_id(book: Book, clearing_date: date, asset: str) -> UUID:
    """The identifier of the settlement of a clearing date: there is one for each asset."""
    return book.id("settlement", asset, on=clearing_date)


def statement_id(book: Book, asset: str, number: int) -> UUID:
    """The identifier of our deposit's statement of this number."""
    return book.id("statement", asset, number, on=STATIC)


def break_id(book: Book, kind: BreakKind, reference: str) -> UUID:
    """The identifier of a finding: found again, it is the same."""
    return book.id("break", kind.value, reference, on=STATIC)


def check_reference(clearing_date: date, asset: str) -> str:
    """What a finding about a clearing date's settlement refers to."""
    return f"{clearing_date}/{asset}"


def decide(
    book: Book, state: State, request: ComparedReport | BankStatement | ComparedCheck, now: datetime
) -> Decision:
    """Take a report, book a statement, or look whether a clearing date is settled."""
    match request:
        case ComparedReport():
            return _report(book, state, request)
        case BankStatement():
            return _statement(book, state, request)
        case ComparedCheck():
            return _check(book, state, request)


def movement_reference(report_id: str, asset: str) -> str:
    """What a finding about movements under a report that is not here yet refers to."""
    return f"{report_id}/{asset}"


def early_id(book: Book, report_id: str, asset: str) -> UUID:
    """The identifier of the finding that something has moved under a report that is not here yet."""
    return break_id(book, BreakKind.MOVEMENT_WITHOUT_REPORT, movement_reference(report_id, asset))


def _report(book: Book, state: State, compared: ComparedReport) -> Decision:
    report, own = compared.request, compared.own
    earlier = state.get(Settlement, settlement_id(book, report.business_date, report.asset))
    if earlier is not None:
        twice = _break(
            book,
            BreakKind.REPORTED_TWICE,
            report.report_id,
            (report.business_date, report.asset),
            expected=earlier.reported_minor,
            found=report.net_position_minor,
        )
        return Decision(events=(BreakFound(subject=twice),), answer=Answer("break", (twice.kind.value,)))
    early = state.get(SettlementBreak, early_id(book, report.report_id, report.asset))
    settlement = Settlement(
        id=settlement_id(book, report.business_date, report.asset),
        report_id=report.report_id,
        business_date=report.business_date,
        asset=report.asset,
        reported_minor=report.net_position_minor,
        own_minor=own.net_minor,
        rounding_minor=own.rounding_minor,
        moved_minor=None if early is None else early.found_minor,
    )
    pairs = (
        ("purchases", own.purchases_minor, report.purchases_minor),
        ("credits", own.credits_minor, report.credits_minor),
        ("interchange", own.interchange_minor, report.interchange_booked_minor),
        ("rounding", own.rounding_minor, report.rounding_minor),
        ("net position", own.net_minor, report.net_position_minor),
    )
    breaks = [
        _break(
            book,
            BreakKind.REPORT_DIFFERS_FROM_ITEMS,
            f"{report.report_id}/{name}",
            (report.business_date, report.asset),
            expected=ours,
            found=theirs,
        )
        for name, ours, theirs in pairs
        if ours != theirs
    ]
    if early is not None and early.found_minor != report.net_position_minor:
        kind, place = BreakKind.MOVEMENT_DIFFERS_FROM_REPORT, (report.business_date, report.asset)
        expected, found = report.net_position_minor, early.found_minor
        breaks.append(_break(book, kind, report.report_id, place, expected=expected, found=found))
    return Decision(
        events=(
            *book.opening(state, ACCOUNTS, report.asset),
            SettlementReported(subject=settlement),
            *_found(breaks),
        ),
        postings=_rounding(book, settlement),
        answer=_answer("reported", breaks),
    )


def _rounding(book: Book, settlement: Settlement) -> tuple[Posting, ...]:
    payable, rounding = book.account(NETWORK_PAYABLE, settlement.asset), book.account(ROUNDING, settlement.asset)
    return _signed(
        payable,
        rounding,
        settlement.rounding_minor,
        kind="rounding",
        effective_on=settlement.business_date,
        subject_id=settlement.id,
    )


def _signed(
    debit: UUID, credit: UUID, amount_minor: int, *, kind: str, effective_on: date, subject_id: UUID
) -> tuple[Posting, ...]:
    """The posting of a positive amount; the other way round for a negative one; none for nothing."""
    if not amount_minor:
        return ()
    if amount_minor < 0:
        debit, credit = credit, debit
    return (
        Posting(
            debit=debit,
            credit=credit,
            amount_minor=abs(amount_minor),
            kind=kind,
            effective_on=effective_on,
            subject_id=subject_id,
        ),
    )


def _statement(book: Book, state: State, request: BankStatement) -> Decision:
    bank, payable = (book.account(code, request.asset) for code in (SETTLEMENT_BANK, NETWORK_PAYABLE))
    identifier = statement_id(book, request.asset, request.number)
    breaks = _sequence_breaks(book, state, request)
    settlements: dict[UUID, Settlement] = {}
    early: dict[UUID, SettlementBreak] = {}
    postings: list[Posting] = []
    for number, line in enumerate(request.lines, start=1):
        moved = line.amount_minor
        found = partial(
            _of_statement, book, reference=f"{request.statement_id}/{number}", statement=request, found=moved
        )
        if line.kind == OPENING_LINE:
            continue
        if line.kind != SETTLEMENT_LINE:
            breaks.append(found(BreakKind.MOVEMENT_NOT_UNDERSTOOD, expected=0))
            continue
        postings += _signed(
            bank, payable, moved, kind="settlement", effective_on=request.business_date, subject_id=identifier
        )
        known = state.find(Settlement, "report_id", line.reference)
        if known is None or known.asset != request.asset:
            waiting, again = _early(book, state, early, request, line)
            if again:
                breaks.append(found(BreakKind.MOVED_TWICE, expected=0))
            early[waiting.id] = waiting
            continue
        settlement = settlements.get(known.id, known)
        if settlement.moved_minor is not None:
            breaks.append(found(BreakKind.MOVED_TWICE, expected=0))
        elif moved != settlement.reported_minor:
            breaks.append(found(BreakKind.MOVEMENT_DIFFERS_FROM_REPORT, expected=settlement.reported_minor))
        settlements[known.id] = replace(settlement, moved_minor=(settlement.moved_minor or 0) + moved)
    breaks += early.values()
    statement = Statement(
        id=identifier,
        statement_id=request.statement_id,
        number=request.number,
        business_date=request.business_date,
        asset=request.asset,
        opening_minor=request.opening_minor,
        closing_minor=request.closing_minor,
        settled_minor=sum(
            posting.amount_minor if posting.debit == bank else -posting.amount_minor for posting in postings
        ),
    )
    return Decision(
        events=(
            *book.opening(state, ACCOUNTS, request.asset),
            *(SettlementMoved(subject=settlement) for settlement in settlements.values()),
            StatementBooked(subject=statement),
            *_found(breaks),
        ),
        postings=tuple(postings),
        answer=_answer("booked", breaks),
    )


def _early(
    book: Book, state: State, seen: Mapping[UUID, SettlementBreak], statement: BankStatement, line: StatementLine
) -> tuple[SettlementBreak, bool]:
    """All that has moved under a report that is not here yet, this line included, which the report takes up; and
    whether anything had moved before.
    """
    identifier = early_id(book, line.reference, statement.asset)
    before = seen.get(identifier) or state.get(SettlementBreak, identifier)
    if before is not None:
        return replace(before, found_minor=before.found_minor + line.amount_minor), True
    reference = movement_reference(line.reference, statement.asset)
    kind, moved = BreakKind.MOVEMENT_WITHOUT_REPORT, line.amount_minor
    return _of_statement(book, kind, reference, statement, expected=0, found=moved), False


def _sequence_breaks(book: Book, state: State, request: BankStatement) -> list[SettlementBreak]:
    """Statement n opens with what n - 1 has closed with."""
    if request.number == 1:
        return []
    before = state.get(Statement, statement_id(book, request.asset, request.number - 1))
    if before is not None and before.closing_minor == request.opening_minor:
        return []
    return [
        _of_statement(
            book,
            BreakKind.STATEMENTS_DO_NOT_FOLLOW,
            request.statement_id,
            request,
            expected=0 if before is None else before.closing_minor,
            found=request.opening_minor,
        )
    ]


def _check(book: Book, state: State, compared: ComparedCheck) -> Decision:
    request = compared.request
    settlement = state.get(Settlement, settlement_id(book, request.clearing_date, request.asset))
    reference = check_reference(request.clearing_date, request.asset)
    if settlement is None:
        kind, expected = BreakKind.REPORT_MISSING, compared.own.net_minor
    elif settlement.moved_minor is None and settlement.reported_minor:
        kind, expected = BreakKind.MOVEMENT_MISSING, settlement.reported_minor
    else:
        return Decision(answer=Answer("settled"))
    place = (request.clearing_date, request.asset)
    found = _break(book, kind, reference, place, expected=expected, found=0)
    known = state.get(SettlementBreak, found.id) is not None
    return Decision(events=() if known else (BreakFound(subject=found),), answer=Answer("open", (kind.value,)))


def _of_statement(
    book: Book, kind: BreakKind, reference: str, statement: BankStatement, *, expected: int, found: int
) -> SettlementBreak:
    place = (statement.business_date, statement.asset)
    return _break(book, kind, reference, place, expected=expected, found=found)


def _break(
    book: Book, kind: BreakKind, reference: str, place: tuple[date, str], *, expected: int, found: int
) -> SettlementBreak:
    business_date, asset = place
    return SettlementBreak(
        id=break_id(book, kind, reference),
        kind=kind,
        reference=reference,
        business_date=business_date,
        asset=asset,
        expected_minor=expected,
        found_minor=found,
    )


def _found(breaks: Iterable[SettlementBreak]) -> tuple[Event, ...]:
    return tuple(BreakFound(subject=found) for found in breaks)


def _answer(code: str, breaks: Iterable[SettlementBreak]) -> Answer:
    kinds = tuple(dict.fromkeys(found.kind.value for found in breaks))
    return Answer("break" if kinds else code, kinds)

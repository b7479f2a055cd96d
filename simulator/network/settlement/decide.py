"""The rules of settlement.

Hard cases: a day without items (nets of nothing, reported all the same); roundings that do not add up between members
(the network's rounding account takes what is left); a statement line of another amount than instructed (what moved is
booked, and a break kept), one that nobody instructed or that came before (a break, nothing booked).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.chart import MEMBER_POSITION, NETWORK_FEE_INCOME, ROUNDING, SETTLEMENT_BANK
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.postings import Posting, PostingOutcome
from simulator.network.members.model import id_of_member
from simulator.network.settlement.model import (
    BookMovement,
    BreakFound,
    CloseCycle,
    NetPosition,
    PositionNetted,
    PositionSettled,
    PositionState,
    SettlementBreak,
    id_of_position,
    report_id,
)
from simulator.network.settlement.netting import Net, net

SETTLEMENT_LINE = "settlement"
"""The kind of the statement lines that answer instructions."""
INTERCHANGE, NETWORK_FEE, INTERCHANGE_ROUNDING = "interchange", "network fee", "interchange rounding"
"""Kinds of postings, which the proofs sum."""


def decide(book: Book, state: State, request: CloseCycle | BookMovement, now: datetime) -> Decision:
    """Net a day, or book a line of the statement."""
    match request:
        case CloseCycle():
            return _close(book, state, request)
        case BookMovement():
            return _book(book, state, request)


def _close(book: Book, state: State, cycle: CloseCycle) -> Decision:
    nets = net(cycle.members, cycle.pairs)
    positions = {one.member_id: _position(book, cycle, one) for one in nets}
    postings = tuple(_pricing(book, cycle, nets, positions))
    outcome = rules.check(state, postings)
    assert outcome is PostingOutcome.OK, f"members of a pair hold positions: {outcome}"
    return Decision(
        events=tuple(PositionNetted(subject=position) for position in positions.values()),
        postings=postings,
        answer=Answer("netted", (), {"members": len(nets)}),
    )


def _position(book: Book, cycle: CloseCycle, one: Net) -> NetPosition:
    reference = report_id(cycle.network_id, one.member_id, cycle.business_date, cycle.asset)
    return NetPosition(
        id=id_of_position(book, reference),
        report_id=reference,
        business_date=cycle.business_date,
        member_id=one.member_id,
        asset=cycle.asset,
        purchases_count=one.purchases_count,
        purchases_minor=one.purchases_minor,
        credits_count=one.credits_count,
        credits_minor=one.credits_minor,
        interchange=one.interchange,
        interchange_booked_minor=one.interchange_booked_minor,
        network_fee=one.network_fee,
        network_fee_booked_minor=one.network_fee_booked_minor,
        rounding_minor=one.rounding_minor,
        net_position_minor=one.net_position_minor,
    )


def _pricing(
    book: Book, cycle: CloseCycle, nets: tuple[Net, ...], positions: Mapping[str, NetPosition]
) -> Iterator[Posting]:
    """Interchange between each pair, then each member's fee and rounding against the network's own accounts."""
    accounts = {one: book.account(MEMBER_POSITION, cycle.asset, id_of_member(book, one)) for one in cycle.members}
    for pair in cycle.pairs:
        yield from _moved(
            accounts[pair.acquirer_id],
            accounts[pair.issuer_id],
            pair.interchange_booked_minor,
            INTERCHANGE,
            positions[pair.issuer_id],
        )
    income = book.account(NETWORK_FEE_INCOME, cycle.asset)
    rounding = book.account(ROUNDING, cycle.asset)
    for one in nets:
        account, position = accounts[one.member_id], positions[one.member_id]
        yield from _moved(account, income, -one.network_fee_booked_minor, NETWORK_FEE, position)
        left = one.interchange_booked_minor - one.pairs_minor
        yield from _moved(rounding, account, left, INTERCHANGE_ROUNDING, position)


def _moved(debit: UUID, credit: UUID, amount_minor: int, kind: str, position: NetPosition) -> tuple[Posting, ...]:
    """A posting of a positive amount, the other way round for a negative one, none for nothing."""
    if amount_minor == 0:
        return ()
    if amount_minor < 0:
        debit, credit = credit, debit
    posting = Posting(
        debit=debit,
        credit=credit,
        amount_minor=abs(amount_minor),
        kind=kind,
        effective_on=position.business_date,
        subject_id=position.id,
    )
    return (posting,)


def _book(book: Book, state: State, movement: BookMovement) -> Decision:
    position = state.get(NetPosition, id_of_position(book, movement.reference))
    known = (
        movement.kind == SETTLEMENT_LINE
        and position is not None
        and (position.member_id, position.asset) == (movement.member_id, movement.asset)
        and position.state is PositionState.OPEN
    )
    if position is None or not known:
        return Decision(events=(_break(book, movement, 0),), answer=Answer("break", ("not_instructed",)))
    settled = replace(position, state=PositionState.SETTLED, settled_minor=-movement.amount_minor)
    events: tuple[PositionSettled | BreakFound, ...] = (PositionSettled(subject=settled),)
    expected = -position.net_position_minor
    if movement.amount_minor != expected:
        events += (_break(book, movement, expected),)
    member = book.account(MEMBER_POSITION, movement.asset, id_of_member(book, movement.member_id))
    own = book.account(SETTLEMENT_BANK, movement.asset)
    return Decision(
        events=events,
        postings=_moved(own, member, movement.amount_minor, SETTLEMENT_LINE, settled),
        answer=Answer("settled" if len(events) == 1 else "break"),
    )


def _break(book: Book, movement: BookMovement, expected_minor: int) -> BreakFound:
    return BreakFound(
        subject=SettlementBreak(
            id=book.id("settlement_break", movement.statement_id, movement.line, on=movement.business_date),
            statement_id=movement.statement_id,
            line=movement.line,
            reference=movement.reference,
            member_id=movement.member_id,
            asset=movement.asset,
            expected_minor=expected_minor,
            found_minor=movement.amount_minor,
        )
    )

"""The rules of membership.

Hard cases: a member admitted again under another name, a range that is no prefix, a range of nobody. (A range that is
another's already is the same key with another content, and refused before it gets here.)
"""

from __future__ import annotations

from datetime import datetime

from engine.ledger.book import Book
from engine.ledger.chart import MEMBER_POSITION, NETWORK_FEE_INCOME, ROUNDING, SETTLEMENT_BANK
from engine.ledger.model import open_accounts
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.events import Event
from engine.vocabulary.money import ASSETS
from simulator.network.members.model import (
    AccountRange,
    AccountRangeOpened,
    AdmitMember,
    Member,
    MemberAdmitted,
    OpenAccountRange,
    id_of_member,
    id_of_range,
)

OWN_CODES = (SETTLEMENT_BANK, NETWORK_FEE_INCOME, ROUNDING)
"""The network's own accounts, opened with the first member of an asset."""
PREFIX_LENGTHS = range(6, 9)


def decide(book: Book, state: State, request: AdmitMember | OpenAccountRange, now: datetime) -> Decision:
    """Admit a member, or open an account range."""
    match request:
        case AdmitMember():
            return _admit(book, state, request)
        case OpenAccountRange():
            return _open(book, state, request)


def _admit(book: Book, state: State, request: AdmitMember) -> Decision:
    identifier = id_of_member(book, request.member_id)
    if not (1 <= len(request.member_id) <= 11 and request.member_id.isdecimal()):
        return _refused("member_id_malformed")
    if request.asset not in ASSETS:
        return _refused("asset_unknown")
    known = state.get(Member, identifier)
    if known is not None and known.name != request.name:
        return _refused("member_has_another_name")
    events: tuple[Event, ...] = ()
    if known is None:
        events = (MemberAdmitted(subject=Member(id=identifier, member_id=request.member_id, name=request.name)),)
    events += book.opening(state, OWN_CODES, request.asset)
    events += open_accounts(book.name, (MEMBER_POSITION,), request.asset, identifier)
    return Decision(events=events, answer=Answer("admitted"))


def _open(book: Book, state: State, request: OpenAccountRange) -> Decision:
    if not (len(request.prefix) in PREFIX_LENGTHS and request.prefix.isdecimal()):
        return _refused("prefix_malformed")
    if state.get(Member, id_of_member(book, request.member_id)) is None:
        return _refused("member_unknown")
    opened = AccountRange(id=id_of_range(book, request.prefix), prefix=request.prefix, member_id=request.member_id)
    return Decision(events=(AccountRangeOpened(subject=opened),), answer=Answer("opened"))


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

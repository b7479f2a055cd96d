"""The smallest stage there is, for the shell's own tests: purses between which money moves, and a move that waits for
a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, Connection, MetaData, Table, Text, Uuid

from engine.database.nouns import NounRows
from engine.ledger import rules
from engine.ledger.chart import CUSTOMER_AVAILABLE, EQUITY, account_id
from engine.ledger.model import Account, open_accounts
from engine.runtime.stage import Stage
from engine.vocabulary.decision import (
    Answer,
    AnswerTo,
    Decision,
    Message,
    State,
    Timer,
    TimerCancelled,
    TimerFired,
)
from engine.vocabulary.events import Event
from engine.vocabulary.files import Outgoing
from engine.vocabulary.identifiers import STATIC, derive_id
from engine.vocabulary.keys import KeyRule, key_of
from engine.vocabulary.postings import Posting, PostingOutcome

BOOK = "purses"
metadata = MetaData()
moves = Table(
    "moves",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("state", Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move of money that waits for `Settle`."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ("reference",)

    id: UUID
    reference: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Event):
    """A move has changed."""


@dataclass(frozen=True, slots=True)
class OpenPurse:
    """A purse with something in it."""

    owner: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Pay:
    """From one purse to another, at once."""

    reference: str
    payer: str
    payee: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A move that stays open until `Settle`, or a minute has gone."""

    reference: str


@dataclass(frozen=True, slots=True)
class Settle:
    """The word that an open move waits for."""

    reference: str


@dataclass(frozen=True, slots=True)
class Break:
    """A bug."""

    reference: str


KEYS = {
    OpenPurse: KeyRule("open", ("owner",), ("amount_minor",)),
    Pay: KeyRule("pay", ("reference",), ("payer", "payee", "amount_minor")),
    Ask: KeyRule("ask", ("reference",), ()),
    Settle: KeyRule("settle", ("reference",), ()),
    Break: KeyRule("break", ("reference",), ()),
}


def purse(owner: str) -> UUID:
    """The account of a purse."""
    return account_id(BOOK, CUSTOMER_AVAILABLE, "USD", owner_id(owner))


def owner_id(owner: str) -> UUID:
    """An owner's identifier."""
    return derive_id("owner", owner, on=STATIC)


def move_id(reference: str) -> UUID:
    """A move's identifier."""
    return derive_id("move", reference, on=STATIC)


EQUITY_ID = account_id(BOOK, EQUITY, "USD")


def decide(state: State, request: Any, now: datetime) -> Decision:
    """The rules."""
    today = date(2026, 3, 2)
    match request:
        case OpenPurse(owner, amount_minor):
            opened = open_accounts(BOOK, (CUSTOMER_AVAILABLE,), "USD", owner_id(owner))
            if state.get(Account, EQUITY_ID) is None:
                opened += open_accounts(BOOK, (EQUITY,), "USD")
            paid = () if amount_minor == 0 else (_posting(EQUITY_ID, purse(owner), amount_minor, today),)
            return Decision(events=opened, postings=paid, answer=Answer("opened"))
        case Pay(_, payer, payee, amount_minor):
            postings = (_posting(purse(payer), purse(payee), amount_minor, today),)
            if (outcome := rules.check(state, postings)) is not PostingOutcome.OK:
                return Decision(answer=Answer("refused", (outcome,)))
            return Decision(postings=postings, answer=Answer("paid"))
        case Ask(reference):
            move = Move(id=move_id(reference), reference=reference, state="open")
            return Decision(
                events=(Moved(subject=move),),
                timers=(Timer(move.id, "move_timeout", now + timedelta(minutes=1)),),
                messages=(
                    Message("elsewhere", reference),
                    Message("elsewhere", Outgoing(reference, "note"), durable=True),
                ),
            )
        case Settle(reference):
            found = state.find(Move, "reference", reference)
            if found is None or found.state != "open":
                return Decision(answer=Answer("nothing to settle"))
            return Decision(
                events=(Moved(subject=replace(found, state="settled")),),
                timers=(TimerCancelled(found.id, "move_timeout"),),
                answer=Answer("settled"),
                answers=(AnswerTo(key_of(KEYS[Ask], Ask(reference)), Answer("done")),),
            )
        case TimerFired(subject_id):
            late = state.need(Move, subject_id)
            return Decision(
                events=(Moved(subject=replace(late, state="late")),),
                answer=Answer("timed out"),
                answers=(AnswerTo(key_of(KEYS[Ask], Ask(late.reference)), Answer("late")),),
            )
    raise AssertionError("a bug, as the test wants it")


def _posting(debit: UUID, credit: UUID, amount_minor: int, on: date) -> Posting:
    return Posting(debit=debit, credit=credit, amount_minor=amount_minor, kind="pay", effective_on=on)


def load(connection: Connection, requests: Sequence[Any], state: State) -> set[UUID]:
    """Moves by identifier, and the accounts of all that pay."""
    wanted: set[UUID] = set()
    accounts: set[UUID] = set()
    for request in requests:
        match request:
            case OpenPurse(owner):
                accounts |= {purse(owner), EQUITY_ID}
            case Pay(_, payer, payee):
                accounts |= {purse(payer), purse(payee)}
            case Ask(reference) | Settle(reference):
                wanted.add(move_id(reference))
            case TimerFired(subject_id):
                wanted.add(subject_id)
    for move in move_rows.lock(connection, sorted(wanted)):
        state.put(move)
    return accounts


move_rows = NounRows(Move, moves)
STAGE = Stage("purse", KEYS, load, decide, nouns=(move_rows,), timers=("move_timeout",))

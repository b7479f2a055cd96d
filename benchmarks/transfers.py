"""The stage that is measured: transfers between accounts of the general ledger, nothing else.

Each is decided under the locks of its accounts, checked against their limits, and written in full: balances, an entry
with both balances after it, the idempotency key with its answer, the hash chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from engine.ledger import rules
from engine.runtime.stage import Stage
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.postings import Posting, PostingOutcome


@dataclass(frozen=True, slots=True)
class Transfer:
    """`amount_minor` from one account to another. Answered "ok", or with the outcome that refuses it."""

    reference: str
    debit: UUID
    credit: UUID
    amount_minor: int


KEYS: Mapping[type, KeyRule] = {
    Transfer: KeyRule("benchmark_transfer", ("reference",), ("debit", "credit", "amount_minor"))
}
_OK = Answer(PostingOutcome.OK.value)


def account_of(number: int) -> UUID:
    """The account of this number, as `filling` opens it; 0 is where all money comes from."""
    return UUID(md5(f"account {number}".encode(), usedforsecurity=False).hexdigest())


def _load(connection: Connection, prepared: Sequence[Transfer], state: State) -> set[UUID]:
    return {account for transfer in prepared for account in (transfer.debit, transfer.credit)}


def _named(requests: Sequence[Transfer]) -> list[int]:
    return [account.int for transfer in requests for account in (transfer.debit, transfer.credit)]


def _decide(state: State, request: Transfer, now: datetime) -> Decision:
    postings = (
        Posting(
            debit=request.debit,
            credit=request.credit,
            amount_minor=request.amount_minor,
            kind="transfer",
            effective_on=now.date(),
        ),
    )
    outcome = rules.check(state, postings)
    if outcome is not PostingOutcome.OK:
        return Decision(answer=Answer(outcome.value))
    return Decision(postings=postings, answer=_OK)


def _debited(request: Any) -> UUID | None:
    return request.debit if isinstance(request, Transfer) else None


TRANSFERS = Stage("benchmark", KEYS, _load, _decide, owner_of=_debited, named=_named)

"""The operator's word on an authorization, asked in real time: an HTTPS endpoint of theirs may approve or decline.

Two decisions, and the question between them: what passed all checks is held first, so that the money cannot vanish
meanwhile, and stays unanswered; the endpoint's answer, or the timer when it is silent (`PATIENCE` of the world's
clock), confirms it or releases it. The network waits longer than that. A late answer is recorded and changes nothing.
Increments, single messages, credits and verifications are not asked about. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from engine.ledger.book import Book
from engine.vocabulary.decision import (
    Answer,
    AnswerTo,
    Decision,
    Json,
    Message,
    State,
    Timer,
    TimerCancelled,
    TimerFired,
)
from engine.vocabulary.events import Event
from engine.vocabulary.keys import KEYS, KeyRule, key_of
from engine.vocabulary.messages import AuthorizationRequest
from engine.vocabulary.responses import ResponseCode
from issuer.authorization.holds import release
from issuer.authorization.model import (
    ENDPOINT_TIMEOUT,
    Authorization,
    AuthorizationDeclined,
    AuthorizationState,
    HoldPlaced,
)
from issuer.authorization.reversals import gives_back

PATIENCE: Final = timedelta(seconds=2)
ENDPOINT: Final = "endpoint"
"""The address of messages to the operator's endpoint."""


@dataclass(frozen=True, slots=True)
class Hook:
    """An endpoint. `approves_when_silent` is what counts when it does not answer in time."""

    url: str
    approves_when_silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AskEndpoint:
    """The question: which authorization, and what it was decided on so far (no card number)."""

    authorization_id: UUID
    url: str
    facts: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAnswered:
    """The endpoint has spoken. Answered "noted" or, when nobody waits for it any more, "late"."""

    authorization_id: UUID
    approves: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAsked(HoldPlaced):
    """The amount is held, and the operator is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointApproved(Event):
    """Approved; `reasons` say by whom: the endpoint, or its default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateEndpointIgnored(Event):
    """The endpoint has answered when it was decided already."""


HOOK_KEYS: Mapping[type, KeyRule] = {EndpointAnswered: KeyRule("endpoint_answer", ("authorization_id",), ("approves",))}


def ask(hook: Hook, held: Authorization, granted: Decision, now: datetime) -> Decision:
    """The first decision: `held` is approved as far as we are concerned, and `granted` holds its money."""
    pending = replace(held, state=AuthorizationState.PENDING)
    facts = pending.considered["facts"]
    assert isinstance(facts, dict)
    question = AskEndpoint(authorization_id=pending.id, url=hook.url, facts=facts)
    return granted._replace(
        events=tuple(
            EndpointAsked(subject=pending) if isinstance(event, HoldPlaced) else event for event in granted.events
        ),
        answer=None,
        messages=(Message(ENDPOINT, question),),
        timers=(Timer(pending.id, ENDPOINT_TIMEOUT, now + PATIENCE),),
    )


def heard(book: Book, state: State, answered: EndpointAnswered, now: datetime) -> Decision:
    """The second decision, by the endpoint."""
    authorization = state.get(Authorization, answered.authorization_id)
    if authorization is None:
        return Decision(answer=Answer("unknown"))
    if authorization.state is not AuthorizationState.PENDING:
        word = "approves" if answered.approves else "declines"
        late = LateEndpointIgnored(subject=authorization, reasons=(f"endpoint_{word}",))
        return Decision(events=(late,), answer=Answer("late"))
    return _closed(book, state, authorization, now, approves=answered.approves, why="endpoint")


def silent(book: Book, hook: Hook, state: State, fired: TimerFired, now: datetime) -> Decision:
    """The second decision, by the stored default."""
    authorization = state.get(Authorization, fired.subject_id)
    if authorization is None or authorization.state is not AuthorizationState.PENDING:
        return Decision(answer=Answer("answered_meanwhile"))
    return _closed(book, state, authorization, now, approves=hook.approves_when_silent, why="endpoint_silent")


def _closed(book: Book, state: State, pending: Authorization, now: datetime, *, approves: bool, why: str) -> Decision:
    key = key_of(KEYS[AuthorizationRequest], pending)
    timers = (TimerCancelled(pending.id, ENDPOINT_TIMEOUT),)
    facts: dict[str, Json] = {"network_reference": pending.network_reference}
    if approves:
        approved = replace(pending, state=AuthorizationState.APPROVED)
        facts |= {"approval_code": pending.approval_code}
        if pending.amount_minor != pending.requested_minor:
            facts["amount_minor"] = pending.amount_minor
        return Decision(
            events=(EndpointApproved(subject=approved, reasons=(why,)),),
            timers=timers,
            answer=Answer("noted"),
            answers=(AnswerTo(key, Answer(pending.response_code, pending.reasons, facts)),),
        )
    code = ResponseCode.DO_NOT_HONOR.value
    declined = replace(
        pending,
        state=AuthorizationState.DECLINED,
        amount_minor=0,
        held_left_minor=0,
        response_code=code,
        approval_code=None,
        reasons=(why,),
        expires_at=None,
    )
    return Decision(
        events=(
            AuthorizationDeclined(subject=declined, reasons=(why,)),
            *gives_back(state, pending, pending.amount_minor, count=1),
        ),
        postings=release(pending, pending.held_left_minor, book.business_date(now)),
        timers=timers,
        answer=Answer("noted"),
        answers=(AnswerTo(key, Answer(code, (why,), facts)),),
    )

"""The rules of reversals, and of holds whose time is up. Pure.

Hard cases: a reversal before its request (remembered); doubled, of a declined, expired or cleared authorization, of
another card; a partial one that raises, or that comes after part was presented; one of an increment (its original
shrinks by as much); of a single message (the money goes back); while the operator's endpoint is still asked (the
request is declined, whatever the endpoint says later); a hold that was released otherwise before its expiry.
What is taken back counts no longer for the card's limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from engine.ledger.book import Book
from engine.vocabulary.decision import Answer, AnswerTo, Decision, State, TimerCancelled
from engine.vocabulary.events import Event
from engine.vocabulary.keys import KEYS, key_of
from engine.vocabulary.messages import AuthorizationRequest
from engine.vocabulary.postings import Posting
from engine.vocabulary.responses import ResponseCode
from issuer.authorization import controls
from issuer.authorization.checks import limit_kinds
from issuer.authorization.controls import ActivityGivenBack, CardActivity
from issuer.authorization.facts import restored
from issuer.authorization.holds import post_back, release
from issuer.authorization.model import (
    ENDPOINT_TIMEOUT,
    Authorization,
    AuthorizationReduced,
    AuthorizationReversed,
    AuthorizationState,
    HoldExpired,
    ReleaseExpiredHold,
    ReversalRemembered,
    ReversalWithoutEffect,
    TokenisedReversal,
    reference_of,
)
from issuer.cards.model import Card

NOTHING_TO_REVERSE = frozenset({AuthorizationState.TOMBSTONE, AuthorizationState.DECLINED, AuthorizationState.REVERSED})


def reverse(book: Book, state: State, reversal: TokenisedReversal, now: datetime) -> Decision:
    """0420: all of an authorization is off, or all but the new total (DE 95). Answered 00, whatever follows."""
    request = reversal.request
    authorization = state.find(Authorization, "network_reference", reference_of(request))
    if authorization is None:
        tombstone = _tombstone(book, state, reversal, now)
        return Decision(events=(ReversalRemembered(subject=tombstone),), answer=_answer(tombstone, 0))
    if authorization.state in NOTHING_TO_REVERSE:
        return Decision(answer=_answer(authorization, 0))
    card = state.find(Card, "card_token", reversal.card_token)
    if card is None or card.id != authorization.card_id:
        return _without_effect(authorization, "card_differs")
    new_total = request.replacement_amount
    if new_total is not None and new_total.asset != authorization.asset:
        return _without_effect(authorization, "currency_differs")
    if authorization.state is AuthorizationState.CLEARED:
        return _without_effect(authorization, "already_cleared")
    left = 0 if new_total is None else max(0, new_total.amount_minor)
    if authorization.base_id is not None:
        return _shrink(book, state, authorization, left, now)
    if not left:
        return _reverse_all(book, state, authorization, now)
    return _reduce(book, state, authorization, left, now)


def _reverse_all(book: Book, state: State, authorization: Authorization, now: datetime) -> Decision:
    changed = replace(
        authorization,
        amount_minor=min(authorization.amount_minor, authorization.presented_minor),
        held_left_minor=0,
        state=AuthorizationState.REVERSED,
    )
    postings, freed = _freed(book, authorization, changed, now)
    was_pending = authorization.state is AuthorizationState.PENDING
    declined = Answer(
        ResponseCode.DO_NOT_HONOR.value, ("reversed",), {"network_reference": authorization.network_reference}
    )
    return Decision(
        events=(
            AuthorizationReversed(subject=changed),
            *gives_back(state, authorization, authorization.amount_minor - changed.amount_minor, count=1),
        ),
        postings=postings,
        timers=(TimerCancelled(authorization.id, ENDPOINT_TIMEOUT),) if was_pending else (),
        answer=_answer(authorization, freed),
        answers=(AnswerTo(key_of(KEYS[AuthorizationRequest], authorization), declined),) if was_pending else (),
    )


def _reduce(book: Book, state: State, authorization: Authorization, new_total_minor: int, now: datetime) -> Decision:
    """DE 95 is the new total: what is held beyond it, less what was presented of it already, is released."""
    if new_total_minor >= authorization.amount_minor:
        return Decision(answer=_answer(authorization, 0))
    still_needed = max(0, new_total_minor - authorization.presented_minor)
    held_left = min(authorization.held_left_minor, still_needed)
    changed = replace(authorization, amount_minor=new_total_minor, held_left_minor=held_left)
    postings, freed = _freed(book, authorization, changed, now)
    back = gives_back(state, authorization, authorization.amount_minor - new_total_minor)
    return Decision(
        events=(AuthorizationReduced(subject=changed), *back),
        postings=postings,
        answer=_answer(authorization, freed),
    )


def _shrink(book: Book, state: State, increment: Authorization, left_minor: int, now: datetime) -> Decision:
    """An increment is off, or less: its original is less by as much."""
    assert increment.base_id is not None
    base = state.need(Authorization, increment.base_id)
    less = max(0, increment.amount_minor - left_minor)
    changed = replace(
        increment,
        amount_minor=increment.amount_minor - less,
        state=increment.state if left_minor else AuthorizationState.REVERSED,
    )
    if base.state is not AuthorizationState.APPROVED or not less:
        return _without_effect(increment, f"original_{base.state}")
    smaller = _reduce(book, state, base, max(1, base.amount_minor - less), now)
    return smaller._replace(events=(AuthorizationReversed(subject=changed), *smaller.events))


def _freed(book: Book, before: Authorization, after: Authorization, now: datetime) -> tuple[tuple[Posting, ...], int]:
    """The postings that give back what `before` had of the customer's money and `after` has not; and how much."""
    today = book.business_date(now)
    if before.state is AuthorizationState.POSTED:
        freed = before.amount_minor - after.amount_minor
        return post_back(book, before, freed, today), freed
    freed = before.held_left_minor - after.held_left_minor
    return release(before, freed, today), freed


def gives_back(state: State, authorization: Authorization, amount_minor: int, count: int = 0) -> Sequence[Event]:
    """The event that takes so much of an authorization out of its card's limits, where it was counted."""
    if authorization.counted_on is None or authorization.card_id is None:
        return ()
    activity = state.get(CardActivity, authorization.card_id)
    if activity is None:
        return ()
    facts = authorization.considered["facts"]
    assert isinstance(facts, dict)
    kinds = limit_kinds(restored(facts))
    less = controls.given_back(activity, kinds, count, amount_minor, authorization.counted_on)
    return () if less == activity else (ActivityGivenBack(subject=less),)


def _without_effect(authorization: Authorization, reason: str) -> Decision:
    # An advice cannot be refused: it is answered 00, and the journal keeps why nothing followed.
    return Decision(
        events=(ReversalWithoutEffect(subject=authorization, reasons=(reason,)),),
        answer=_answer(authorization, 0),
    )


def _answer(authorization: Authorization, released_minor: int) -> Answer:
    return Answer(
        ResponseCode.APPROVED.value,
        facts={"network_reference": authorization.network_reference, "released_minor": released_minor},
    )


def _tombstone(book: Book, state: State, reversal: TokenisedReversal, now: datetime) -> Authorization:
    request = reversal.request
    reference = reference_of(request)
    card = state.find(Card, "card_token", reversal.card_token)
    return Authorization(
        id=book.id("authorization", reference, on=request.original.transmitted_at.astimezone(UTC).date()),
        network_reference=reference,
        card_id=None if card is None else card.id,
        account_id=None,
        held_id=None,
        transaction_type=request.processing_code[:2],
        requested_minor=request.amount.amount_minor,
        amount_minor=0,
        held_left_minor=0,
        presented_minor=0,
        asset=request.amount.asset,
        state=AuthorizationState.TOMBSTONE,
        response_code=ResponseCode.DO_NOT_HONOR.value,
        approval_code=None,
        reasons=("already_reversed",),
        preauthorization=False,
        mcc="",
        acquirer_id=request.original.acquirer_id,
        merchant_id=request.merchant_id,
        merchant_name="",
        terminal_id=request.terminal_id,
        pos_entry_mode="",
        transacted_at=request.original.transmitted_at,
        authorized_on=book.business_date(now),
        expires_at=None,
        stan=request.original.stan,
        considered={},
    )


def expire(state: State, request: ReleaseExpiredHold, now: datetime) -> Decision:
    """What is left of a hold whose time is up goes back to the customer, and no longer counts for the limits."""
    authorization = state.get(Authorization, request.authorization_id)
    due = (
        authorization is not None
        and authorization.state is AuthorizationState.APPROVED
        and authorization.held_left_minor > 0
        and authorization.expires_at is not None
        and authorization.expires_at <= now
    )
    if authorization is None or not due:
        return Decision(answer=Answer("not_due"))
    held = authorization.held_left_minor
    changed = replace(authorization, held_left_minor=0, state=AuthorizationState.EXPIRED)
    return Decision(
        events=(
            HoldExpired(subject=changed),
            *gives_back(state, authorization, held, count=0 if authorization.presented_minor else 1),
        ),
        postings=release(authorization, held, request.business_date),
        answer=Answer("released", facts={"released_minor": held}),
    )

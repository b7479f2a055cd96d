"""The rules of advices (0120): what the network has answered in our place, and what a pre-authorization has come to.
An advice cannot be refused. Pure.

Hard cases: an approval that we would have declined (held all the same, forced if the account does not hold so much;
the reasons are kept); one of a request that had reached us after all (nothing is held twice; what we had declined is
held now, for the merchant has the network's word); one after its reversal (nothing); for a card of nobody (noted);
a final amount above or below what is held, or of an authorization that is gone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from engine.ledger.book import Book
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.events import Event
from engine.vocabulary.messages import DEBITS, AdviceReason, AuthorizationAdvice
from engine.vocabulary.responses import ResponseCode
from issuer.authorization.checks import Verdict
from issuer.authorization.hold_lifetimes import expires_at
from issuer.authorization.holds import hold, release
from issuer.authorization.model import (
    Authorization,
    AuthorizationState,
    FinalAmountAdvised,
    PinCheck,
    StandInBooked,
    StandInNoted,
    original_reference,
)

NOT_LOOKED_AT: Final = PinCheck.ABSENT
"""Nobody asks an HSM about what is decided already."""


def hear(
    book: Book, state: State, advice: AuthorizationAdvice, now: datetime, *, asked: Authorization, ours: Verdict
) -> Decision:
    """Book an advice. `asked` is its request as a noun, `ours` what we would have answered."""
    if advice.reason is AdviceReason.FINAL_AMOUNT:
        return _final(book, state, advice, now)
    known = state.find(Authorization, "network_reference", asked.network_reference)
    if known is not None and known.state is not AuthorizationState.DECLINED:
        return _heard(asked, StandInNoted(subject=known, reasons=("decided_already",)))
    asked = asked if known is None else known
    reasons = tuple(refusal.reason for refusal in ours.found)
    told = replace(asked, response_code=advice.response_code.value, approval_code=advice.approval_code)
    if not advice.response_code.approved or asked.account_id is None:
        return _heard(asked, StandInNoted(subject=replace(told, reasons=reasons), reasons=reasons))
    minor = advice.request.amount.amount_minor if advice.request.transaction_type in DEBITS else 0
    booked = replace(
        told,
        amount_minor=advice.request.amount.amount_minor,
        held_left_minor=minor,
        state=AuthorizationState.APPROVED,
        reasons=reasons,
        expires_at=expires_at(advice.request, now) if minor else None,
        counted_on=None,
    )
    postings = hold(booked, minor, booked.authorized_on, forced=True) if minor else ()
    return _heard(asked, StandInBooked(subject=booked, reasons=reasons))._replace(postings=postings)


def _final(book: Book, state: State, advice: AuthorizationAdvice, now: datetime) -> Decision:
    request = advice.request
    assert request.original is not None, "a gateway takes no final amount without its original"
    reference = original_reference(request.original, request.terminal_id)
    found = state.find(Authorization, "network_reference", reference)
    if found is None or found.state is not AuthorizationState.APPROVED or found.asset != request.amount.asset:
        # What it has come to is told again by clearing, which posts whatever stands here.
        return Decision(answer=Answer(ResponseCode.APPROVED.value, ("nothing_held",)))
    final, today = request.amount.amount_minor, book.business_date(now)
    needed = max(0, final - found.presented_minor)
    changed = replace(
        found, requested_minor=max(found.requested_minor, final), amount_minor=final, held_left_minor=needed
    )
    if needed >= found.held_left_minor:
        postings = hold(found, needed - found.held_left_minor, today, forced=True)
    else:
        postings = release(found, found.held_left_minor - needed, today)
    return _heard(found, FinalAmountAdvised(subject=changed))._replace(postings=postings)


def _heard(authorization: Authorization, event: Event) -> Decision:
    facts = {"network_reference": authorization.network_reference}
    return Decision(events=(event,), answer=Answer(ResponseCode.APPROVED.value, facts=facts))

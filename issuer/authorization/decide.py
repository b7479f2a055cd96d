"""The rules of authorizations, reversals and the expiry of holds.

Hard cases: a reversal before its request; a reversal doubled, of a declined, expired or cleared authorization, of
another card; a partial one that raises, or that comes after part was presented; a hold released by its expiry after
it was released otherwise; a network reference used twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import blake2b
from uuid import UUID

from engine.accounts.model import Customer
from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.model import Account
from engine.vocabulary.decision import Answer, Decision, Json, State
from engine.vocabulary.events import Event
from engine.vocabulary.messages import REFUND
from engine.vocabulary.postings import Posting
from engine.vocabulary.responses import ResponseCode
from issuer.authorization.card_effects import chip_facts, counted, effects_on_card
from issuer.authorization.checks import Case, Refusal, refusals
from issuer.authorization.hold_lifetimes import expires_at
from issuer.authorization.model import (
    Authorization,
    AuthorizationDeclined,
    AuthorizationReduced,
    AuthorizationReversed,
    AuthorizationState,
    HoldExpired,
    HoldPlaced,
    RefundApproved,
    ReleaseExpiredHold,
    ReversalRemembered,
    ReversalWithoutEffect,
    TokenisedReversal,
    VerifiedRequest,
    reference_of,
)
from issuer.cards.model import Card

ALREADY_REVERSED = Refusal(ResponseCode.DO_NOT_HONOR, "already_reversed")
REFERENCE_USED = Refusal(ResponseCode.DUPLICATE_TRANSMISSION, "reference_used")

NOTHING_TO_REVERSE = frozenset({AuthorizationState.TOMBSTONE, AuthorizationState.DECLINED, AuthorizationState.REVERSED})

HOLD = "card hold"
HOLD_RELEASED = "card hold released"


def decide(
    book: Book, state: State, request: VerifiedRequest | TokenisedReversal | ReleaseExpiredHold, now: datetime
) -> Decision:
    """Approve or decline a request, take a reversal, or let a hold expire."""
    match request:
        case VerifiedRequest():
            return _authorize(book, state, request, now)
        case TokenisedReversal():
            return _reverse(book, state, request, now)
        case ReleaseExpiredHold():
            return _expire(state, request, now)


def _authorize(book: Book, state: State, verified: VerifiedRequest, now: datetime) -> Decision:
    request = verified.request
    asked = _asked(book, state, verified, now)
    known = state.find(Authorization, "network_reference", asked.network_reference)
    card = state.find(Card, "card_token", verified.card_token)
    if known is not None and known.state is AuthorizationState.TOMBSTONE:
        return _declined(replace(asked, id=known.id), [ALREADY_REVERSED], counted(card, verified))
    if known is not None:
        return Decision(answer=_answer(asked, REFERENCE_USED.code, [REFERENCE_USED]))

    if card is None:
        return _declined(asked, refusals(verified, None))
    is_refund = request.transaction_type == REFUND
    hold = () if is_refund else (_hold(asked, request.amount.amount_minor),)
    case = Case(
        verified=verified,
        card=card,
        customer=state.need(Customer, card.customer_id),
        account=state.need(Account, card.account_id),
        today=asked.authorized_on,
        hold_outcome=rules.check(state, hold),
    )
    found = refusals(verified, case)
    card_events = effects_on_card(card, verified, found)
    told = chip_facts(card, verified, card_events)
    if found:
        return _declined(asked, found, card_events, told)
    approved = replace(
        asked,
        amount_minor=asked.requested_minor,
        held_left_minor=0 if is_refund else asked.requested_minor,
        state=AuthorizationState.APPROVED,
        response_code=ResponseCode.APPROVED.value,
        approval_code=approval_code(asked.id),
        expires_at=None if is_refund else expires_at(request, now),
    )
    placed = RefundApproved(subject=approved) if is_refund else HoldPlaced(subject=approved)
    return Decision(
        events=(*card_events, placed),
        postings=hold,
        answer=_answer(approved, ResponseCode.APPROVED, [], told),
    )


def _asked(book: Book, state: State, verified: VerifiedRequest, now: datetime) -> Authorization:
    """The request as a noun, declined until it is approved."""
    request = verified.request
    reference = reference_of(request)
    card = state.find(Card, "card_token", verified.card_token)
    account = None if card is None else state.need(Account, card.account_id)
    return Authorization(
        id=book.id("authorization", reference, on=request.transmitted_at.astimezone(UTC).date()),
        network_reference=reference,
        card_id=None if card is None else card.id,
        account_id=None if account is None else account.id,
        held_id=None if account is None else account.held_id,
        transaction_type=request.transaction_type,
        requested_minor=request.amount.amount_minor,
        amount_minor=0,
        held_left_minor=0,
        presented_minor=0,
        asset=request.amount.asset,
        state=AuthorizationState.DECLINED,
        response_code=ResponseCode.DO_NOT_HONOR.value,
        approval_code=None,
        reasons=(),
        preauthorization=request.is_preauthorization,
        mcc=request.mcc,
        acquirer_id=request.acquirer_id,
        merchant_id=request.merchant_id,
        merchant_name=request.merchant_name,
        terminal_id=request.terminal_id,
        pos_entry_mode=request.pos_entry_mode,
        transacted_at=request.transmitted_at,
        authorized_on=book.business_date(now),
        expires_at=None,
    )


def _declined(
    asked: Authorization,
    found: Sequence[Refusal],
    before: tuple[Event, ...] = (),
    told: Mapping[str, Json] | None = None,
) -> Decision:
    reasons = tuple(refusal.reason for refusal in found)
    declined = replace(asked, response_code=found[0].code.value, reasons=reasons)
    return Decision(
        events=(*before, AuthorizationDeclined(subject=declined, reasons=reasons)),
        answer=_answer(declined, found[0].code, found, told),
    )


def _answer(
    authorization: Authorization,
    code: ResponseCode,
    found: Sequence[Refusal],
    told: Mapping[str, Json] | None = None,
) -> Answer:
    facts: dict[str, Json] = {"network_reference": authorization.network_reference, **(told or {})}
    if authorization.approval_code is not None:
        facts["approval_code"] = authorization.approval_code
    return Answer(code.value, tuple(refusal.reason for refusal in found), facts)


def _hold(asked: Authorization, amount_minor: int) -> Posting:
    assert asked.account_id is not None and asked.held_id is not None, "a card spends from an account that can hold"
    return Posting(
        debit=asked.account_id,
        credit=asked.held_id,
        amount_minor=amount_minor,
        kind=HOLD,
        effective_on=asked.authorized_on,
        subject_id=asked.id,
    )


def release(authorization: Authorization, amount_minor: int, effective_on: date) -> tuple[Posting, ...]:
    """The posting that gives `amount_minor` of a hold back to the customer; none for nothing."""
    assert 0 <= amount_minor <= authorization.held_left_minor, "no more is released than is held"
    if not amount_minor:
        return ()
    assert authorization.account_id is not None and authorization.held_id is not None, "a hold has accounts"
    return (
        Posting(
            debit=authorization.held_id,
            credit=authorization.account_id,
            amount_minor=amount_minor,
            kind=HOLD_RELEASED,
            effective_on=effective_on,
            subject_id=authorization.id,
        ),
    )


def _reverse(book: Book, state: State, reversal: TokenisedReversal, now: datetime) -> Decision:
    request = reversal.request
    authorization = state.find(Authorization, "network_reference", reference_of(request))
    if authorization is None:
        tombstone = _tombstone(book, state, reversal, now)
        return Decision(events=(ReversalRemembered(subject=tombstone),), answer=_reversed_answer(tombstone, 0))
    if authorization.state in NOTHING_TO_REVERSE:
        return Decision(answer=_reversed_answer(authorization, 0))
    card = state.find(Card, "card_token", reversal.card_token)
    if card is None or card.id != authorization.card_id:
        return _without_effect(authorization, "card_differs")
    new_total = request.replacement_amount
    if new_total is not None and new_total.asset != authorization.asset:
        return _without_effect(authorization, "currency_differs")
    if authorization.state is AuthorizationState.CLEARED:
        return _without_effect(authorization, "already_cleared")
    if new_total is None or new_total.amount_minor <= 0:
        return _reverse_all(book, authorization, now)
    return _reduce(book, authorization, new_total.amount_minor, now)


def _reverse_all(book: Book, authorization: Authorization, now: datetime) -> Decision:
    held = authorization.held_left_minor
    changed = replace(
        authorization,
        amount_minor=min(authorization.amount_minor, authorization.presented_minor),
        held_left_minor=0,
        state=AuthorizationState.REVERSED,
    )
    return Decision(
        events=(AuthorizationReversed(subject=changed),),
        postings=release(authorization, held, book.business_date(now)),
        answer=_reversed_answer(authorization, held),
    )


def _reduce(book: Book, authorization: Authorization, new_total_minor: int, now: datetime) -> Decision:
    """DE 95 is the new total: what is held beyond it, less what was presented of it already, is released."""
    if new_total_minor >= authorization.amount_minor:
        return Decision(answer=_reversed_answer(authorization, 0))
    still_needed = max(0, new_total_minor - authorization.presented_minor)
    held_left = min(authorization.held_left_minor, still_needed)
    released = authorization.held_left_minor - held_left
    changed = replace(authorization, amount_minor=new_total_minor, held_left_minor=held_left)
    return Decision(
        events=(AuthorizationReduced(subject=changed),),
        postings=release(authorization, released, book.business_date(now)),
        answer=_reversed_answer(authorization, released),
    )


def _without_effect(authorization: Authorization, reason: str) -> Decision:
    # An advice cannot be refused: it is answered 00, and the journal keeps why nothing followed.
    return Decision(
        events=(ReversalWithoutEffect(subject=authorization, reasons=(reason,)),),
        answer=_reversed_answer(authorization, 0),
    )


def _reversed_answer(authorization: Authorization, released_minor: int) -> Answer:
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
        response_code=ALREADY_REVERSED.code.value,
        approval_code=None,
        reasons=(ALREADY_REVERSED.reason,),
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
    )


def _expire(state: State, request: ReleaseExpiredHold, now: datetime) -> Decision:
    authorization = state.get(Authorization, request.authorization_id)
    due = (
        authorization is not None
        and authorization.held_left_minor > 0
        and authorization.expires_at is not None
        and authorization.expires_at <= now
    )
    if authorization is None or not due:
        return Decision(answer=Answer("not_due"))
    held = authorization.held_left_minor
    changed = replace(authorization, held_left_minor=0, state=AuthorizationState.EXPIRED)
    return Decision(
        events=(HoldExpired(subject=changed),),
        postings=release(authorization, held, request.business_date),
        answer=Answer("released", facts={"released_minor": held}),
    )


def approval_code(authorization_id: UUID) -> str:
    """DE 38: six digits that follow from the authorization, so that a replay has the same."""
    digest = blake2b(authorization_id.bytes, digest_size=8, person=b"approval").digest()
    return f"{int.from_bytes(digest, 'big') % 10**6:06d}"

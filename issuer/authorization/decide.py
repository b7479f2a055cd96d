"""The rules of authorizations: what is asked, what the network has decided in our place, what is taken back, and what
expires.

Hard cases: a reversal before its request; a network reference used twice; two requests for one card in one batch with
funds for one (the second sees the state after the first); an increment of what is gone; an answer of the operator's
endpoint that comes late. Those of reversals and advices stand with their rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

from engine.accounts.model import Customer
from engine.ledger.book import Book
from engine.ledger.chart import SINGLE_MESSAGES
from engine.ledger.model import Account
from engine.vocabulary.decision import Answer, Decision, Json, State, TimerFired
from engine.vocabulary.events import Event
from engine.vocabulary.messages import BALANCE_INQUIRY, CREDITS, OriginalData
from engine.vocabulary.postings import Posting
from engine.vocabulary.responses import ResponseCode
from issuer.authorization import advices, controls, hooks, reversals
from issuer.authorization.card_effects import chip_facts, counted, effects_on_card
from issuer.authorization.checks import MISSING, Refusal, Rules, Verdict, judge, limit_kinds
from issuer.authorization.controls import ActivityCounted, CardActivity, CardControls
from issuer.authorization.facts import Facts, kept, of_card, of_habits, of_request
from issuer.authorization.hold_lifetimes import expires_at
from issuer.authorization.holds import hold, post
from issuer.authorization.hooks import Hook
from issuer.authorization.model import (
    Authorization,
    AuthorizationDeclined,
    AuthorizationIncreased,
    AuthorizationState,
    CardConfirmed,
    HoldPlaced,
    IncrementJoined,
    RefundApproved,
    ReleaseExpiredHold,
    SingleMessagePosted,
    TokenisedAdvice,
    TokenisedReversal,
    VerifiedRequest,
    original_reference,
    reference_of,
)
from issuer.authorization.risk import RiskRules, RuleSetState
from issuer.cards.model import Card

ALREADY_REVERSED = Refusal(ResponseCode.DO_NOT_HONOR, "already_reversed")
REFERENCE_USED = Refusal(ResponseCode.DUPLICATE_TRANSMISSION, "reference_used")

Prepared = (
    VerifiedRequest | TokenisedAdvice | TokenisedReversal | ReleaseExpiredHold | hooks.EndpointAnswered | TimerFired
)


def decide(book: Book, hook: Hook | None, state: State, request: Prepared, now: datetime) -> Decision:
    """Approve or decline a request, hear an advice, take a reversal, let a hold expire, or hear what the operator's
    endpoint says. `hook` is that endpoint, None where there is none."""
    match request:
        case VerifiedRequest():
            return _authorize(book, hook, state, request, now)
        case TokenisedAdvice():
            return _advised(book, state, request, now)
        case TokenisedReversal():
            return reversals.reverse(book, state, request, now)
        case ReleaseExpiredHold():
            return reversals.expire(state, request, now)
        case hooks.EndpointAnswered():
            return hooks.heard(book, state, request, now)
        case TimerFired():
            assert hook is not None, "only who asks an endpoint waits for one"
            return hooks.silent(book, hook, state, request, now)


def rules_of(state: State) -> Rules:
    """The rules in force, of what was loaded."""
    sets = {one.state: one for one in state.all(RiskRules)}
    return Rules(active=sets.get(RuleSetState.ACTIVE), shadow=sets.get(RuleSetState.SHADOW))


def _authorize(book: Book, hook: Hook | None, state: State, verified: VerifiedRequest, now: datetime) -> Decision:
    request = verified.request
    card = state.find(Card, "card_token", verified.card_token)
    facts, asked = gathered(book, state, verified, card, now)
    known = state.find(Authorization, "network_reference", asked.network_reference)
    if known is not None and known.state is AuthorizationState.TOMBSTONE:
        return _declined(replace(asked, id=known.id), [ALREADY_REVERSED], counted(card, verified))
    if known is not None:
        return Decision(answer=_answer(asked, REFERENCE_USED.code, [REFERENCE_USED]))
    verdict = judge(facts, rules_of(state))
    if verdict.scored:
        asked = replace(asked, considered={**asked.considered, "scored": _told_scores(verdict)})
    if card is None:
        return _declined(asked, verdict.found)
    card_events = effects_on_card(card, verified, verdict)
    told = chip_facts(card, verified, card_events) | _verdicts(verified)
    if not verdict.approved:
        return _declined(asked, verdict.found, card_events, told)
    approved = replace(
        asked,
        amount_minor=verdict.amount_minor,
        state=AuthorizationState.APPROVED,
        response_code=verdict.code.value,
        approval_code=approval_code(asked.id),
        reasons=tuple(one.reason for one in verdict.found),
    )
    events, postings, approved = _granted(book, state, verified, now, approved=approved, facts=facts)
    if verdict.amount_minor != facts.amount_minor:
        told["amount_minor"] = verdict.amount_minor
    if request.transaction_type == BALANCE_INQUIRY:
        told |= {"ledger_minor": facts.available_minor + facts.held_minor, "available_minor": facts.available_minor}
    answer = _answer(approved, verdict.code, verdict.found, told)
    granted = Decision(events=(*card_events, *events), postings=postings, answer=answer)
    if hook is not None and approved.state is AuthorizationState.APPROVED and approved.held_left_minor:
        return hooks.ask(hook, approved, granted, now)
    return granted


def gathered(
    book: Book, state: State, verified: VerifiedRequest, card: Card | None, now: datetime
) -> tuple[Facts, Authorization]:
    """All facts of a request, and the request as a noun, declined until it is approved."""
    request, today = verified.request, book.business_date(now)
    facts = of_request(verified, today.isoformat())
    account, counted_on = None, None
    if card is not None:
        account = state.need(Account, card.account_id)
        held = None if account.held_id is None else state.get(Account, account.held_id)
        customer = state.need(Customer, card.customer_id)
        facts = of_card(facts, card, customer, account, 0 if held is None else held.balance_minor)
        own, activity = state.get(CardControls, card.id), state.get(CardActivity, card.id)
        facts = of_habits(facts, own, activity, now)
        if _counts(state, own, activity):
            counted_on = today if own is None else own.local_date(now)
        if request.original is not None:
            base = state.find(
                Authorization, "network_reference", original_reference(request.original, request.terminal_id)
            )
            open_ = base is not None and base.card_id == card.id and base.asset == request.amount.asset
            facts = facts._replace(base=base.state.value if base is not None and open_ else MISSING)
    reference = reference_of(request)
    return facts, Authorization(
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
        authorized_on=today,
        expires_at=None,
        is_financial=request.is_financial,
        stan=request.stan,
        counted_on=counted_on,
        considered={"facts": kept(facts)},
    )


def _counts(state: State, own: CardControls | None, activity: CardActivity | None) -> bool:
    """Whether anybody looks at what the card does: limits of its own, or risk rules."""
    return activity is not None or (own is not None and bool(own.limits)) or bool(state.of(RiskRules))


def _granted(
    book: Book, state: State, verified: VerifiedRequest, now: datetime, *, approved: Authorization, facts: Facts
) -> tuple[tuple[Event, ...], tuple[Posting, ...], Authorization]:
    """What follows from an approval: events, postings, and the authorization as it then stands."""
    request, minor, on = verified.request, approved.amount_minor, approved.authorized_on
    if not minor:
        unspent = replace(approved, counted_on=None)
        return (CardConfirmed(subject=unspent),), (), unspent
    if request.is_financial:
        posted = replace(approved, state=AuthorizationState.POSTED)
        opening = book.opening(state, (SINGLE_MESSAGES,), posted.asset)
        events = (*opening, SingleMessagePosted(subject=posted), *_counting(state, posted, facts, now))
        return events, post(book, posted, minor, on), posted
    if request.transaction_type in CREDITS:
        promised = replace(approved, counted_on=None)
        return (RefundApproved(subject=promised),), (), promised
    if request.original is not None:
        return _increased(state, request.original, approved, facts, now, expires=expires_at(request, now))
    held = replace(approved, held_left_minor=minor, expires_at=expires_at(request, now))
    return (HoldPlaced(subject=held), *_counting(state, held, facts, now)), hold(held, minor, on), held


def _increased(
    state: State, original: OriginalData, approved: Authorization, facts: Facts, now: datetime, *, expires: datetime
) -> tuple[tuple[Event, ...], tuple[Posting, ...], Authorization]:
    reference = original_reference(original, approved.terminal_id)
    base = state.find(Authorization, "network_reference", reference)
    assert base is not None, "an increment without its original is refused"
    minor = approved.amount_minor
    grown = replace(
        base,
        requested_minor=base.requested_minor + minor,
        amount_minor=base.amount_minor + minor,
        held_left_minor=base.held_left_minor + minor,
        expires_at=expires,
    )
    joined = replace(approved, state=AuthorizationState.JOINED, base_id=base.id)
    events: tuple[Event, ...] = (AuthorizationIncreased(subject=grown), IncrementJoined(subject=joined))
    activity = None if approved.card_id is None else state.get(CardActivity, approved.card_id)
    if activity is not None and base.counted_on is not None:
        more = controls.added(activity, limit_kinds(facts), minor, base.counted_on)
        events = (*events, ActivityCounted(subject=more))
    return events, hold(base, minor, approved.authorized_on), joined


def _counting(state: State, approved: Authorization, facts: Facts, now: datetime) -> tuple[Event, ...]:
    if approved.counted_on is None or approved.card_id is None or approved.transaction_type in CREDITS:
        return ()
    before = state.get(CardActivity, approved.card_id) or CardActivity(id=approved.card_id, counters={})
    after = controls.counted(
        before, limit_kinds(facts), approved.amount_minor, approved.counted_on, at=now, country=facts.country
    )
    return (ActivityCounted(subject=after),)


def _advised(book: Book, state: State, advice: TokenisedAdvice, now: datetime) -> Decision:
    request = advice.request.request
    verified = VerifiedRequest(
        request=request, card_token=advice.card_token, cvv=None, cvv2=None, pin=advices.NOT_LOOKED_AT
    )
    card = state.find(Card, "card_token", advice.card_token)
    facts, asked = gathered(book, state, verified, card, now)
    return advices.hear(book, state, advice.request, now, asked=asked, ours=judge(facts, rules_of(state)))


def _declined(
    asked: Authorization,
    found: Sequence[Refusal],
    before: tuple[Event, ...] = (),
    told: Mapping[str, Json] | None = None,
) -> Decision:
    reasons = tuple(refusal.reason for refusal in found)
    declined = replace(asked, response_code=found[0].code.value, reasons=reasons, counted_on=None)
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


def _verdicts(verified: VerifiedRequest) -> dict[str, Json]:
    """What the asker is told of what its cardholder has typed."""
    told: dict[str, Json] = {}
    if verified.address is not None:
        told["address_verdict"] = verified.address
    if verified.cvv2 is not None:
        told["cvv2_verdict"] = "M" if verified.cvv2 else "N"
    return told


def _told_scores(verdict: Verdict) -> list[Json]:
    return [
        {"version": one.version, "score": one.score, "reasons": list(one.reasons), "declines": one.declines}
        for one in verdict.scored
    ]


def approval_code(authorization_id: UUID) -> str:
    """DE 38: six digits that follow from the authorization, so that a replay has the same."""
    digest = blake2b(authorization_id.bytes, digest_size=8, person=b"approval").digest()
    return f"{int.from_bytes(digest, 'big') % 10**6:06d}"

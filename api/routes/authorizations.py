"""`/issuing/authorizations`: one authorization and why it was answered so; `/issuing/cards/{id}/controls`,
`/issuing/risk-rules`: what decides the next ones. `/cards/{id}/controls`: what cardholders set for themselves.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.doors import AskingCustomer, AskingOperator, IdempotencyKey, OurDoors
from api.errors import INVALID, RESPONSES, ApiError, refused, unless_taken
from engine.vocabulary.decision import Answer
from issuer.authorization.controls import SetControls
from issuer.authorization.explanation import facts_of, steps
from issuer.authorization.risk import InstallRiskRules, RuleSetState
from issuer.authorization.store import find_authorization

router = APIRouter(tags=["authorizations"], responses=RESPONSES)

_WORDS: dict[str, tuple[str, str | None]] = {
    "card_unknown": ("You have no such card.", "card_id"),
    "time_zone_unknown": ("That is no time zone of the IANA database.", "time_zone"),
    "limit_malformed": (
        "A limit is [count, amount] under WINDOW/KIND: transaction, day, week, month, lifetime; all, cash, remote.",
        "limits",
    ),
    "list_malformed": ("Lists are mccs, countries, merchants, entry_modes.", "allowed"),
    "version_has_other_rules": ("This version has other rules already: give the set another version.", "version"),
}


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ControlsAsked(_Asked):
    """What a card may do. Limits by "WINDOW/KIND" as [count, amount in minor units], null for no limit."""

    limits: dict[str, tuple[int | None, int | None]] = {}
    allowed: dict[str, list[str]] = {}
    blocked: dict[str, list[str]] = {}
    time_zone: str | None = None


class RulesAsked(_Asked):
    """A set of risk rules: each has name, when (rows of [fact, comparison, value]) and score."""

    version: Annotated[int, Field(strict=True, gt=0)]
    state: RuleSetState
    threshold: Annotated[int, Field(strict=True, gt=0)]
    rules: list[dict[str, Any]]


class CheckShown(BaseModel):
    """One check, in order of precedence."""

    place: str
    reason: str
    failed: bool


class AuthorizationShown(BaseModel):
    """One authorization with all that it was decided on: inputs, balances and counters at that instant are `facts`."""

    id: UUID
    network_reference: str
    card_id: UUID | None
    state: str
    response_code: str
    approval_code: str | None
    reasons: list[str]
    requested_minor: int
    amount_minor: int
    held_minor: int
    presented_minor: int
    currency: str
    merchant_id: str
    merchant_name: str
    requested_at: datetime
    expires_at: datetime | None
    checks: list[CheckShown]
    facts: dict[str, Any]
    risk_rules: list[Any]


@router.get("/issuing/authorizations/{authorization_id}")
def look_up(ours: OurDoors, asking: AskingOperator, authorization_id: UUID) -> AuthorizationShown:
    """An authorization, for the bank's operators."""
    with ours.bank.engine.connect() as connection:
        found = find_authorization(connection, authorization_id)
    if found is None:
        raise ApiError(404, INVALID, "unknown_authorization", "There is no such authorization.", "authorization_id")
    scored = found.considered.get("scored")
    return AuthorizationShown(
        id=found.id,
        network_reference=found.network_reference,
        card_id=found.card_id,
        state=found.state,
        response_code=found.response_code,
        approval_code=found.approval_code,
        reasons=list(found.reasons),
        requested_minor=found.requested_minor,
        amount_minor=found.amount_minor,
        held_minor=found.held_left_minor,
        presented_minor=found.presented_minor,
        currency=found.asset,
        merchant_id=found.merchant_id,
        merchant_name=found.merchant_name,
        requested_at=found.transacted_at,
        expires_at=found.expires_at,
        checks=[CheckShown(place=one.place, reason=one.reason, failed=one.failed) for one in steps(found)],
        facts=facts_of(found),
        risk_rules=list(scored) if isinstance(scored, list) else [],
    )


@router.put("/cards/{card_id}/controls", status_code=204)
async def set_own(
    ours: OurDoors, asking: AskingCustomer, key: IdempotencyKey, card_id: UUID, asked: ControlsAsked
) -> None:
    """Say what a card of one's own may do; it replaces what was said before."""
    _told(await ours.bank.ask(_controls(card_id, key, asked, asking)))


@router.put("/issuing/cards/{card_id}/controls", status_code=204)
async def set_any(
    ours: OurDoors, asking: AskingOperator, key: IdempotencyKey, card_id: UUID, asked: ControlsAsked
) -> None:
    """Say what a card may do."""
    _told(await ours.bank.ask(_controls(card_id, key, asked, None)))


@router.put("/issuing/risk-rules", status_code=204)
async def install(ours: OurDoors, asking: AskingOperator, key: IdempotencyKey, asked: RulesAsked) -> None:
    """Put a set of risk rules into force, or into shadow, where it is asked and declines nothing."""
    request = InstallRiskRules(
        version=asked.version, state=asked.state, threshold=asked.threshold, rules=tuple(asked.rules), reference=key
    )
    answer = unless_taken(await ours.bank.ask(request))
    if answer.reasons and answer.reasons[0].startswith("rule_malformed"):
        _, _, name = answer.reasons[0].partition(":")
        raise ApiError(422, INVALID, "rule_malformed", f"The rule {name!r} is malformed.", "rules")
    _told(answer)


def _controls(card_id: UUID, key: str, asked: ControlsAsked, customer_id: UUID | None) -> SetControls:
    return SetControls(
        card_id=card_id,
        reference=key,
        limits={name: list(limit) for name, limit in asked.limits.items()},
        allowed=asked.allowed,
        blocked=asked.blocked,
        time_zone=asked.time_zone,
        customer_id=customer_id,
    )


def _told(answer: Answer) -> None:
    if unless_taken(answer).code not in ("set", "installed"):
        raise refused(answer, _WORDS)

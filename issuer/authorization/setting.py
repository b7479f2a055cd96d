"""The rules of what is set: a card's controls, risk rules, a billing address. Pure.

Hard cases: limits set on a card that was used before (what it did counts: a limit for ever begins with the card); the
same set of rules again, in another place; a set under a version that has other rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.accounts.model import Customer
from engine.ledger.book import Book
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.keys import KeyRule
from issuer.authorization import controls, risk
from issuer.authorization.addresses import BillingAddress, BillingAddressSet, SetBillingAddress, comparable
from issuer.authorization.controls import ActivityCounted, CardActivity, CardControls, ControlsSet, SetControls
from issuer.authorization.risk import InstallRiskRules, RiskRules, RiskRulesInstalled, RuleSetState
from issuer.cards.model import Card

SettingRequest = SetControls | InstallRiskRules | SetBillingAddress

SETTING_KEYS: Mapping[type, KeyRule] = {
    SetControls: KeyRule(
        "card_controls", ("card_id", "customer_id", "reference"), ("limits", "allowed", "blocked", "time_zone")
    ),
    InstallRiskRules: KeyRule("risk_rules", ("version", "state", "reference"), ("threshold", "rules")),
    SetBillingAddress: KeyRule("billing_address", ("customer_id", "reference"), ("postcode", "street")),
}


@dataclass(frozen=True, slots=True)
class Spent:
    """One of a card's approvals of before: what it counts for."""

    kinds: tuple[str, ...]
    amount_minor: int
    day: date
    at: datetime
    country: str


@dataclass(frozen=True, slots=True)
class WithHistory:
    """Controls to be set, and what the card has done."""

    request: SetControls
    spent: Sequence[Spent]


PreparedSetting = WithHistory | InstallRiskRules | SetBillingAddress


def decide(book: Book, state: State, request: PreparedSetting, now: datetime) -> Decision:
    """Set it, or say what is wrong with it."""
    match request:
        case WithHistory():
            return _set_controls(book, state, request)
        case InstallRiskRules():
            return _install(book, state, request, now)
        case SetBillingAddress():
            return _set_address(state, request)


def _set_controls(book: Book, state: State, asked: WithHistory) -> Decision:
    request = asked.request
    card = state.get(Card, request.card_id)
    if card is None or request.customer_id not in (None, card.customer_id):
        return _refused("card_unknown")
    if (fault := controls.fault_of(request)) is not None:
        return _refused(fault)
    zone = request.time_zone or book.time_zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return _refused("time_zone_unknown")
    own = CardControls(
        id=card.id,
        time_zone=zone,
        limits={name: list(limit) for name, limit in request.limits.items()},
        allowed={name: list(row) for name, row in request.allowed.items()},
        blocked={name: list(row) for name, row in request.blocked.items()},
    )
    events: tuple[Event, ...] = (ControlsSet(subject=own),)
    if own.limits and state.get(CardActivity, card.id) is None:
        activity = CardActivity(id=card.id, counters={})
        for one in asked.spent:
            activity = controls.counted(activity, one.kinds, one.amount_minor, one.day, at=one.at, country=one.country)
        events = (*events, ActivityCounted(subject=activity))
    return Decision(events=events, answer=Answer("set"))


def _install(book: Book, state: State, request: InstallRiskRules, now: datetime) -> Decision:
    if (fault := risk.fault_of(request)) is not None:
        return _refused(fault)
    identifier = book.id("risk rules", request.version, on=STATIC)
    known = state.get(RiskRules, identifier)
    if known is not None and (known.rules, known.threshold) != (request.rules, request.threshold):
        return _refused("version_has_other_rules")
    installed = RiskRules(
        id=identifier,
        version=request.version,
        state=request.state,
        threshold=request.threshold,
        rules=request.rules,
        installed_at=now if known is None else known.installed_at,
    )
    gone = [
        RiskRulesInstalled(subject=replace(one, state=RuleSetState.RETIRED))
        for one in state.all(RiskRules)
        if one.id != identifier and one.state is request.state and request.state is not RuleSetState.RETIRED
    ]
    return Decision(events=(*gone, RiskRulesInstalled(subject=installed)), answer=Answer("installed"))


def _set_address(state: State, request: SetBillingAddress) -> Decision:
    if state.get(Customer, request.customer_id) is None:
        return _refused("customer_unknown")
    postcode, digits = comparable(request.postcode, request.street)
    if not postcode.isalnum():
        return _refused("postcode_malformed")
    address = BillingAddress(id=request.customer_id, postcode=postcode, street_digits=digits)
    return Decision(events=(BillingAddressSet(subject=address),), answer=Answer("set"))


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))

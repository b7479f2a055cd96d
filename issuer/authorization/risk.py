"""Risk rules: data, not code. A rule names conditions on the facts of an authorization and what it adds to the score;
who reaches the threshold is declined. Rules come in numbered sets: one is active, one may run in shadow, which is
asked and written down but never declines. `bezant authorizations try-rules` asks a set about what is past. Pure.

Beside the facts themselves a condition may look at:

- `speed_kmh`: how fast the card would have travelled since its last approval in another country, taking countries to
  be `BETWEEN_COUNTRIES_KM` apart (nothing better is known: DE 43 says the country only);
- `times_mean`: the amount in hundredths of the card's mean;
- `is_first`: nothing was approved before.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

from engine.vocabulary.events import Event
from issuer.authorization.facts import Facts

BETWEEN_COUNTRIES_KM: Final = 1_000
"""Less than most pairs of countries are apart, so that a traveller is seldom taken for two."""
SCORE_MOST: Final = 1_000


class RuleSetState(StrEnum):
    """Whether a set decides."""

    ACTIVE = "active"
    SHADOW = "shadow"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRules:
    """A set of rules. Each has `name`, `when` (a row of [fact, comparison, value], all of which must hold) and
    `score`."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    version: int
    state: RuleSetState
    threshold: int
    rules: tuple[Mapping[str, Any], ...]
    installed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRulesInstalled(Event):
    """A set is there, or decides now, or no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRiskRules:
    """Put a set of rules into force, or into shadow; a set in the same place goes. The same version again moves it.

    Answered "installed", or "refused": rule_malformed:NAME, version_has_other_rules.
    """

    version: int
    state: RuleSetState
    threshold: int
    rules: tuple[Mapping[str, Any], ...]
    reference: str


@dataclass(frozen=True, slots=True)
class Scored:
    """What a set says of an authorization: the score, and the names of the rules that it comes from."""

    version: int
    score: int
    reasons: tuple[str, ...]
    declines: bool


def score(rules: RiskRules, facts: Facts) -> Scored:
    """Ask all rules of a set."""
    derived = _derived(facts)
    hit = [rule for rule in rules.rules if all(_holds(facts, derived, condition) for condition in rule["when"])]
    total = min(SCORE_MOST, sum(int(rule["score"]) for rule in hit))
    return Scored(rules.version, total, tuple(str(rule["name"]) for rule in hit), total >= rules.threshold)


def fault_of(request: InstallRiskRules) -> str | None:
    """Why this set cannot be installed, None if it can."""
    for rule in request.rules:
        try:
            sound = (
                bool(rule["name"])
                and isinstance(rule["score"], int)
                and rule["score"] >= 0
                and bool(rule["when"])
                and all(
                    (name in Facts._fields or name in _DERIVED) and comparison in _COMPARISONS
                    for name, comparison, _ in rule["when"]
                )
            )
        except (KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            return f"rule_malformed:{rule.get('name', '?')}"
    return None


def _within(value: Any, listed: Any) -> bool:
    return value in listed


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": _within,
    "not in": lambda value, listed: value not in listed,
}
_DERIVED: Final = ("speed_kmh", "times_mean", "is_first")


def _derived(facts: Facts) -> dict[str, int | bool]:
    moved = facts.last_country not in ("", facts.country) and facts.seconds_since_last is not None
    seconds = max(1, facts.seconds_since_last or 0)
    return {
        "speed_kmh": BETWEEN_COUNTRIES_KM * 3600 // seconds if moved else 0,
        "times_mean": facts.amount_minor * 100 // facts.mean_minor if facts.mean_minor else 0,
        "is_first": not facts.approved_before,
    }


def _holds(facts: Facts, derived: Mapping[str, int | bool], condition: Sequence[Any]) -> bool:
    name, comparison, wanted = condition
    value = derived[name] if name in derived else getattr(facts, name)
    return value is not None and _COMPARISONS[comparison](value, wanted)

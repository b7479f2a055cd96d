"""Why an authorization was answered as it was, and what other rules would have answered: from what it keeps, without
any row of then. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from issuer.authorization.checks import ORDER, Rules, Verdict, judge
from issuer.authorization.facts import restored
from issuer.authorization.model import Authorization
from issuer.authorization.risk import RiskRules, score


@dataclass(frozen=True, slots=True)
class Step:
    """One check: its place, its reason, and whether it spoke against the request."""

    place: str
    reason: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """An authorization that other risk rules would have answered otherwise."""

    authorization: Authorization
    score: int
    reasons: tuple[str, ...]
    would_decline: bool


def steps(authorization: Authorization) -> list[Step]:
    """Every check in order, each said to have passed or failed; of limits and lists each one that failed."""
    told: list[Step] = []
    left = list(authorization.reasons)
    for place, reasons in ORDER:
        for reason in reasons:
            own = [one for one in left if _is_of(one, reason)]
            told += [Step(place.name.lower(), one, failed=True) for one in own] or [
                Step(place.name.lower(), reason, failed=False)
            ]
            left = [one for one in left if one not in own]
    return [*(Step("before all", one, failed=True) for one in left), *told]


def _is_of(told: str, reason: str) -> bool:
    head = told.partition(":")[0]
    return head == reason or (
        reason in ("not_allowed", "blocked") and head.endswith(f"_{reason}") and head != "card_blocked"
    )


def facts_of(authorization: Authorization) -> dict[str, Any]:
    """What it was decided on; nothing for what was never decided by us."""
    facts = authorization.considered.get("facts", {})
    assert isinstance(facts, dict)
    return facts


def again(authorization: Authorization, rules: Rules) -> Verdict:
    """Decide it again on the facts of then. Its own rules give its own answer."""
    return judge(restored(facts_of(authorization)), rules)


def tried(past: Iterable[Authorization], rules: RiskRules) -> Iterator[Difference | None]:
    """Each past authorization under a set of risk rules: None where it would have ended as it did."""
    for authorization in past:
        if not (facts := facts_of(authorization)) or not facts.get("is_known", True):
            yield None
            continue
        said = score(rules, restored(facts))
        was_declined = "risk_score" in authorization.reasons
        differs = said.declines is not was_declined
        yield Difference(authorization, said.score, said.reasons, said.declines) if differs else None

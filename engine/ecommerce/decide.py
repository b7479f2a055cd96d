"""The rule of traces: the next number of the merchant's terminal for e-commerce, at this second.

Hard cases: the same reference again (the shell answers it, with the first trace), two payments at once on one terminal,
a device of the merchant that gives the same number at the same second (it has another terminal id), the number after
999999.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.ecommerce.model import LARGEST_STAN, AssignTrace, TraceAssigned, TraceCounter
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.identifiers import STATIC, derive_id


@dataclass(frozen=True, slots=True)
class Placed:
    """A request and the terminal (DE 41) of its merchant's e-commerce; None when there is no such merchant."""

    request: AssignTrace
    terminal_id: str | None


def decide(institution: str, state: State, placed: Placed, now: datetime) -> Decision:
    """Assign the next trace."""
    if placed.terminal_id is None:
        return Decision(answer=Answer("refused", ("unknown_merchant",)))
    identity = derive_id(f"{institution}/trace", placed.terminal_id, on=STATIC)
    counter = state.get(TraceCounter, identity)
    stan = 1 if counter is None else counter.last_stan % LARGEST_STAN + 1
    return Decision(
        events=(TraceAssigned(subject=TraceCounter(id=identity, terminal_id=placed.terminal_id, last_stan=stan)),),
        answer=Answer(
            "assigned",
            facts={
                "terminal_id": placed.terminal_id,
                "stan": f"{stan:06d}",
                "transmitted_at": now.replace(microsecond=0).isoformat(),
            },
        ),
    )

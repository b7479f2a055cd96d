"""The figures of a day: what is counted, and under which word."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

from simulator.faults import FaultKind, Injected, Wire
from simulator.figures import ADVICE_TOLD_AGAIN, faults_by_ending
from simulator.playing import Record


def test_a_fault_that_hits_an_advice_with_a_trace_of_its_own_is_no_payments() -> None:
    """The 0120 of a final amount has another trace than the pre-authorization that it completes."""
    hit = Injected(
        at=datetime(2026, 2, 10, 13, 53, tzinfo=UTC),
        reference="S00000000000001",
        wire=Wire.ISSUER,
        message_type="0130",
        repetition=0,
        kind=FaultKind.LOST_REPLY,
    )
    day = SimpleNamespace(receipts={}, faults=SimpleNamespace(injected=lambda: [hit, hit]))
    assert faults_by_ending(cast(Record, day)) == {FaultKind.LOST_REPLY.value: {ADVICE_TOLD_AGAIN: 2}}

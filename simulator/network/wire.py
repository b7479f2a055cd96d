"""What can go wrong on the network's wires, as the host asks it. Who answers is `simulator.faults.FaultPlan`."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from engine.vocabulary.identifiers import network_reference
from engine.vocabulary.messages import (
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    ReversalAdvice,
    ReversalResponse,
)
from simulator.faults import Fate, Wire

Passing = (
    AuthorizationRequest
    | AuthorizationAdvice
    | AuthorizationAdviceResponse
    | AuthorizationResponse
    | ReversalAdvice
    | ReversalResponse
)
"""The messages that faults can hit."""


class WireFaults(Protocol):
    """Decides each message by name, so that the order in which frames happen to arrive changes nothing."""

    def fate(self, wire: Wire, reference: str, message_type: str, now: datetime, bank: str = "") -> Fate:
        """What becomes of a message about the transaction `reference` on the wire to or from `bank` (its name)."""
        ...


class NoFaults:
    """Nothing goes wrong."""

    def fate(self, wire: Wire, reference: str, message_type: str, now: datetime, bank: str = "") -> Fate:
        """Pass."""
        return Fate()


def reference_of(message: Passing) -> str:
    """The network's reference of the transaction that a message is about, whether it names it or not."""
    if isinstance(message, ReversalAdvice | ReversalResponse):
        original = message.original
        return network_reference(original.acquirer_id, message.terminal_id, original.stan, original.transmitted_at)
    return network_reference(message.acquirer_id, message.terminal_id, message.stan, message.transmitted_at)

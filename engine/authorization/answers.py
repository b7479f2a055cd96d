"""What the rules of payments share: who is asked, what is known of a request, and the forms of an answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from engine.authorization.model import Payment
from engine.vocabulary.decision import Answer, AnswerTo, Decision, Json
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.keys import KEYS, key_of
from engine.vocabulary.messages import AuthorizationRequest
from engine.vocabulary.responses import ResponseCode

AUTHORIZATION_TIMEOUT = "authorization_timeout"
"""The timer of a payment that waits for the network's answer."""


@dataclass(frozen=True, slots=True)
class Route:
    """Who we are on the network, and whom everything is sent to: member ids."""

    member_id: str
    network_member_id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with what `prepare` found out about it: which payment it is about, the card's token, and the
    identifiers to load.

    `base_id` is the payment that an increment adds to. `pan` is the request's card number or, for a timer or a late
    increment, that of the payment whose reversal may be sent; None when there is none to send.
    """

    request: Any
    payment_id: UUID
    card_token: UUID | None = None
    pan: Pan | None = None
    merchant: UUID | None = None
    terminal: UUID | None = None
    base_id: UUID | None = None
    pin_pad: UUID | None = None
    """Where there is a key serial number."""


def answer_terminal(payment: Payment, told: Mapping[str, Json] | None = None) -> AnswerTo:
    """The answer to the terminal's request, which had been left open. The payment holds the fields of its key.

    `told` is what the issuer says beside: to the chip (DE 55), of balances (DE 54), of what was typed (DE 48).
    """
    answer = answer_of(payment)
    if told:
        answer = replace(answer, facts={**answer.facts, **told})
    return AnswerTo(key_of(KEYS[AuthorizationRequest], payment), answer)


def answer_of(payment: Payment) -> Answer:
    """The answer to a payment's 0100, with the facts that its 0110 is made of."""
    assert payment.response_code is not None, "a payment is answered once it has a response code"
    facts: dict[str, Json] = {
        "payment": str(payment.id),
        "rrn": payment.rrn,
        "network_reference": payment.network_reference,
    }
    if payment.amount_minor:
        facts |= {"approval_code": payment.approval_code, "amount_minor": payment.amount_minor, "asset": payment.asset}
    return Answer(payment.response_code, payment.reasons, facts)


def accepted(payment: Payment) -> Answer:
    """00 to a reversal or completion."""
    return Answer(ResponseCode.APPROVED, facts={"payment": str(payment.id), "rrn": payment.rrn})


def refused(code: ResponseCode, reason: str) -> Decision:
    """A decision that changes nothing: DE 39 and why."""
    return Decision(answer=Answer(code, (reason,)))


def ignored(reason: str) -> Decision:
    """A decision that changes nothing, on a message or timer whose time is over."""
    return Decision(answer=Answer("ignored", (reason,)))

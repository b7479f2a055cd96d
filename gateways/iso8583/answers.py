"""The response message to a request of ours: what was asked, echoed, and what was answered.

An answer is stored without the request's secrets; together with the request that just came in again it gives the same
message.
"""

from __future__ import annotations

from engine.vocabulary.decision import Answer
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    CompletionResponse,
    OfflineSaleAdvice,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode

AnsweredRequest = AuthorizationRequest | ReversalAdvice | CompletionAdvice | OfflineSaleAdvice

_KNOWN = {code.value: code for code in ResponseCode}
_OF_THE_SHELL = {"key_reused": ResponseCode.DUPLICATE_TRANSMISSION}
"""What the shell says in words of its own: the same trace number with another content is a duplicate transmission
(94).
"""


def respond(
    request: AnsweredRequest, answer: Answer
) -> AuthorizationResponse | ReversalResponse | CompletionResponse | None:
    """0110, 0410/0430 or 0230 for an answer.

    None when the answer is that the books cannot be reached: silence, and the asker's timer.

    Facts used: `approval_code` (DE 38), `network_reference` (DE 63), `amount_minor` (DE 4, when less than asked is
    approved), `rrn` (DE 37), `icc_data` (DE 55, hexadecimal).
    """
    code = _KNOWN.get(answer.code) or _OF_THE_SHELL.get(answer.code)
    if code is None:
        return None
    facts = answer.facts
    own = None if isinstance(request, CompletionAdvice | OfflineSaleAdvice) else request.network_reference
    reference = facts.get("network_reference", own)
    rrn = facts.get("rrn") or request.rrn
    match request:
        case AuthorizationRequest():
            approval, amount_minor = facts.get("approval_code"), facts.get("amount_minor", request.amount.amount_minor)
            icc_data = facts.get("icc_data")
            assert isinstance(amount_minor, int)
            return AuthorizationResponse(
                acquirer_id=request.acquirer_id,
                terminal_id=request.terminal_id,
                stan=request.stan,
                transmitted_at=request.transmitted_at,
                rrn=str(rrn),
                response_code=code,
                approval_code=None if approval is None else str(approval),
                amount=Money(amount_minor, request.amount.asset),
                icc_data=None if icc_data is None else bytes.fromhex(str(icc_data)),
                network_reference=None if reference is None else str(reference),
            )
        case ReversalAdvice():
            return ReversalResponse(
                acquirer_id=request.acquirer_id,
                terminal_id=request.terminal_id,
                stan=request.stan,
                transmitted_at=request.transmitted_at,
                rrn=str(rrn),
                response_code=code,
                original=request.original,
                network_reference=None if reference is None else str(reference),
                is_advice=request.is_advice,
            )
        case CompletionAdvice() | OfflineSaleAdvice():
            return CompletionResponse(
                acquirer_id=request.acquirer_id,
                terminal_id=request.terminal_id,
                stan=request.stan,
                transmitted_at=request.transmitted_at,
                rrn=str(rrn),
                response_code=code,
                original=None if isinstance(request, OfflineSaleAdvice) else request.original,
            )

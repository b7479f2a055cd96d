"""The response message to a request of ours: what was asked, echoed, and what was answered.

An answer is stored without the request's secrets; together with the request that just came in again it gives the same
message.
"""

from __future__ import annotations

from engine.vocabulary.decision import Answer
from engine.vocabulary.messages import (
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
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

AnsweredRequest = AuthorizationRequest | AuthorizationAdvice | ReversalAdvice | CompletionAdvice | OfflineSaleAdvice

_KNOWN = {code.value: code for code in ResponseCode}
_OF_THE_SHELL = {"key_reused": ResponseCode.DUPLICATE_TRANSMISSION}
"""What the shell says in words of its own: the same trace number with another content is a duplicate transmission
(94).
"""


def respond(
    request: AnsweredRequest, answer: Answer
) -> AuthorizationResponse | AuthorizationAdviceResponse | ReversalResponse | CompletionResponse | None:
    """0110/0210, 0130, 0410/0430 or 0230 for an answer.

    None when the answer is that the books cannot be reached: silence, and the asker's timer.

    Facts used: `approval_code` (DE 38), `network_reference` (DE 63), `amount_minor` (DE 4, when less than asked is
    approved), `rrn` (DE 37), `icc_data` (DE 55, hexadecimal), `ledger_minor` and `available_minor` (DE 54),
    `address_verdict` and `cvv2_verdict` (DE 48).
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
            ledger_minor, available_minor = facts.get("ledger_minor"), facts.get("available_minor")
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
                is_financial=request.is_financial,
                ledger_minor=ledger_minor if isinstance(ledger_minor, int) else None,
                available_minor=available_minor if isinstance(available_minor, int) else None,
                address_verdict=_text(facts.get("address_verdict")),
                cvv2_verdict=_text(facts.get("cvv2_verdict")),
            )
        case AuthorizationAdvice():
            return AuthorizationAdviceResponse(
                acquirer_id=request.acquirer_id,
                terminal_id=request.terminal_id,
                stan=request.stan,
                transmitted_at=request.transmitted_at,
                rrn=str(rrn),
                response_code=code,
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


def _text(fact: object) -> str | None:
    return None if fact is None else str(fact)

"""Payments for the tests of the rules: messages, and the states that payments come to by the rules themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from engine.authorization.answers import AUTHORIZATION_TIMEOUT, Asked, Route
from engine.authorization.decide import ANSWER_WITHIN, decide
from engine.authorization.model import Payment, PaymentState, id_of_payment
from engine.merchants.model import Merchant, MerchantState, Terminal, id_of_merchant, id_of_terminal
from engine.runtime.fold import evolve
from engine.vocabulary.decision import Decision, State, TimerFired
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    OriginalData,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode

BOOK = "acquirer"
ROUTE = Route("200001", "900000")
NOW = datetime(2026, 3, 2, 10, 0, 0, 250_000, tzinfo=UTC)
SENT = datetime(2026, 3, 2, 9, 59, 59, tzinfo=UTC)
PAN = Pan("4000010000000004")
TOKEN, OTHER_TOKEN = UUID(int=1), UUID(int=2)
MERCHANT, TERMINAL = id_of_merchant(BOOK, "SHOP"), id_of_terminal(BOOK, "T1")


def merchant(mcc: str = "5732", state: MerchantState = MerchantState.OPEN) -> Merchant:
    return Merchant(
        id=MERCHANT,
        merchant_id="SHOP",
        name="Corner Shop",
        city="Springfield",
        country="US",
        mcc=mcc,
        asset="USD",
        discount_bps=200,
        discount_fixed_minor=0,
        account_id=UUID(int=7),
        deposit_reference="SHOP",
        state=state,
    )


def world(mcc: str = "5732", state: MerchantState = MerchantState.OPEN) -> State:
    return State([merchant(mcc, state), Terminal(id=TERMINAL, terminal_id="T1", merchant=MERCHANT)])


def request(**changes: Any) -> AuthorizationRequest:
    asked = AuthorizationRequest(
        acquirer_id="200001",
        terminal_id="T1",
        merchant_id="SHOP",
        merchant_name="",
        mcc="",
        stan="000042",
        transmitted_at=SENT,
        rrn="",
        pan=PAN,
        expiry="2812",
        processing_code="000000",
        amount=Money(10_000, "USD"),
        pos_entry_mode="051",
        pos_condition_code="00",
    )
    return replace(asked, **changes)


ORIGINAL = OriginalData(message_type="0100", stan="000042", transmitted_at=SENT, acquirer_id="200001")
PAYMENT = id_of_payment(BOOK, "200001", "T1", "000042", SENT)


def response(code: str = "00", amount_minor: int = 10_000, **changes: Any) -> AuthorizationResponse:
    answer = AuthorizationResponse(
        acquirer_id="200001",
        terminal_id="T1",
        stan="000042",
        transmitted_at=SENT,
        rrn="606109000042",
        response_code=ResponseCode(code),
        approval_code="123456",
        amount=Money(amount_minor, "USD"),
        network_reference="S00000000000042",
    )
    return replace(answer, **changes)


def reversal(total: int | None = None, stan: str = "000043", **changes: Any) -> ReversalAdvice:
    advice = ReversalAdvice(
        acquirer_id="200001",
        terminal_id="T1",
        merchant_id="SHOP",
        stan=stan,
        transmitted_at=SENT + timedelta(seconds=20),
        rrn="",
        pan=PAN,
        processing_code="000000",
        amount=Money(10_000, "USD"),
        original=ORIGINAL,
        replacement_amount=None if total is None else Money(total, "USD"),
        is_advice=False,
    )
    return replace(advice, **changes)


def completion(amount_minor: int, **changes: Any) -> CompletionAdvice:
    advice = CompletionAdvice(
        acquirer_id="200001",
        terminal_id="T1",
        merchant_id="SHOP",
        stan="000044",
        transmitted_at=SENT + timedelta(hours=3),
        rrn="",
        pan=PAN,
        amount=Money(amount_minor, "USD"),
        original=ORIGINAL,
    )
    return replace(advice, **changes)


def acknowledgement(advice: ReversalAdvice, code: str = "00") -> ReversalResponse:
    return ReversalResponse(
        acquirer_id="200001",
        terminal_id="T1",
        stan=advice.stan,
        transmitted_at=advice.transmitted_at,
        rrn=advice.rrn,
        response_code=ResponseCode(code),
        original=advice.original,
    )


def ask(state: State, asked: Any, now: datetime = NOW, token: UUID = TOKEN) -> Decision:
    """Decide and fold, with what `prepare` would have found out."""
    pan = PAN if isinstance(asked, TimerFired) else getattr(asked, "pan", None)
    given = Asked(asked, PAYMENT, token, pan, MERCHANT, TERMINAL)
    decision = decide(ROUTE, state, given, now)
    evolve(state, decision)
    return decision


def fire(state: State, name: str, now: datetime) -> Decision:
    return ask(state, TimerFired(PAYMENT, name, now), now)


def payment(state: State) -> Payment:
    return state.need(Payment, PAYMENT)


def approved(mcc: str = "5732", **changes: Any) -> State:
    state = world(mcc)
    ask(state, request(**changes))
    ask(state, response(amount_minor=changes.get("amount", Money(10_000, "USD")).amount_minor))
    return state


def given_up() -> State:
    state = world()
    ask(state, request())
    fire(state, AUTHORIZATION_TIMEOUT, NOW + ANSWER_WITHIN)
    return state


def code_and_reasons(decision: Decision) -> tuple[str, tuple[str, ...]]:
    assert decision.answer is not None
    return decision.answer.code, decision.answer.reasons


def presented(state: State) -> State:
    state.put(replace(payment(state), state=PaymentState.PRESENTED))
    return state


def pending() -> State:
    state = world()
    ask(state, request())
    return state


def declined() -> State:
    state = pending()
    ask(state, response("05"))
    return state


PREAUTHORIZATION = {"pos_condition_code": "06"}

"""An acquirer for tests: one shop, a network whose end we hold, a clock in our hand; and the messages it is asked
with.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from engine.acquirer import acquirer_stages
from engine.authorization.model import Payment, id_of_payment
from engine.authorization.store import find_payment
from engine.database.connections import Database
from engine.merchants.model import OpenMerchant
from engine.vocabulary.decision import Answer
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    OriginalData,
    ReversalAdvice,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from tests.world import OPENED_AT, HandClock, Remembering, open_institution_for_tests, processor_of

SHOP = OpenMerchant(
    merchant_id="SHOP",
    name="Corner Shop",
    city="Springfield",
    country="US",
    mcc="5732",
    asset="USD",
    discount_bps=200,
    discount_fixed_minor=10,
    deposit_reference="SHOP-DEPOSIT",
    terminal_ids=("T1", "T2"),
)
PAN = Pan("4000010000000004")
_stans = count(1)


class Acquirer:
    """An acquirer with one shop, the network's end remembered, the clock in our hand."""

    def __init__(self, database: Database, name: str = "acquirer", member_id: str = "200001") -> None:
        self.clock = HandClock()
        self.network = Remembering()
        self.institution = open_institution_for_tests(database, name, member_id, "acquirer")
        stages = acquirer_stages(self.institution, "900000")
        self.processor = processor_of(database, self.institution, stages, self.clock, self.network)
        self.processor.execute([SHOP])

    def submit(self, *requests: Any) -> list[list[Answer]]:
        """Submit all, run one batch; the answers each was given."""
        heard: list[list[Answer]] = [[] for _ in requests]
        for request, answers in zip(requests, heard, strict=True):
            self.processor.submit(request, answers.append)
        self.processor.step()
        return heard

    def payment(self, request: AuthorizationRequest) -> Payment | None:
        """What is kept of a request."""
        key = request.acquirer_id, request.terminal_id, request.stan, request.transmitted_at
        with self.processor.engine.connect() as connection:
            return find_payment(connection, id_of_payment(self.institution.name, *key))


def purchase(**changes: Any) -> AuthorizationRequest:
    request = AuthorizationRequest(
        acquirer_id="200001",
        terminal_id="T1",
        merchant_id="SHOP",
        merchant_name="",
        mcc="",
        stan=f"{next(_stans):06d}",
        transmitted_at=OPENED_AT,
        rrn="",
        pan=PAN,
        expiry="2812",
        processing_code="000000",
        amount=Money(10_000, "USD"),
        pos_entry_mode="051",
        pos_condition_code="00",
    )
    return replace(request, **changes)


def approval(request: AuthorizationRequest, code: str = "00") -> AuthorizationResponse:
    return AuthorizationResponse(
        acquirer_id=request.acquirer_id,
        terminal_id=request.terminal_id,
        stan=request.stan,
        transmitted_at=request.transmitted_at,
        rrn=request.rrn,
        response_code=ResponseCode(code),
        approval_code="123456",
        amount=request.amount,
        network_reference=f"S{request.stan:>014}",
    )


def reversal_of(request: AuthorizationRequest) -> ReversalAdvice:
    return ReversalAdvice(
        acquirer_id=request.acquirer_id,
        terminal_id=request.terminal_id,
        merchant_id=request.merchant_id,
        stan=f"{next(_stans):06d}",
        transmitted_at=request.transmitted_at + timedelta(seconds=5),
        rrn="",
        pan=request.pan,
        processing_code=request.processing_code,
        amount=request.amount,
        original=OriginalData(
            message_type="0100",
            stan=request.stan,
            transmitted_at=request.transmitted_at,
            acquirer_id=request.acquirer_id,
        ),
        is_advice=False,
    )


def completion_of(request: AuthorizationRequest, amount_minor: int) -> CompletionAdvice:
    """The final amount of a pre-authorization, or of a purchase with a tip."""
    reversal = reversal_of(request)
    return CompletionAdvice(
        acquirer_id=request.acquirer_id,
        terminal_id=request.terminal_id,
        merchant_id=request.merchant_id,
        stan=reversal.stan,
        transmitted_at=reversal.transmitted_at,
        rrn="",
        pan=request.pan,
        amount=Money(amount_minor, request.amount.asset),
        original=reversal.original,
    )

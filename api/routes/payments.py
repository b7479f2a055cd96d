"""`POST /payments`, `GET /payments/{id}`: card payments over the internet.

Two decisions, both idempotent: the merchant's reference is given a trace, then the card message of that trace is asked.
Who asks again after a lost answer finds the same trace and joins the same payment. What stays open, a timer ends.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from starlette.concurrency import run_in_threadpool

from api.doors import AskingMerchant, Doors, IdempotencyKey, OurDoors
from api.errors import AUTHENTICATION, INVALID, RESPONSES, ApiError, refused, unless_taken
from engine.authorization.model import Payment, retrieval_reference
from engine.authorization.store import find_payment
from engine.ecommerce.model import AssignTrace
from engine.vocabulary.decision import Answer
from engine.vocabulary.identifiers import Pan, Secret, luhn_valid
from engine.vocabulary.messages import AuthorizationRequest
from engine.vocabulary.money import ASSETS, Money

router = APIRouter(prefix="/payments", tags=["payments"], responses=RESPONSES)

LARGEST_MINOR = 10**12 - 1
"""DE 4 has twelve digits."""
ECOMMERCE_ENTRY = "812"
"""DE 22: card number entered over the internet, no PIN can be."""
ECOMMERCE_CONDITION = "59"
"""DE 25: electronic commerce."""

_WORDS: dict[str, tuple[str, str | None]] = {
    "unknown_merchant": ("There is no such merchant, or it has no terminal.", "merchant_id")
}


def _card_number(given: SecretStr) -> SecretStr:
    digits = given.get_secret_value()
    if not (digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 19 and luhn_valid(digits)):
        raise ValueError("a card number has 12 to 19 digits, the last of which is their check digit")
    return given


def _expiry(given: str) -> str:
    if not "01" <= given[2:] <= "12":
        raise ValueError("an expiry date is a year and a month, YYMM")
    return given


def _verification_value(given: SecretStr) -> SecretStr:
    digits = given.get_secret_value()
    if not (len(digits) == 3 and digits.isascii() and digits.isdigit()):
        raise ValueError("a card verification value has 3 digits")
    return given


def _currency(given: str) -> str:
    if given not in ASSETS:
        raise ValueError(f"this is no currency of ours; there are {', '.join(ASSETS)}")
    return given


class PaymentAsked(BaseModel):
    """A purchase, in minor units of the currency. `cvc` is never stored."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    merchant_id: Annotated[str, Field(pattern=r"^[!-~]{1,15}$", description="DE 42")]
    pan: Annotated[SecretStr, AfterValidator(_card_number)]
    expiry: Annotated[str, Field(pattern=r"^[0-9]{4}$", description="YYMM"), AfterValidator(_expiry)]
    cvc: Annotated[SecretStr, AfterValidator(_verification_value)] | None = None
    amount_minor: Annotated[int, Field(strict=True, gt=0, le=LARGEST_MINOR, examples=[1250])]
    currency: Annotated[str, AfterValidator(_currency)] = "USD"


class PaymentShown(BaseModel):
    """A payment. `status` is one of `PaymentState`: captured when paid; `response_code` is DE 39."""

    id: UUID
    status: str
    response_code: str | None
    approval_code: str | None
    reasons: list[str]
    merchant_id: str
    card: str
    requested_minor: int
    amount_minor: int
    currency: str
    rrn: str
    requested_at: datetime


@router.post("", status_code=201)
async def create(
    ours: OurDoors, asking: AskingMerchant, idempotency_key: IdempotencyKey, asked: PaymentAsked
) -> PaymentShown:
    """Ask the card's bank for a payment and wait for the answer; a decline is a payment too, whose status says so."""
    if asked.merchant_id != asking:
        raise ApiError(403, AUTHENTICATION, "another_merchant", "The token is another merchant's.", "merchant_id")
    trace = AssignTrace(
        merchant_id=asked.merchant_id,
        reference=idempotency_key,
        pan=Pan(asked.pan.get_secret_value()),
        expiry=asked.expiry,
        amount=Money(asked.amount_minor, asked.currency),
    )
    assigned = unless_taken(await ours.acquirer.ask(trace))
    if assigned.code != "assigned":
        raise refused(assigned, _WORDS)
    answer = unless_taken(await ours.acquirer.ask(_request(ours, trace, asked.cvc, assigned)))
    return await run_in_threadpool(_read, ours, asking, UUID(str(answer.facts["payment"])))


@router.get("/{payment_id}")
def look_up(ours: OurDoors, asking: AskingMerchant, payment_id: UUID) -> PaymentShown:
    """A payment, for its merchant."""
    return _read(ours, asking, payment_id)


def _request(ours: Doors, trace: AssignTrace, cvc: SecretStr | None, assigned: Answer) -> AuthorizationRequest:
    stan, transmitted_at = str(assigned.facts["stan"]), datetime.fromisoformat(str(assigned.facts["transmitted_at"]))
    return AuthorizationRequest(
        acquirer_id=ours.acquirer.institution.member_id,
        terminal_id=str(assigned.facts["terminal_id"]),
        merchant_id=trace.merchant_id,
        # The acquirer's own record of the merchant says these two.
        merchant_name="",
        mcc="",
        stan=stan,
        transmitted_at=transmitted_at,
        rrn=retrieval_reference(stan, transmitted_at),
        pan=trace.pan,
        expiry=trace.expiry,
        processing_code="000000",
        amount=trace.amount,
        pos_entry_mode=ECOMMERCE_ENTRY,
        pos_condition_code=ECOMMERCE_CONDITION,
        cvv2=None if cvc is None else Secret(cvc.get_secret_value()),
    )


def _read(ours: Doors, asking: str, payment_id: UUID) -> PaymentShown:
    with ours.acquirer.engine.connect() as connection:
        payment = find_payment(connection, payment_id)
    if payment is None or payment.merchant_id != asking:
        raise ApiError(404, INVALID, "unknown_payment", "You have no such payment.", "payment_id")
    return _shown(payment)


def _shown(payment: Payment) -> PaymentShown:
    return PaymentShown(
        id=payment.id,
        status=payment.state,
        response_code=payment.response_code,
        approval_code=payment.approval_code,
        reasons=list(payment.reasons),
        merchant_id=payment.merchant_id,
        card=payment.masked_pan,
        requested_minor=payment.requested_minor,
        amount_minor=payment.amount_minor,
        currency=payment.asset,
        rrn=payment.rrn,
        requested_at=payment.transmitted_at,
    )

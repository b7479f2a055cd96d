"""`POST /transfers`, `GET /transfers/{id}`: money to a handle."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.doors import AskingCustomer, Doors, IdempotencyKey, OurDoors
from api.errors import INVALID, RESPONSES, ApiError, refused, unless_taken
from engine.transfers.model import LONGEST_NOTE, REFUSALS, SendMoney, Transfer
from engine.transfers.store import read_transfers

router = APIRouter(prefix="/transfers", tags=["transfers"], responses=RESPONSES)

_PARAMS = {
    "unknown_handle": "handle",
    "same_person": "handle",
    "handle_closed": "handle",
    "amount_not_positive": "amount_minor",
    "amount_too_large": "amount_minor",
    "insufficient_funds": "amount_minor",
    "limit_exceeded": "amount_minor",
    "note_malformed": "note",
    "wrong_asset": "currency",
}
_WORDS = {reason: (words, _PARAMS.get(reason)) for reason, words in REFUSALS.items()}


class TransferAsked(BaseModel):
    """Money to be sent at once, in minor units of the currency, to whoever has the handle."""

    model_config = ConfigDict(extra="forbid")

    handle: Annotated[str, Field(min_length=1, max_length=64, examples=["@ada"])]
    amount_minor: Annotated[int, Field(strict=True, gt=0, le=2**63 - 1, examples=[1250])]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD"])] = "USD"
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class TransferShown(BaseModel):
    """A transfer that was made. `request_id` names the request for money that it paid, if any."""

    id: UUID
    status: str
    sender_id: UUID
    receiver_id: UUID
    amount_minor: int
    currency: str
    note: str
    request_id: UUID | None
    sent_at: datetime


@router.post("", status_code=201)
async def send(
    ours: OurDoors, asking: AskingCustomer, idempotency_key: IdempotencyKey, asked: TransferAsked
) -> TransferShown:
    """Send money. 402 when it is refused: the code says why."""
    request = SendMoney(
        reference=idempotency_key,
        sender_id=asking,
        handle=asked.handle,
        amount_minor=asked.amount_minor,
        asset=asked.currency,
        note=asked.note,
    )
    answer = unless_taken(await ours.bank.ask(request))
    if answer.code != "sent":
        raise refused(answer, _WORDS)
    return await run_in_threadpool(_read, ours, asking, UUID(str(answer.facts["transfer_id"])))


@router.get("/{transfer_id}")
def look_up(ours: OurDoors, asking: AskingCustomer, transfer_id: UUID) -> TransferShown:
    """A transfer, for its sender and its receiver."""
    return _read(ours, asking, transfer_id)


def _read(ours: Doors, asking: UUID, transfer_id: UUID) -> TransferShown:
    with ours.bank.engine.connect() as connection:
        found = read_transfers(connection, [transfer_id])
    # Somebody else's transfer is not there, rather than forbidden: nobody learns that it exists.
    if not found or asking not in (found[0].sender_id, found[0].receiver_id):
        raise ApiError(404, INVALID, "unknown_transfer", "You have no such transfer.", "transfer_id")
    return _shown(found[0])


def _shown(transfer: Transfer) -> TransferShown:
    return TransferShown(
        id=transfer.id,
        status="sent",
        sender_id=transfer.sender_id,
        receiver_id=transfer.receiver_id,
        amount_minor=transfer.amount_minor,
        currency=transfer.asset,
        note=transfer.note,
        request_id=transfer.request_id,
        sent_at=transfer.sent_at,
    )

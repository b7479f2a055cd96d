"""What the routes work with: the doors of our acquirer and our bank, the clock, and who may come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import AUTHENTICATION, ApiError
from api.tokens import Operator, Tokens
from engine.ports import Clock
from engine.processor import Processor
from gateways.iso8583.wires import Wires


@dataclass(frozen=True, slots=True)
class Doors:
    """`well` says whether what else this process does (links, timers) works; `wires` are its links."""

    acquirer: Processor
    bank: Processor
    clock: Clock
    tokens: Tokens
    well: Callable[[], bool] = lambda: True
    wires: Wires = field(default_factory=Wires)


def doors(request: Request) -> Doors:
    """The doors that `create_app` was given."""
    found = request.app.state.doors
    assert isinstance(found, Doors)
    return found


OurDoors = Annotated[Doors, Depends(doors)]
_bearer = HTTPBearer(auto_error=False, description="A token of `api.tokens`")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def customer(ours: OurDoors, bearer: Bearer) -> UUID:
    """The customer who asks. `ApiError` 401 without a customer's token."""
    found = None if bearer is None else ours.tokens.customer(bearer.credentials)
    if found is None:
        raise _stranger("customer")
    return found


def merchant(ours: OurDoors, bearer: Bearer) -> str:
    """The merchant who asks, as DE 42. `ApiError` 401 without a merchant's token."""
    found = None if bearer is None else ours.tokens.merchant(bearer.credentials)
    if found is None:
        raise _stranger("merchant")
    return found


def operator(ours: OurDoors, bearer: Bearer) -> Operator:
    """The bank's operator who asks. `ApiError` 401 without an operator's token."""
    found = None if bearer is None else ours.tokens.operator(bearer.credentials)
    if found is None:
        raise _stranger("bank operator")
    return found


def _stranger(kind: str) -> ApiError:
    return ApiError(
        401,
        AUTHENTICATION,
        "token_invalid",
        f"This needs the token of a {kind}: Authorization: Bearer.",
        "Authorization",
    )


AskingCustomer = Annotated[UUID, Depends(customer)]
AskingMerchant = Annotated[str, Depends(merchant)]
AskingOperator = Annotated[Operator, Depends(operator)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="The asker's own reference: the same request under the same key takes effect once.",
    ),
]

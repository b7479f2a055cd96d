"""`GET /customers/me`: a customer's wallet and savings."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from api.doors import AskingCustomer, OurDoors
from api.errors import INVALID, RESPONSES, ApiError
from engine.accounts.store import read_customers
from engine.ledger import store as ledger
from engine.savings.store import read_products, read_savings

router = APIRouter(prefix="/customers", tags=["customers"], responses=RESPONSES)


class SavingsShown(BaseModel):
    """A savings account. Amounts in minor units; interest accrued and not paid yet in millionths of one."""

    id: UUID
    product: str
    balance_minor: int
    accrued_micro: int


class CustomerShown(BaseModel):
    """A customer. The ledger balance is what is available and what is held together; amounts in minor units."""

    id: UUID
    handle: str
    name: str
    state: str
    currency: str
    available_minor: int
    held_minor: int
    ledger_minor: int
    savings: list[SavingsShown]


@router.get("/me")
def me(ours: OurDoors, asking: AskingCustomer) -> CustomerShown:
    """The customer whose token this is."""
    with ours.bank.engine.connect() as connection:
        found = read_customers(connection, [asking])
        if not found:
            raise ApiError(404, INVALID, "unknown_customer", "There is no such customer.")
        customer = found[0]
        savings = read_savings(connection, [asking])
        balances = ledger.read(connection, [customer.account_id, *(one.account_id for one in savings)])
        wallet = balances[customer.account_id]
        names = {one.id: one.name for one in read_products(connection, sorted({one.product_id for one in savings}))}
        held = 0 if wallet.held_id is None else ledger.read(connection, [wallet.held_id])[wallet.held_id].balance_minor
    return CustomerShown(
        id=customer.id,
        handle=customer.handle,
        name=customer.name,
        state=customer.state,
        currency=customer.asset,
        available_minor=wallet.balance_minor,
        held_minor=held,
        ledger_minor=wallet.balance_minor + held,
        savings=[
            SavingsShown(
                id=one.id,
                product=names[one.product_id],
                balance_minor=balances[one.account_id].balance_minor,
                accrued_micro=one.accrued_micro,
            )
            for one in savings
            if one.closed_on is None
        ],
    )

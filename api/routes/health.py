"""`GET /health`: whether the books can be reached and everything beside them works."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from api.doors import OurDoors
from api.errors import API, RESPONSES, ApiError

router = APIRouter(tags=["health"], responses=RESPONSES)


class Health(BaseModel):
    """That all is well, and what the world's clock says (ISO 8601, UTC)."""

    status: str
    now: str


@router.get("/health")
def health(ours: OurDoors) -> Health:
    """200 when all is well, 503 when it is not."""
    for processor in (ours.acquirer, ours.bank):
        with processor.engine.connect() as connection:
            connection.execute(text("select 1"))
    if not ours.well():
        raise ApiError(503, API, "not_well", "Something beside the books does not work at present; the log says what.")
    return Health(status="well", now=ours.clock.now().isoformat())

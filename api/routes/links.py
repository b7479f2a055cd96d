"""`GET /links`: the ISO 8583 links of this process, each with its counters. `GET /metrics`: their sums."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.doors import AskingOperator, OurDoors
from api.errors import RESPONSES
from gateways.iso8583.metrics import MEDIA_TYPE, exposition, links_up, totals_of

router = APIRouter(tags=["links"], responses=RESPONSES)


class LinkState(BaseModel):
    """A link: the port that it came in by or the name of whom it dials, who is there, when it last said anything (ISO
    8601, UTC), and what was counted since it is up."""

    place: str
    peer: str
    last_seen: datetime
    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int
    malformed: int
    lost: int
    pauses: int


@router.get("/links")
async def links(ours: OurDoors, operator: AskingOperator) -> list[LinkState]:
    """The links that are up, for an operator of the bank."""
    return [
        LinkState(place=link.place, peer=link.peer, last_seen=link.counters.last_seen, **totals_of(link.counters))
        for link in links_up(ours.wires)
    ]


@router.get("/metrics")
async def metrics(ours: OurDoors) -> Response:
    """Counts in the text exposition format of Prometheus. They say nothing of who pays, and need no token."""
    return Response(exposition(ours.wires), media_type=MEDIA_TYPE)

"""The SQL of traces, and which terminal a merchant's e-commerce has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import Column, Connection, Integer, Table, Text, Uuid, text

from engine.database.institutions import Institution
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ecommerce import decide as rules
from engine.ecommerce.decide import Placed
from engine.ecommerce.model import KEYS, AssignTrace, TraceCounter
from engine.merchants.model import ecommerce_terminal
from engine.runtime.stage import Outside, Stage
from engine.vocabulary.decision import State
from engine.vocabulary.identifiers import STATIC, derive_id

trace_counters = Table(
    "trace_counters",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("terminal_id", Text, nullable=False, unique=True),
    Column("last_stan", Integer, nullable=False),
)

counter_rows = NounRows(TraceCounter, trace_counters)

_OPEN = text("select terminal_id from terminals where terminal_id = any(:terminal_ids)")


def ecommerce_stage(institution: Institution) -> Stage:
    """The stage of an acquirer that gives traces to payments over the internet."""
    return Stage(
        name="ecommerce",
        keys=KEYS,
        prepare=prepare,
        load=partial(load, institution.name),
        decide=partial(rules.decide, institution.name),
        nouns=(counter_rows,),
    )


def prepare(outside: Outside, requests: Sequence[AssignTrace]) -> list[Placed]:
    """Each request with the terminal of its merchant's e-commerce. It is opened with the merchant and never goes: no
    lock is needed.
    """
    wanted = [ecommerce_terminal(outside.institution.name, request.merchant_id) for request in requests]
    with outside.read() as connection:
        opened = set(connection.execute(_OPEN, {"terminal_ids": sorted(set(wanted))}).scalars())
    return [
        Placed(request, terminal_id if terminal_id in opened else None)
        for request, terminal_id in zip(requests, wanted, strict=True)
    ]


def load(institution: str, connection: Connection, prepared: Sequence[Placed], state: State) -> set[UUID]:
    """Lock the counters of the terminals. No account is touched."""
    terminals = {placed.terminal_id for placed in prepared if placed.terminal_id is not None}
    ids = sorted(derive_id(f"{institution}/trace", terminal_id, on=STATIC) for terminal_id in terminals)
    for counter in counter_rows.lock(connection, ids):
        state.put(counter)
    return set()

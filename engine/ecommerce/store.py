"""The SQL of traces, and which terminal speaks for a merchant."""

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
from engine.merchants.model import id_of_merchant
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

_TERMINALS = text(
    "select merchant, max(terminal_id) as terminal_id from terminals where merchant = any(:merchants) group by merchant"
)


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
    """Each request with the terminal that speaks for its merchant. Terminals never change hands: no lock is needed."""
    merchants = [id_of_merchant(outside.institution.name, request.merchant_id) for request in requests]
    with outside.read() as connection:
        found = connection.execute(_TERMINALS, {"merchants": sorted(set(merchants))})
        terminals = {row.merchant: row.terminal_id for row in found}
    return [Placed(request, terminals.get(merchant)) for request, merchant in zip(requests, merchants, strict=True)]


def load(institution: str, connection: Connection, prepared: Sequence[Placed], state: State) -> set[UUID]:
    """Lock the counters of the terminals. No account is touched."""
    terminals = {placed.terminal_id for placed in prepared if placed.terminal_id is not None}
    ids = sorted(derive_id(f"{institution}/trace", terminal_id, on=STATIC) for terminal_id in terminals)
    for counter in counter_rows.lock(connection, ids):
        state.put(counter)
    return set()

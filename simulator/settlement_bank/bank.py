"""The settlement bank: its stages, its jobs, and what it must prove."""

from __future__ import annotations

from functools import partial

from engine.database.institutions import Institution
from engine.ledger.book import Book
from engine.ports import SettlementFormat
from engine.runtime.jobs import Job
from engine.runtime.stage import Stage
from simulator.closing import DAY_CLOSE
from simulator.sending import SENDING
from simulator.settlement_bank import decide as rules
from simulator.settlement_bank import jobs, store
from simulator.settlement_bank.audit import SETTLEMENT_BANK_PROOFS, settlement_bank_figures
from simulator.settlement_bank.model import KEYS

__all__ = ["SETTLEMENT_BANK_PROOFS", "settlement_bank_figures", "settlement_bank_jobs", "settlement_bank_stages"]


def settlement_bank_stages(institution: Institution) -> tuple[Stage, ...]:
    """The stages of a settlement bank."""
    book = Book(institution.name, institution.time_zone)
    deposits = Stage(
        name="deposits",
        keys=KEYS,
        prepare=partial(store.prepare, book),
        load=partial(store.load, book),
        decide=partial(rules.decide, book),
        nouns=(store.deposit_rows, store.movement_rows, store.statement_rows),
    )
    return (deposits, SENDING)


def settlement_bank_jobs(network_member_id: str, settlement_format: SettlementFormat) -> tuple[Job, ...]:
    """The bank's day (docs/ARCHITECTURE.md), for the members of one network."""
    return (*jobs.bank_jobs(network_member_id, settlement_format), DAY_CLOSE)

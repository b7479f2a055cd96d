"""The roles of the world outside, network and settlement bank: entry points of the group `bezant.roles`."""

from __future__ import annotations

from pathlib import Path

from api.roles import NETWORK_ID, SETTLEMENT_BANK_ID, Reachable, Role
from engine.database.institutions import Institution
from engine.database.schema import ENGINE, SchemaPart
from engine.ledger.audit import LEDGER_PROOFS
from engine.runtime.jobs import Job
from engine.runtime.stage import Stage
from gateways.clearing.files import ClearingFiles
from gateways.settlement_files import SettlementFiles
from simulator.network.host import NetworkHost
from simulator.network.network import NETWORK_PROOFS, network_figures, network_jobs, network_stages
from simulator.settlement_bank.bank import (
    SETTLEMENT_BANK_PROOFS,
    settlement_bank_figures,
    settlement_bank_jobs,
    settlement_bank_stages,
)
from simulator.tables import metadata

SIMULATOR = SchemaPart("simulator", metadata, Path(__file__).parent / "migrations")


def _network_jobs(institution: Institution) -> tuple[Job, ...]:
    return network_jobs(SETTLEMENT_BANK_ID, ClearingFiles(), SettlementFiles())


def _bank_stages(institution: Institution, reachable: Reachable) -> tuple[Stage, ...]:
    return settlement_bank_stages(institution)


def _bank_jobs(institution: Institution) -> tuple[Job, ...]:
    return settlement_bank_jobs(NETWORK_ID, SettlementFiles())


NETWORK = Role(
    "network",
    (ENGINE, SIMULATOR),
    network_stages,
    _network_jobs,
    (*LEDGER_PROOFS, *NETWORK_PROOFS),
    network_figures,
    NetworkHost,
)

SETTLEMENT_BANK = Role(
    "settlement_bank",
    (ENGINE, SIMULATOR),
    _bank_stages,
    _bank_jobs,
    (*LEDGER_PROOFS, *SETTLEMENT_BANK_PROOFS),
    settlement_bank_figures,
    None,
)

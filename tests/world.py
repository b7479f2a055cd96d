"""A small world for tests: institutions with every table of their role, a clock that is set by hand, a network that
remembers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sqlalchemy import MetaData

from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY
from engine.database.connections import Database
from engine.database.institutions import Institution, InstitutionRole, open_institution
from engine.processor import Processor
from engine.runtime.stage import Stage
from engine.vocabulary.decision import Message

OPENED_AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
STORES = (
    "engine.ledger.store",
    "engine.ledger.journals.store",
    "engine.vault.key_blocks",
    "engine.vault.store",
    "engine.runtime.batch",
    "engine.runtime.jobs",
    "engine.accounts.store",
    "engine.transfers.store",
    "engine.savings.store",
    "engine.merchants.store",
    "engine.ecommerce.store",
    "engine.authorization.store",
    "engine.clearing.store",
    "engine.settlement.store",
    "issuer.cards.store",
    "issuer.authorization.store",
    "issuer.clearing.store",
    "simulator.network.switching.store",
    "simulator.network.clearing.store",
    "simulator.settlement_bank.store",
)


def open_institution_for_tests(
    database: Database, name: str, member_id: str, role: InstitutionRole, time_zone: str = "UTC"
) -> Institution:
    """An institution with every table that any package declares, granted as `schema.upgrade` grants them."""
    institution = Institution.named(name, member_id, role, time_zone)
    open_institution(database, institution, OPENED_AT)
    metadatas: list[MetaData] = []
    for module in STORES:
        if _exists(module):
            import_module(module)
    for module in ("engine.database.tables", "issuer.tables", "simulator.tables"):
        if _exists(module):
            metadatas.append(import_module(module).metadata)
    with database.owner().begin() as connection:
        connection.exec_driver_sql(f"set local search_path to {institution.schema_name}")
        for metadata in metadatas:
            metadata.create_all(connection)
            for table in metadata.sorted_tables:
                rights = "select, insert" if table.info.get("append_only") else "select, insert, update, delete"
                connection.exec_driver_sql(f'grant {rights} on "{table.name}" to {institution.login_role}')
    return institution


def _exists(module: str) -> bool:
    parent = module.rpartition(".")[0]
    return (not parent or _exists(parent)) and find_spec(module) is not None


class HandClock:
    """A clock that moves when told."""

    def __init__(self, now: datetime = OPENED_AT) -> None:
        self._now = now

    def now(self) -> datetime:
        """Where it stands."""
        return self._now

    def move(self, by: timedelta) -> None:
        """Forward only."""
        assert by >= timedelta(0)
        self._now += by

    async def sleep_until(self, at: datetime) -> None:
        """Nobody sleeps on this clock."""
        raise AssertionError("nobody sleeps on a clock that is set by hand")


class Remembering:
    """A network that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.delivered: list[Message] = []

    def send(self, message: Message) -> None:
        """Keep it."""
        self.sent.append(message)

    def deliver(self, message: Message) -> bool:
        """Keep it."""
        self.delivered.append(message)
        return True


def hsm_of(institution: str) -> SoftwareHsm:
    """The institution's HSM under the test master key."""
    return SoftwareHsm(institution, TEST_MASTER_KEY)


def processor_of(
    database: Database,
    institution: Institution,
    stages: Sequence[Stage],
    clock: HandClock,
    network: Any = None,
    *,
    capacity: int = 1000,
) -> Processor:
    """A processor of the institution, run by hand (`execute`, `step`)."""
    return Processor(
        institution=institution,
        stages=stages,
        engine=database.institution(institution.name),
        hsm=hsm_of(institution.name),
        clock=clock,
        network=network or Remembering(),
        capacity=capacity,
    )

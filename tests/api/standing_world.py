"""What tests of hosts stand on: an installation with one institution whose only stage moves money between purses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from pydantic import SecretStr

from api.hosts import Duty
from api.roles import Host, Place, Role
from api.settings import Settings
from api.system import System
from engine.database.connections import Database
from engine.database.institutions import Institution
from engine.ledger.audit import LEDGER_PROOFS
from engine.runtime.jobs import Job
from engine.vocabulary.decision import Message
from tests.engine.runtime import purse
from tests.world import open_institution_for_tests

_member_ids = count(910000)


@dataclass
class Switchboard:
    """A host without wires, which notes what happens to it. `trouble` is raised when it starts."""

    place: Place
    notes: list[str] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    trouble: Exception | None = None

    async def start(self) -> None:
        self.notes.append("started")
        if self.trouble is not None:
            raise self.trouble

    async def close(self) -> None:
        self.notes.append("closed")

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def reachable(self, member_id: str) -> bool:
        return True


@dataclass
class Installation:
    """A system with one institution, and the boards that its hosts were."""

    system: System
    institution: Institution
    boards: list[Switchboard] = field(default_factory=list)

    def duty(self, *, jobs: bool = False, trouble: Exception | None = None) -> Duty:
        def host(place: Place) -> Host:
            self.boards.append(Switchboard(place, trouble=trouble))
            return self.boards[-1]

        return Duty(self.institution, host, jobs=jobs)


def install(
    database: Database,
    name: str,
    folder: Path,
    jobs: tuple[Job, ...] = (),
    revive: Callable[[], object] | None = None,
) -> Installation:
    """An installation in this database, with an institution of this name."""
    institution = open_institution_for_tests(database, name, str(next(_member_ids)), "issuer")
    with database.owner().begin() as connection:
        connection.exec_driver_sql(f"set local search_path to {institution.schema_name}")
        purse.metadata.create_all(connection)
        connection.exec_driver_sql(f"grant select, insert, update, delete on moves to {institution.login_role}")
    settings = Settings(data_folder=folder, database_url=SecretStr("postgresql://nowhere.invalid/none"))
    system = System(settings, database, folder / "files", revive)
    system.roles = {
        "issuer": Role(
            "issuer",
            (),
            lambda _institution, _reachable: (purse.STAGE,),
            lambda _institution: jobs,
            LEDGER_PROOFS,
            lambda _institution, _connection: [],
            None,
        )
    }
    return Installation(system, institution)

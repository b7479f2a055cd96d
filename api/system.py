"""The one wiring: settings, database, keys, roles and institutions put together.

`System` is one process's view of an installation. It opens institutions, seats them (processor, scheduler, files,
outward way), and leaves it to its user to run them: free-running hosts (`api/hosts.py`), or instant by instant (the
simulator).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import text

from api.keys import provide_keys, require_keys
from api.members import NETWORK, NETWORK_ID, OUR_ACQUIRER, OUR_BANK, SETTLEMENT_BANK, SETTLEMENT_BANK_ID
from api.roles import Host, Role, hook_of, roles
from api.settings import DATABASE_FOLDER, Settings
from engine.crypto.hsm import SoftwareHsm
from engine.database.connections import Database, DatabaseUnavailable, SchemaOutOfDate
from engine.database.institutions import Institution, list_institutions, open_institution, read_opened_at
from engine.database.schema import check, upgrade, upgrade_public
from engine.database.server import EmbeddedServer
from engine.ports import Activity, Clock, KeyRefused, pair_name
from engine.processor import HandOver, Processor
from engine.runtime.files import Files, hand_over
from engine.runtime.jobs import Scheduler
from engine.vault.key_blocks import KeyBlocks
from engine.vocabulary.decision import Message
from engine.vocabulary.errors import BezantError
from engine.vocabulary.files import Outgoing
from gateways.iso8583.key_exchange import KeyExchange
from gateways.iso8583.wires import Wires

log = structlog.get_logger(__name__)

__all__ = ["MEMBERS", "OUR_ACQUIRER", "OUR_BANK", "Outward", "Seat", "System", "opened", "role_secret"]

MEMBERS: tuple[Institution, ...] = (
    Institution.named(OUR_BANK, "100001", "issuer", "UTC"),
    Institution.named("northbank", "100002", "issuer", "America/New_York"),
    Institution.named("southbank", "100003", "issuer", "UTC"),
    Institution.named(OUR_ACQUIRER, "200001", "acquirer", "UTC"),
    Institution.named(NETWORK, NETWORK_ID, "network", "UTC"),
    Institution.named(SETTLEMENT_BANK, SETTLEMENT_BANK_ID, "settlement_bank", "UTC"),
)
"""The institutions of a world as it is set up (docs/ARCHITECTURE.md)."""


class Outward:
    """An institution's way to the others (`engine.ports.Network`): messages by its host, files by folders."""

    def __init__(self, files: Files, recipients: Mapping[str, Files]) -> None:
        self.host: Host | None = None
        self._files = files
        self._recipients = recipients

    def send(self, message: Message) -> None:
        """By the host; without one, lost."""
        if self.host is not None:
            self.host.send(message)

    def deliver(self, message: Message) -> bool:
        """Into the recipient's folder. Who is not known, or whose folder takes nothing, is tried again later: the files
        of the others go on.
        """
        assert isinstance(message.body, Outgoing), "what is durable is a file"
        recipient = self._recipients.get(message.to)
        try:
            return recipient is not None and hand_over(self._files, recipient, message.body)
        except OSError as trouble:
            log.warning("file not delivered", member=message.to, file=message.body.name, reason=trouble.strerror)
            return False

    def reachable(self, member_id: str) -> bool:
        """Whether a message would get through."""
        return self.host is not None and self.host.reachable(member_id)


@dataclass(frozen=True, slots=True)
class Seat:
    """One institution in one process."""

    institution: Institution
    role: Role
    processor: Processor
    scheduler: Scheduler
    files: Files
    outward: Outward
    names: Mapping[str, str]
    """Institutions by member id."""

    def keys(self, wires: Wires) -> KeyExchange:
        """The keys that it shares with others, to be exchanged over links. An unknown member id: `KeyRefused`."""

        def pair_with(member_id: str) -> str:
            if member_id not in self.names:
                raise KeyRefused("no key is shared with an institution that is not open")
            return pair_name(self.institution.name, self.names[member_id])

        return KeyExchange(self.processor.outside.hsm, pair_with, wires)


class System:
    """One process's view of an installation."""

    def __init__(
        self, settings: Settings, database: Database, files_folder: Path, revive: Callable[[], object] | None = None
    ) -> None:
        """`revive` starts the database again where it is ours to start. Opens nothing yet."""
        self.settings = settings
        self.database = database
        self.files_folder = files_folder
        self.roles = roles(hook_of(settings))
        self._revive = revive

    def prepare(self) -> None:
        """Have the tables that all institutions share, the clock among them. Again changes nothing."""
        upgrade_public(self.database)

    def set_up(self, members: tuple[Institution, ...], opened_at: datetime) -> None:
        """Open these institutions, with their tables. Again changes nothing.

        Raises `BezantError` when a name or member id is taken by another, and before anything is changed when a login
        role exists whose password does not follow from the master key: renewing it would lock out the world that it
        belongs to, whose secrets are under the other key.
        """
        self.prepare()
        opened_before = {one.name for one in self.institutions()}
        for institution in members:
            self._claim(institution.login_role)
        for institution in members:
            parts = self.role_of(institution).parts
            try:
                open_institution(self.database, institution, opened_at)
            except ValueError as refused:
                raise BezantError(str(refused)) from None
            upgrade(self.database, institution, parts)
        self._provide_keys(members, opened_before)

    def upgrade(self, members: Sequence[Institution]) -> None:
        """Bring what all share, and the tables of these institutions, to what this program needs."""
        self.prepare()
        for institution in members:
            upgrade(self.database, institution, self.role_of(institution).parts)
        self._provide_keys(members, {one.name for one in members})

    def _provide_keys(self, members: Sequence[Institution], opened_before: Collection[str]) -> None:
        """The keys that these lack, with each other and with those that are open besides. The test world's are issued
        as they are needed.
        """
        if self.settings.of_test_world:
            return
        named = {one.name for one in members}
        others = [one for one in self.institutions() if one.name not in named and self._is_current(one)]
        hsms = {one.name: self.hsm(one) for one in (*members, *others)}
        provide_keys(hsms, (*members, *others), set(opened_before) & set(hsms))

    def _is_current(self, institution: Institution) -> bool:
        try:
            check(self.database, institution, self.role_of(institution).parts)
        except SchemaOutOfDate:
            return False
        return True

    def _claim(self, login_role: str) -> None:
        with self.database.owner().connect() as connection:
            url = connection.engine.url
            exists = connection.execute(
                text("select from pg_catalog.pg_roles where rolname = :role"), {"role": login_role}
            )
            if exists.one_or_none() is None:
                return
        login = url.set(username=login_role, password=self.database.role_password(login_role))
        tried = Database(login.render_as_string(hide_password=False), b"")
        try:
            tried.owner().connect().close()
        except DatabaseUnavailable:
            raise BezantError(
                f"The login role {login_role} exists on this server, and its password does not follow from this"
                " BEZANT_MASTER_KEY: set the key that its world was opened under, or use another server."
            ) from None
        finally:
            tried.dispose()

    def revive(self) -> None:
        """Have the embedded server running again if it crashed; a database of somebody else's is theirs to start.

        Raises `DatabaseUnavailable`. For one thread at a time.
        """
        if self._revive is not None:
            self._revive()

    def institutions(self) -> list[Institution]:
        """Those that are open, by name."""
        return list_institutions(self.database)

    def institution(self, name: str) -> Institution:
        """The one of that name, its tables checked. Raises `BezantError`."""
        for institution in self.institutions():
            if institution.name == name:
                check(self.database, institution, self.role_of(institution).parts)
                return institution
        raise BezantError(f"There is no institution {name!r}: `bezant institutions setup` opens those of the world.")

    def role_of(self, institution: Institution) -> Role:
        """Its role. Raises `BezantError` when nothing installed brings it."""
        role = self.roles.get(institution.role)
        if role is None:
            raise BezantError(f"No installed package brings the role {institution.role} of {institution.name}.")
        return role

    def hsm(self, institution: Institution) -> SoftwareHsm:
        """The institution's HSM: its key blocks, under the master key of the settings."""
        return SoftwareHsm(
            institution.name,
            self.settings.master_key_bytes(),
            KeyBlocks(self.database.institution(institution.name)),
            production=self.settings.profile == "production",
        )

    def files_of(self, institution: Institution) -> Files:
        """The institution's folders."""
        return Files(self.files_folder, institution.name)

    def seat(
        self,
        institution: Institution,
        *,
        clock: Clock,
        since: datetime | None = None,
        hand_over: HandOver | None = None,
        activity: Activity | None = None,
    ) -> Seat:
        """Seat an institution in this process.

        Jobs due before `since` are not caught up with (None: before the institution was opened).
        """
        role = self.role_of(institution)
        files = self.files_of(institution)
        institutions = self.institutions()
        outward = Outward(files, {one.member_id: self.files_of(one) for one in institutions})
        engine = self.database.institution(institution.name)
        hsm = self.hsm(institution)
        require_keys(hsm, institution, next((one for one in institutions if one.role == "network"), None))
        processor = Processor(
            institution=institution,
            stages=role.stages(institution, outward.reachable),
            engine=engine,
            hsm=hsm,
            clock=clock,
            network=outward,
            activity=activity,
            hand_over=hand_over,
        )
        scheduler = Scheduler(
            role.jobs(institution),
            engine=engine,
            outside=processor.outside,
            execute=processor.execute,
            files=files,
            since=read_opened_at(self.database, institution.name) if since is None else since,
        )
        names = {one.member_id: one.name for one in institutions}
        return Seat(institution, role, processor, scheduler, files, outward, names)


def role_secret(settings: Settings) -> bytes:
    """What the passwords of the institutions' login roles derive from."""
    return hmac.digest(settings.master_key_bytes(), b"bezant database roles", "sha256")


@contextmanager
def opened(
    settings: Settings, files_folder: Path | None = None, on_statement: Callable[[str], None] | None = None
) -> Iterator[System]:
    """The installation that the settings name: its database, embedded unless a URL is given."""
    if settings.database_url is not None:
        yield from _with(settings, settings.database_url.get_secret_value(), files_folder, on_statement)
        return
    server = EmbeddedServer(settings.data_folder / DATABASE_FOLDER)
    with server as url:
        yield from _with(settings, url, files_folder, on_statement, server.start)


def _with(
    settings: Settings,
    url: str,
    files_folder: Path | None,
    on_statement: Callable[[str], None] | None,
    revive: Callable[[], object] | None = None,
) -> Iterator[System]:
    database = Database(url, role_secret(settings), on_statement)
    try:
        yield System(settings, database, files_folder or settings.data_folder / "files", revive)
    finally:
        database.dispose()

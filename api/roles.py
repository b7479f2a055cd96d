"""The roles that an institution can have: tables, stages, jobs, proofs, and the end of the wire that it speaks
through.

Issuer and acquirer are ours. The network and the settlement bank belong to the world outside and come through entry
points of the group `bezant.roles`, so that nothing here imports the simulator.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import Connection

from api import plugins
from api.members import NETWORK_ID, SETTLEMENT_BANK_ID
from api.settings import Settings
from engine import acquirer, wallet
from engine.bookkeeping import bookkeeping_stage
from engine.database.institutions import Institution, InstitutionRole
from engine.database.schema import ENGINE, SchemaPart
from engine.ledger.audit import LEDGER_PROOFS, Figure, Proof
from engine.ports import Clock, Door, KeyUsage
from engine.runtime.jobs import Job
from engine.runtime.stage import Stage
from engine.vocabulary.decision import Message
from engine.vocabulary.errors import BezantError
from gateways.clearing.files import ClearingFiles
from gateways.endpoint import Endpoint
from gateways.iso8583.key_exchange import KeyExchange
from gateways.iso8583.tls import dialling_context, listening_context
from gateways.iso8583.wires import Wires
from gateways.member import MemberEnd
from gateways.pos import PosHost
from gateways.settlement_files import SettlementFiles
from issuer import bank
from issuer.authorization import hooks
from issuer.tables import metadata as issuer_metadata

__all__ = [
    "ISSUER",
    "NETWORK_ID",
    "ROLES",
    "SETTLEMENT_BANK_ID",
    "AcquirerHost",
    "Host",
    "IssuerHost",
    "MemberHost",
    "Place",
    "Reachable",
    "Role",
    "dialling_tls",
    "hook_of",
    "listening_tls",
    "roles",
]

log = structlog.get_logger(__name__)

ROLES = "bezant.roles"
"""Entry points of this group are `Role` objects."""

ISSUER = SchemaPart("issuer", issuer_metadata, Path(bank.__file__).parent / "migrations")


class Host(Protocol):
    """The end of an institution's wires in one process."""

    async def start(self) -> None:
        """Listen, dial. Raises `BezantError` when a port is busy."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...

    def send(self, message: Message) -> None:
        """Send a message once."""
        ...

    def reachable(self, member_id: str) -> bool:
        """Whether a message to this member would get through at present."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a host stands: its institution and door, the clock, the process's wires, the addresses in the settings, and
    the keys that may be exchanged over its links (None: none)."""

    institution: Institution
    door: Door
    clock: Clock
    wires: Wires
    settings: Settings
    keys: KeyExchange | None = None


Reachable = Callable[[str], bool]


def listening_tls(settings: Settings) -> ssl.SSLContext:
    """The TLS of our listeners. Raises `BezantError` for a file that is missing or of no use."""
    if settings.tls_certificate is None or settings.tls_key is None:
        raise BezantError("A listener that speaks TLS needs BEZANT_TLS_CERTIFICATE and BEZANT_TLS_KEY.")
    return listening_context(settings.tls_certificate, settings.tls_key, settings.tls_authority)


def dialling_tls(settings: Settings) -> ssl.SSLContext | None:
    """The TLS of who dials the network, None where it is plain. Raises `BezantError` as `listening_tls` does."""
    if not settings.network_tls:
        return None
    assert settings.tls_authority is not None, "the settings have seen to it"
    return dialling_context(settings.tls_authority, settings.tls_certificate, settings.tls_key)


def _idle(settings: Settings) -> timedelta | None:
    return timedelta(seconds=settings.pos_idle_seconds) if settings.pos_idle_seconds else None


@dataclass(frozen=True, slots=True)
class Role:
    """One role. `host` is None for an institution that speaks by files alone.

    `proofs` are what its book must prove by itself, `figures` what it shows to be compared with other books.
    """

    name: InstitutionRole
    parts: tuple[SchemaPart, ...]
    stages: Callable[[Institution, Reachable], tuple[Stage, ...]]
    jobs: Callable[[Institution], tuple[Job, ...]]
    proofs: tuple[Proof, ...]
    figures: Callable[[Institution, Connection], list[Figure]]
    host: Callable[[Place], Host] | None


class MemberHost:
    """A member of the network that speaks to nobody else: an issuing bank, or one more process of an acquirer."""

    def __init__(self, place: Place) -> None:
        self._end = MemberEnd(
            place.door,
            member_id=place.institution.member_id,
            host=place.settings.network_host,
            port=place.settings.network_port,
            clock=place.clock,
            wires=place.wires,
            network_id=NETWORK_ID,
            keys=place.keys,
            tls=dialling_tls(place.settings),
        )

    async def start(self) -> None:
        """Dial the network."""
        await self._end.start()

    async def close(self) -> None:
        """Hang up."""
        await self._end.close()

    def change_key(self, usage: KeyUsage, done: Callable[[], None], on_refusal: Callable[[str], None]) -> None:
        """Give the network a new key of a link: `done`, or `on_refusal` with the reason. Call on the event loop."""
        self._end.change_key(usage, done, on_refusal)

    def send(self, message: Message) -> None:
        """To the network, whoever it is for."""
        self._end.send(message)

    def reachable(self, member_id: str) -> bool:
        """Whether the network is."""
        return self._end.signed_on


class IssuerHost(MemberHost):
    """An issuing bank speaks to the network and, if it has one, asks the operator's endpoint."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        url = place.settings.authorization_endpoint
        self._endpoint = None if url is None else Endpoint(url)
        self._door = place.door

    async def close(self) -> None:
        """Hang up on both sides."""
        if self._endpoint is not None:
            self._endpoint.close()
        await super().close()

    def send(self, message: Message) -> None:
        """To the endpoint what is for it, to the network all else."""
        if message.to != hooks.ENDPOINT or self._endpoint is None:
            super().send(message)
            return
        asked: hooks.AskEndpoint = message.body
        question = {"authorization": str(asked.authorization_id), "facts": dict(asked.facts)}
        self._endpoint.ask(question, partial(self._heard, asked.authorization_id))

    def _heard(self, authorization_id: UUID, approves: bool) -> None:
        try:
            self._door.submit(hooks.EndpointAnswered(authorization_id=authorization_id, approves=approves))
        except BezantError as full:
            log.warning("the endpoint's answer is dropped", reason=str(full))


class AcquirerHost(MemberHost):
    """An acquirer speaks to the network and listens to terminals."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.pos = PosHost(
            place.door,
            acquirer_id=place.institution.member_id,
            host=place.settings.listen_host,
            port=place.settings.pos_port,
            clock=place.clock,
            wires=place.wires,
            idle=_idle(place.settings),
            setting="BEZANT_POS_PORT",
        )
        self.more = tuple(
            PosHost(
                place.door,
                acquirer_id=place.institution.member_id,
                host=place.settings.listen_host,
                port=one.port,
                clock=place.clock,
                wires=place.wires,
                specification=one.specification,
                framing=one.framing,
                idle=_idle(place.settings),
                tls=listening_tls(place.settings) if one.has_tls else None,
                setting="BEZANT_POS_LISTENERS",
            )
            for one in place.settings.places
        )

    async def start(self) -> None:
        """Listen, then dial."""
        for pos in (self.pos, *self.more):
            await pos.start()
        await super().start()

    async def close(self) -> None:
        """Hang up on both sides."""
        for pos in (self.pos, *self.more):
            await pos.close()
        await super().close()


def _issuer_stages(hook: hooks.Hook | None, institution: Institution, reachable: Reachable) -> tuple[Stage, ...]:
    return (
        *bank.issuer_stages(institution, hook=hook),
        *wallet.wallet_stages(institution),
        bookkeeping_stage(institution),
    )


def _issuer_jobs(institution: Institution) -> tuple[Job, ...]:
    jobs = bank.issuer_jobs(NETWORK_ID, SETTLEMENT_BANK_ID, ClearingFiles(), SettlementFiles())
    return (*jobs, *wallet.wallet_jobs(institution))


def _acquirer_stages(institution: Institution, reachable: Reachable) -> tuple[Stage, ...]:
    return (*acquirer.acquirer_stages(institution, NETWORK_ID), bookkeeping_stage(institution))


def _acquirer_jobs(institution: Institution) -> tuple[Job, ...]:
    return acquirer.acquirer_jobs(institution, NETWORK_ID, SETTLEMENT_BANK_ID, ClearingFiles(), SettlementFiles())


def hook_of(settings: Settings) -> hooks.Hook | None:
    """The operator's endpoint that the settings name, if they name one."""
    if settings.authorization_endpoint is None:
        return None
    return hooks.Hook(
        settings.authorization_endpoint,
        approves_when_silent=settings.authorization_endpoint_silent == "approve",
    )


def roles(hook: hooks.Hook | None = None) -> dict[str, Role]:
    """Every role of this installation by name. `hook` is the endpoint that issuers ask about what they approve."""
    ours = (
        Role(
            "issuer",
            (ENGINE, ISSUER),
            partial(_issuer_stages, hook),
            _issuer_jobs,
            (*LEDGER_PROOFS, *bank.ISSUER_PROOFS, *wallet.WALLET_PROOFS),
            lambda _institution, connection: bank.issuer_figures(connection),
            IssuerHost,
        ),
        Role(
            "acquirer",
            (ENGINE,),
            _acquirer_stages,
            _acquirer_jobs,
            (*LEDGER_PROOFS, *acquirer.ACQUIRER_PROOFS),
            lambda _institution, connection: acquirer.acquirer_figures(connection),
            AcquirerHost,
        ),
    )
    return {role.name: role for role in (*ours, *plugins.load(ROLES, Role))}

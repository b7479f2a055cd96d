"""Links between a member and the network by TLS, as configuration says."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from api.health import echo_trouble
from api.roles import MemberHost, Place, dialling_tls, listening_tls
from api.settings import Settings
from engine.database.institutions import Institution
from engine.vocabulary.errors import BezantError
from gateways.iso8583.links import Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.session import NetworkSession, Roster
from gateways.iso8583.specifications import SIMNET
from tests.gateways.doors import HandDoor
from tests.gateways.iso8583.certificates import Authority, Files
from tests.gateways.iso8583.world import World, play

BANK = Institution.named("bank", "100001", "issuer", "UTC")


def settings_of(folder: Path, authority: Authority, shown: Files | None, port: int) -> Settings:
    return Settings(
        data_folder=folder,
        network_port=port,
        network_tls=True,
        tls_authority=authority.certificate,
        tls_certificate=shown and shown.certificate,
        tls_key=shown and shown.key,
    )


async def network_of(world: World, settings: Settings) -> Listener:
    roster = Roster(lambda member_id: member_id == BANK.member_id)

    def met(link: Link) -> NetworkSession:
        return NetworkSession(
            link, SIMNET, lambda session, fields: None, clock=world.clock, wires=world.wires, roster=roster
        )

    listener = Listener(
        "127.0.0.1",
        settings.network_port,
        met,
        clock=world.clock,
        wires=world.wires,
        tls=listening_tls(settings),
    )
    await listener.start()
    return listener


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_member_with_a_certificate_of_the_authority_signs_on_and_health_asks_as_it_does(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    settings = settings_of(tmp_path, authority, authority.vouch("ours"), free_port())

    async def story(world: World) -> None:
        network = await network_of(world, settings)
        member = MemberHost(Place(BANK, HandDoor(), world.clock, world.wires, settings))
        await member.start()
        while not member.reachable(BANK.member_id):
            await asyncio.sleep(0.001)
        (link,) = network.links
        assert link.counters.frames_in == 1
        assert await echo_trouble("127.0.0.1", settings.network_port, SIMNET, dialling_tls(settings)) is None
        plain = await echo_trouble("127.0.0.1", settings.network_port, SIMNET)
        assert plain is not None and "hung up" in plain
        await member.close()
        await network.close()

    assert play(story) == []


@pytest.mark.parametrize("shows", ["another authority's certificate", "none"])
def test_a_member_that_the_authority_does_not_vouch_for_never_signs_on(shows: str, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    settings = settings_of(tmp_path, authority, authority.vouch("ours"), free_port())
    wrong = settings_of(
        tmp_path, authority, None if shows == "none" else stranger.vouch("theirs"), settings.network_port
    )

    async def story(world: World) -> None:
        network = await network_of(world, settings)
        found = await echo_trouble("127.0.0.1", settings.network_port, SIMNET, dialling_tls(wrong))
        assert found is not None and "\n" not in found
        assert not network.links
        await network.close()

    assert play(story) == []


def test_a_certificate_that_is_missing_is_one_sentence_that_names_the_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    missing = Files(tmp_path / "gone.pem", tmp_path / "gone.key")
    with pytest.raises(BezantError, match=r"^Cannot use the certificate [^\n]*gone.pem with the key [^\n]*\.$"):
        listening_tls(settings_of(tmp_path, authority, missing, 8600))
    with pytest.raises(BezantError, match=r"^A listener that speaks TLS needs BEZANT_TLS_CERTIFICATE"):
        listening_tls(settings_of(tmp_path, authority, None, 8600))

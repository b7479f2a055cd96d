"""Terminals of other makers: each profile is driven over a real socket by a peer built on pyiso8583, with rows written
down here and not taken from ours."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import iso8583
import pytest

from api.roles import AcquirerHost, Place
from api.settings import Settings
from engine.database.institutions import Institution
from engine.vocabulary.errors import BezantError
from engine.vocabulary.messages import AuthorizationRequest
from gateways.iso8583.framing import framing_named
from gateways.iso8583.profiles import places_of
from gateways.iso8583.specifications import PROFILES
from gateways.iso8583.tls import dialling_context
from tests.gateways.doors import HandDoor
from tests.gateways.iso8583.certificates import Authority
from tests.gateways.iso8583.samples import CARD
from tests.gateways.iso8583.world import World, play

ACQUIRER = Institution("acquirer", "400001", "acquirer", "i_acquirer", "bezant_acquirer", "UTC")
DIGITS = {"3": 6, "4": 12, "7": 10, "11": 6, "12": 6, "13": 4, "14": 4, "18": 4, "22": 3, "25": 2}
TEXTS = {"37": 12, "38": 6, "39": 2, "41": 8, "42": 15, "43": 40, "49": 3}
VARYING = {"2": (2, 19), "32": (2, 11), "35": (2, 37), "54": (3, 120), "63": (3, 999)}
TYPED = {
    "t": "0100",
    "2": CARD,
    "3": "000000",
    "4": "000000010000",
    "7": "0302093000",
    "11": "000123",
    "12": "093000",
    "13": "0302",
    "14": "2912",
    "18": "5812",
    "22": "010",
    "25": "00",
    "37": "606109000123",
    "41": "TERM0001",
    "42": "MERCHANT0000001",
    "43": f"{'Corner Cafe':25}{'Springfield':13}US",
    "49": "840",
}
"""A card number typed in at a counter."""


def rows_of_a_peer(profile: str, *, tpdu: bool = False) -> dict[str, dict[str, Any]]:
    """The rows of a terminal that speaks a profile, as its maker would write them for pyiso8583."""
    charset = "cp500" if profile == "ebcdic" else "ascii"
    packed = profile == "bcd"
    bitmap = ("ascii", 16) if profile == "ascii-hex" else ("b", 8)
    lengths = "bcd" if packed else charset

    def row(encoding: str, size: int, width: int = 0, **more: Any) -> dict[str, Any]:
        return {"data_enc": encoding, "len_enc": lengths, "len_type": width, "max_len": size, "desc": "", **more}

    rows = {
        "h": row("b", 5 if tpdu else 0),
        "t": row("b" if packed else charset, 2 if packed else 4),
        "p": row(*bitmap),
        "1": row(*bitmap),
    }
    nibbles: dict[str, Any] = {"len_count": "nibbles", "left_pad": "0"} if packed else {}
    digits = "b" if packed else charset
    rows |= {key: row(digits, size, **nibbles) for key, size in DIGITS.items()}
    rows |= {key: row(charset, size) for key, size in TEXTS.items()}
    for key, (width, size) in VARYING.items():
        number = key in {"2", "32"}
        rows[key] = row(
            digits if number else charset, size, (width + 1) // 2 if packed else width, **(nibbles if number else {})
        )
    return rows


def free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


async def ask(port: int, frame: bytes, framing: str = "2b", tls: ssl.SSLContext | None = None) -> Peer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(framing_named(framing).framed(frame))
    return Peer(reader, writer, 4 if framing.startswith("4") else 2)


class Peer:
    """The terminal's end of a line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, width: int) -> None:
        self._reader, self._writer, self._width = reader, writer, width

    async def hear(self) -> bytes:
        length = await self._reader.readexactly(self._width)
        return await self._reader.readexactly(int.from_bytes(length, "big"))

    def drop(self) -> None:
        self._writer.transport.abort()

    async def hang_up(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def host_of(world: World, door: HandDoor, settings: Settings) -> AcquirerHost:
    host = AcquirerHost(Place(ACQUIRER, door, world.clock, world.wires, settings))
    await host.start()
    return host


async def heard_by(door: HandDoor, count: int) -> None:
    while len(door.requests) < count:
        await asyncio.sleep(0.001)


def settings_of(folder: Path, listeners: str, **more: Any) -> Settings:
    pos_port, network_port = free_ports(2)
    return Settings(data_folder=folder, pos_port=pos_port, network_port=network_port, pos_listeners=listeners, **more)


def test_all_profiles_are_served_by_one_host_to_peers_on_pyiso8583(tmp_path: Path) -> None:
    ports = dict(zip(PROFILES, free_ports(len(PROFILES)), strict=True))
    listeners = ", ".join(f"{profile}:{port}" for profile, port in ports.items())

    async def story(world: World) -> None:
        door = HandDoor()
        host = await host_of(world, door, settings_of(tmp_path, listeners))
        for number, (profile, port) in enumerate(ports.items()):
            rows = rows_of_a_peer(profile)
            peer = await ask(port, bytes(iso8583.encode(dict(TYPED), rows)[0]))
            await heard_by(door, number + 1)
            request = door.requests[number]
            assert isinstance(request, AuthorizationRequest)
            assert (request.pan.clear, request.amount.amount_minor, request.stan) == (CARD, 10_000, "000123")
            door.answer(number, "00", approval_code="A1B2C3")
            reply = iso8583.decode(await peer.hear(), rows)[0]
            assert {key: reply[key] for key in ("t", "39", "38", "3", "4", "7", "11", "41")} == {
                **{key: TYPED[key] for key in ("3", "4", "7", "11", "41")}, "t": "0110", "39": "00", "38": "A1B2C3"
            }  # fmt: skip
            await peer.hang_up()
        await host.close()

    assert play(story) == []


@pytest.mark.parametrize("profile", PROFILES)
def test_a_terminal_behind_a_concentrator_gets_its_answer_with_the_addresses_changed(
    profile: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)

    async def story(world: World) -> None:
        door = HandDoor()
        host = await host_of(world, door, settings_of(tmp_path, f"{profile}:{port}:tpdu:4b"))
        rows = rows_of_a_peer(profile, tpdu=True)
        for header, malformed in (("6000120034", False), ("6000560078", True)):
            frame = bytes(iso8583.encode({**TYPED, "h": header}, rows)[0])
            peer = await ask(port, frame + b"?" if malformed else frame, "4b")
            if not malformed:
                await heard_by(door, 1)
                door.answer(0, "51")
            reply = iso8583.decode(await peer.hear(), rows)[0]
            assert reply["h"] == header[:2] + header[6:] + header[2:6]
            assert (reply["t"], reply["39"]) == ("0110", "30" if malformed else "51")
            await peer.hang_up()
        await host.close()

    assert play(story) == []


def test_a_listener_with_tls_takes_terminals_that_its_authority_vouches_for_and_no_others(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    of_host, shown, wrong = authority.vouch("host"), authority.vouch("terminal"), stranger.vouch("stranger")
    (port,) = free_ports(1)

    async def story(world: World) -> None:
        door = HandDoor()
        settings = settings_of(
            tmp_path,
            f"bcd:{port}:tls",
            tls_certificate=of_host.certificate,
            tls_key=of_host.key,
            tls_authority=authority.certificate,
        )
        host = await host_of(world, door, settings)
        rows = rows_of_a_peer("bcd")
        frame = bytes(iso8583.encode(dict(TYPED), rows)[0])
        peer = await ask(port, frame, tls=dialling_context(authority.certificate, shown.certificate, shown.key))
        await heard_by(door, 1)
        door.answer(0, "00", approval_code="A1B2C3")
        assert iso8583.decode(await peer.hear(), rows)[0]["39"] == "00"
        await peer.hang_up()
        for context in (
            dialling_context(authority.certificate, wrong.certificate, wrong.key),
            dialling_context(authority.certificate),
        ):
            with pytest.raises((ssl.SSLError, OSError, asyncio.IncompleteReadError)):
                refused = await ask(port, frame, tls=context)
                try:
                    await refused.hear()
                finally:
                    refused.drop()
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(port, frame, tls=dialling_context(stranger.certificate, shown.certificate, shown.key))
        assert len(door.requests) == 1
        await host.close()

    assert play(story) == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("hex:8584", "there is no profile 'hex'; there are: ascii-hex, ascii-binary, bcd, ebcdic"),
        ("bcd", "'bcd' has no port of 1 to 65535: it is written bcd:PORT"),
        ("bcd:70000", "'bcd:70000' has no port of 1 to 65535: it is written bcd:PORT"),
        ("bcd:8584:8b", "'bcd:8584:8b' may say one of 2b, 2b-inclusive"),
        ("bcd:8584:2b:4b", "'bcd:8584:2b:4b' may say one of 2b, 2b-inclusive"),
        ("bcd:8584, ebcdic:8584", "two listeners have one port"),
    ],
)
def test_a_listener_that_cannot_be_is_said_in_one_sentence(written: str, said: str) -> None:
    with pytest.raises(BezantError, match=r"^[^\n]*$") as wrong:
        places_of(written)
    assert str(wrong.value).startswith(said)


def test_a_place_says_all_that_a_listener_needs() -> None:
    (plain, full) = places_of("ascii-binary:8584 , ebcdic:8585:tls:4a-inclusive:tpdu")
    assert (plain.framing.name, plain.has_tpdu, plain.has_tls) == ("2b", False, False)
    assert (full.framing.name, full.has_tpdu, full.has_tls) == ("4a-inclusive", True, True)
    assert plain.specification["h"]["max_len"] == 0
    assert full.specification["h"]["max_len"] == 5

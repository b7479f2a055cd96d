"""A new key between the two ends of a link, over real sockets and with two HSMs: under load, refused, sent again."""

from __future__ import annotations

import asyncio

import pytest

from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY
from engine.ports import KeyUsage, pair_name
from gateways.iso8583.codec import Fields, encode
from gateways.iso8583.dialling import dial
from gateways.iso8583.key_exchange import KeyExchange
from gateways.iso8583.links import Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.messages import to_fields
from gateways.iso8583.session import MemberSession, NetworkSession, Roster, Session
from gateways.iso8583.specifications import SIMNET
from tests.gateways.iso8583.samples import MESSAGES
from tests.gateways.iso8583.test_session import MANAGEMENT, Peer
from tests.gateways.iso8583.world import World, play

PAIR = pair_name("bank", "simnet")
REQUEST = {key: value for key, value in to_fields(MESSAGES["0100"]).items() if key not in ("64", "128")}


class Pair:
    """A bank and the network, each with its HSM, one link between them, MACs on all that is no network management."""

    def __init__(self, world: World, banks_master_key: bytes = TEST_MASTER_KEY) -> None:
        self.world = world
        self.hsms = {"bank": SoftwareHsm("bank", banks_master_key), "simnet": SoftwareHsm("simnet", TEST_MASTER_KEY)}
        self.verdicts: dict[str, list[bool]] = {"bank": [], "simnet": []}
        self.settlement_dates: list[str] = []
        self.at_network: NetworkSession
        self.at_bank: MemberSession
        self.listener: Listener

    async def start(self) -> Pair:
        self.listener = await self.world.listen(self._took)
        await dial(*self.listener.address, self._met, clock=self.world.clock, wires=self.world.wires)
        await self.world.idle()
        assert self.at_bank.signed_on
        return self

    def keys_of(self, name: str) -> KeyExchange:
        return KeyExchange(self.hsms[name], lambda member_id: PAIR, self.world.wires)

    def say(self, name: str, session: Session, number: int) -> None:
        fields: Fields = REQUEST | {"11": f"{number:06d}"}
        (mac,) = self.hsms[name].mac(PAIR, [encode(fields, SIMNET)])
        assert session.send(fields | {"64": mac.hex().upper()})

    def versions(self, name: str, usage: KeyUsage) -> list[int]:
        return self.hsms[name].key_versions(usage, PAIR)

    async def close(self) -> None:
        await self.listener.close()
        await self.world.idle()

    def _took(self, link: Link) -> NetworkSession:
        self.at_network = NetworkSession(
            link,
            SIMNET,
            lambda _, fields: self._heard("simnet", fields),
            clock=self.world.clock,
            wires=self.world.wires,
            roster=Roster(lambda member_id: True),
            keys=self.keys_of("simnet"),
        )
        return self.at_network

    def _met(self, link: Link) -> MemberSession:
        self.at_bank = MemberSession(
            link,
            SIMNET,
            lambda _, fields: self._heard("bank", fields),
            clock=self.world.clock,
            wires=self.world.wires,
            member_id="400001",
            keys=self.keys_of("bank"),
            on_cutover=self.settlement_dates.append,
        )
        return self.at_bank

    def _heard(self, name: str, fields: Fields) -> None:
        mac = bytes.fromhex(fields.pop("64"))
        self.verdicts[name] += self.hsms[name].verify_mac(PAIR, [(encode(fields, SIMNET), mac)])


def test_a_key_exchange_under_load_refuses_no_message() -> None:
    async def story(world: World) -> None:
        pair = await Pair(world).start()
        changed: list[int] = []
        number = 0
        for turn in range(3):
            # Either side may give the new key; messages are on their way in both directions all the time.
            proposer: Session = pair.at_bank if turn == 1 else pair.at_network
            proposer.change_key(KeyUsage.MAC, lambda: changed.append(1))
            while len(changed) <= turn:
                for _ in range(20):
                    number += 1
                    pair.say("bank", pair.at_bank, number)
                    pair.say("simnet", pair.at_network, number)
                await pair.at_bank.link.drained()
                await asyncio.sleep(0)
        await world.idle()
        assert pair.versions("bank", KeyUsage.MAC) == pair.versions("simnet", KeyUsage.MAC) == [4, 3]
        assert number >= 60
        assert pair.verdicts == {"bank": [True] * number, "simnet": [True] * number}
        await pair.close()

    assert play(story) == []


@pytest.mark.parametrize("usage", [KeyUsage.PIN_ZONE, KeyUsage.MAC])
def test_both_ends_make_with_the_new_key_and_open_with_the_old(usage: KeyUsage) -> None:
    async def story(world: World) -> None:
        pair = await Pair(world).start()
        pair.at_network.change_key(usage)
        await world.idle()
        assert pair.versions("bank", usage) == pair.versions("simnet", usage) == [2, 1]
        await pair.close()

    assert play(story) == []


def test_a_key_that_the_other_side_cannot_open_is_refused_and_the_old_one_stays() -> None:
    async def story(world: World) -> None:
        pair = await Pair(world, bytes(range(32))).start()
        done: list[int] = []
        pair.at_network.change_key(KeyUsage.MAC, lambda: done.append(1))
        await world.idle()
        assert done == []
        assert pair.versions("simnet", KeyUsage.MAC)[0] == 1
        assert pair.at_bank.signed_on and pair.at_network.signed_on
        await pair.close()

    assert play(story) == []


def test_a_key_whose_check_value_is_another_is_refused() -> None:
    async def story(world: World) -> None:
        pair = await Pair(world).start()
        made = pair.hsms["simnet"].make_zone_key(PAIR, KeyUsage.MAC)
        replies: list[str] = []
        right, broken = made.check_value[:6] + made.key_block, made.key_block[:-1] + "?"
        for said in ("", "000000" + made.key_block, made.check_value[:6] + broken, right, right):
            request: Fields = {"70": "102"} | ({"48": said} if said else {})
            pair.at_network._request(
                "102",
                lambda reply: replies.append(reply["48"]),
                extra=request,
                on_refusal=lambda reply: replies.append(reply["39"]),
            )
            await world.idle()
        # The same key again changes nothing: its first reply may have been lost.
        assert replies == ["12", "12", "12", made.check_value[:6], made.check_value[:6]]
        assert pair.versions("bank", KeyUsage.MAC) == [2, 1]
        await pair.close()

    assert play(story) == []


def test_who_answers_with_another_check_value_is_hung_up_on_and_the_old_key_stays() -> None:
    async def story(world: World) -> None:
        pair = await Pair(world).start()
        listener = await world.listen(pair._took)
        peer = Peer(*await asyncio.open_connection(*listener.address))
        assert (await peer.ask(MANAGEMENT | {"70": "001"}))["39"] == "00"
        pair.at_network.change_key(KeyUsage.MAC)
        asked = await peer.read()
        assert (asked["t"], asked["70"]) == ("0800", "102")
        peer.write(encode({"t": "0810", "7": asked["7"], "11": asked["11"], "39": "00", "48": "FFFFFF"}, SIMNET))
        assert await peer.reader.read() == b""
        assert pair.versions("simnet", KeyUsage.MAC)[0] == 1
        peer.writer.close()
        await listener.close()
        await pair.close()

    assert play(story) == []


def test_no_key_and_no_cutover_before_sign_on() -> None:
    async def story(world: World) -> None:
        pair = await Pair(world).start()
        listener = await world.listen(pair._took)
        peer = Peer(*await asyncio.open_connection(*listener.address))
        for code in ("101", "102", "201"):
            assert (await peer.ask(MANAGEMENT | {"70": code, "48": "0", "15": "0303"}))["39"] == "12"
        peer.writer.close()
        await listener.close()
        await pair.close()

    assert play(story) == []


def test_a_cutover_tells_the_member_the_settlement_date_that_begins() -> None:
    async def story(world: World) -> None:
        pair = await Pair(world).start()
        pair.at_network.cut_over("0303")
        await world.idle()
        assert pair.settlement_dates == ["0303"]
        assert pair.at_network.signed_on
        await pair.close()

    assert play(story) == []
